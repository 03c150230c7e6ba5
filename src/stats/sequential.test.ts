import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assignmentTest,
  confidenceSequence,
  excessDistance,
  excessShare,
  lowerConfidenceSequence,
  mixingRho,
  mixtureSprt,
  sampleRatio,
  sampleRatioAlways,
} from './sequential.ts';

const near = (found: number, wanted: number, tolerance = 1e-9): void =>
  assert.ok(Math.abs(found - wanted) <= tolerance * Math.max(1, Math.abs(wanted)), `${found} is not ${wanted}`);

/** A generator of numbers in [0, 1) (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), 1 | state);
    x = (x + Math.imul(x ^ (x >>> 7), 61 | x)) ^ x;
    return ((x ^ (x >>> 14)) >>> 0) / 4294967296;
  };
}

test('the confidence sequence gives the values of gbstats', () => {
  near(mixingRho(0.05, 5000), 0.039840066771, 1e-10);
  // tests of gbstats: 1396 of 3000 against 2422 of 3461, relative uplift
  const [a, b] = [1396 / 3000, 2422 / 3461];
  const standardError = Math.sqrt((b * (1 - b)) / 3461 / a ** 2 + ((a * (1 - a)) / 3000) * (b * b) * a ** -4);
  const uplift = confidenceSequence({ difference: (b - a) / a, standardError, n: 6461 }, 0.05);
  near((b - a) / a, 0.503863351682, 1e-10);
  near(standardError, 0.033860214798, 1e-9);
  near(uplift.low, 0.400978496686, 1e-9);
  near(uplift.high, 0.606748206678, 1e-9);
  const small = confidenceSequence({ difference: 0.02, standardError: 0.008, n: 20_000 }, 0.05);
  near(0.02 - small.low, 0.02501691315, 1e-9);
  near(small.pValue, 0.276596598377, 1e-9);
});

test('the mixture SPRT is the p-value of the confidence sequence with the same mixing', () => {
  const rho = mixingRho(0.05, 5000);
  const variance = 0.008 ** 2 * 20_000;
  near(mixtureSprt(0.02, variance, 20_000, rho * rho * variance), 0.276596598377, 1e-9);
  assert.equal(mixtureSprt(0, variance, 20_000, 0.01), 1);
});

test('the one-sided bound is above the two-sided one, and its p-value is where it meets 0', () => {
  const estimate = { difference: 0.05, standardError: 0.012, n: 4000 };
  const one = lowerConfidenceSequence(estimate, 0.05);
  assert.ok(one.low > confidenceSequence(estimate, 0.05).low);
  assert.ok(one.pValue < 0.05 && one.low > 0);
  near(lowerConfidenceSequence(estimate, one.pValue).low, 0, 1e-6);
  assert.equal(lowerConfidenceSequence({ ...estimate, difference: -0.05 }, 0.05).pValue, 1);
  assert.ok(lowerConfidenceSequence(estimate, 0.05, 5000, 0.04).pValue > 0.05);
});

test('a sample ratio has the p-values of the chi-square distribution', () => {
  near(sampleRatio([10_000, 10_300], [0.5, 0.5]).pValue, 0.035240223824, 1e-9);
  near(sampleRatio([50_500, 49_500], [1, 1]).pValue, 0.001565402258, 1e-9);
  near(sampleRatio([900, 100], [0.9, 0.1]).pValue, 1);
  assert.equal(sampleRatio([0, 0], [0.9, 0.1]).pValue, 1);
  assert.equal(sampleRatioAlways([900, 100], [0.9, 0.1]), 1);
  assert.ok(sampleRatioAlways([2500, 500], [0.9, 0.1]) < 1e-6);
});

test('an excess of errors is found with no error at all on the other side, and not in a handful of requests', () => {
  const found = excessShare({ events: 15, n: 300 }, { events: 0, n: 2700 }, 0.05);
  near(found.difference, 0.05);
  assert.ok(found.pValue < 1e-6 && found.low > 0.01 && found.low < 0.05, JSON.stringify(found));
  assert.ok(excessShare({ events: 1, n: 3 }, { events: 0, n: 27 }, 0.05).pValue > 0.05);
  assert.equal(excessShare({ events: 0, n: 300 }, { events: 20, n: 2700 }, 0.05).pValue, 1);
  assert.deepEqual(excessShare({ events: 0, n: 0 }, { events: 1, n: 9 }, 0.05), { difference: 0, low: -1, pValue: 1 });
  // What is tolerated is not held against it.
  assert.ok(excessShare({ events: 15, n: 300 }, { events: 0, n: 2700 }, 0.05, 0.05).pValue === 1);
  // All of them failed: shares of 1 have no variance either.
  assert.ok(excessShare({ events: 50, n: 50 }, { events: 0, n: 450 }, 0.05).low > 0.5);
});

test('looking fifty times at equal arms raises a false alarm in at most alpha of the runs', () => {
  const random = generator(11);
  const runs = 400;
  const [alpha, share, perLook] = [0.05, 0.1, 60];
  const alarms = { errors: 0, ratio: 0, scores: 0, mean: 0 };
  for (let run = 0; run < runs; run++) {
    const rate = [0, 0.005, 0.02, 0.3][run % 4]!;
    const n = [0, 0];
    const errors = [0, 0];
    const sums = [0, 0];
    const bins = [Array.from({ length: 10 }, () => 0), Array.from({ length: 10 }, () => 0)];
    const hit = { errors: false, ratio: false, scores: false, mean: false };
    for (let look = 0; look < 50; look++) {
      for (let i = 0; i < perLook; i++) {
        const arm = random() < share ? 1 : 0;
        n[arm]! += 1;
        if (random() < rate) errors[arm]! += 1;
        const score = random() ** 3;
        sums[arm]! += score;
        bins[arm]![Math.floor(score * 10)]! += 1;
      }
      hit.errors ||= excessShare({ events: errors[1]!, n: n[1]! }, { events: errors[0]!, n: n[0]! }, alpha).pValue <= alpha;
      hit.ratio ||= sampleRatioAlways([n[0]!, n[1]!], [1 - share, share]) <= alpha;
      hit.scores ||= assignmentTest(bins[1]!, bins[0]!, share) <= alpha;
      // the variance of u^3 is 9/112
      const standardError = Math.sqrt((9 / 112) * (1 / Math.max(1, n[0]!) + 1 / Math.max(1, n[1]!)));
      const difference = sums[1]! / Math.max(1, n[1]!) - sums[0]! / Math.max(1, n[0]!);
      hit.mean ||= n[1]! >= 30 && lowerConfidenceSequence({ difference, standardError, n: n[0]! + n[1]! }, alpha, 3000).low > 0;
    }
    for (const name of Object.keys(hit) as (keyof typeof hit)[]) if (hit[name]) alarms[name] += 1;
  }
  for (const [name, count] of Object.entries(alarms)) assert.ok(count <= alpha * runs, `${name}: ${count} of ${runs}`);
});

test('a candidate that fails 5 % of its requests is caught among its first 500', () => {
  const random = generator(7);
  let caught = 0;
  const after: number[] = [];
  const runs = 200;
  for (let run = 0; run < runs; run++) {
    const n = [0, 0];
    let errors = 0;
    while (n[1]! < 500) {
      const arm = random() < 0.1 ? 1 : 0;
      n[arm]! += 1;
      if (arm === 0 || random() >= 0.05) continue;
      errors += 1;
      if (excessShare({ events: errors, n: n[1]! }, { events: 0, n: n[0]! }, 0.05 / 6).pValue > 0.05 / 6) continue;
      caught += 1;
      after.push(n[1]!);
      break;
    }
  }
  assert.equal(caught, runs);
  assert.ok(after.sort((a, b) => a - b)[runs * 0.95]! < 300, `95 % within ${after[runs * 0.95]} requests`);
});

test('a moved distribution is told from an equal one, with its distance beyond sampling', () => {
  const equal = excessDistance([50, 30, 20], [500, 300, 200]);
  assert.equal(equal, 0);
  assert.ok(excessDistance([0, 0, 100], [1000, 0, 0]) > 0.97);
  assert.ok(assignmentTest([10, 20, 70], [500, 300, 200], 100 / 1100) < 1e-6);
  assert.ok(assignmentTest([50, 30, 20], [500, 300, 200], 100 / 1100) > 0.05);
  assert.equal(excessDistance([0], [5]), 0);
});
