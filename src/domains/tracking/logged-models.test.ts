import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import { findBlobs } from '../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { eachDatabase, openPlatform } from '../../../test/support/platform.ts';
import type { LoggedModel } from './model.ts';
import {
  createExperiment,
  createLoggedModel,
  createRun,
  deleteLoggedModel,
  deleteModelTag,
  filesDigest,
  finishLoggedModel,
  getLoggedModel,
  logBatch,
  modelFiles,
  modelMetricsOf,
  pathOfUri,
  searchLoggedModels,
  setModelEntries,
} from './public.ts';

const created = { modelType: '', sourceRunId: null, params: [], tags: [] };
const upload = (ctx: Ctx, model: LoggedModel, path: string, content: string) =>
  ctx.blobs.paths.write(`${pathOfUri(ctx.workspace, model.artifactUri)!}/${path}`, Readable.from([Buffer.from(content)]));
const ready = (ctx: Ctx, id: string) => finishLoggedModel(ctx, id, 'LOGGED_MODEL_READY', '');

eachDatabase('a model that becomes ready is sealed: its files are in the immutable zone, with one event', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const run = await createRun(ctx, { experimentId: '0', userId: '', name: 'r', startMs: 1, tags: [] });
  const model = await createLoggedModel(ctx, { ...created, experimentId: '0', name: 'm', sourceRunId: run.id });
  assert.match(model.id, /^m-[0-9a-f]{32}$/);
  assert.equal(model.artifactUri, `mlflow-artifacts:/0/models/${model.id}/artifacts`);
  await upload(ctx, model, 'MLmodel', 'flavors: {}');
  await upload(ctx, model, 'deep/empty', '');
  assert.deepEqual(await modelFiles(ctx, model.id), []);
  assert.equal((await ready(ctx, model.id)).status, 'LOGGED_MODEL_READY');
  const files = await modelFiles(ctx, model.id);
  assert.deepEqual(
    files.map((f) => [f.path, f.size_bytes]),
    [
      ['MLmodel', 11],
      ['deep/empty', 0],
    ],
  );
  const entries = await findBlobs(
    ctx.db,
    ctx.workspace,
    files.map((f) => f.digest),
  );
  assert.equal((await ctx.blobs.read(entries.get(files[0]!.digest)!)).toString(), 'flavors: {}');
  const events = await eventsIn(ctx.db).selectFrom('events').selectAll().where('type', '=', 'logged-model.ready').execute();
  assert.equal(events.length, 1);
  assert.equal((JSON.parse(events[0]!.payload) as { digest: string }).digest, filesDigest(files));
  assert.match(events[0]!.edges, new RegExp(run.id));
});

eachDatabase('files overwritten after sealing change neither the sealed files nor their digest', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const model = await createLoggedModel(ctx, { ...created, experimentId: '0', name: 'm' });
  await upload(ctx, model, 'model.bin', 'first');
  await upload(ctx, model, 'model.bin', 'second');
  await ready(ctx, model.id);
  const before = await modelFiles(ctx, model.id);
  await upload(ctx, model, 'model.bin', 'third');
  await upload(ctx, model, 'more.bin', 'more');
  await ready(ctx, model.id);
  const after = await modelFiles(ctx, model.id);
  assert.deepEqual(after, before);
  const entry = (await findBlobs(ctx.db, ctx.workspace, [after[0]!.digest])).get(after[0]!.digest)!;
  assert.equal((await ctx.blobs.read(entry)).toString(), 'second');
  const path = `${pathOfUri(ctx.workspace, model.artifactUri)!}/model.bin`;
  assert.equal(await text((await ctx.blobs.paths.open(path)).stream), 'third', 'the mutable zone goes on as MLflow has it');
});

eachDatabase('a model whose files are elsewhere becomes ready without being sealed, and a failed one stays unsealed', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const experimentId = await createExperiment(ctx, { name: 's3', artifactLocation: 's3://bucket/x/' });
  const model = await createLoggedModel(ctx, { ...created, experimentId, name: 'm' });
  assert.equal(model.artifactUri, `s3://bucket/x/models/${model.id}/artifacts`);
  assert.equal((await ready(ctx, model.id)).status, 'LOGGED_MODEL_READY');
  assert.deepEqual(await modelFiles(ctx, model.id), []);
  const failed = await createLoggedModel(ctx, { ...created, experimentId: '0', name: 'm' });
  await upload(ctx, failed, 'a', 'a');
  const now = await finishLoggedModel(ctx, failed.id, 'LOGGED_MODEL_UPLOAD_FAILED', 'the disk was full');
  assert.deepEqual([now.status, now.statusMessage], ['LOGGED_MODEL_UPLOAD_FAILED', 'the disk was full']);
  assert.deepEqual(await modelFiles(ctx, failed.id), []);
});

eachDatabase('names, params and tags of a model are checked; a deleted one is found only when asked for', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  for (const name of ['a/b', 'a:b', 'a.b', '50%', 'a"b', "a'b"])
    await assert.rejects(createLoggedModel(ctx, { ...created, experimentId: '0', name }), { code: 'tracking-invalid' }, name);
  await assert.rejects(createLoggedModel(ctx, { ...created, experimentId: '77', name: 'm' }), { code: 'experiment-not-found' });
  const model = await createLoggedModel(ctx, { ...created, experimentId: '0', name: 'm', params: [{ key: 'p', value: '1' }] });
  await setModelEntries(ctx, model.id, 'tag', [
    { key: 'p', value: 'x' },
    { key: 'p', value: 'y' },
  ]);
  await assert.rejects(setModelEntries(ctx, model.id, 'tag', [{ key: 'k'.repeat(256), value: '' }]), { code: 'tracking-invalid' });
  await assert.rejects(deleteModelTag(ctx, model.id, 'none'), { code: 'model-tag-not-found', message: /No tag with key 'none'/ });
  await setModelEntries(ctx, model.id, 'param', [{ key: 'p', value: '1' }]);
  await assert.rejects(setModelEntries(ctx, model.id, 'param', [{ key: 'p', value: '2' }]), { code: 'model-param-changed' });
  const found = await getLoggedModel(ctx, model.id);
  assert.deepEqual([found.params, found.tags], [[{ key: 'p', value: '1' }], [{ key: 'p', value: 'y' }]]);
  await deleteLoggedModel(ctx, model.id);
  await assert.rejects(getLoggedModel(ctx, model.id), { code: 'logged-model-not-found' });
  assert.equal((await getLoggedModel(ctx, model.id, true)).lifecycle, 'deleted');
  await assert.rejects(ready(ctx, model.id), { code: 'logged-model-not-found' });
});

eachDatabase('models are found and ordered by their metrics on a dataset, the latest point counting', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const run = await createRun(ctx, { experimentId: '0', userId: '', name: 'r', startMs: 1, tags: [] });
  const ids: string[] = [];
  for (let i = 0; i < 4; i++) ids.push((await createLoggedModel(ctx, { ...created, experimentId: '0', name: `m${i}` })).id);
  const log = (model: number, value: number, timestampMs: number, step: number, datasetName?: string) =>
    logBatch(ctx, run.id, {
      metrics: [
        { key: 'auc', value, timestampMs, step, modelId: ids[model]!, ...(datasetName ? { datasetName, datasetDigest: 'd' } : {}) },
      ],
      params: [],
      tags: [],
    });
  await log(0, 0.9, 1, 5, 'test');
  await log(0, 0.2, 2, 1, 'test');
  await log(1, 0.5, 1, 1, 'test');
  await log(2, Number.NaN, 1, 1, 'test');
  await log(1, 0.1, 9, 9, 'train');
  await log(1, 0.1, 9, 9, 'train');
  const names = async (filter: string, field: string, ascending: boolean, dataset: { name: string; digest: string } | null, only = false) =>
    (
      await searchLoggedModels(ctx, {
        experimentIds: ['0'],
        filter,
        datasets: only && dataset ? [dataset] : [],
        orderBy: [{ field, ascending, dataset }],
        offset: 0,
        limit: 10,
      })
    ).models
      .map((m) => m.name[1])
      .join('');
  const onTest = { name: 'test', digest: '' };
  assert.equal(await names('', 'metrics.auc', true, onTest), '0123');
  assert.equal(await names('', 'metrics.auc', false, onTest), '1023');
  assert.equal(await names('', 'metrics.auc', true, null), '1023');
  assert.equal(await names('metrics.auc > 0.8', 'name', true, onTest, true), '0');
  assert.equal(await names('metrics.auc <= 0.1', 'name', true, onTest, true), '2', 'NaN is stored as 0');
  assert.equal(await names('', 'name', true, { name: 'train', digest: 'd' }, true), '1');
  assert.equal(await names('', 'name', true, { name: 'train', digest: 'other' }, true), '');
  assert.equal(
    await names("name LIKE 'm%' AND model_id NOT IN ('x')", 'creation_timestamp', true, null),
    '0123'
      .split('')
      .sort((a, b) => (ids[Number(a)]! < ids[Number(b)]! ? -1 : 1))
      .join(''),
  );
  const metrics = (await modelMetricsOf(ctx.db, ctx.workspace, ids)).get(ids[1]!)!;
  assert.deepEqual(
    metrics.map((m) => [m.value, m.datasetName, m.runId]),
    [
      [0.5, 'test', run.id],
      [0.1, 'train', run.id],
    ],
  );
});

eachDatabase('a text in a filter over models needs no quotes, a number does not take them', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  for (const [name, lr] of [
    ['tree', '0.1'],
    ['net', '0.10'],
  ] as const)
    await createLoggedModel(ctx, { ...created, experimentId: '0', name, params: [{ key: 'lr', value: lr }] });
  const found = async (filter: string): Promise<string[]> => {
    const query = { experimentIds: ['0'], filter, datasets: [], orderBy: [{ field: 'name', ascending: true, dataset: null }] };
    return (await searchLoggedModels(ctx, { ...query, offset: 0, limit: 10 })).models.map((m) => m.name);
  };
  assert.deepEqual(await found('params.lr = 0.1'), ['tree']);
  assert.deepEqual(await found('name = net'), ['net']);
  assert.deepEqual(await found("name = 'net' AND params.lr != 0.1"), ['net']);
  assert.deepEqual(await found('name LIKE t% AND creation_timestamp > 0'), ['tree']);
  await assert.rejects(found("metrics.auc > '0.1'"), { code: 'tracking-invalid' });
  await assert.rejects(found('name = AND params.lr = 1'), { code: 'tracking-invalid' });
});
