// How often the rules of a release fire although the candidate is as good as the stable version, looked at again and again,
// and how soon they see one that is not. Each rule that decides is here or in ../sequential.test.ts.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { pairedExcess, pairedShift } from '../always-valid/paired.ts';
import { bucketOf, slowerQuantile, type Histogram } from '../always-valid/quantile.ts';
import { shareAbove } from '../always-valid/share.ts';
import { harm } from '../concurrent.ts';
import { momentsOf, standardError } from '../moments.ts';
import { excessShare, lowerConfidenceSequence } from '../sequential.ts';
import { generator, normalOf } from './generator.ts';

const ALPHA = 0.05;
const RUNS = 150;
const LOOKS = 30;

/** Of `RUNS` runs those in which a rule fired at any look. */
function fired(seed: number, rule: (random: () => number, run: number) => () => boolean, looks = LOOKS, runs = RUNS): number {
  const random = generator(seed);
  let count = 0;
  for (let run = 0; run < runs; run++) {
    const look = rule(random, run);
    for (let i = 0; i < looks; i++)
      if (look()) {
        count += 1;
        break;
      }
  }
  return count;
}

const within = (count: number, what: string, runs = RUNS): void =>
  assert.ok(count <= ALPHA * runs, `${what}: a false alarm in ${count} of ${runs}`);
const most = (count: number, what: string, runs = RUNS): void => assert.ok(count >= 0.9 * runs, `${what}: seen in ${count} of ${runs}`);

/** Rows that both answered; each event with its own rate, and one rate that both have on the same row. */
const pairs = (own: number, other: number, both: number, margin: number) => (random: () => number) => {
  const counts = { candidateOnly: 0, otherOnly: 0, n: 0 };
  return (): boolean => {
    for (let i = 0; i < 100; i++) {
      const [a, b] = random() < both ? [true, true] : [random() < own, random() < other];
      counts.n += 1;
      if (a && !b) counts.candidateOnly += 1;
      if (b && !a) counts.otherOnly += 1;
    }
    return pairedExcess(counts, ALPHA, margin).pValue <= ALPHA;
  };
};

test('failures on the same rows: equal rates, and those within the margin, raise no more alarms than promised', () => {
  const rates = [0.005, 0.05, 0.3];
  within(
    fired(1, (random, run) => pairs(rates[run % 3]!, rates[run % 3]!, 0.02, 0)(random)),
    'equal',
  );
  within(fired(2, pairs(0.04, 0.02, 0.01, 0.02)), 'at the margin');
  most(fired(3, pairs(0.03, 0.005, 0.01, 0)), 'five times as many');
  most(fired(4, pairs(0.08, 0.005, 0.01, 0.02)), 'beyond the margin');
});

const disagreement = (rate: number, bound: number) => (random: () => number) => {
  const count = { events: 0, n: 0 };
  return (): boolean => {
    for (let i = 0; i < 50; i++) {
      count.n += 1;
      if (random() < rate) count.events += 1;
    }
    return shareAbove(count, ALPHA, bound).pValue <= ALPHA;
  };
};

test('disagreement: what is tolerated raises no more alarms than promised, and twice as much is seen', () => {
  within(fired(5, disagreement(0.1, 0.1)), 'at the bound');
  within(fired(6, disagreement(0.02, 0.1)), 'below the bound');
  most(fired(7, disagreement(0.2, 0.1)), 'twice the bound');
});

/** Scores of the same rows in ten bins; `noise` is by how much the candidate's differ, `scale` what they are stretched by. */
const scores = (noise: number, scale: number) => (random: () => number) => {
  const moved = Array.from({ length: 10 }, (): [number, number] => [0, 0]);
  const bin = (x: number): number => Math.min(9, Math.max(0, Math.floor(x * 10)));
  return (): boolean => {
    for (let i = 0; i < 100; i++) {
      // Both are the same distribution about one value of the row.
      const row = random() * 0.8 + 0.1;
      const own = bin((row + noise * (random() - 0.5)) * scale);
      const other = bin(row + noise * (random() - 0.5));
      if (own === other) continue;
      moved[own]![0] += 1;
      moved[other]![1] += 1;
    }
    return pairedShift(moved) <= ALPHA;
  };
};

test('scores of the same rows: a model that scores otherwise row by row but alike on the whole is no alarm', () => {
  within(fired(8, scores(0.2, 1)), 'alike on the whole');
  most(fired(9, scores(0.2, 0.6)), 'on another scale');
});

/** Log-normal latencies. */
const latencies = (slower: number, margin: number, q: number) => (random: () => number) => {
  const arms = [new Map<number, number>(), new Map<number, number>()];
  const histogram = (arm: number): Histogram => [...arms[arm]!].sort(([a], [b]) => a - b);
  return (): boolean => {
    for (let i = 0; i < 400; i++) {
      const arm = random() < 0.3 ? 1 : 0;
      const bucket = bucketOf(2000 * Math.exp(0.5 * normalOf(random)) * (arm === 1 ? slower : 1));
      arms[arm]!.set(bucket, (arms[arm]!.get(bucket) ?? 0) + 1);
    }
    return slowerQuantile(histogram(1), histogram(0), q, margin).pValue <= ALPHA;
  };
};

test('latency: one that is slower by the margin raises no more alarms than promised, and one that is twice as slow is seen', () => {
  within(fired(10, latencies(1, 0, 0.95), 20, 120), 'equal', 120);
  within(fired(11, latencies(1.5, 0.5, 0.95), 20, 120), 'at the margin', 120);
  most(fired(12, latencies(2.2, 0.5, 0.95), 20, 60), 'p95 of twice as slow', 60);
  most(fired(13, latencies(3, 0.5, 0.99), 20, 60), 'p99 of three times as slow', 60);
});

const rewards = (worse: number) => (random: () => number) => {
  const arms: number[][] = [[], []];
  return (): boolean => {
    for (let i = 0; i < 60; i++) {
      const arm = random() < 0.3 ? 1 : 0;
      arms[arm]!.push((random() < 0.1 ? 20 * random() : 0) - (arm === 1 ? worse : 0));
    }
    const [other, own] = arms.map((values) => momentsOf(values.length, (i) => values[i]!)) as [never, never];
    if (arms[1]!.length < 30) return false;
    const difference = (other as { mean: number }).mean - (own as { mean: number }).mean;
    const error = Math.hypot(standardError(own), standardError(other));
    return lowerConfidenceSequence({ difference, standardError: error, n: arms[0]!.length + arms[1]!.length }, ALPHA, 1000).low > 0;
  };
};

test('mean reward: equal arms of a skewed reward raise no more alarms than promised, and half of it less is seen', () => {
  within(fired(14, rewards(0)), 'equal');
  most(fired(15, rewards(0.9), 60), 'nearly all of it less');
});

/** Two models whose scores tell the label equally well, or the candidate's with more noise. */
const metric = (name: string, worse: number) => (random: () => number) => {
  const arms = [
    { labels: [] as number[], scores: [] as number[] },
    { labels: [] as number[], scores: [] as number[] },
  ];
  return (): boolean => {
    for (let i = 0; i < 200; i++) {
      const arm = random() < 0.4 ? 1 : 0;
      const label = random() < 0.3 ? 1 : 0;
      const blur = arm === 1 ? worse : 0;
      const logit = (label === 1 ? 0.7 : -1.2) * (1 - blur) + 0.8 * normalOf(random);
      arms[arm]!.labels.push(label);
      arms[arm]!.scores.push(1 / (1 + Math.exp(-logit)));
    }
    const found = harm(name, arms[1]!, arms[0]!);
    return found.ok && lowerConfidenceSequence(found, ALPHA, 1000).low > 0;
  };
};

test('metrics of delayed outcomes: equal models raise no more alarms than promised, and a blurred one is seen', () => {
  for (const [i, name] of ['roc_auc', 'log_loss', 'f1'].entries()) {
    within(fired(20 + i, metric(name, 0), 10, 60), name, 60);
    most(fired(30 + i, metric(name, 0.8), 10, 30), name, 30);
  }
});

test('a null rate: two arms with equal shares of scores that are none', () => {
  const nulls = (own: number) => (random: () => number) => {
    const counts = [
      { events: 0, n: 0 },
      { events: 0, n: 0 },
    ];
    return (): boolean => {
      for (let i = 0; i < 100; i++) {
        const arm = random() < 0.2 ? 1 : 0;
        counts[arm]!.n += 1;
        if (random() < (arm === 1 ? own : 0.01)) counts[arm]!.events += 1;
      }
      return excessShare(counts[1]!, counts[0]!, ALPHA).pValue <= ALPHA;
    };
  };
  within(fired(40, nulls(0.01)), 'equal');
  most(fired(41, nulls(0.08)), 'eight times as many');
});
