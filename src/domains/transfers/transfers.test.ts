import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { isProblem } from '../../kernel/errors.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { openPlatform, eachDatabase } from '../../../test/support/platform.ts';
import { createExperiment, createRun, getExperiment, getLoggedModel, getRun, metricPoints, type TakenRun } from '../tracking/public.ts';
import { createModel, versionByAlias, versionNumbered, type TakenModel } from '../registry/public.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { hashPoints, inOrder, metricsDigest, runDigest, sourceIdentity } from './model.ts';
import { artifactDigests, takeArtifact } from './service/artifacts.ts';
import { digestsOf } from './service/compare.ts';
import { becameOf, beginImport, endImport, getImport, markDone } from './service/imports.ts';
import { inParts, sealSome, takeOneExperiment, takeOneLoggedModel, takeOneModel, takeSomePoints, takeSomeRuns } from './service/take.ts';

const source = { source: 'mlflow:one', origin: 'mlflow' as const, place: '/mlruns' };
const experiment = {
  id: '378950599300753914',
  name: 'one',
  artifactLocation: null,
  lifecycle: 'active' as const,
  createdMs: 5,
  updatedMs: 6,
  tags: [{ key: 'team', value: 'ü' }],
  into: false,
};
const aRun = (id: string, more: Partial<TakenRun> = {}): TakenRun => ({
  id,
  experimentId: '',
  name: 'a run',
  userId: 'ada',
  status: 'KILLED',
  startMs: 10,
  endMs: 20,
  lifecycle: 'deleted',
  deletedMs: 30,
  artifactUri: null,
  params: [{ key: 'long', value: 'x'.repeat(9000) }],
  tags: [{ key: 'a/b', value: '' }],
  inputs: [{ name: 'd', digest: 'e', sourceType: 's', source: '{}', schema: null, profile: '{}', tags: [{ key: 'k', value: 'v' }] }],
  models: [{ id: `m-${'a'.repeat(32)}`, role: 'output', step: 4 }],
  ...more,
});
const begun = async (ctx: Ctx) => {
  const { id } = await beginImport(ctx, source);
  return { id, experimentId: await takeOneExperiment(ctx, id, experiment) };
};
const refused = (code: string) => (error: unknown) => isProblem(error, code);
const id32 = (letter: string): string => letter.repeat(32);

eachDatabase('runs come with their ids, times and longer values, and a second time nothing changes', async (t, database) => {
  const ctx = (await openPlatform(t, { database })).ctx();
  const { id, experimentId } = await begun(ctx);
  assert.equal(experimentId, experiment.id, 'an id of 18 digits is kept');
  assert.deepEqual((await getExperiment(ctx, experimentId)).tags, experiment.tags);
  const [became] = await becameOf(ctx, id, 'run', [id32('b')]);
  assert.deepEqual(became, { sourceId: id32('b'), targetId: id32('b'), fingerprint: null });
  const record = aRun(id32('b'), { experimentId });
  const points: [number, number, number | string][] = [
    [1, 0, 'NaN'],
    [1, 1, 'Infinity'],
    [2, -5, 0.1],
  ];
  for (let i = 0; i < 2; i++) {
    await takeSomeRuns(ctx, id, experimentId, [record]);
    await takeSomePoints(ctx, id, [{ run: record.id, key: 'm/x', points }]);
  }
  const run = await getRun(ctx, record.id);
  assert.deepEqual([run.startMs, run.endMs, run.status, run.lifecycle, run.userId], [10, 20, 'KILLED', 'deleted', 'ada']);
  const [compared] = await digestsOf(ctx, id, 'run', [record.id]);
  const hash = hashPoints();
  hash.add(inOrder(points.map(([a, b, c]) => [a, b, Number(c)])));
  const metrics = metricsDigest(new Map([['m/x', hash.end()]]));
  assert.deepEqual(compared, { id: record.id, record: runDigest(record), params: 1, tags: 1, points: 3, metrics: metrics.digest });
  assert.equal((await metricPoints(ctx, record.id, 'm/x', 0, 10)).length, 3);

  const many = Array.from({ length: 50_001 }, (_, i): [number, number, number] => [i, i, i]);
  await assert.rejects(takeSomePoints(ctx, id, [{ run: record.id, key: 'many', points: many }]), refused('import-batch-too-large'));

  await markDone(ctx, id, 'run', [{ sourceId: id32('b'), fingerprint: 'f' }]);
  await endImport(ctx, id, true, { runs: 1 });
  assert.deepEqual([(await getImport(ctx, id)).state, (await getImport(ctx, id)).counts], ['verified', { runs: 1 }]);
  await assert.rejects(takeSomeRuns(ctx, id, experimentId, []), refused('import-ended'));
  await assert.rejects(getImport(ctx, 'imp_none'), refused('import-not-found'));
  const next = await begun(ctx);
  assert.notEqual(next.id, id);
  assert.equal(next.experimentId, experimentId);
  assert.equal((await becameOf(ctx, next.id, 'run', [id32('b')]))[0]!.fingerprint, 'f');
  // The next experiment of a client has a number of its own.
  assert.equal((await getExperiment(ctx, await createExperiment(ctx, { name: 'mine' }))).name, 'mine');
});

eachDatabase('an import that was cut short is the one that goes on, and what is taken gets a new id', async (t, database) => {
  const ctx = (await openPlatform(t, { database })).ctx();
  const mine = await createExperiment(ctx, { name: 'mine' });
  const run = await createRun(ctx, { experimentId: mine, userId: '', startMs: 1, name: 'r', tags: [] });
  const { id } = await begun(ctx);
  assert.equal((await beginImport(ctx, source)).id, id);
  const [became] = await becameOf(ctx, id, 'run', [run.id]);
  assert.notEqual(became!.targetId, run.id);
  assert.deepEqual(await becameOf(ctx, id, 'run', [run.id]), [became]);
  assert.equal(await takeOneExperiment(ctx, id, { ...experiment, id: mine, name: 'another' }), String(Number(mine) + 2));
});

eachDatabase('an import changes only what came from its own source', async (t, database) => {
  const ctx = (await openPlatform(t, { database })).ctx();
  const mine = await createExperiment(ctx, { name: 'mine' });
  const run = await createRun(ctx, { experimentId: mine, userId: '', startMs: 1, name: 'r', tags: [] });
  const { id, experimentId } = await begun(ctx);
  const foreign = refused('import-foreign');
  await assert.rejects(takeSomeRuns(ctx, id, experimentId, [aRun(run.id)]), foreign);
  await assert.rejects(takeSomeRuns(ctx, id, mine, []), foreign);
  await assert.rejects(takeSomePoints(ctx, id, [{ run: run.id, key: 'm', points: [[1, 1, 1]] }]), foreign);
  await assert.rejects(takeArtifact(ctx, id, { kind: 'run', id: run.id }, 'a.txt', Readable.from(['x'])), foreign);
  await assert.rejects(digestsOf(ctx, id, 'run', [run.id]), foreign);
  await assert.rejects(sealSome(ctx, id, [`m-${id32('a')}`]), foreign);
  await assert.rejects(takeOneExperiment(ctx, id, { ...experiment, id: '77', name: 'mine' }), refused('import-name-taken'));
  await createModel(ctx, { name: 'clicks' });
  await assert.rejects(takeOneModel(ctx, id, 'clicks', model([])), refused('import-name-taken'));
  assert.equal(await takeOneExperiment(ctx, id, { ...experiment, id: '77', name: 'mine', into: true }), mine);
  assert.equal((await getRun(ctx, run.id)).status, 'RUNNING');
});

const model = (versions: TakenModel['versions']): TakenModel => ({
  name: 'clicks',
  description: 'all clicks',
  createdMs: 1,
  updatedMs: 2,
  lastNumber: 9,
  tags: [{ key: 'owner', value: 'ada' }],
  aliases: [{ alias: 'champion', number: 3 }],
  versions,
});

eachDatabase('models keep their numbers with the gaps, stages and aliases, and are sealed with their files', async (t, database) => {
  const ctx = (await openPlatform(t, { database })).ctx();
  const { id, experimentId } = await begun(ctx);
  const modelId = `m-${id32('c')}`;
  await becameOf(ctx, id, 'logged-model', [modelId]);
  const logged = {
    id: modelId,
    experimentId,
    name: 'net',
    modelType: '',
    sourceRunId: null,
    status: 'LOGGED_MODEL_READY' as const,
    statusMessage: '',
    artifactUri: null,
    createdMs: 3,
    updatedMs: 4,
    lifecycle: 'active' as const,
    params: [],
    tags: [],
    metrics: [{ key: 'm', value: 'NaN', timestampMs: 1, step: 2, runId: id32('b'), datasetName: null, datasetDigest: null }],
  };
  const owner = { kind: 'logged-model' as const, id: modelId };
  for (let i = 0; i < 2; i++) {
    await takeOneLoggedModel(ctx, id, logged);
    const written = await takeArtifact(ctx, id, owner, 'code/a b.py', Readable.from(['hello']));
    assert.equal(written.sizeBytes, 5);
    await sealSome(ctx, id, [modelId]);
  }
  assert.equal((await getLoggedModel(ctx, modelId)).updatedMs, 4);
  await assert.rejects(takeArtifact(ctx, id, owner, '../../x', Readable.from(['x'])), refused('path-invalid'));
  assert.deepEqual(
    (await artifactDigests(ctx, id, [owner])).map((f) => [f.files, f.bytes]),
    [[1, 5]],
  );
  const version = (number: number, from: string) => ({
    number,
    createdMs: number,
    updatedMs: number,
    description: null,
    stage: number === 3 ? ('Production' as const) : ('None' as const),
    source: from,
    location: null,
    trackingRunId: null,
    loggedModelId: modelId,
    runLink: null,
    tags: [{ key: 'q', value: 'ok' }],
  });
  const whole = model([version(1, `models:/${modelId}`), version(3, 's3://elsewhere/x')]);
  assert.deepEqual(await takeOneModel(ctx, id, 'clicks', whole), { made: 2, sealed: 1, refused: [] });
  assert.deepEqual(await takeOneModel(ctx, id, 'clicks', whole), { made: 0, sealed: 1, refused: [] });
  const first = await versionNumbered(ctx, 'clicks', 1);
  assert.deepEqual([first.state, first.createdMs], ['sealed', 1]);
  const champion = await versionByAlias(ctx, 'clicks', 'champion');
  assert.deepEqual([champion.number, champion.stage, champion.state], [3, 'Production', 'unsealed']);
  await assert.rejects(versionNumbered(ctx, 'clicks', 2), refused('model-version-not-found'));
  assert.equal((await digestsOf(ctx, id, 'model', ['clicks']))[0]!.params, 2);
});

eachDatabase('files that the server does not keep are refused', async (t, database) => {
  const ctx = (await openPlatform(t, { database })).ctx();
  const { id, experimentId } = await begun(ctx);
  await becameOf(ctx, id, 'run', [id32('b')]);
  await takeSomeRuns(ctx, id, experimentId, [aRun(id32('b'), { artifactUri: 's3://theirs/x' })]);
  const to = takeArtifact(ctx, id, { kind: 'run', id: id32('b') }, 'a.txt', Readable.from(['x']));
  await assert.rejects(to, refused('import-artifacts-elsewhere'));
  assert.notEqual(sourceIdentity([{ id: '10', createdMs: 1, name: '' }]), sourceIdentity([{ id: '9', createdMs: 2, name: '' }]));
});

eachDatabase('an experiment with an id that is none gets one of this server', async (t, database) => {
  const ctx = (await openPlatform(t, { database })).ctx();
  const { id } = await beginImport(ctx, source);
  for (const [i, odd] of ['../../etc', '*', 'a/b', ' ', 'x\u202ey'].entries()) {
    const made = await takeOneExperiment(ctx, id, { ...experiment, id: odd, name: `odd ${i}` });
    assert.match(made, /^\d+$/, odd);
    assert.equal((await getExperiment(ctx, made)).artifactLocation, `mlflow-artifacts:/${made}`);
  }
});

eachDatabase('many runs and metrics are written in several transactions, and sent again they are the same', async (t, database) => {
  const { ctx: make, platform } = await openPlatform(t, { database });
  const ctx = make();
  const { id, experimentId } = await begun(ctx);
  const tags = Array.from({ length: 900 }, (_, i) => ({ key: `k${i}`, value: 'v' }));
  const runs = ['1', '2', '3', '4', '5'].map((letter) => aRun(id32(letter), { experimentId, tags }));
  const ids = runs.map((r) => r.id);
  await becameOf(ctx, id, 'run', ids);
  const counts = async () => {
    const rows = await eventsIn(platform.database.reader)
      .selectFrom('events')
      .select('payload')
      .where('type', '=', 'tracking-runs.imported')
      .execute();
    return rows.map((r) => (JSON.parse(r.payload) as { runs: number }).runs).toSorted();
  };
  await takeSomeRuns(ctx, id, experimentId, runs);
  assert.deepEqual(await counts(), [1, 2, 2]);
  const metrics = Array.from({ length: 1500 }, (_, i) => ({ run: runs[0]!.id, key: `m${i}`, points: [[1, 0, i] as const] }));
  await takeSomePoints(ctx, id, metrics);
  const digests = await digestsOf(ctx, id, 'run', ids);
  await takeSomeRuns(ctx, id, experimentId, runs);
  await takeSomePoints(ctx, id, metrics);
  assert.deepEqual(await digestsOf(ctx, id, 'run', ids), digests);
  for (const [sizes, parts] of [
    [[], []],
    [[9], [[9]]],
    [
      [1, 2, 3, 4],
      [[1, 2], [3], [4]],
    ],
  ] as const)
    assert.deepEqual(
      inParts<number>(sizes, (n) => n, 3),
      parts,
    );
});
