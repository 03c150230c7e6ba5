// Files that "gyre import" is given by somebody who means harm: refused before anything is sent, with the place and what is
// wrong there, and nothing of this machine goes along.
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { SCHEMA, toText } from '../../src/app/transfer/archive/layout.ts';
import { openExport } from '../../src/app/transfer/archive/export-source.ts';
import { isProblem } from '../../src/kernel/errors.ts';
import { gyre } from '../cli/gyre.ts';
import { testFolder } from '../support/database-places.ts';
import { eachDatabase } from '../support/databases.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { craft, type Crafted } from './crafted.ts';

const RUN = 'a'.repeat(32);
const experiment = {
  ...{ id: '7', name: 'seven', lifecycle: 'active', createdMs: 1, updatedMs: 1, tags: [], artifactLocation: 'mlflow-artifacts:/7' },
};
const about = (more: object = {}) => ({
  export: 1,
  identity: `gyre:${'0'.repeat(32)}`,
  place: 'http://elsewhere',
  experiments: [experiment],
  counts: { runs: 1, loggedModels: 0, models: 0, files: 0 },
  ...more,
});
const run = (more: object = {}) => ({
  ...{ id: RUN, experimentId: '7', name: 'r', userId: 'u', status: 'FINISHED', startMs: 1, endMs: 2, lifecycle: 'active', deletedMs: null },
  ...{ artifactUri: `mlflow-artifacts:/7/${RUN}/artifacts`, params: [], tags: [], inputs: [], models: [] },
  ...more,
});
const entry = (name: string, what: unknown): Crafted => ({
  name: `paths/${name}`,
  body: Buffer.from(typeof what === 'string' ? what : toText(what)),
});
const whole = (more: readonly Crafted[] = [], aboutMore: object = {}): Crafted[] => [
  entry('about.json', about(aboutMore)),
  entry(`runs/7/${RUN}.json`, run()),
  ...more,
];
const head = { schema: SCHEMA };

/** What there is on the server, in counts. */
async function countsOf({ url }: TestServer): Promise<string> {
  const post = async (path: string, body: object) =>
    (await (
      await fetch(`${url}/api/2.0/mlflow/${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    ).json()) as Record<string, unknown[]>;
  const found = await post('experiments/search', { max_results: 100, view_type: 'ALL' });
  const imports = (await (await fetch(`${url}/api/gyre/v1/imports`)).json()) as { items: unknown[] };
  return `${found.experiments?.length} experiments, ${imports.items.length} imports`;
}

const laidOut = (): string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('gyre-import-'));

async function refused(server: TestServer, file: string, says: RegExp, name: string): Promise<void> {
  const before = laidOut();
  const ran = await gyre('import', file, '--url', server.url);
  assert.equal(ran.code === 0 || ran.code === null, false, `${name} was taken: ${ran.out}`);
  assert.match(ran.err, says, `${name}: ${ran.err}`);
  assert.doesNotMatch(ran.err, /\n\s+at |Unexpected|TypeError|undefined/, `${name} is said in words`);
  assert.deepEqual(
    laidOut().filter((folder) => !before.includes(folder)),
    [],
    `${name} left a folder`,
  );
  assert.equal(await countsOf(server), '1 experiments, 0 imports', name);
}

eachDatabase('a file of exports that somebody made is taken as a whole or not at all, and says where it is wrong', async (t, kind) => {
  const server = await startServer(t, kind);
  const bad: Readonly<Record<string, [readonly Crafted[], RegExp]>> = {
    'no about': [[entry(`runs/7/${RUN}.json`, run())], /no paths\/about\.json/],
    'an about that is no JSON': [[entry('about.json', '{')], /about\.json is no JSON/],
    'an about of null': [[entry('about.json', 'null')], /has not the format 1/],
    'another format': [whole([], { export: 2 }), /has not the format 1/],
    'records of another kind of installation': [whole([], { identity: 'mlflow:one' }), /does not name an installation of Gyre/],
    'no experiments': [whole([], { experiments: {} }), /names no experiments/],
    'an experiment twice': [whole([], { experiments: [experiment, experiment] }), /names an experiment twice/],
    'an experiment whose id climbs': [
      whole([], { experiments: [{ ...experiment, id: '../../../../../etc' }] }),
      /an id that no export has/,
    ],
    'an experiment that is none': [
      whole([], { experiments: [{ ...experiment, tags: 'x' }] }),
      /experiment 0 is no experiment: \/tags must be array/,
    ],
    'a run that is no JSON': [whole([entry('runs/7/b.json', 'x')]), /runs\/7\/b\.json is no JSON/],
    'a run of an array': [whole([entry('runs/7/b.json', '[]')]), /runs\/7\/b\.json is no run/],
    'a run without params': [
      whole([entry('runs/7/b.json', { ...run({ id: 'b' }), params: null })]),
      /b\.json is no run: \/params must be array/,
    ],
    'a run with what nobody knows': [
      whole([entry('runs/7/b.json', { ...run({ id: 'b' }), admin: true })]),
      /b\.json is no run: \/admin is not a member/,
    ],
    'a run by way of a prototype': [whole([entry('runs/7/b.json', '{"__proto__":{"id":"b"}}')]), /b\.json is no run/],
    'a run whose id climbs': [whole([entry('runs/7/b.json', run({ id: '../../../../../../etc' }))]), /an id that no export has/],
    'a run of another id': [whole([entry('runs/7/b.json', run({ id: 'c' }))]), /another id than its name says/],
    'a run of another experiment': [
      whole([entry('runs/7/b.json', run({ id: 'b', experimentId: '8' }))]),
      /another experiment than its folder says/,
    ],
    'a run of an experiment that is not named': [
      whole([entry('runs/8/b.json', run({ id: 'b', experimentId: '8' }))]),
      /of an experiment that it does not name/,
    ],
    'a record that is none': [whole([entry('runs/7/notes.txt', 'x')]), /notes\.txt is no record/],
    'points that are none': [
      whole([entry(`points/7/${RUN}.jsonl`, '{"key":"k","points":[[1,2,"x"]]}\n')]),
      /jsonl line 1 is no metric with its points/,
    ],
    'points of fractions': [whole([entry(`points/7/${RUN}.jsonl`, '\n{"key":"k","points":[[1.5,2,1]]}\n')]), /jsonl line 2 is no metric/],
    'a logged model that is none': [whole([entry(`logged-models/7/m-${RUN}.json`, {})]), /is no logged-model/],
    'a registered model that is none': [whole([entry('models/0.json', { name: 5 })]), /models\/0\.json is no model/],
    'an entry twice': [whole([entry('files/run/x/a', '1'), entry('files/run/x/a', '2')]), /files\/run\/x\/a is there twice/],
    'a file that is a folder': [
      whole([entry('files/run/x/a', '1'), entry('files/run/x/a/b', '2')]),
      /is a file and a folder|is there twice/,
    ],
    'a name that is too long': [whole([entry(`files/run/x/${'n'.repeat(300)}`, '1')]), /has a name that is too long/],
    'a name with a line break': [whole([{ name: 'paths/files/run/x/a\nb' }]), /leads out of the folder/],
    'a name with NUL': [whole([{ name: 'paths/files/run/x/a\u0000b' }]), /damaged|corrupt|manifest/i],
    'a name that climbs': [whole([{ name: 'paths/../../../evil' }]), /leads out of the folder/],
    'an absolute name': [whole([{ name: '/etc/evil' }]), /leads out of the folder/],
    'a blob': [whole([{ name: `blobs/default/${'0'.repeat(64)}` }]), /it holds a blob/],
    'a row of a table': [whole([{ name: 'database/users/000001.jsonl' }]), /it holds a table/],
  };
  for (const [name, [entries, says]] of Object.entries(bad)) await refused(server, await craft(t, entries, head), says, name);
  // What is right but for that is taken.
  const fine = await gyre(
    'import',
    await craft(t, whole([entry(`points/7/${RUN}.jsonl`, '{"key":"k","points":[[1,2,{"number":"NaN"}]]}\n')]), head),
    '--url',
    server.url,
  );
  assert.equal(fine.code, 0, fine.err + fine.out);
});

test('what does not hold what its manifest says is refused: links, digests, sizes, numbers of entries, bombs, an end that is missing', async (t) => {
  const server = await startServer(t);
  const one = whole();
  const lineOf = (e: Crafted, more: Partial<{ size: number; digest: string }> = {}) => [
    e.name,
    more.size ?? e.body!.length,
    more.digest ?? '0'.repeat(64),
  ];
  const bomb = { name: 'paths/files/run/x/bomb', body: Buffer.alloc(64 * 1024 * 1024) };
  const link: Crafted = { name: 'paths/files/run/x/link', type: 'symlink', linkname: '/etc/passwd', body: Buffer.alloc(0) };
  const files: Readonly<Record<string, [string, RegExp]>> = {
    'a link': [await craft(t, [link], head, [[link.name, 0, '']]), /not what the manifest says/],
    'a digest of something else': [
      await craft(
        t,
        one,
        head,
        one.map((e) => lineOf(e)),
      ),
      /other bytes than/,
    ],
    'fewer bytes than there are': [
      await craft(
        t,
        one,
        head,
        one.map((e) => lineOf(e, { size: 1 })),
      ),
      /not what the manifest says/,
    ],
    'more entries than it says': [await craft(t, one, { ...head, entries: 1 }), /has more than 1 entries/],
    'fewer than it says': [await craft(t, one, { ...head, entries: 3 }), /has 2 entries and the manifest says 3/],
    'ten million entries': [await craft(t, one, { ...head, entries: 1e10 }), /space|room|free/i],
    'more bytes than any disk has': [await craft(t, one, { ...head, bytes: 1e15 }), /space|room|free/i],
    'numbers that are none': [await craft(t, one, { ...head, bytes: 'x' as never }), /does not say how much there is/],
    'a bomb': [await craft(t, [bomb], { ...head, bytes: 1000 }), /not what the manifest says/],
    'another schema': [await craft(t, one, { schema: 1 }), /it is a backup of a whole server/],
  };
  for (const [name, [file, says]] of Object.entries(files)) await refused(server, file, says, name);
  const cut = await craft(t, one, head);
  truncateSync(cut, readFileSync(cut).length - 5);
  await refused(server, cut, /cut off/, 'a file that was cut off');
  const folder = testFolder(t);
  const changed = join(folder, 'changed');
  const bytes = readFileSync(await craft(t, one, head));
  bytes[20]! ^= 0xff;
  writeFileSync(changed, bytes);
  await refused(server, changed, /cannot be read|other bytes|not what the manifest/, 'a file that was changed');
  writeFileSync(join(folder, 'empty'), '');
  await refused(server, join(folder, 'empty'), /cut off/, 'an empty file');
  writeFileSync(join(folder, 'zip'), 'PK\u0003\u0004 not ours at all, but long enough for a footer');
  await refused(server, join(folder, 'zip'), /cut off|no backup/, 'a zip');
  await refused(server, join(folder, 'nowhere'), /nowhere/, 'a file that is not there');
  mkdirSync(join(folder, 'folder'));
  await refused(server, join(folder, 'folder'), /it is no file/, 'a folder');
});

test('a file that is taken brings nothing of this machine along, whatever it says of where things lie', async (t: TestContext) => {
  const server = await startServer(t);
  const secret = join(testFolder(t), 'secret');
  writeFileSync(secret, 'hush');
  const source = await openExport(
    await craft(
      t,
      [
        entry('about.json', about({ experiments: [{ ...experiment, artifactLocation: `file://${secret}` }] })),
        entry(`runs/7/${RUN}.json`, run({ artifactUri: `file://${secret}` })),
        entry(`files/run/${RUN}/own.txt`, 'own'),
      ],
      head,
    ),
  );
  const files: string[] = [];
  for await (const r of source.runs((await source.experiments())[0]!))
    for await (const f of (await source.artifacts({ kind: 'run', of: r }))!) files.push(f.path);
  assert.deepEqual(files, ['own.txt']);
  await source.close();
  assert.ok(isProblem(await openExport(secret).catch((e: unknown) => e), 'archive-unusable'));
  assert.equal(await countsOf(server), '1 experiments, 0 imports');
});
