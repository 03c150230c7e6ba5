import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Readable } from 'node:stream';
import { eachDatabase, openPlatform } from '../../../test/support/platform.ts';
import { openPipelines } from '../../../test/support/pipelines.ts';
import { parquet } from '../../../test/support/parquet.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { isProblem } from '../../kernel/errors.ts';
import { getVersion } from '../datasets/public.ts';
import { createLoggedModel, createRun, finishLoggedModel, logBatch, logInputs, logOutputs, pathOfUri } from './public.ts';
import { compareRuns } from './service/compare/compare.ts';
import { packagesIn } from './service/compare/environment-of.ts';

interface Made {
  readonly params?: Record<string, string>;
  readonly tags?: Record<string, string>;
  readonly auc?: number;
  readonly data?: string;
}
const pairs = (of: Record<string, string> = {}) => Object.entries(of).map(([key, value]) => ({ key, value }));
async function make(ctx: Ctx, { params, tags, auc, data }: Made): Promise<string> {
  const run = await createRun(ctx, { experimentId: '0', userId: 'ada', name: 'r', startMs: 1, tags: pairs(tags) });
  const metrics = auc === undefined ? [] : [0.1, 2, auc].map((value, step) => ({ key: 'auc', value, timestampMs: step, step }));
  await logBatch(ctx, run.id, { metrics, params: pairs(params), tags: [] });
  if (data)
    await logInputs(
      ctx,
      run.id,
      [{ name: 'train', digest: data, sourceType: 'local', source: 'x', schema: null, profile: null, tags: [] }],
      [],
    );
  return run.id;
}
const commit = { 'mlflow.source.git.commit': 'abc', 'mlflow.source.name': 'train.py', 'mlflow.source.git.dirty': 'False' };
const near = (a: number | undefined, b: number): void => assert.ok(Math.abs(a! - b) < 1e-9, `${a} is not ${b}`);

eachDatabase('runs are compared by what differs, and repeats get a mean with an interval', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const base = { lr: '0.1', depth: '4' };
  const a = await make(ctx, { params: { ...base, seed: '1' }, tags: { ...commit, team: 'x' }, auc: 0.8, data: 'd1' });
  const b = await make(ctx, { params: { ...base, seed: '2' }, tags: commit, auc: 0.9, data: 'd1' });
  const c = await make(ctx, { params: { ...base, seed: '3' }, tags: commit, auc: 0.85, data: 'd1' });
  const other = await make(ctx, {
    params: { ...base, lr: '0.2', extra: 'here' },
    tags: { ...commit, 'mlflow.source.git.commit': 'def' },
    auc: Number.NaN,
    data: 'd2',
  });
  const found = await compareRuns(ctx, { runIds: [a, b, c, other, a], groupBy: undefined });
  assert.deepEqual(
    found.runs.map((r) => r.id),
    [a, b, c, other],
  );
  assert.deepEqual(found.params, [
    { key: 'extra', values: [null, null, null, 'here'] },
    { key: 'lr', values: ['0.1', '0.1', '0.1', '0.2'] },
    { key: 'seed', values: ['1', '2', '3', null] },
  ]);
  assert.equal(found.sameParams, 1);
  assert.deepEqual(found.tags, [{ key: 'team', values: ['x', null, null, null] }]);
  assert.deepEqual(
    found.code.map((x) => x.commit),
    ['abc', 'abc', 'abc', 'def'],
  );
  assert.deepEqual(
    found.data.map((d) => [d.key, d.values.map((v) => v![0]!.digest)]),
    [['train', ['d1', 'd1', 'd1', 'd2']]],
  );
  assert.deepEqual(found.metrics[0]!.values[0], { last: 0.8, step: 2, least: 0.1, greatest: 2, points: 3 });
  assert.ok(Number.isNaN(found.metrics[0]!.values[3]!.last));
  assert.deepEqual(found.grouping, { how: 'repeats', seeds: ['seed'] });
  assert.deepEqual(
    found.groups.map((g) => g.runs),
    [[a, b, c]],
  );
  const [auc] = found.groups[0]!.metrics;
  assert.equal(auc!.n, 3);
  near(auc!.mean!, 0.85);
  // Student's t with two degrees of freedom: 4.302652729749462 times the standard error.
  near(auc!.interval!.low, 0.85 - (4.302652729749462 * 0.05) / Math.sqrt(3));
  assert.match(auc!.interval!.method, /Student/);

  const asked = await compareRuns(ctx, { runIds: [a, b, other], groupBy: ['params.lr', 'tags.team'] });
  assert.deepEqual(
    asked.groups.map((g) => [g.by, g.metrics[0]!.n, g.metrics[0]!.interval, g.metrics[0]!.notFinite]),
    [
      [{ 'params.lr': '0.1', 'tags.team': 'x' }, 1, null, 0],
      [{ 'params.lr': '0.1', 'tags.team': null }, 1, null, 0],
      [{ 'params.lr': '0.2', 'tags.team': null }, 0, null, 1],
    ],
  );
  assert.match(asked.groups[0]!.metrics[0]!.because!, /fewer than two/);
  await assert.rejects(compareRuns(ctx, { runIds: [a, 'none'], groupBy: undefined }), (e) => isProblem(e, 'tracking-run-not-found'));
  await assert.rejects(compareRuns(ctx, { runIds: [a], groupBy: ['metrics.auc'] }), (e) => isProblem(e, 'field-unknown'));
});

test('runs are no repeats where it is not known that they ran the same code', async (t) => {
  const ctx = (await openPlatform(t)).ctx();
  const dirty = { ...commit, 'mlflow.source.git.dirty': 'True' };
  const unknown = [await make(ctx, { tags: dirty, auc: 1 }), await make(ctx, { tags: dirty, auc: 1 })];
  assert.deepEqual((await compareRuns(ctx, { runIds: unknown, groupBy: undefined })).groups, []);
  const kept = { ...dirty, 'gyre.code.diff_sha256': 'f00' };
  const known = [await make(ctx, { tags: kept, auc: 1 }), await make(ctx, { tags: kept, auc: 1 })];
  const { groups } = await compareRuns(ctx, { runIds: known, groupBy: undefined });
  assert.deepEqual([groups[0]!.metrics[0]!.n, groups[0]!.metrics[0]!.interval], [2, null]);
  assert.match(groups[0]!.metrics[0]!.because!, /all values are the same/);
});

eachDatabase('environments are compared by the packages that are on record with models and runs', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const [a, b, c] = [await make(ctx, {}), await make(ctx, { tags: { 'gyre.python.version': '3.12.1' } }), await make(ctx, {})];
  const put = (path: string, text: string) => ctx.blobs.paths.write(path, Readable.from([text]));
  const model = await createLoggedModel(ctx, { experimentId: '0', name: 'm', modelType: '', sourceRunId: a, params: [], tags: [] });
  const folder = pathOfUri('default', model.artifactUri)!;
  await put(`${folder}/requirements.txt`, 'mlflow==3.1\nscikit-learn==1.5.0\n');
  await put(`${folder}/python_env.yaml`, 'python: 3.11.9\nbuild_dependencies:\n- pip==24.0\n');
  await finishLoggedModel(ctx, model.id, 'LOGGED_MODEL_READY', '');
  await logOutputs(ctx, a, [{ id: model.id, step: 0 }]);
  await put(`default/0/${b}/artifacts/gyre/requirements.txt`, 'mlflow==3.1\nScikit_Learn==1.6.0\nnumpy\n');
  await logBatch(ctx, c, {
    metrics: [],
    params: [],
    tags: [{ key: 'mlflow.log-model.history', value: '[{"artifact_path": "model"}, 3]' }],
  });
  await put(`default/0/${c}/artifacts/model/conda.yaml`, 'dependencies:\n- python=3.9.1\n- pip<=23\n- pip:\n  - mlflow==2.9\n');
  const { environment } = await compareRuns(ctx, { runIds: [a, b, c], groupBy: undefined });
  assert.deepEqual(
    environment.of.map((e) => e.python),
    ['3.11.9', '3.12.1', '3.9.1'],
  );
  assert.deepEqual(environment.packages, [
    { key: 'mlflow', values: ['3.1', '3.1', '2.9'] },
    { key: 'numpy', values: [null, '(any)', null] },
    { key: 'scikit-learn', values: ['1.5.0', '1.6.0', null] },
  ]);
  assert.deepEqual(environment.of[1]!.from, ['tag gyre.python.version', 'gyre/requirements.txt']);
});

test('requirements are read as pip writes them', () => {
  assert.deepEqual(packagesIn('# none\n-r other.txt\nA.b_c[x,y]==1.0 ; python_version < "3"\nd>=2,<3  # why\ne\nf @ https://h/x\n'), {
    'a-b-c': '1.0',
    d: '>=2,<3',
    e: null,
    f: '@https://h/x',
  });
});

eachDatabase('data that is known as a version of a dataset joins the chain of evidence', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const ctx = b.ctx();
  await b.apply("project: demo\ndatasets:\n  sales: { source: 'd/*.parquet', key: [id] }\n");
  const bytes = await parquet('select i as id from range(10) t(i)');
  const [blob] = await storeBlobs(ctx, [bytes]);
  const made = await b.send<{ version: { id: string } }>('POST', '/projects/demo/datasets/sales/versions', {
    files: [{ path: 'd/1.parquet', digest: blob!.digest }],
  });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { id } = made.body.version;
  const { logicalDigest } = await getVersion(ctx, id);
  const input = (name: string, digest: string, source: string) => ({
    name,
    digest,
    source,
    sourceType: 'local',
    schema: null,
    profile: null,
    tags: [],
  });
  const cases: readonly (readonly [ReturnType<typeof input>, boolean])[] = [
    [input('x', '1', `{"uri": "gyre:demo/sales@1"}`), true],
    [input('x', '1', 'gyre://demo/sales'), true],
    [input('x', '1', 'gyre:demo/sales@2'), false],
    [input('x', '1', `{"url": "http://h/api/gyre/v1/dataset-versions/${id}/rows"}`), true],
    [input('x', logicalDigest.slice(0, 36), 'anywhere'), true],
    [input('sales', logicalDigest.slice(0, 8), 'anywhere'), true],
    [input('x', logicalDigest.slice(0, 8), 'anywhere'), false],
    [input('data.parquet', blob!.digest.slice(0, 36), '/home/ada/data.parquet'), true],
    [input('x', '1', `{"path": "/x", "sha256": "${blob!.digest}"}`), true],
    [input('x', 'ffffffffffffffffffff', '{not json'), false],
  ];
  for (const [one, known] of cases) {
    const { id: run } = await createRun(ctx, { experimentId: '0', userId: 'ada', name: 'r', startMs: 1, tags: [] });
    await logInputs(ctx, run, [one], []);
    await b.drain();
    const { body } = await b.send<{ edges: { relation: string; to: { kind: string; id: string } }[] }>(
      'GET',
      `/lineage/tracking-run/${run}`,
    );
    const edges = body.edges.filter((e) => e.to.kind === 'dataset-version').map((e) => [e.relation, e.to.id]);
    assert.deepEqual(edges, known ? [['input', id]] : [], JSON.stringify(one));
    const compared = await b.send<{ data: unknown[]; sameData: string[] }>('POST', '/tracking-runs/compare', { runIds: [run] });
    assert.deepEqual([compared.status, compared.body.sameData], [200, [one.name]]);
  }
  const impact = await b.send<{ nodes: { kind: string }[] }>('GET', `/lineage/dataset-version/${id}?direction=to`);
  assert.equal(impact.body.nodes.filter((n) => n.kind === 'tracking-run').length, 7);
  // Nobody learns of data that is not theirs to read.
  const narrow = b.ctx({
    actor: {
      kind: 'user',
      id: 'eve',
      roles: ['member'],
      standing: { fallback: 'NO_PERMISSIONS', cap: 'MANAGE', granted: { experiment: new Map([['0', 'MANAGE']]) } },
    },
  });
  const { id: run } = await createRun(narrow, { experimentId: '0', userId: 'eve', name: 'r', startMs: 1, tags: [] });
  await logInputs(narrow, run, [input('x', '1', 'gyre:demo/sales@1')], []);
  await b.drain();
  const { body } = await b.send<{ edges: { to: { kind: string } }[] }>('GET', `/lineage/tracking-run/${run}`);
  assert.deepEqual(
    body.edges.map((e) => e.to.kind),
    ['experiment'],
  );
});
