// Both error rates of the default rule of performance: below the baseline by 0.03, seven trailing windows, for two.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { rocAuc } from '../auc.ts';
import { standardErrorOf } from '../intervals.ts';
import { normalQuantile } from '../normal.ts';
import { judgeFall, pool, spreadBetween, type WindowFigure } from '../performance-fall.ts';
import { generator } from './generator.ts';

// A table is ten times faster than the quantile itself, and fine enough for 900 rows.
const normals = Float64Array.from({ length: 65_536 }, (_, i) => normalQuantile((i + 0.5) / 65_536));

/** The AUC of rows, 23 % of them positive, whose scores are normal in each class; `auc` is the truth. */
function figure(random: () => number, n: number, auc: number): WindowFigure {
  const apart = Math.SQRT2 * normalQuantile(auc);
  const [labels, scores] = [new Uint8Array(n), new Float64Array(n)];
  for (let i = 0; i < n; i++) {
    labels[i] = random() < 0.23 ? 1 : 0;
    scores[i] = normals[Math.floor(random() * normals.length)]! + apart * labels[i]!;
  }
  const found = rocAuc({ labels, scores });
  assert.ok(found.ok);
  return { value: found.value, standardError: standardErrorOf(found)!, n };
}

const ROWS = 900;
const BASELINE = 12_000;
const TRAILING = 7;

/** The day on which the rule fires for each time that it does: fallen on two days in a row. */
function fires(baseline: WindowFigure, days: readonly WindowFigure[]): number[] {
  const fired: number[] = [];
  let streak = 0;
  days.forEach((_, day) => {
    const pooled = pool(days.slice(Math.max(0, day + 1 - TRAILING), day + 1));
    const verdict = judgeFall({ pooled, baseline, by: 0.03, higherIsBetter: true });
    assert.ok(verdict.ok);
    streak = verdict.fallen ? streak + 1 : 0;
    if (streak === 2) fired.push(day);
  });
  return fired;
}

test('a year without a fall: the rule fires at most once, in every one of twelve years', (t) => {
  const counts = Array.from({ length: 12 }, (_, year) => {
    const random = generator(300 + year);
    const baseline = figure(random, BASELINE, 0.7);
    return fires(
      baseline,
      Array.from({ length: 365 }, () => figure(random, ROWS, 0.7)),
    ).length;
  });
  t.diagnostic(`alarms in each year: ${counts.join(' ')}`);
  assert.ok(
    counts.every((count) => count <= 1),
    counts.join(' '),
  );
});

test('a fall of 0.05 at 900 rows a day is found within ten windows in at least 90 % of the runs', (t) => {
  const RUNS = 300;
  const random = generator(400);
  let [found, days] = [0, 0];
  for (let run = 0; run < RUNS; run++) {
    const baseline = figure(random, BASELINE, 0.7);
    const before = Array.from({ length: TRAILING }, () => figure(random, ROWS, 0.7));
    const after = Array.from({ length: 10 }, () => figure(random, ROWS, 0.65));
    const first = fires(baseline, [...before, ...after]).find((day) => day >= TRAILING);
    if (first === undefined) continue;
    found++;
    days += first - TRAILING + 1;
  }
  t.diagnostic(`found in ${found} of ${RUNS} runs, after ${(days / found).toFixed(1)} windows on average`);
  assert.ok(found / RUNS >= 0.9, `${found} of ${RUNS}`);
});

test('windows too small to tell are no fall, however low they are', () => {
  const random = generator(500);
  let fallen = 0;
  for (let run = 0; run < 400; run++) {
    const verdict = judgeFall({
      pooled: pool([figure(random, 60, 0.7)]),
      baseline: figure(random, 2000, 0.7),
      by: 0.03,
      higherIsBetter: true,
    });
    if (verdict.ok && verdict.fallen) fallen++;
  }
  // One-sided 99 %; four in four hundred are promised.
  assert.ok(fallen <= 4 + 3 * 2 + 2, `${fallen} of 400`);
});

test('the pool is about the truth, and the spread between days is told from sampling', () => {
  const random = generator(600);
  const days = Array.from({ length: 300 }, () => figure(random, 120, 0.7));
  const pooled = pool(days);
  assert.ok(pooled.ok && Math.abs(pooled.value - 0.7) < 4 * pooled.standardError && pooled.standardError < 0.005);
  const still = spreadBetween(days)!;
  const moving = spreadBetween(Array.from({ length: 300 }, (_, i) => figure(random, ROWS, i % 2 === 0 ? 0.65 : 0.75)))!;
  assert.ok(still < 0.02, `${still} without a spread`);
  assert.ok(Math.abs(moving - 0.05) < 0.01, `${moving}, where the days are 0.05 from their mean`);
});
