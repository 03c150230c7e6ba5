// gyre import and export, as typed: databases of MLflow that MLflow made, a folder in its layout, a server, a file.
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import { FORMAT } from '../../src/app/maintenance/archive/format.ts';
import { openArchiveWriter } from '../../src/app/maintenance/archive/writer.ts';
import type { Report } from '../../src/app/transfer/tally.ts';
import { pythonNumber } from '../../src/app/transfer/mlflow/words.ts';
import { startServer } from '../support/server.ts';
import { gyre } from './gyre.ts';

const fixtures = join(import.meta.dirname, '../../src/app/transfer/fixtures');

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'gyre-transfer-'));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
function put(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

/** A database that MLflow made, with its artifacts beside it. */
function mlflowDatabase(t: TestContext, version: '2.22' | '3.17', proxied = false): string {
  const root = folder(t);
  const db = new DatabaseSync(join(root, 'm.db'), { enableForeignKeyConstraints: false });
  db.exec(readFileSync(join(fixtures, `mlflow-${version}.sql`), 'utf8').replaceAll('/ROOT', root));
  for (const row of db.prepare('select artifact_uri as at from runs').all()) {
    const at = String(row.at).replace('file://', '');
    put(join(at, 'notes/deep/ünï.txt'), `of ${at}`);
    put(join(at, 'empty.txt'), '');
  }
  const models = version === '3.17' ? db.prepare('select artifact_location as at from logged_models').all() : [];
  for (const row of models) put(join(String(row.at).replace('file://', ''), 'MLmodel'), 'flavors: {}\n');
  if (proxied) db.exec(`update runs set artifact_uri = replace(artifact_uri, 'file://${root}', 'mlflow-artifacts:')`);
  db.close();
  return `sqlite://${join(root, 'm.db')}`;
}

const read = async (url: string, code: number, ...args: string[]): Promise<Report> => {
  const ran = await gyre('import', ...args, '--url', url, '--json');
  assert.equal(ran.code, code, ran.err + ran.out);
  return JSON.parse(ran.out) as Report;
};
const ask = async <T>(url: string, path: string, body?: object): Promise<T> => {
  const init = body && { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
  const reply = await fetch(`${url}/api/2.0/mlflow/${path}`, init);
  assert.equal(reply.status, 200, path);
  return (await reply.json()) as T;
};
interface Run {
  readonly info: { readonly run_id: string; readonly status: string; readonly lifecycle_stage: string; readonly start_time: number };
  readonly data: {
    readonly metrics: readonly { key: string; value: unknown }[];
    readonly params: readonly { key: string; value: string }[];
  };
}
const runsOf = async (url: string, id: string): Promise<readonly Run[]> =>
  (
    await ask<{ runs: Run[] }>(url, 'runs/search', {
      experiment_ids: [id],
      run_view_type: 'ALL',
      max_results: 100,
      order_by: ['attributes.start_time ASC'],
    })
  ).runs;

for (const version of ['2.22', '3.17'] as const)
  test(`a database of MLflow ${version} is taken over whole, and a second time nothing is sent`, { timeout: 60_000 }, async (t) => {
    const { url } = await startServer(t);
    const from = mlflowDatabase(t, version);
    const dry = await read(url, 0, 'mlflow', '--from', from, '--dry-run');
    assert.deepEqual([dry.import, dry.experiments.map((e) => e.source.runs)], [null, [0, 2, 0, 1]]);
    const first = await read(url, 0, 'mlflow', '--from', from);
    assert.deepEqual([first.verified, first.differences, first.unchanged], [true, [], 0]);
    assert.deepEqual(
      first.experiments.map((e) => e.target),
      first.experiments.map((e) => e.source),
    );
    assert.deepEqual(
      first.experiments.map((e) => [e.sourceId, e.targetId, e.source.points, e.source.files]),
      [
        ['0', '0', 0, 0],
        ['1', '1', version === '3.17' ? 19 : 18, version === '3.17' ? 5 : 4],
        ['2', '2', 0, 0],
        ['3', '3', 9, 2],
      ],
    );
    assert.deepEqual(first.models, { source: 1, target: 1, versions: 2, sealed: 2 });

    const runs = await runsOf(url, '1');
    assert.deepEqual(
      runs.map((r) => [r.info.status, r.info.lifecycle_stage, r.info.start_time]),
      [
        ['FINISHED', 'active', 1_700_000_000_000],
        ['FAILED', 'deleted', 1_700_000_000_001],
      ],
    );
    assert.equal(runs[0]!.data.params.find((p) => p.key === 'long')!.value.length, 3000);
    const { model_version: v } = await ask<{ model_version: { version: string; current_stage: string } }>(
      url,
      'registered-models/alias?name=clicks&alias=champion',
    );
    assert.deepEqual([v.version, v.current_stage], ['3', 'Production']);
    // The number of the last one, which MLflow had deleted, is not given again.
    const created = await ask<{ model_version: { version: string } }>(url, 'model-versions/create', { name: 'clicks', source: 's3://b/x' });
    assert.equal(created.model_version.version, '5');
    await fetch(`${url}/api/2.0/mlflow/model-versions/delete`, {
      method: 'DELETE',
      body: '{"name":"clicks","version":"5"}',
      headers: { 'content-type': 'application/json' },
    });

    const second = await read(url, 0, 'mlflow', '--from', from);
    assert.deepEqual([second.verified, second.unchanged], [true, version === '3.17' ? 4 : 3]);
    // What was changed here since is a difference, and said.
    await ask(url, 'runs/set-tag', { run_id: runs[0]!.info.run_id, key: 'mine', value: '1' });
    const third = await gyre('import', 'mlflow', '--from', from, '--url', url);
    assert.equal(third.code, 1);
    assert.match(third.out, new RegExp(`DIFFERENT: one: run ${runs[0]!.info.run_id} has other params, tags`));
  });

function mlruns(t: TestContext): string {
  const root = join(folder(t), 'mlruns');
  const meta = (path: string, more: string): void => put(join(root, path, 'meta.yaml'), more);
  meta('0', "experiment_id: '0'\nname: Default\nlifecycle_stage: active\ncreation_time: 5\nartifact_location: file:///gone/0\n");
  const big = '378950599300753914';
  meta(big, `experiment_id: '${big}'\nname: 'yes'\nlifecycle_stage: active\ncreation_time: 6\nartifact_location: file:///gone/1\n`);
  const run = 'ab'.repeat(16);
  const at = `${big}/${run}`;
  meta(
    at,
    `run_id: ${run}\nrun_name: 1e3\nuser_id: ada\nstatus: 4\nstart_time: 7\nend_time: 8\nlifecycle_stage: active\nartifact_uri: /gone/x\n`,
  );
  put(join(root, at, 'metrics/a/b c'), '3 nan 1\n3 inf 2\n1 0.5\n3 nan 1\n');
  put(join(root, at, 'params/deep/er'), 'two\nlines');
  put(join(root, at, 'params/empty'), '');
  put(join(root, at, 'tags/mlflow.runName'), '1e3');
  put(join(root, at, 'artifacts/x y%20z.txt'), 'percent');
  meta(`${at}/inputs/i1`, 'source_type: DATASET\nsource_id: d1\ntags:\n  mlflow.data.context: training\n');
  meta(`${big}/datasets/d1`, "name: table\ndigest: '12'\nsource_type: local\nsource: '{}'\nschema: null\nprofile: null\n");
  meta('.trash/7', "experiment_id: '7'\nname: old\nlifecycle_stage: deleted\ncreation_time: 9\nartifact_location: file:///gone/7\n");
  meta('models/clicks', 'name: clicks\ncreation_timestamp: 1\nlast_updated_timestamp: 2\naliases:\n  best: 2\n');
  meta('models/clicks/version-2', `name: clicks\nversion: 2\ncurrent_stage: None\nrun_id: ${run}\nsource: /gone/x/${run}/artifacts/x\n`);
  meta('models/clicks/version-3', 'name: clicks\nversion: 3\ncurrent_stage: Deleted_Internal\nsource: x\n');
  put(join(root, big, 'traces/tr-1/trace_info.yaml'), '');
  return root;
}

test('a folder of MLflow is taken over from where it lies now; what is damaged is named', async (t) => {
  const { url } = await startServer(t);
  const root = mlruns(t);
  const found = await read(url, 0, 'mlflow', '--from', root);
  assert.deepEqual([found.differences, found.leftOut], [[], { traces: 1 }]);
  assert.deepEqual(
    found.experiments.map((e) => [e.name, e.targetId, e.source.runs, e.source.points, e.source.files]),
    [
      ['Default', '0', 0, 0, 0],
      ['yes', '378950599300753914', 1, 3, 1],
      ['old', '7', 0, 0, 0],
    ],
  );
  const [run] = await runsOf(url, '378950599300753914');
  assert.deepEqual(
    run!.data.params.toSorted((a, b) => (a.key < b.key ? -1 : 1)),
    [
      { key: 'deep/er', value: 'two\nlines' },
      { key: 'empty', value: '' },
    ],
  );
  assert.equal(run!.data.metrics[0]!.value, 1.7976931348623157e308);
  const other = join(root, '378950599300753914', 'cd'.repeat(16), 'meta.yaml');
  put(other, 'a: [');
  const damaged = await read(url, 1, 'mlflow', '--from', dirname(root));
  assert.match(damaged.differences.join(), /cdcd/);
  assert.equal(pythonNumber('-Infinity'), -Infinity);
});

test('names that are taken are refused until others are given, or all runs go into one experiment', async (t) => {
  const { url } = await startServer(t);
  const root = mlruns(t);
  await ask(url, 'experiments/create', { name: 'yes' });
  await ask(url, 'registered-models/create', { name: 'clicks' });
  const refused = await gyre('import', 'mlflow', '--from', root, '--url', url);
  assert.deepEqual([refused.code, /--rename "yes=another name"/.test(refused.err)], [5, true]);
  const renamed = await read(url, 0, 'mlflow', '--from', root, '--rename', 'yes=theirs', '--rename', 'clicks=theirs');
  assert.equal(renamed.verified, true);
  const { model_version: v } = await ask<{ model_version: { source: string } }>(url, 'model-versions/get?name=theirs&version=2');
  assert.equal(v.source, `runs:/${'ab'.repeat(16)}/x`);
  const { url: fresh } = await startServer(t);
  const into = await read(fresh, 0, 'mlflow', '--from', root, '--into', 'all of it', '--no-artifacts');
  assert.deepEqual(new Set(into.experiments.map((e) => e.targetId)).size, 1);
});

test('files behind a server of MLflow are read where it keeps them, left out, or left where they are', { timeout: 60_000 }, async (t) => {
  const from = mlflowDatabase(t, '2.22', true);
  const root = dirname(from.replace('sqlite://', ''));
  const filesOf = (r: Report) => r.experiments.map((e) => e.source.files);
  const { url } = await startServer(t);
  const without = await read(url, 0, 'mlflow', '--from', from);
  assert.deepEqual([filesOf(without), /--artifacts/.test(without.notes.join())], [[0, 0, 0, 0], true]);
  // What is missing comes when it can be read.
  assert.deepEqual(filesOf(await read(url, 0, 'mlflow', '--from', from, '--artifacts', root)), [0, 4, 0, 2]);
  const { url: other } = await startServer(t);
  assert.deepEqual(filesOf(await read(other, 0, 'mlflow', '--from', from, '--link-artifacts')), [0, 0, 0, 0]);
  const { experiment } = await ask<{ experiment: { artifact_location: string } }>(other, 'experiments/get?experiment_id=1');
  assert.equal(experiment.artifact_location, `file://${root}/one`);
});

test('experiments travel in a file from server to server, and a damaged one changes nothing', { timeout: 60_000 }, async (t) => {
  const { url } = await startServer(t);
  const first = await read(url, 0, 'mlflow', '--from', mlflowDatabase(t, '3.17'));
  const file = join(folder(t), 'all.gyre');
  const written = await gyre('export', file, '--experiment', 'one', '--models', '--url', url);
  assert.equal(written.code, 0, written.err);
  assert.match(written.out, /1 experiments, 2 runs, 5 files, 1 registered models/);
  assert.equal((await gyre('export', file, '--url', url)).code, 5, 'nothing is overwritten');
  assert.match((await gyre('export', join(folder(t), 'x'), '--experiment', 'none', '--url', url)).err, /export-nothing/);

  const { url: other } = await startServer(t);
  const there = await read(other, 0, file);
  const one = first.experiments.find((e) => e.name === 'one')!;
  assert.deepEqual(there.experiments[0]!.target, one.target);
  assert.equal((await read(other, 0, file)).unchanged, 3);
  // Into the workspace that it came from, beside what it was made of: with ids of its own.
  const beside = await read(url, 0, file, '--rename', 'one=one again', '--rename', 'clicks=clicks again');
  assert.notEqual(beside.experiments[0]!.targetId, one.targetId);
  assert.equal((await runsOf(url, beside.experiments[0]!.targetId)).length, 2);

  truncateSync(file, readFileSync(file).length - 40);
  assert.equal((await gyre('import', file, '--url', other)).code, 3);
});

test(
  'a server of MLflow’s protocol is read through it, with a login that nobody repeats, and names that lead elsewhere are not followed',
  {
    timeout: 60_000,
  },
  async (t) => {
    const { url } = await startServer(t);
    await read(url, 0, 'mlflow', '--from', mlflowDatabase(t, '3.17'));
    const seen: string[] = [];
    let climbs = false;
    const proxy = createServer(async (request, response) => {
      seen.push(String(request.headers.authorization));
      // Busy at first: it is asked again.
      if (seen.length === 1) return void response.writeHead(503, { 'retry-after': '0' }).end();
      const body: Buffer[] = [];
      for await (const chunk of request) body.push(chunk as Buffer);
      const reply = await fetch(url + request.url, {
        method: request.method!,
        headers: { 'content-type': 'application/json' },
        ...(body.length > 0 ? { body: Buffer.concat(body) } : {}),
      });
      const bytes = Buffer.from(await reply.arrayBuffer());
      const text = climbs && request.url!.includes('artifacts/list') ? '{"files":[{"path":"../../x","file_size":1}]}' : bytes;
      response.writeHead(reply.status, { 'content-type': String(reply.headers.get('content-type')) }).end(text);
    });
    await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
    t.after(() => proxy.close());
    const { port } = proxy.address() as { port: number };
    const { url: fresh } = await startServer(t);
    const from = `http://ada:s3cr3t@127.0.0.1:${port}`;
    const ran = await gyre('import', 'mlflow', '--from', from, '--url', fresh);
    assert.equal(ran.code, 0, ran.err + ran.out);
    assert.doesNotMatch(ran.out + ran.err, /s3cr3t/);
    assert.deepEqual([...new Set(seen)], [`Basic ${Buffer.from('ada:s3cr3t').toString('base64')}`]);
    climbs = true;
    const led = await gyre('import', 'mlflow', '--from', from, '--url', (await startServer(t)).url);
    assert.deepEqual([led.code, /path-invalid/.test(led.err)], [3, true]);
  },
);

test('what is no source is said, without what its address holds', async (t) => {
  const { url } = await startServer(t);
  const from = (place: string) => gyre('import', 'mlflow', '--from', place, '--url', url);
  const root = folder(t);
  writeFileSync(join(root, 'text'), 'no database at all, whatever its name says');
  new DatabaseSync(join(root, 'old.db')).exec('create table experiments (experiment_id integer, name text)');
  assert.match((await from(join(root, 'none'))).err, /import-source-unknown/);
  assert.match((await from(`sqlite:///${join(root, 'text')}`)).err, /import-source-unknown/);
  assert.match((await from(`sqlite:///${join(root, 'old.db')}`)).err, /import-source-too-old/);
  const postgres = await from('postgresql://ada:s3cr3t@db/mlflow');
  assert.match(postgres.err, /import-source-unknown/);
  assert.doesNotMatch(postgres.err, /s3cr3t/);
  const away = await from('http://127.0.0.1:9/');
  assert.match(away.err, /import-source-failed/);
  const backup = join(root, 'x.gyre');
  writeFileSync(backup, 'x'.repeat(100));
  assert.match((await gyre('import', backup, '--url', url)).err, /archive-unusable/);
  const server = join(root, 'backup.gyre');
  const writer = await openArchiveWriter(server, undefined, 0);
  const about = { format: FORMAT, program: '', createdAt: '', schema: 1, databaseOnly: true, from: 'sqlite' as const, tables: [] };
  const none = { count: 0, bytes: 0 };
  await writer.finish({ ...about, events: null, blobs: none, paths: none, unreadable: [] });
  assert.match((await gyre('import', server, '--url', url)).err, /export-invalid/);
});
