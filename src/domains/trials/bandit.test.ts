import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { labelOf, openCanary, rowOf, type Answered, type CanaryBench } from '../releases/fixtures/canary.ts';
import { assignVariant } from '../serving/plane/assignment.ts';
import { act, ask, at, day, get, history, monitored, tick, weightsServed, type TrialReply } from './fixtures/bench.ts';
import { findPrediction, readPlan, servingPaths } from '../serving/public.ts';

interface WeightedReadout {
  readonly kind: string;
  readonly arms: readonly {
    readonly name: string;
    readonly units: number;
    readonly value: number;
    readonly weighted: {
      share: number;
      plain: number;
      ips: { value: number };
      snips: { value: number; low: number; high: number };
      effectiveSize: number;
    };
  }[];
  readonly comparisons: readonly { readonly difference: number; readonly always: { low: number; high: number } | null }[];
  readonly asRun: { readonly value: number; readonly waiting: number };
  readonly verdict: { readonly kind: string; readonly arm: string | null; readonly rule: string };
}

const plan = (b: CanaryBench, bandit: object = {}, more: object = {}) =>
  b.send<TrialReply>('POST', at, {
    ...{ name: 't', kind: 'bandit', arms: [{ name: 'b', version: '2' }], metric: 'accuracy', effect: 0.2 },
    ...{ given: { mean: 0.6, unitsPerDay: 200 }, bandit: { minRewards: 40, floor: 0.1, cap: 0.8, ...bandit } },
    ...more,
  });
const read = async (b: CanaryBench): Promise<WeightedReadout> => (await b.send<WeightedReadout>('GET', `${at}/t/readout`)).body;

/** What is served scores by the column that says nothing, the arm by the one that tells the label. */
async function open(t: Parameters<typeof openCanary>[0], kind: 'sqlite' | 'postgres'): Promise<CanaryBench> {
  const b = await openCanary(t, kind, monitored);
  await b.version('poor');
  assert.equal((await b.begin('1')).body.state, 'promoted');
  await b.version('good');
  return b;
}

eachDatabase(
  'a bandit moves its weights to the arm that is rewarded, with the propensity in every record, and its winner is released',
  async (t, kind) => {
    const b = await open(t, kind);
    const planned = await plan(b);
    assert.deepEqual([planned.status, planned.body.bandit.reward], [201, 'binary'], JSON.stringify(planned.body));
    assert.equal((await act(b, 'start')).body.state, 'running');

    // Too few rewards: nothing moves.
    const few = await ask(b, 0, 60, 0);
    await b.label(few.slice(0, 40));
    await tick(b, day(1));
    assert.match((await get(b)).standing, /weights stay: .* has \d+ of the 40 rewards/);
    assert.deepEqual(await weightsServed(b), [0.5, 0.5]);

    // Rewards that come late, twice, and corrected.
    const more = await ask(b, 1, 200, 60);
    await b.label(few.slice(40), 40);
    await b.label(few, 0);
    await b.label(more, 60);
    await tick(b, day(2));
    const moved = await get(b);
    assert.deepEqual([moved.steering.updates, moved.steering.weights], [1, { control: 0.2, b: 0.8 }], JSON.stringify(moved));
    assert.deepEqual(await weightsServed(b), [0.2, 0.8]);
    const [, step] = await history(b);
    assert.equal(step!.kind, 'weights');
    // Each prediction once, whatever was sent.
    assert.equal(
      step!.update!.arms.reduce((sum, a) => sum + a.rewards, 0),
      260,
    );
    const right = (arm: string, answers: readonly Answered[], first: number): number =>
      answers.filter(({ variant }, i) => {
        const row = rowOf(first + i);
        return variant === arm && (arm === 'b' ? row.good : row.poor) >= 0.5 === labelOf(first + i) >= 0.5;
      }).length;
    assert.equal(step!.update!.arms[1]!.posterior.successes, right('b', few, 0) + right('b', more, 60));

    // Keys move only to the arm that grew, as anybody can recompute it, and each record has the share of its draw.
    const { salt, variants } = readPlan(b.folder)!.endpoints[0]!;
    assert.equal(salt, `default/e/${moved.id}`);
    const again = await ask(b, 2, 200, 60);
    again.forEach(({ variant, id }, i) => {
      assert.equal(variant, assignVariant(variants, salt, `k${60 + i}`).id);
      if (more[i]!.variant === 'b') assert.equal(variant, 'b');
      assert.equal(findPrediction(servingPaths(b.folder).log, id!)!.propensity, variant === 'b' ? 0.8 : 0.2);
    });
    assert.equal(findPrediction(servingPaths(b.folder).log, few[0]!.id!)!.propensity, 0.5);

    for (let n = 2; n < 5; n++) {
      const answers = n === 2 ? again : await ask(b, n, 200, 60);
      await b.label(answers, 60);
      await tick(b, day(n + 1));
    }
    const found = await read(b);
    assert.deepEqual([found.kind, found.verdict.kind, found.verdict.arm], ['weighted', 'winner', 'b'], JSON.stringify(found));
    assert.match(found.verdict.rule, /^rewards weighted by one over their propensity, confidence sequence/);
    const [control, arm] = found.arms;
    assert.ok(
      control!.weighted.effectiveSize < control!.units && arm!.weighted.snips.low > control!.weighted.snips.high,
      JSON.stringify(found),
    );
    assert.ok(found.comparisons[0]!.always!.low > 0);
    // Further updates found nothing to move.
    assert.deepEqual(
      (await history(b)).map((s) => s.kind),
      ['started', 'weights', 'kept', 'kept', 'kept'],
    );
    const decided = await act(b, 'decide', { reason: 'it is better', promote: true });
    assert.equal(decided.body.state, 'decided', JSON.stringify(decided.body));
    // By its steps, like any other.
    assert.equal((await b.status()).release.id, decided.body.release);
    assert.ok((await weightsServed(b))[0]! > 0.5);
    assert.deepEqual((await read(b)).verdict, found.verdict);
  },
);

eachDatabase('the kill switch holds the weights until they are let go, and takes those that are given', async (t, kind) => {
  const b = await open(t, kind);
  await plan(b);
  assert.equal((await act(b, 'freeze-weights')).body.code, 'trial-action-not-possible');
  await act(b, 'start');
  assert.equal((await act(b, 'thaw-weights')).body.code, 'trial-action-not-possible');
  const answers = await ask(b, 0, 200, 0);
  await b.label(answers);
  for (const [weights, why] of [
    [{ b: 0.3, control: 0.3 }, /sum to 0.6, not to 1/],
    [{ nobody: 0.3 }, /no arm "nobody"/],
  ] as const) {
    const refused = await act(b, 'freeze-weights', { reason: 'r', weights });
    assert.equal(refused.status, 422, JSON.stringify(refused.body));
    assert.match(refused.body.detail ?? '', why);
  }
  assert.equal((await act(b, 'freeze-weights', { reason: 'r', weights: { b: 0.3, control: 0.3 } })).body.code, 'trial-weights-invalid');
  const frozen = await act(b, 'freeze-weights', { reason: 'it looks odd', weights: { b: 0.25 } });
  assert.deepEqual([frozen.status, frozen.body.steering.fixed?.reason], [200, 'it looks odd'], JSON.stringify(frozen.body));
  await tick(b, day(1));
  await tick(b, day(3));
  assert.deepEqual(await weightsServed(b), [0.75, 0.25]);
  assert.equal((await get(b)).steering.updates, 0);
  assert.equal((await act(b, 'thaw-weights')).body.steering.fixed, null);
  await tick(b, day(4));
  assert.deepEqual(await weightsServed(b), [0.2, 0.8]);
  // As they are, without a word about weights.
  await act(b, 'freeze-weights');
  await tick(b, day(6));
  assert.deepEqual(
    (await history(b)).map((s) => s.kind),
    ['started', 'frozen', 'thawed', 'weights', 'frozen'],
  );
  assert.equal((await act(b, 'pause')).body.state, 'paused');
  assert.deepEqual(await weightsServed(b), [1]);
  // Weights and what was counted outlive a pause.
  const resumed = await act(b, 'resume');
  assert.deepEqual(
    [resumed.body.state, resumed.body.steering.weights],
    ['running', { control: 0.2, b: 0.8 }],
    JSON.stringify(resumed.body),
  );
  await ask(b, 6, 20, 500);
  await tick(b, day(7));
  assert.equal(
    (await read(b)).arms.reduce((sum, a) => sum + a.units, 0),
    200,
  );
});

eachDatabase(
  'an arm for each request; young predictions wait, and after the delay one without a reward counts as the plan says',
  async (t, kind) => {
    const b = await open(t, kind);
    const planned = await plan(b, { assign: 'request', delay: '1d', missing: 0, every: '12h', halfLife: '10d' }, { metric: 'label' });
    assert.equal(planned.status, 201, JSON.stringify(planned.body));
    await act(b, 'start');
    // One key, and both arms.
    const answers = await b.traffic(240, day(0), day(1) - 1, { keyOf: () => 'k' });
    assert.deepEqual(new Set(answers.map((a) => a.variant)), new Set(['control', 'b']));
    const record = findPrediction(servingPaths(b.folder).log, answers[0]!.id!)!;
    assert.deepEqual([record.assignment, record.propensity], ['random', 0.5]);
    // Only what is good is ever told.
    await b.label(answers.map((a, i) => (labelOf(i) === 1 ? a : { ...a, id: null })));
    await tick(b, day(1));
    const young = await read(b);
    assert.deepEqual([young.asRun.waiting, young.arms[0]!.units + young.arms[1]!.units], [239, 1], JSON.stringify(young));
    await tick(b, day(2));
    const old = await read(b);
    assert.deepEqual([old.asRun.waiting, old.arms[0]!.units + old.arms[1]!.units], [0, 240]);
    const good = answers.filter((_, i) => labelOf(i) === 1).length / 240;
    assert.ok(Math.abs(old.asRun.value - good) < 1e-12);
  },
);

test('a bandit that does not hold together is refused in words', async (t) => {
  const b = await open(t, 'sqlite');
  const why = async (bandit: object, more: object = {}): Promise<string> => {
    const refused = await plan(b, bandit, more);
    assert.deepEqual([refused.status, refused.body.code], [422, 'trial-plan-invalid'], JSON.stringify(refused.body));
    return refused.body.detail!;
  };
  assert.match(await why({ floor: 0.5 }), /floor of 0.5 for each of 2 arms leaves nothing/);
  assert.match(await why({ cap: 0.4 }), /cap of 0.4 .* does not give out all traffic/);
  assert.match(await why({ missing: 0 }, { metric: 'error_rate' }), /none can be missing/);
  assert.match(await why({ missing: 0.5 }), /rewards are 0 or 1/);
  assert.match(await why({}, { covariate: { column: 'good' } }), /takes no covariate/);
  assert.match(await why({}, { kind: 'ab' }), /plan one with kind "bandit"/);
  assert.match(await why({}, { guardrails: ['mae', 'mae'] }), /named twice/);
  assert.match(await why({}, { arms: [{ name: 'b', version: '2', weight: 0.05 }] }), /"control" begins with 0.95/);
  // The same name is the same seed, so that a replay draws the same.
  const [one, two] = [await plan(b), await plan(b, {}, { name: 'u' })];
  assert.notEqual(one.body.bandit.seed, two.body.bandit.seed);
});
