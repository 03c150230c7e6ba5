// Whoever was erased after a backup was taken is erased again when it is restored.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sql } from 'kysely';
import { addressOf, emptyPostgres, testFolder } from '../../../test/support/database-places.ts';
import { eachDatabase } from '../../../test/support/databases.ts';
import { openBench, SUBJECT } from '../../domains/governance/fixtures/bench.ts';
import { governanceJobs } from '../../domains/governance/jobs.ts';
import { openFolderStore } from '../../kernel/blobs/folder-store.ts';
import { wallClock } from '../../kernel/clock.ts';
import { readSettings } from '../../kernel/config/settings.ts';
import { isProblem } from '../../kernel/errors.ts';
import { silentLog } from '../../kernel/log.ts';
import { openPlatform } from '../platform.ts';
import { makeBackup } from './archive/backup.ts';
import { restoreBackup } from './archive/restore.ts';
import { locate } from './database/snapshot.ts';
import { eraseAgain, exportErasures, readErasures } from './erasures.ts';

const bytesWith = (folder: string, text: string): string[] =>
  readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && !e.name.endsWith('.one.tmp'))
    .map((e) => join(e.parentPath, e.name))
    .filter((path) => readFileSync(path).includes(text));

eachDatabase('who was erased after the backup is erased again after the restore, from the list of those erased', async (t, kind) => {
  const bench = await openBench(t, kind);
  await bench.fill();
  const { database, blobs, settings } = bench.platform;
  const at = locate(await addressOf(database));
  const file = join(testFolder(t), 'before.tar.zst');
  await makeBackup({ dir: bench.folder, at, database, clock: wallClock, blobs }, { file });
  await bench.erase(`aircraft=${SUBJECT}`);
  const list = readErasures(JSON.stringify(await exportErasures(settings, at)), 'erasures.json');
  assert.equal(list.subjects.length, 1);
  assert.ok(!JSON.stringify(list).includes(SUBJECT));

  const dir = join(testFolder(t), 'new');
  const databaseUrl = kind === 'postgres' ? await emptyPostgres(t) : '';
  const openBlobs = (folder: string) => openFolderStore({ dir: folder, durability: 'process' });
  await restoreBackup({ file, dir, openBlobs, ...(databaseUrl ? { databaseUrl } : {}) });
  assert.notDeepEqual(bytesWith(join(dir, 'cas'), SUBJECT), []);
  const own = readSettings({ GYRE_DIR: dir, GYRE_DATABASE_URL: databaseUrl, GYRE_DURABILITY: 'process' });
  const [again] = await eraseAgain(own, list);
  assert.equal(again!.failed, false);
  assert.match(again!.what, /erased again as soon as the server runs/);

  const running = await openPlatform({ settings: own, log: silentLog, compose: () => ({ jobs: governanceJobs, subscribers: [] }) });
  const state = async () =>
    (
      await sql<{ state: string; error: string | null }>`select state, error from erasures where dry_run = 0`.execute(
        running.platform.database.reader,
      )
    ).rows;
  try {
    await running.worker.drain();
    assert.deepEqual(await state(), [{ state: 'completed', error: null }]);
    assert.deepEqual(bytesWith(join(dir, 'cas'), SUBJECT), []);
    assert.deepEqual(bytesWith(join(dir, 'paths'), SUBJECT), []);
    assert.deepEqual(bytesWith(join(dir, 'serving'), SUBJECT), []);
  } finally {
    await running.close();
  }
  // A second time there is nothing to do.
  assert.match((await eraseAgain(own, list))[0]!.what, /before the backup/);
  const other = await eraseAgain(own, { ...list, key: '0'.repeat(32) });
  assert.deepEqual([other.length, other[0]!.failed], [1, true]);
});

test('a file that is no list of erasures is refused', () => {
  for (const text of ['', '{}', '{"format":1,"subjects":[{"hmac":"x"}]}'])
    assert.throws(
      () => readErasures(text, 'x'),
      (e) => isProblem(e, 'archive-unusable'),
    );
});
