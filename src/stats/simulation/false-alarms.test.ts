// How often the default rules fire although nothing has changed, and how often drift and faults go unseen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeDrift, driftSpread } from '../drift.ts';
import {
  binOf,
  categoricalBaselineOf,
  countCategoriesOf,
  numericBaseline,
  numericCounts,
  type ColumnBaseline,
  type ColumnCounts,
} from '../drift-sketch.ts';
import { noMoments } from '../moments.ts';
import { judgeQuality } from '../quality.ts';
import { generator, normalOf } from './generator.ts';

const ROWS = 900;
const REFERENCE = 12_000;
const DAYS = 365;
const YEARS = 10;

/** A column is a function of one of 4096 equally likely codes; null = missing. */
const CODES = 4096;
type Column = { readonly kind: 'numeric' | 'categorical'; readonly of: (code: number) => number | string | null };

const fixed = generator(1);
// Numbers come out of few values (below 20) or many, with atoms and long tails.
const smooth = (shape: (u: number) => number): Column => ({ kind: 'numeric', of: (code) => shape((code + 0.5) / CODES) });
const shuffled = Array.from({ length: CODES }, () => normalOf(fixed)).toSorted((a, b) => a - b);
/** Categories whose shares fall as 1 / rank. */
const ranked = (size: number): Column => {
  const weights = Array.from({ length: size }, (_, i) => 1 / (i + 1));
  const whole = weights.reduce((a, b) => a + b);
  const ends = weights.map(
    (
      (sum) => (w: number) =>
        (sum += w / whole)
    )(0),
  );
  return { kind: 'categorical', of: (code) => `c${ends.findIndex((end) => (code + 0.5) / CODES <= end)}` };
};
const columns: readonly Column[] = [
  { kind: 'numeric', of: (code) => shuffled[code]! },
  { kind: 'numeric', of: (code) => Math.exp(shuffled[code]!) },
  smooth((u) => u),
  smooth((u) => -Math.log(u)),
  smooth((u) => u ** -0.4),
  smooth((u) => (u < 0.6 ? 0 : u * 10)),
  smooth((u) => Math.floor(u * 24)),
  smooth((u) => Math.floor(u * 7)),
  smooth((u) => Math.floor(u * 60)),
  smooth((u) => Math.floor(u * 2)),
  smooth((u) => Math.round(u ** 3 * 40)),
  smooth((u) => 1 / (1 + Math.exp(-8 * u))),
  ...[2, 3, 5, 8, 15, 30, 90].map(ranked),
  { kind: 'categorical', of: (code) => (code % 20 === 0 ? null : `c${code % 7}`) },
];

/** Counts of rows by code, in the cells of a baseline: each code's cell is looked up once. */
function counter(column: Column, baseline: ColumnBaseline): (codes: Uint16Array) => ColumnCounts {
  const values = Array.from({ length: CODES }, (_, code) => column.of(code));
  if (baseline.kind === 'categorical') {
    const names = [...new Set(values as (string | null)[])];
    const index = new Map(names.map((name, i) => [name, i]));
    const cell = Uint16Array.from(values, (v) => index.get(v as string | null)!);
    return (codes) => {
      const counts = new Uint32Array(names.length);
      for (const code of codes) counts[cell[code]!]! += 1;
      return countCategoriesOf(
        baseline,
        names.map((name, i) => [name, counts[i]!] as const).filter(([, n]) => n > 0),
      );
    };
  }
  const cell = Uint16Array.from(values, (v) => binOf(baseline.edges, v as number));
  const { min, max } = baseline.reference;
  const [low, high] = [Uint8Array.from(values, (v) => +((v as number) < min!)), Uint8Array.from(values, (v) => +((v as number) > max!))];
  return (codes) => {
    const bins = new Array<number>(baseline.edges.length + 1).fill(0);
    let [below, above] = [0, 0];
    for (const code of codes) {
      bins[cell[code]!]! += 1;
      below += low[code]!;
      above += high[code]!;
    }
    return numericCounts(baseline, { bins, below, above, moments: noMoments, min: null, max: null });
  };
}

function draw(random: () => number, n: number): Uint16Array {
  const codes = new Uint16Array(n);
  for (let i = 0; i < n; i++) codes[i] = random() * CODES;
  return codes;
}

interface Watched {
  readonly baseline: ColumnBaseline;
  readonly count: (codes: Uint16Array) => ColumnCounts;
}

/** A baseline from a sample of the column, with the spread of its own days. */
function watch(column: Column, random: () => number): Watched {
  const sample = draw(random, REFERENCE);
  const values = Array.from(sample, (code) => column.of(code));
  const plain =
    column.kind === 'numeric'
      ? numericBaseline(values as number[])
      : categoricalBaselineOf([...Map.groupBy(values as (string | null)[], (v) => v)].map(([v, all]) => [v, all.length] as const));
  const count = counter(column, plain);
  const days = Array.from({ length: Math.floor(REFERENCE / ROWS) }, (_, i) => count(sample.subarray(i * ROWS, (i + 1) * ROWS)));
  const spread = driftSpread(plain, days);
  assert.ok(spread);
  return { baseline: { ...plain, spread } as ColumnBaseline, count };
}

/** Times that a state begins which holds while at least `k` of the last `of` days have it. */
function episodes(days: readonly boolean[], k: number, of: number): number {
  let [count, on] = [0, false];
  days.forEach((_, i) => {
    const now = days.slice(Math.max(0, i - of + 1), i + 1).filter(Boolean).length >= k;
    if (now && !on) count++;
    on = now;
  });
  return count;
}

test('a year of days drawn from one distribution: drift and quality fire at most once, in every one of ten years', (t) => {
  const found = { drift: 0, quality: 0, findings: 0, judged: 0 };
  for (let year = 0; year < YEARS; year++) {
    const random = generator(100 + year);
    const watched = columns.map((column) => watch(column, random));
    const drifted = columns.map((): boolean[] => []);
    const broken = columns.map((): boolean[] => []);
    for (let day = 0; day < DAYS; day++)
      watched.forEach(({ baseline, count }, i) => {
        const counts = count(draw(random, ROWS));
        const verdict = judgeDrift({ counts, baseline, columns: columns.length });
        assert.ok(verdict.ok);
        drifted[i]!.push(verdict.drifted);
        broken[i]!.push(judgeQuality({ counts, baseline, columns: columns.length }).some((q) => q.broken));
        found.judged++;
        if (verdict.drifted) found.findings++;
      });
    // Any column in two of its last three days, or three in ten of the columns in two of three.
    const share = Array.from({ length: DAYS }, (_, day) => drifted.filter((d) => d[day]).length / columns.length >= 0.3);
    const alarms = episodes(share, 2, 3) + drifted.reduce((sum, days) => sum + episodes(days, 2, 3), 0);
    const faults = broken.reduce((sum, days) => sum + episodes(days, 1, 1), 0);
    assert.ok(alarms + faults <= 1, `year ${year}: ${alarms} alarms of drift, ${faults} of quality`);
    found.drift += alarms;
    found.quality += faults;
  }
  t.diagnostic(
    `${YEARS} years, ${found.judged} columns judged: ${found.findings} findings, ${found.drift} alarms of drift, ${found.quality} of quality`,
  );
  // alpha = 0.001 per day for all columns: 3.65 findings in ten years at most, on average.
  assert.ok(found.findings <= 3.65 + 3 * Math.sqrt(3.65), `${found.findings} findings`);
});

test('chance alone finds a column in as many windows as the level says, for small windows and large ones', (t) => {
  // Without a practical threshold and without the spread, so that only the null threshold speaks.
  const alpha = 0.05;
  for (const [rows, windows] of [
    [40, 1500],
    [200, 1500],
    [900, 700],
    [6000, 150],
  ] as const) {
    const random = generator(200 + rows);
    let any = 0;
    for (let block = 0; block < 10; block++) {
      const watched = columns.map((column) => watch(column, random));
      for (let i = 0; i < windows / 10; i++) {
        const verdicts = watched.map(({ baseline: { spread: _, ...baseline }, count }) =>
          judgeDrift({
            counts: count(draw(random, rows)),
            baseline: baseline as ColumnBaseline,
            columns: columns.length,
            threshold: 0,
            alpha,
          }),
        );
        if (verdicts.some((v) => v.ok && v.drifted)) any++;
      }
    }
    t.diagnostic(`${rows} rows: a finding in ${any} of ${windows} windows, ${alpha * windows} promised`);
    const error = 3 * Math.sqrt((alpha * (1 - alpha)) / windows);
    assert.ok(any / windows <= alpha * 1.6 + error, `${rows} rows: ${any} of ${windows}`);
    assert.ok(any / windows >= alpha * 0.3 - error, `${rows} rows: ${any} of ${windows} is too careful`);
  }
});
