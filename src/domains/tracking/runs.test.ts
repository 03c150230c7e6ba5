import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Ctx } from '../../kernel/ctx.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { eachDatabase, openPlatform } from '../../../test/support/platform.ts';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import type { Metric } from './model.ts';
import {
  createExperiment,
  createRun,
  deleteTag,
  experimentByName,
  getExperiment,
  getRun,
  getRunData,
  inputsOf,
  linksOf,
  logBatch,
  logInputs,
  logOutputs,
  logParam,
  metricHistory,
  metricPoints,
  recordModel,
  renameExperiment,
  setExperimentLifecycle,
  setRunLifecycle,
  updateRun,
} from './public.ts';

const nothing = { metrics: [], params: [], tags: [] };
const point = (key: string, value: number, timestampMs: number, step: number): Metric => ({ key, value, timestampMs, step });

async function open(t: TestContext, kind: DatabaseKind) {
  const platform = await openPlatform(t, { database: kind });
  const ctx = platform.ctx();
  const newRun = async (experimentId = '0', tags: { key: string; value: string }[] = []): Promise<string> =>
    (await createRun(ctx, { experimentId, userId: 'ada', name: '', startMs: 1, tags })).id;
  return { ...platform, ctx, contextOf: platform.ctx, newRun };
}
const problem = (code: string, words = /./) => ({ code, message: words });
const eventTypes = async (ctx: Ctx): Promise<string[]> =>
  (await eventsIn(ctx.db).selectFrom('events').select('type').orderBy('id').execute()).map((e) => e.type);

eachDatabase('experiments are numbered from 0, unique by name even when deleted, and emit what happens to them', async (t, kind) => {
  const { ctx } = await open(t, kind);
  assert.equal(await createExperiment(ctx, { name: 'a', tags: [{ key: 'k', value: 'v' }] }), '1');
  assert.equal(await createExperiment(ctx, { name: 'b' }), '2');
  assert.equal((await getExperiment(ctx, '0')).name, 'Default');
  await assert.rejects(createExperiment(ctx, { name: 'a' }), problem('experiment-exists'));
  await setExperimentLifecycle(ctx, '1', 'deleted');
  await assert.rejects(createExperiment(ctx, { name: 'a' }), problem('experiment-exists'));
  await assert.rejects(renameExperiment(ctx, '2', 'a'), problem('experiment-name-taken'));
  await assert.rejects(renameExperiment(ctx, '1', 'c'), problem('experiment-not-renamed', /Cannot rename a non-active experiment/));
  await renameExperiment(ctx, '2', 'b2');
  assert.equal((await experimentByName(ctx, 'a')).lifecycle, 'deleted');
  assert.deepEqual(await eventTypes(ctx), ['experiment.created', 'experiment.created', 'experiment.deleted', 'experiment.renamed']);
});

eachDatabase('experiments of one name or number cannot both be made at once', async (t, kind) => {
  const { ctx } = await open(t, kind);
  const made = await Promise.allSettled(Array.from({ length: 8 }, (_, i) => createExperiment(ctx, { name: `race ${i % 2}` })));
  const ids = made.flatMap((m) => (m.status === 'fulfilled' ? [m.value] : []));
  for (const m of made) if (m.status === 'rejected') assert.equal((m.reason as { code: string }).code, 'experiment-exists');
  assert.deepEqual(ids.sort(), ['1', '2']);
});

eachDatabase('a workspace sees nothing of another', async (t, kind) => {
  const { ctx, contextOf, newRun } = await open(t, kind);
  const run = await newRun(await createExperiment(ctx, { name: 'mine' }));
  const other = contextOf({ workspace: 'other' });
  await assert.rejects(getRun(other, run), problem('tracking-run-not-found'));
  await assert.rejects(experimentByName(other, 'mine'), problem('experiment-name-not-found'));
  assert.equal(await createExperiment(other, { name: 'mine' }), '1');
  await assert.rejects(logBatch(other, run, nothing), problem('tracking-run-not-found'));
});

eachDatabase('a run keeps its name and its name tag alike, and finishing is an event', async (t, kind) => {
  const { ctx, newRun } = await open(t, kind);
  const id = await newRun();
  const named = await getRun(ctx, id);
  assert.match(named.name, /^[a-z]+-[a-z]+-\d+$/);
  assert.match(id, /^[0-9a-f]{32}$/);
  await updateRun(ctx, id, { name: 'second', status: 'FINISHED', endMs: 9 });
  await updateRun(ctx, id, { name: '' });
  assert.deepEqual((await getRunData(ctx, id)).tags, [{ key: 'mlflow.runName', value: 'second' }]);
  const after = await getRun(ctx, id);
  assert.deepEqual([after.name, after.status, after.endMs], ['second', 'FINISHED', 9]);
  assert.ok((await eventTypes(ctx)).includes('tracking-run.finished'));
});

eachDatabase('the latest metric is the greatest by step, timestamp and value, across batches and inside one', async (t, kind) => {
  const { ctx, newRun } = await open(t, kind);
  const id = await newRun();
  const points = [
    point('m', 1, 5, 3),
    point('m', 9, 9, 2),
    point('m', Number.NaN, 5, 3),
    point('m', 2, 4, 3),
    point('m', 1.5, 5, 3),
    point('m', 7, 99, 1),
  ];
  for (const p of points) await logBatch(ctx, id, { ...nothing, metrics: [p] });
  await logBatch(ctx, id, { ...nothing, metrics: points.map((p) => ({ ...p, key: 'n' })) });
  const latest = (await getRunData(ctx, id)).metrics;
  assert.deepEqual(latest, [point('m', 1.5, 5, 3), point('n', 1.5, 5, 3)]);
  const again = await newRun();
  await logBatch(ctx, again, { ...nothing, metrics: [point('m', -1, 5, 3), point('m', Number.NaN, 5, 3), point('i', -Infinity, 1, 0)] });
  const [inf, nan] = (await getRunData(ctx, again)).metrics;
  assert.ok(Number.isNaN(nan!.value), 'NaN compares as 0');
  assert.equal(inf!.value, -Number.MAX_VALUE);
});

eachDatabase('points are kept once, however often they are sent, and read in order of time, step and value', async (t, kind) => {
  const { ctx, newRun } = await open(t, kind);
  const id = await newRun();
  const points = [point('m', 3, 2, 1), point('m', 1, 1, 9), point('m', Number.NaN, 2, 1), point('m', 0, 2, 1)];
  for (let i = 0; i < 3; i++) await logBatch(ctx, id, { ...nothing, metrics: [...points, ...points] });
  const history = await metricHistory(ctx.db, ctx.workspace, id, 'm', 0, 100);
  assert.equal(history.length, 4);
  assert.deepEqual(
    history.map((m) => [m.timestampMs, m.step]),
    [
      [1, 9],
      [2, 1],
      [2, 1],
      [2, 1],
    ],
  );
  assert.equal(history[3]!.value, 3);
  assert.deepEqual(await metricHistory(ctx.db, ctx.workspace, id, 'm', 3, 1), [point('m', 3, 2, 1)]);
});

eachDatabase('many clients log to one run at once and nothing is lost', async (t, kind) => {
  const { ctx, newRun } = await open(t, kind);
  const id = await newRun();
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      logBatch(ctx, id, {
        metrics: [point('shared', i, i, i), point(`own${i}`, 1, 1, 1)],
        params: [{ key: 'same', value: 'x' }],
        tags: [{ key: 'last', value: String(i) }],
      }),
    ),
  );
  assert.equal((await metricHistory(ctx.db, ctx.workspace, id, 'shared', 0, 100)).length, 20);
  const data = await getRunData(ctx, id);
  assert.equal(data.metrics.find((m) => m.key === 'shared')!.value, 19);
  assert.equal(data.metrics.length, 21);
  assert.deepEqual(data.params, [{ key: 'same', value: 'x' }]);
});

eachDatabase('a batch that is refused leaves nothing of itself', async (t, kind) => {
  const { ctx, newRun } = await open(t, kind);
  const id = await newRun();
  const pair = (key: string, value: string) => ({ key, value });
  await logBatch(ctx, id, { ...nothing, params: [pair('p', '1')] });
  const batch = { metrics: [point('m', 1, 1, 0)], params: [pair('q', '1'), pair('p', '2')], tags: [pair('t', '1')] };
  await assert.rejects(
    logBatch(ctx, id, batch),
    problem('params-changed', /Changing param values is not allowed.*'key': 'p', 'old_value': '1', 'new_value': '2'/),
  );
  await assert.rejects(
    logParam(ctx, id, pair('p', '2')),
    problem('param-changed', /Param with key='p' was already logged with value='1' .* new value '2'/),
  );
  await assert.rejects(
    logBatch(ctx, id, { ...batch, params: [pair('q', '1'), pair('q', '1')] }),
    problem('tracking-invalid', /Duplicate parameter keys have been submitted: \['q'\]/),
  );
  await assert.rejects(logBatch(ctx, id, { ...batch, tags: [pair('a//b', '1')] }), problem('tracking-invalid', /tags\[0\]\.key/));
  await assert.rejects(logBatch(ctx, id, { ...nothing, metrics: [point('m', 1, -1, 0)] }), problem('tracking-invalid', /nonnegative long/));
  const data = await getRunData(ctx, id);
  assert.deepEqual([data.metrics, data.params, data.tags.map((x) => x.key)], [[], [pair('p', '1')], ['mlflow.runName']]);
  await logBatch(ctx, id, { ...nothing, params: [pair('p', '1')] });
});

eachDatabase('deleting is soft, restoring an experiment restores all its runs, and nothing writes to what is deleted', async (t, kind) => {
  const { ctx, newRun } = await open(t, kind);
  const experiment = await createExperiment(ctx, { name: 'e' });
  const [a, b] = [await newRun(experiment), await newRun(experiment)];
  await logBatch(ctx, a, { ...nothing, tags: [{ key: 't', value: '1' }] });
  await setRunLifecycle(ctx, a, 'deleted');
  await setRunLifecycle(ctx, a, 'deleted');
  for (const write of [
    () => logBatch(ctx, a, nothing),
    () => updateRun(ctx, a, { status: 'FINISHED' }),
    () => deleteTag(ctx, a, 't'),
    () => logInputs(ctx, a, [], ['m-1']),
    () => logOutputs(ctx, a, [{ id: 'm-1', step: 0 }]),
  ])
    await assert.rejects(write, problem('tracking-run-inactive', /must be in the 'active' state/));
  await setExperimentLifecycle(ctx, experiment, 'deleted');
  assert.equal((await getRun(ctx, b)).lifecycle, 'deleted');
  await assert.rejects(newRun(experiment), problem('experiment-inactive'));
  await setExperimentLifecycle(ctx, experiment, 'active');
  assert.deepEqual([(await getRun(ctx, a)).lifecycle, (await getRun(ctx, b)).lifecycle], ['active', 'active']);
});

eachDatabase('datasets and models that a run read and wrote are linked once', async (t, kind) => {
  const { ctx, newRun } = await open(t, kind);
  const id = await newRun();
  const dataset = { name: 'd', digest: '1', sourceType: 'local', source: '{}', schema: null, profile: 'p', tags: [] };
  const training = { ...dataset, tags: [{ key: 'mlflow.data.context', value: 'training' }] };
  for (let i = 0; i < 2; i++) {
    await logInputs(ctx, id, [training, { ...dataset, name: 'e' }], ['m-1']);
    await logOutputs(ctx, id, [{ id: 'm-2', step: 4 }]);
  }
  const inputs = (await inputsOf(ctx.db, ctx.workspace, [id])).get(id)!;
  assert.deepEqual(
    inputs.map((i) => [i.name, i.profile, i.tags]),
    [
      ['d', 'p', JSON.stringify(training.tags)],
      ['e', 'p', '[]'],
    ],
  );
  const links = (await linksOf(ctx.db, ctx.workspace, [id])).get(id)!;
  assert.deepEqual(
    links.map((l) => [l.role, l.model_id, l.step]),
    [
      ['input', 'm-1', 0],
      ['output', 'm-2', 4],
    ],
  );
});

eachDatabase('a model of MLflow 2 is appended to the history in a tag', async (t, kind) => {
  const { ctx, newRun } = await open(t, kind);
  const id = await newRun();
  const model = { artifact_path: 'm', flavors: {}, utc_time_created: 'now', run_id: id };
  await recordModel(ctx, id, JSON.stringify({ ...model, signature: { inputs: 'x'.repeat(9000) } }));
  await recordModel(ctx, id, JSON.stringify({ ...model, artifact_path: 'n' }));
  const tag = (await getRunData(ctx, id)).tags.find((x) => x.key === 'mlflow.log-model.history')!;
  assert.deepEqual(JSON.parse(tag.value), [model, { ...model, artifact_path: 'n' }]);
  await assert.rejects(recordModel(ctx, id, '{"flavors": {}}'), problem('tracking-invalid', /missing mandatory fields/));
  await assert.rejects(recordModel(ctx, id, 'no'), problem('tracking-invalid', /not a valid JSON/));
});

eachDatabase('a step’s token writes its own run and the runs nested in it, and no other', async (t, kind) => {
  const { contextOf, newRun } = await open(t, kind);
  const [own, foreign] = [await newRun(), await newRun()];
  const step = contextOf({ actor: { kind: 'step', id: 'tok', roles: ['step'], scope: { trackingRunIds: [own] } } });
  const parent = (id: string) => [{ key: 'mlflow.parentRunId', value: id }];
  const create = (tags: { key: string; value: string }[]) => createRun(step, { experimentId: '0', userId: '', name: '', startMs: 1, tags });
  await logBatch(step, own, { ...nothing, metrics: [point('m', 1, 1, 1)] });
  const child = await create(parent(own));
  const grandchild = await create(parent(child.id));
  await logBatch(step, grandchild.id, { ...nothing, metrics: [point('m', 1, 1, 1)] });
  for (const write of [
    () => create([]),
    () => create(parent(foreign)),
    () => logBatch(step, foreign, nothing),
    () => updateRun(step, foreign, { status: 'FINISHED' }),
    () => setRunLifecycle(step, foreign, 'deleted'),
    () => logBatch(step, foreign, { ...nothing, tags: parent(own) }),
    () => setExperimentLifecycle(step, '0', 'deleted'),
    () => renameExperiment(step, '0', 'mine'),
  ])
    await assert.rejects(write, problem('run-out-of-scope'));
  assert.equal((await getRun(step, foreign)).status, 'RUNNING');
});

eachDatabase('many who log to one run at once are all heard, and the latest of each metric is the greatest', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const { id } = await createRun(ctx, { experimentId: '0', userId: '', name: '', startMs: 1, tags: [] });
  const keys = Array.from({ length: 10 }, (_, k) => `m${k}`);
  const writers = Array.from({ length: 30 }, (_, w) => w);
  await Promise.all(
    writers.map((w) =>
      logBatch(ctx, id, {
        // Each in another order.
        metrics: keys.map((_, k) => ({ key: keys[(k + w) % keys.length]!, value: w, timestampMs: 1, step: (w * 7) % 30 })),
        params: [],
        tags: keys.map((_, k) => ({ key: keys[(k * 3 + w) % keys.length]!, value: String(w) })),
      }),
    ),
  );
  const { metrics } = await getRunData(ctx, id);
  assert.deepEqual(
    metrics.map((m) => [m.key, m.step]),
    keys.map((key) => [key, 29]),
  );
  for (const key of keys) assert.equal((await metricPoints(ctx, id, key, 0, 100)).length, writers.length);
});
