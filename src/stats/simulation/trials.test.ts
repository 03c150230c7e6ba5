// How often the rules that decide a trial are wrong, and how often they find what is there. Seeded.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { normalQuantile } from '../normal.ts';
import { cuped, meanOf, shareOf, type ArmEstimate } from '../trial/arms.ts';
import { adjusted, mismatchOf, sampleMismatch, type Counted } from '../trial/corrections.ts';
import { compareAlways, compareMeans, compareShares, waldInterval } from '../trial/readout.ts';
import { unitsForMeans, unitsForShares, type Wanted } from '../trial/sample-size.ts';
import { generator, normalOf } from './generator.ts';

const ALPHA = 0.05;

/** A rate of `trials` simulations must not be above (or below) the wanted one by more than four standard errors. */
const allowed = (rate: number, trials: number): number => 4 * Math.sqrt((rate * (1 - rate)) / trials);
const atMost = (found: number, rate: number, trials: number, what: string): void =>
  assert.ok(found <= rate + allowed(rate, trials), `${what}: ${found}, at most ${rate} is wanted`);
const atLeast = (found: number, rate: number, trials: number, what: string): void =>
  assert.ok(found >= rate - allowed(rate, trials), `${what}: ${found}, at least ${rate} is wanted`);
const rateOf = (trials: number, of: (i: number) => boolean): number =>
  Array.from({ length: trials }, (_, i) => of(i)).filter(Boolean).length / trials;

/** Events among n, by the normal approximation with rounding; n p is in the hundreds wherever it is used. */
const events = (n: number, p: number, random: () => number): number =>
  Math.min(n, Math.max(0, Math.round(n * p + Math.sqrt(n * p * (1 - p)) * normalQuantile(random()))));
const fewEvents = (n: number, p: number, random: () => number): number => Array.from({ length: n }, random).filter((u) => u < p).length;

/** A mean of n exponential rewards by its first two moments. */
const meanArm = (n: number, mean: number, random: () => number): ArmEstimate => {
  const value = mean + normalOf(random) / Math.sqrt(n);
  return meanOf({ n, mean: value, variance: 1 + normalOf(random) * Math.sqrt(2 / n) });
};

test('fixed horizon, shares: the error is alpha, the power is what was planned, the interval covers', () => {
  const random = generator(11);
  const wanted: Wanted = { alpha: ALPHA, power: 0.8, weights: [0.5, 0.5], rule: 'fixed-horizon' };
  const n = Math.ceil(unitsForShares(0.1, 0.02, wanted) / 2);
  const trials = 4000;
  const found = (effect: number) => {
    const compared = compareShares({ events: events(n, 0.1, random), n }, { events: events(n, 0.1 + effect, random), n }, ALPHA);
    return { wins: compared.pValue <= ALPHA, covers: compared.low <= effect && effect <= compared.high };
  };
  atMost(
    rateOf(trials, () => found(0).wins),
    ALPHA,
    trials,
    'false winners',
  );
  const power = rateOf(trials, () => found(0.02).wins);
  assert.ok(Math.abs(power - 0.8) < allowed(0.8, trials), `power ${power}`);
  atLeast(
    rateOf(trials, () => found(0.02).covers),
    1 - ALPHA,
    trials,
    'coverage',
  );
});

test('Newcombe’s interval holds its level for twenty units and rare events, where the plain one does not', () => {
  const random = generator(12);
  const trials = 4000;
  let [newcombe, wald] = [0, 0];
  for (let i = 0; i < trials; i++) {
    const [control, arm] = [
      { events: fewEvents(20, 0.05, random), n: 20 },
      { events: fewEvents(20, 0.05, random), n: 20 },
    ];
    const { low, high } = compareShares(control, arm, ALPHA);
    if (low <= 0 && high >= 0) newcombe++;
    const plain = waldInterval({ events: fewEvents(20, 0.02, random), n: 20 }, { events: fewEvents(20, 0.2, random), n: 20 }, ALPHA);
    if (plain.low <= 0.18 && plain.high >= 0.18) wald++;
  }
  atLeast(newcombe / trials, 1 - ALPHA, trials, 'Newcombe');
  assert.ok(wald / trials < 0.93, `Wald covers ${wald / trials}`);
});

test('fixed horizon, means of skewed rewards: error, power and coverage', () => {
  const random = generator(13);
  const wanted: Wanted = { alpha: ALPHA, power: 0.8, weights: [0.5, 0.5], rule: 'fixed-horizon' };
  const n = Math.ceil(unitsForMeans(1, 0.3, wanted) / 2);
  const sample = (shift: number): ArmEstimate => {
    const values = Array.from({ length: n }, () => -Math.log(1 - random()) + shift);
    const mean = values.reduce((a, b) => a + b, 0) / n;
    return meanOf({ n, mean, variance: values.reduce((a, v) => a + (v - mean) ** 2, 0) / (n - 1) });
  };
  const trials = 3000;
  let [wrong, right, covered] = [0, 0, 0];
  for (let i = 0; i < trials; i++) {
    if (compareMeans(sample(0), sample(0), ALPHA).pValue <= ALPHA) wrong++;
    const real = compareMeans(sample(0), sample(0.3), ALPHA);
    if (real.pValue <= ALPHA) right++;
    if (real.low <= 0.3 && real.high >= 0.3) covered++;
  }
  atMost(wrong / trials, ALPHA, trials, 'false winners');
  assert.ok(Math.abs(right / trials - 0.8) < 0.035, `power ${right / trials}`);
  atLeast(covered / trials, 1 - ALPHA, trials, 'coverage');
});

/** Thirty looks at arms that grow by `step` units each: whether any finds a difference, and whether all cover the truth. */
function looks(effect: number, step: number, expected: number, random: () => number, count = 30) {
  let [control, arm] = [0, 0];
  let [fixed, always, covers] = [false, false, true];
  for (let look = 1; look <= count; look++) {
    control += events(step, 0.3, random);
    arm += events(step, 0.3 + effect, random);
    const n = look * step;
    const pair = [shareOf({ events: control, n }), shareOf({ events: arm, n })] as const;
    const compared = compareAlways(...pair, ALPHA, expected);
    always ||= compared.pValue <= ALPHA;
    covers &&= compared.low <= effect && compared.high >= effect;
    fixed ||= compareShares({ events: control, n }, { events: arm, n }, ALPHA).pValue <= ALPHA;
  }
  return { fixed, always, covers };
}

test('thirty looks: the sequence stays below alpha and covers throughout, a fixed test does not', () => {
  const random = generator(14);
  const trials = 1500;
  const found = Array.from({ length: trials }, () => looks(0, 200, 6000, random));
  atMost(
    rateOf(trials, (i) => found[i]!.always),
    ALPHA,
    trials,
    'false winners at any look',
  );
  atLeast(
    rateOf(trials, (i) => found[i]!.covers),
    1 - ALPHA,
    trials,
    'coverage at all looks',
  );
  assert.ok(rateOf(trials, (i) => found[i]!.fixed) > 0.2, 'looking often at a fixed test is what must not decide');
});

test('the sequence finds the minimal effect with the planned power by the planned sample', () => {
  const random = generator(15);
  const units = unitsForShares(0.3, 0.05, { alpha: ALPHA, power: 0.8, weights: [0.5, 0.5], rule: 'confidence-sequence' });
  const fixed = unitsForShares(0.3, 0.05, { alpha: ALPHA, power: 0.8, weights: [0.5, 0.5], rule: 'fixed-horizon' });
  assert.ok(units > 1.5 * fixed && units < 2.5 * fixed, `${units} for ${fixed}`);
  const trials = 800;
  const power = rateOf(trials, () => looks(0.05, Math.ceil(units / 60), units, random).always);
  // More than 0.8: it may stop at each of the looks before.
  atLeast(power, 0.8, trials, 'power');
});

test('four arms without a difference: Holm keeps the chance of any false winner, and one real effect is found as planned', () => {
  const random = generator(16);
  const trials = 3000;
  const wanted: Wanted = { alpha: ALPHA, power: 0.8, weights: [0.25, 0.25, 0.25, 0.25], rule: 'fixed-horizon' };
  const n = Math.ceil(unitsForMeans(1, 0.2, wanted) / 4);
  const pValues = (effects: readonly number[]): number[] => {
    const control = meanArm(n, 0, random);
    return effects.map((effect) => compareMeans(control, meanArm(n, effect, random), ALPHA).pValue);
  };
  const uncorrected = rateOf(trials, () => pValues([0, 0, 0]).some((p) => p <= ALPHA));
  assert.ok(uncorrected > 0.09, `${uncorrected}`);
  atMost(
    rateOf(trials, () => adjusted(pValues([0, 0, 0]), 'holm').some((p) => p <= ALPHA)),
    ALPHA,
    trials,
    'any false winner',
  );
  atLeast(
    rateOf(trials, () => adjusted(pValues([0.2, 0, 0]), 'holm')[0]! <= ALPHA),
    0.8,
    trials,
    'power',
  );
});

test('Benjamini and Hochberg keep the share of false findings among the findings', () => {
  const random = generator(17);
  const trials = 2000;
  let shares = 0;
  for (let i = 0; i < trials; i++) {
    const control = meanArm(1000, 0, random);
    const effects = [0.15, 0.15, 0.15, 0, 0, 0];
    const p = adjusted(
      effects.map((effect) => compareMeans(control, meanArm(1000, effect, random), ALPHA).pValue),
      'benjamini-hochberg',
    );
    const findings = p.flatMap((value, arm) => (value <= ALPHA ? [arm] : []));
    shares += findings.length === 0 ? 0 : findings.filter((arm) => effects[arm] === 0).length / findings.length;
  }
  atMost(shares / trials, ALPHA, trials, 'false discovery rate');
});

test('CUPED: the error stays alpha, the variance falls by the square of the correlation, and more is found', () => {
  const random = generator(18);
  const n = 300;
  const arm = (effect: number) => {
    const before = Array.from({ length: n }, () => normalOf(random));
    const after = before.map((value) => 0.8 * value + 0.6 * normalOf(random) + effect);
    const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / n;
    const [b, a] = [mean(before), mean(after)];
    const cross = (p: readonly number[], q: readonly number[], pm: number, qm: number): number =>
      p.reduce((sum, value, i) => sum + (value - pm) * (q[i]! - qm), 0) / (n - 1);
    return {
      ...{ n, mean: a, variance: cross(after, after, a, a), before: b, beforeVariance: cross(before, before, b, b) },
      covariance: cross(before, after, b, a),
    };
  };
  const trials = 1500;
  let [wrong, found, plain, reduction] = [0, 0, 0, 0];
  for (let i = 0; i < trials; i++) {
    const none = cuped([arm(0), arm(0)]).arms as [ArmEstimate, ArmEstimate];
    if (compareMeans(...none, ALPHA).pValue <= ALPHA) wrong++;
    const raw = [arm(0), arm(0.15)] as const;
    const real = cuped(raw);
    reduction += real.reduction / trials;
    if (compareMeans(real.arms[0]!, real.arms[1]!, ALPHA).pValue <= ALPHA) found++;
    if (compareMeans(meanOf(raw[0]), meanOf(raw[1]), ALPHA).pValue <= ALPHA) plain++;
  }
  atMost(wrong / trials, ALPHA, trials, 'false winners');
  assert.ok(Math.abs(reduction - 0.64) < 0.02, `${reduction}`);
  assert.ok(found > 1.7 * plain, `${found} found, ${plain} without the covariate`);
});

test('sample ratio mismatch at every look: one in a thousand without a fault, and a fault of two hundredths is found', () => {
  const random = generator(19);
  const shares = [0.4, 0.3, 0.3];
  const run = (real: readonly number[]): boolean => {
    const counts = [0, 0, 0];
    for (let look = 0; look < 20; look++) {
      const first = events(1000, real[0]!, random);
      const second = events(1000 - first, real[1]! / (1 - real[0]!), random);
      [first, second, 1000 - first - second].forEach((count, i) => (counts[i]! += count));
      if (sampleMismatch(counts, shares).pValue < 0.001) return true;
    }
    return false;
  };
  const trials = 1500;
  atMost(
    rateOf(trials, () => run(shares)),
    0.001,
    trials,
    'false mismatches',
  );
  atLeast(
    rateOf(200, () => run([0.42, 0.28, 0.3])),
    0.9,
    200,
    'found',
  );
});

test('sample ratio where the shares move at each look by what the units did: one in a thousand, and a fault is found', () => {
  const random = generator(23);
  const run = (fault: number): boolean => {
    const times: Counted[] = [];
    let share = 0.5;
    for (let look = 0; look < 15; look++) {
      const first = events(800, share + fault, random);
      times.push({ counts: [first, 800 - first], shares: [share, 1 - share] });
      if (mismatchOf(times).pValue < 0.001) return true;
      // A bandit gone wild: whoever had more gets more.
      share = Math.min(0.9, Math.max(0.1, first / 800 + 0.05 * normalOf(random)));
    }
    return false;
  };
  const trials = 1500;
  atMost(
    rateOf(trials, () => run(0)),
    0.001,
    trials,
    'false mismatches',
  );
  atLeast(
    rateOf(200, () => run(0.05)),
    0.9,
    200,
    'found',
  );
});
