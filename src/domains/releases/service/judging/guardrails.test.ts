import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Histogram } from '../../../../stats/always-valid/quantile.ts';
import type { ReleasePolicy } from '../../../projects/public.ts';
import { alphaOf, type Compared, type Counted, type FeatureBins, type Paired } from './compared.ts';
import { judgeGuardrail } from './guardrails.ts';

const counted = (change: Partial<Counted>): Counted => ({
  requests: 0,
  errors: 0,
  bins: Array.from({ length: 10 }, () => 0),
  ...{ nulls: 0, latency: [], scores: [], labels: [], rewards: [] },
  ...change,
});
const compared = (candidate: Partial<Counted>, stable: Partial<Counted>): Compared => ({
  ...{ state: 'canary', step: 0, pairs: null, features: null, isLive: true },
  share: 0.1,
  candidate: counted(candidate),
  stable: counted(stable),
  alpha: 0.025,
  expected: 3000,
});
const judge = (metric: string, candidate: Partial<Counted>, stable: Partial<Counted>, margin: number | null = null) =>
  judgeGuardrail({ metric, margin, then: 'rollback' }, compared(candidate, stable))!;

test('errors up to the margin are tolerated, and none at all on either side is no harm', () => {
  assert.equal(judge('error_rate', { requests: 300, errors: 15 }, { requests: 2700 }).verdict, 'harm');
  assert.equal(judge('error_rate', { requests: 300, errors: 15 }, { requests: 2700 }, 0.04).verdict, 'ok');
  assert.equal(judge('error_rate', { requests: 300 }, { requests: 2700 }).verdict, 'ok');
  assert.equal(judge('error_rate', { requests: 300 }, {}).verdict, 'too-little-data');
});

test('scores that moved far are harm, those of a retrained model are not, and no scores say nothing', () => {
  const usual = [20, 40, 80, 60, 40, 30, 15, 10, 4, 1];
  const of = (bins: readonly number[], times: number) => ({ bins: bins.map((n) => n * times) });
  assert.equal(judge('prediction_drift', of(usual, 1), of(usual, 9)).verdict, 'ok');
  const retrained = judge('prediction_drift', of([15, 30, 70, 60, 50, 36, 20, 12, 5, 2], 1), of(usual, 9));
  assert.deepEqual([retrained.verdict, retrained.margin], ['ok', 0.3]);
  const constant = judge('prediction_drift', { bins: [300, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, of(usual, 9));
  assert.equal(constant.verdict, 'harm');
  assert.match(constant.why, /is more than 0\.3, and chance does not explain it/);
  assert.equal(judge('prediction_drift', {}, of(usual, 9)).verdict, 'too-little-data');
  // Far apart, yet too few to be sure.
  assert.equal(judge('prediction_drift', { bins: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, of(usual, 1)).verdict, 'ok');
});

const inReplay = (metric: string, candidate: Partial<Counted>, stable: Partial<Counted>) =>
  judgeGuardrail({ metric, margin: null, then: 'rollback' }, { ...compared(candidate, stable), isLive: false })!;
/** Latencies about a bucket, so many. */
const around = (bucket: number, n: number): Histogram => [-20, -5, 0, 5, 20].map((by) => [bucket + by, n / 5] as const);

test('latency decides on a live timeline: slower by more than the margin is harm; a replay only reports it', () => {
  const [slow, usual] = [
    { requests: 1000, latency: around(440, 1000) },
    { requests: 5000, latency: around(380, 5000) },
  ];
  assert.match(
    judge('latency', slow, usual).why,
    /^latency: 95 % of the candidate's answers took up to .* ms, .* that is more than 50 % longer, with 97\.5 %/,
  );
  assert.equal(judge('latency_p99', slow, usual).verdict, 'harm');
  assert.equal(judge('latency', slow, usual, 9).verdict, 'ok');
  assert.equal(judge('latency', { ...slow, latency: [[440, 1]] }, usual).verdict, 'ok', 'too few to be sure');
  assert.equal(judge('latency', usual, usual).verdict, 'ok');
  assert.equal(judge('latency', {}, usual).verdict, 'too-little-data');
  assert.equal(inReplay('latency', slow, usual).verdict, 'reported');
});

test('answers without a score are held against the candidate', () => {
  assert.equal(judge('null_rate', { requests: 400, nulls: 30 }, { requests: 3600, nulls: 10 }).verdict, 'harm');
  assert.equal(judge('null_rate', { requests: 400, nulls: 3 }, { requests: 3600, nulls: 25 }).verdict, 'ok');
  assert.equal(judge('null_rate', { requests: 5, errors: 5 }, { requests: 100 }).verdict, 'too-little-data', 'none was answered');
});

test('a reward is better when it is more, and needs thirty outcomes in each arm', () => {
  const of = (n: number, mean: number): Partial<Counted> => ({
    rewards: Array.from({ length: n }, (_, i) => mean + ((i * 7919) % 101) / 101),
  });
  assert.match(
    judge('reward', of(300, 1), of(2700, 2)).why,
    /^reward: candidate 1\.\d+ on 300 outcomes, stable 2\.\d+ on 2700; worse by at least 0\.9/,
  );
  assert.equal(judge('reward', of(300, 2), of(2700, 1)).verdict, 'ok');
  assert.equal(judge('reward', of(300, 1), of(2700, 2), 2).verdict, 'ok', 'within the margin');
  assert.equal(judge('reward', of(29, 1), of(2700, 2)).verdict, 'too-little-data');
  assert.equal(
    judge('reward', { rewards: Array.from({ length: 99 }, () => 1) }, { rewards: Array.from({ length: 99 }, () => 2) }).verdict,
    'too-little-data',
  );
});

test('callers who differ between the variants say that the comparison is unfair, and which column', () => {
  const features = (candidate: readonly number[], n = 1) => [
    { column: 'age', candidate: [10, 10, 10].map((x) => x * n), stable: [90, 90, 90].map((x) => x * n) },
    { column: 'country', candidate: candidate.map((x) => x * n), stable: [90, 90, 90].map((x) => x * n) },
  ];
  const of = (c: FeatureBins[] | null) =>
    judgeGuardrail(
      { metric: 'feature_drift', margin: null, then: 'pause' },
      { ...compared({ requests: 30 }, { requests: 270 }), features: c },
    )!;
  assert.equal(of(features([11, 9, 10])).verdict, 'ok');
  const found = of(features([28, 1, 1], 10));
  assert.deepEqual([found.verdict, found.then], ['harm', 'pause']);
  assert.match(found.why, /differs in country \(distance 0\.\d+\)/);
  assert.equal(of(null).verdict, 'too-little-data');
});

const pairs = (change: Partial<Paired>): Paired => ({
  ...{ n: 300, answered: 300, scored: 300, disagree: 0, moved: [] },
  ...{ errors: { candidateOnly: 0, otherOnly: 0 }, nulls: { candidateOnly: 0, otherOnly: 0 } },
  ...change,
});
const inShadow = (metric: string, change: Partial<Paired>, state: Compared['state'] = 'shadow') => {
  const counts = { requests: change.n ?? 300 };
  const bins = { bins: [200, 100, 0, 0, 0, 0, 0, 0, 0, 0] };
  const c = compared({ ...counts, bins: [0, 0, 0, 0, 0, 0, 0, 0, 100, 200] }, { ...counts, ...bins });
  return judgeGuardrail({ metric, margin: null, then: 'rollback' }, { ...c, state, pairs: pairs(change) });
};

test('in a shadow both answered the same requests, and only where one of the two fails, they differ', () => {
  assert.equal(inShadow('error_rate', { errors: { candidateOnly: 15, otherOnly: 0 } })!.verdict, 'harm');
  assert.equal(inShadow('error_rate', { errors: { candidateOnly: 15, otherOnly: 14 } })!.verdict, 'ok');
  assert.equal(inShadow('error_rate', { n: 29, errors: { candidateOnly: 29, otherOnly: 0 } })!.verdict, 'too-little-data');
  assert.equal(inShadow('null_rate', { nulls: { candidateOnly: 20, otherOnly: 1 } })!.verdict, 'harm');
  assert.equal(inShadow('disagreement', { disagree: 90 })!.verdict, 'harm');
  assert.match(inShadow('disagreement', { disagree: 20 })!.why, /decides 20 of 300 requests otherwise \(6\.67 %\), 10 % are tolerated/);
  assert.equal(inShadow('disagreement', { scored: 3, disagree: 3 })!.verdict, 'too-little-data');
  assert.equal(
    inShadow('prediction_drift', {
      moved: [
        [0, 200],
        [200, 0],
      ],
    })!.verdict,
    'harm',
  );
  assert.equal(
    inShadow('prediction_drift', {
      moved: [
        [100, 100],
        [90, 110],
      ],
    })!.verdict,
    'ok',
    'chance may explain it',
  );
  assert.equal(inShadow('prediction_drift', { scored: 3 })!.verdict, 'too-little-data');
});

test('what has nothing to compare in a state is not judged there', () => {
  for (const metric of ['latency', 'latency_p99', 'feature_drift', 'reward']) assert.equal(inShadow(metric, {}), undefined, metric);
  assert.equal(inShadow('disagreement', {}, 'baking'), undefined);
  assert.ok(inShadow('error_rate', {}, 'baking'));
  assert.equal(judgeGuardrail({ metric: 'disagreement', margin: null, then: 'rollback' }, compared({}, {})), undefined);
});

test('all guardrails of all steps share one chance of a false alarm', () => {
  const policy = (change: Partial<ReleasePolicy>): ReleasePolicy => ({
    ...{
      shadow: null,
      steps: [0.1, 0.5, 1],
      approve: [],
      holdUs: 1,
      maxHoldUs: null,
      afterMaxHold: 'rollback',
      minSample: 1,
      bakeUs: null,
    },
    ...{ rollbackWindow: 1, guardrails: ['error_rate', 'latency'].map((metric) => ({ metric, margin: null, then: 'rollback' as const })) },
    ...change,
  });
  assert.equal(alphaOf(policy({}), false), 0.05 / 2, 'latency decides nothing in a replay');
  assert.equal(alphaOf(policy({}), true), 0.05 / 4);
  assert.equal(alphaOf(policy({ shadow: { share: 1, holdUs: 1, minSample: 1 }, bakeUs: 1 }), true), 0.05 / 6, 'nor in a shadow or a bake');
  assert.equal(alphaOf(policy({ guardrails: [] }), true), 0.05);
});

test('a metric without labels says why', () => {
  const none = judge('log_loss', { requests: 500 }, { requests: 4000 });
  assert.deepEqual([none.verdict, none.why], ['too-little-data', 'log_loss: the candidate: there are no rows']);
});
