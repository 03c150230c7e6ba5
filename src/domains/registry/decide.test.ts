import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { eventsIn } from '../../kernel/events/events.ts';
import { eachDatabase, openPlatform } from '../../../test/support/platform.ts';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import { rocAuc } from '../../stats/auc.ts';
import { logBatch } from '../tracking/public.ts';
import { identityModel, logModel, scoreRows } from './fixtures/models.ts';
import type { Gate, ModelVersion } from './model.ts';
import { evaluate, registerVersion, requirePassed, setAlias } from './public.ts';
import { currentDecision, decide, findDecision, getDecision, override } from './service/decide.ts';
import { scoresOf } from './service/evaluate.ts';

const AFTER_US = 1_000_000_000;

async function open(t: TestContext, kind: DatabaseKind = 'sqlite') {
  const platform = await openPlatform(t, { database: kind });
  const ctx = platform.ctx();
  const table = await scoreRows(platform.folder);
  const input = (loggedModelId: string) => ({
    loggedModelId,
    table,
    datasetVersion: 'dsv_1',
    datasetVersions: ['dsv_1', 'dsv_2'],
    task: 'binary' as const,
    score: 'score',
    slices: ['origin'],
    window: { fromUs: AFTER_US, toUs: AFTER_US + 600_000_000 },
  });
  const logged = (column: string) => logModel(ctx, { 'model.onnx': identityModel({ [column]: 'float' }) });
  /** A version whose score is that column of the rows, evaluated on all of them. */
  const version = async (column: string, options: { cutoffUs?: number; model?: string } = {}): Promise<ModelVersion> => {
    const model = await logged(column);
    const evaluation = await evaluate(ctx, input(model.id));
    return registerVersion(ctx, {
      model: options.model ?? 'm',
      loggedModelId: model.id,
      source: model.source,
      trackingRunId: model.runId,
      evidence: { evaluation: evaluation.id, trainingCutoffUs: options.cutoffUs ?? AFTER_US },
      baseline: null,
    });
  };
  return { ...platform, ctx, contextOf: platform.ctx, input, logged, version };
}

eachDatabase('an evaluation is a score table that Gyre made, with figures overall and by slice', async (t, kind) => {
  const { ctx, input, logged, folder } = await open(t, kind);
  const model = await logged('good');
  const evaluation = await evaluate(ctx, input(model.id));
  const rows = await scoresOf(ctx, evaluation);
  assert.deepEqual([evaluation.rows, rows.length, rows[0]!.rowKey, rows[0]!.label], [600, 600, 'row-0', 1]);
  // The sealed model gives back the column, so the scores are known.
  const noise = (i: number): number => ((i * 7919 + 13) % 1009) / 1009;
  rows.forEach((row, i) => assert.equal(row.score, Math.fround((i % 3 === 0 ? 0.45 : 0) + 0.55 * noise(i)), row.rowKey));
  const expected = rocAuc({ labels: rows.map((r) => r.label), scores: rows.map((r) => r.score) });
  assert.deepEqual(evaluation.metrics.roc_auc, expected);
  assert.deepEqual(
    evaluation.slices.map((s) => [s.value, s.n]),
    [
      ['JFK', 393],
      ['EWR', 197],
      ['LGA', 10],
    ],
  );
  assert.equal(evaluation.slices[1]!.metrics.roc_auc!.ok, false, 'a slice of one class has no AUC');
  const [event] = await eventsIn(ctx.db).selectFrom('events').selectAll().where('type', '=', 'evaluation.recorded').execute();
  for (const id of [model.id, 'dsv_1', 'dsv_2']) assert.match(event!.edges, new RegExp(id));
  assert.deepEqual(readdirSync(join(folder, 'compute/made')), [], 'no file is left behind');
});

test('a model that does not fit the rows, reads the label, or is not sealed, is not scored', async (t) => {
  const { ctx, input, logged } = await open(t);
  for (const [column, words] of [
    ['god', /it reads "god", and there is no such column/],
    ['label', /it reads "label", and there is no such column/],
    ['origin', /it reads "origin" as float32, and the column is VARCHAR/],
  ] as const)
    await assert.rejects(evaluate(ctx, input((await logged(column)).id)), { code: 'model-signature-mismatch', message: words });
  await assert.rejects(evaluate(ctx, { ...input((await logged('good')).id), score: 'other' }), { code: 'onnx-signature-unsupported' });
  const open_ = await logModel(ctx, { 'model.onnx': identityModel({ good: 'float' }) }, { ready: false });
  await assert.rejects(evaluate(ctx, input(open_.id)), { code: 'version-unsealed' });
  const evaluation = await evaluate(ctx, input((await logged('good')).id));
  const other = await logged('poor');
  await assert.rejects(
    registerVersion(ctx, {
      model: 'm',
      loggedModelId: other.id,
      source: other.source,
      trackingRunId: null,
      evidence: { evaluation: evaluation.id },
      baseline: null,
    }),
    { code: 'evaluation-mismatch' },
  );
});

eachDatabase('a decision is recorded, passed or failed, and only a passed one lets a version out', async (t, kind) => {
  const { ctx, version } = await open(t, kind);
  const gates: readonly Gate[] = [
    { metric: 'roc_auc', floor: 0.8 },
    { metric: 'roc_auc', slice: 'origin', floor: 0.8, minRows: 300 },
    { metric: 'brier', ceiling: 0.5 },
  ];
  const [good, poor] = [await version('good'), await version('poor')];
  await assert.rejects(requirePassed(ctx, good, gates), { code: 'gate-not-passed', message: /no gate decision is recorded/ });
  const passed = await decide(ctx, good, gates);
  assert.deepEqual([passed.outcome, passed.results.map((r) => r.passed), passed.championId], ['passed', [true, true, true], null]);
  assert.deepEqual(passed.actor, { kind: 'local', id: 'local' });
  assert.equal((await requirePassed(ctx, good, gates)).id, passed.id);
  const failed = await decide(ctx, poor, gates);
  assert.deepEqual([failed.outcome, failed.results.map((r) => r.passed)], ['failed', [false, false, true]]);
  await assert.rejects(requirePassed(ctx, poor, gates), { code: 'gate-not-passed', message: /below the floor 0\.8/ });
  const events = await eventsIn(ctx.db)
    .selectFrom('events')
    .select(['subject_id', 'payload'])
    .where('type', '=', 'decision.recorded')
    .execute();
  assert.deepEqual(
    events.map((e) => [e.subject_id, (JSON.parse(e.payload) as { outcome: string }).outcome]).sort(),
    [
      [passed.id, 'passed'],
      [failed.id, 'failed'],
    ].sort(),
  );
});

test('a decision expires when gates, evaluation or champion change, and the newest one counts', async (t) => {
  const { ctx, version, input } = await open(t);
  const gates: readonly Gate[] = [{ metric: 'roc_auc', floor: 0.8 }];
  const [good, fair] = [await version('good'), await version('fair')];
  const expired = { code: 'gate-not-passed', message: /has expired/ };
  await decide(ctx, good, gates);
  await requirePassed(ctx, good, gates);
  await assert.rejects(requirePassed(ctx, good, [{ metric: 'roc_auc', floor: 0.79 }]), expired);
  const evaluated = await evaluate(ctx, input(good.loggedModelId!));
  await assert.rejects(requirePassed(ctx, { ...good, evidence: { ...good.evidence, evaluation: evaluated.id } }, gates), expired);
  await setAlias(ctx, 'm', 'champion', fair.number);
  await assert.rejects(requirePassed(ctx, good, gates), expired);
  await decide(ctx, good, gates);
  assert.equal((await requirePassed(ctx, good, gates)).championId, fair.id);
  await setAlias(ctx, 'm', 'champion', good.number);
  await assert.rejects(requirePassed(ctx, good, gates), expired);
});

eachDatabase('champion and challenger are compared on the same rows, which both are scored on', async (t, kind) => {
  const { ctx, version, logged } = await open(t, kind);
  const gates: readonly Gate[] = [
    { metric: 'roc_auc', notWorseThan: 'champion', margin: 0.005 },
    { metric: 'brier', notWorseThan: 'champion', margin: 0.005 },
    { metric: 'f1', notWorseThan: 'champion' },
    { metric: 'made_up', notWorseThan: 'champion' },
  ];
  // The champion has no evaluation on these rows: it is scored on them for the comparison.
  const model = await logged('fair');
  const champion = await registerVersion(ctx, {
    model: 'm',
    loggedModelId: model.id,
    source: model.source,
    trackingRunId: null,
    evidence: {},
    baseline: null,
  });
  await setAlias(ctx, 'm', 'champion', champion.number);
  const [good, poor] = [await version('good'), await version('poor')];
  const better = await decide(ctx, good, gates);
  assert.deepEqual(
    better.results.map((r) => r.passed),
    [true, true, false, false],
  );
  assert.match(better.results[0]!.found, /^improvement 0\.\d+ \[-?0\.\d+, 0\.\d+\], n = 600, paired DeLong, 95 %$/);
  assert.match(better.results[2]!.why, /paired comparison of f1 is not offered/);
  assert.match(better.results[3]!.why, /no metric made_up/);
  assert.equal(better.championId, champion.id);
  const worse = await decide(ctx, poor, gates.slice(0, 2));
  assert.deepEqual(
    worse.results.map((r) => r.passed),
    [false, false],
  );
  const evaluations = await eventsIn(ctx.db).selectFrom('events').select('edges').where('type', '=', 'evaluation.recorded').execute();
  assert.equal(evaluations.filter((e) => e.edges.includes(model.id)).length, 1, 'the champion is scored once for one table');
});

eachDatabase('a challenger is better only if it is shown to be, and the decision that holds is found again', async (t, kind) => {
  const { ctx, version } = await open(t, kind);
  const gates: readonly Gate[] = [
    { metric: 'roc_auc', betterThan: 'champion' },
    { metric: 'brier', betterThan: 'champion', margin: 0.2 },
  ];
  const first = await version('fair');
  assert.deepEqual(
    (await decide(ctx, first, gates)).results.map((r) => [r.passed, r.found]),
    [
      [true, 'no champion'],
      [true, 'no champion'],
    ],
  );
  await setAlias(ctx, 'm', 'champion', first.number);
  const good = await version('good');
  assert.equal(await currentDecision(ctx, good, gates), undefined);
  const decision = await decide(ctx, good, gates);
  assert.deepEqual(
    decision.results.map((r) => r.passed),
    [true, false],
    JSON.stringify(decision.results),
  );
  assert.match(decision.results[1]!.why, /does not lie above 0\.2: it is not shown to be better/);
  assert.deepEqual((await decide(ctx, await version('poor'), gates.slice(0, 1))).outcome, 'failed');
  // Equal is not better: the same model once more.
  const same = await decide(ctx, await version('fair'), gates.slice(0, 1));
  assert.deepEqual([same.outcome, same.results[0]!.passed], ['failed', false]);

  assert.equal((await currentDecision(ctx, good, gates))?.id, decision.id);
  assert.equal((await getDecision(ctx, decision.id))?.outcome, 'failed');
  assert.equal(await currentDecision(ctx, good, gates.slice(0, 1)), undefined, 'other gates');
  await setAlias(ctx, 'm', 'champion', good.number);
  assert.equal(await currentDecision(ctx, good, gates), undefined, 'another champion');
});

test('rows that either fit may have seen decide nothing', async (t) => {
  const { ctx, version } = await open(t);
  const gates: readonly Gate[] = [{ metric: 'roc_auc', floor: 0.5 }];
  const seen = await decide(ctx, await version('good', { cutoffUs: AFTER_US + 1 }), gates);
  assert.equal(seen.outcome, 'failed');
  assert.match(seen.reason, /training cut-off of version 1/);
  const champion = await version('fair', { cutoffUs: AFTER_US + 1, model: 'n' });
  await setAlias(ctx, 'n', 'champion', champion.number);
  const challenger = await decide(ctx, await version('good', { model: 'n' }), [{ metric: 'roc_auc', notWorseThan: 'champion' }]);
  assert.equal(challenger.outcome, 'failed');
  assert.match(challenger.reason, /training cut-off of version 1/);
});

test('reported figures count where a gate trusts them, of the model before the run', async (t) => {
  const { ctx, version, logged } = await open(t);
  const good = await version('good');
  const point = (key: string, value: number, modelId?: string) => ({
    key,
    value,
    timestampMs: 1,
    step: 0,
    ...(modelId ? { modelId } : {}),
  });
  await logBatch(ctx, good.trackingRunId!, {
    metrics: [point('accuracy', 0.6), point('loss', 0.3), point('accuracy', 0.9, good.loggedModelId!)],
    params: [],
    tags: [],
  });
  const trusted = (metric: string, floor: number): Gate => ({ metric, floor, trust: 'reported' });
  const decision = await decide(ctx, good, [trusted('accuracy', 0.85), trusted('loss', 0.4), { metric: 'loss', floor: 0 }]);
  assert.deepEqual(
    decision.results.map((r) => r.passed),
    [true, false, false],
  );
  assert.match(decision.results[0]!.found, /0\.9000, reported by the training code/);
  const model = await logged('good');
  const unseen = await registerVersion(ctx, {
    model: 'm',
    loggedModelId: model.id,
    source: model.source,
    trackingRunId: model.runId,
    evidence: {},
    baseline: null,
  });
  assert.match((await decide(ctx, unseen, [])).reason, /no evaluation made by Gyre/);
  assert.match((await decide(ctx, unseen, [{ metric: 'roc_auc', floor: 0 }])).reason, /no evaluation made by Gyre/);
});

test('an override is possible, with a reason and a name, and expires as any decision does', async (t) => {
  const { contextOf, ctx, version } = await open(t);
  const gates: readonly Gate[] = [{ metric: 'roc_auc', floor: 0.99 }];
  const poor = await version('poor');
  const failed = await decide(ctx, poor, gates);
  await assert.rejects(override(ctx, poor, gates, '  because '), { code: 'override-needs-reason' });
  const ada = contextOf({ actor: { kind: 'user', id: 'ada', roles: ['admin'] } });
  const decision = await override(ada, poor, gates, 'The old model is down; agreed with operations.');
  assert.deepEqual([decision.outcome, decision.actor], ['overridden', { kind: 'user', id: 'ada' }]);
  assert.deepEqual(decision.results, failed.results, 'what failed is kept beside it');
  assert.equal((await requirePassed(ctx, poor, gates)).id, decision.id);
  await assert.rejects(requirePassed(ctx, poor, []), { code: 'gate-not-passed', message: /has expired/ });
  const [event] = await eventsIn(ctx.db)
    .selectFrom('events')
    .selectAll()
    .where('type', '=', 'decision.recorded')
    .where('subject_id', '=', decision.id)
    .execute();
  assert.equal(event!.actor_id, 'ada');
  assert.ok(!event!.payload.includes('operations'), 'the words of a person are not chained');
  assert.equal((await decide(ctx, poor, gates)).outcome, 'failed');
  assert.equal((await findDecision(ctx, poor))!.outcome, 'failed');
  await assert.rejects(requirePassed(ctx, poor, gates), { code: 'gate-not-passed' });
  const unsealed = await registerVersion(
    ctx,
    { model: 'm', loggedModelId: null, source: 's3://b/m', trackingRunId: null, evidence: {}, baseline: null },
    'lenient',
  );
  await assert.rejects(decide(ctx, unsealed, gates), { code: 'version-unsealed' });
  await assert.rejects(override(ctx, unsealed, gates, 'It is only for a moment.'), { code: 'version-unsealed' });
});
