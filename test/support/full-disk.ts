// What happens on a full disk, told as JSON lines on standard output: started by a test in a folder with
// little room (a small file system, or a limit on the size of files).
import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { sql } from 'kysely';
import { openFolderStore } from '../../src/kernel/blobs/folder-store.ts';
import { openSqlite } from '../../src/kernel/db/sqlite.ts';
import { isDiskFull, isProblem } from '../../src/kernel/errors.ts';

const MB = 1024 * 1024;
const [dir = '', mode = ''] = process.argv.slice(2);
const say = (step: string, outcome: unknown): void => console.log(JSON.stringify({ step, outcome }));
const codeOf = (error: unknown): string => (isProblem(error) ? error.code : isDiskFull(error) ? 'disk-full' : String(error));
const attempt = (work: Promise<unknown>): Promise<string> => work.then(() => 'stored', codeOf);
const files = (folder: string): number => readdirSync(folder, { recursive: true, withFileTypes: true }).filter((e) => e.isFile()).length;

const store = await openFolderStore({ dir, durability: 'power' });
const put = async (...sources: (Buffer | Readable)[]): Promise<unknown> => {
  const batch = await store.begin();
  for (const source of sources) await batch.add(source);
  const entries = await batch.commit();
  for (const entry of entries) if (!(await store.verify(entry))) throw new Error('stored, but not as it was');
  return entries;
};
const chunks = (count: number): Readable => Readable.from(Array.from({ length: count }, () => randomBytes(MB / 4)));

say('large', await attempt(put(chunks(40))));
say('small', await attempt(put(...Array.from({ length: 20 }, () => randomBytes(MB / 2)))));
// The last write gets half of what it asked for and no error.
const halves = (mode === 'limit' ? 3 : 6) * 2;
say('short', await attempt(put(...Array.from({ length: halves - 1 }, () => randomBytes(MB / 2)), randomBytes(MB - 1))));
say('path', await attempt(store.paths.write('1/run/artifacts/model', chunks(40))));
say('files left', files(join(dir, 'cas')) + files(join(dir, 'paths')));
say('in room', await attempt(put(randomBytes(MB), Buffer.from('small'))));
say('path in room', await attempt(store.paths.write('1/run/artifacts/model', chunks(1))));

if (mode === 'file-system') {
  const database = openSqlite(join(dir, 'gyre.db'));
  await database.tx(async (db) => void (await sql`create table words (word text)`.execute(db)));
  mkdirSync(join(dir, 'filler'));
  const write = (bytes: number) =>
    database.tx(async (db) => void (await sql`insert into words values (${randomBytes(bytes / 2).toString('hex')})`.execute(db)));
  for (let i = 0; i < 20; i++) {
    try {
      writeFileSync(join(dir, 'filler', String(i)), randomBytes(MB / 4));
    } catch {
      break;
    }
  }
  const outcomes = new Set<string>();
  let stored = 0;
  for (let i = 0; i < 40; i++) {
    const outcome = await attempt(write(MB / 4));
    outcomes.add(outcome);
    if (outcome === 'stored') stored += 1;
  }
  say(
    'database',
    [...outcomes].filter((o) => o !== 'stored'),
  );
  rmSync(join(dir, 'filler'), { recursive: true });
  say('database in room', await attempt(write(1000)));
  const { rows } = await sql<{ n: number }>`select count(*) as n from words`.execute(database.reader);
  say('rows', rows[0]!.n - stored);
  await database.close();
}
