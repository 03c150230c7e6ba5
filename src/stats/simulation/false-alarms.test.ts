// How often the default rules fire although nothing has changed, and how often drift and faults go unseen.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeDrift, driftSpread } from '../drift.ts';
import {
  categoricalBaseline,
  countCategoriesOf,
  countNumeric,
  numericBaseline,
  numericCounts,
  type ColumnBaseline,
  type ColumnCounts,
} from '../drift-sketch.ts';
import { binOf } from '../drift/bins.ts';
import { noMoments } from '../moments.ts';
import { judgeQuality } from '../quality.ts';
import { generator, normalOf } from './generator.ts';

const ROWS = 900;
const REFERENCE = 12_000;
const DAYS = 365;
const YEARS = 10;

/** The value of a column at each of 4096 equally likely codes; null = missing. */
const CODES = 4096;
type Column = readonly number[] | readonly (string | null)[];

const fixed = generator(1);
const smooth = (shape: (u: number) => number): number[] => Array.from({ length: CODES }, (_, code) => shape((code + 0.5) / CODES));
const normal = Array.from({ length: CODES }, () => normalOf(fixed));
/** Categories whose shares fall as 1 / rank. */
const ranked = (size: number): string[] => {
  const whole = Array.from({ length: size }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
  let [rank, end] = [1, 1 / whole];
  return smooth((u) => {
    while (u > end && rank < size) end += 1 / ++rank / whole;
    return rank;
  }).map((r) => `c${r}`);
};
// Few values and many, with atoms and long tails; few categories and many; missing ones.
const columns: readonly Column[] = [
  normal,
  normal.map(Math.exp),
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
  Array.from({ length: CODES }, (_, code) => (code % 20 === 0 ? null : `c${code % 7}`)),
];
const isNumeric = (column: Column): column is readonly number[] => typeof column[0] === 'number';

/** Counts of rows by code, in the cells of a baseline: each code's cell is looked up once. */
function counter(column: Column, baseline: ColumnBaseline): (codes: Uint16Array) => ColumnCounts {
  if (baseline.kind === 'categorical') {
    const names = [...new Set(column as readonly (string | null)[])];
    const index = new Map(names.map((name, i) => [name, i]));
    const cell = Uint16Array.from(column as readonly (string | null)[], (v) => index.get(v)!);
    return (codes) => {
      const counts = new Uint32Array(names.length);
      for (const code of codes) counts[cell[code]!]! += 1;
      return countCategoriesOf(
        baseline,
        names.map((name, i) => [name, counts[i]!] as const).filter(([, n]) => n > 0),
      );
    };
  }
  const values = column as readonly number[];
  const cell = Uint16Array.from(values, (v) => binOf(baseline.edges, v));
  const { min, max } = baseline.reference;
  const [low, high] = [Uint8Array.from(values, (v) => +(v < min!)), Uint8Array.from(values, (v) => +(v > max!))];
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
function watch(column: Column, random: () => number, rows = ROWS, reference = REFERENCE): Watched {
  const sample = draw(random, reference);
  const plain = isNumeric(column)
    ? numericBaseline(Float64Array.from(sample, (code) => column[code]!))
    : categoricalBaseline(Array.from(sample, (code) => column[code]!));
  const count = counter(column, plain);
  const days = Array.from({ length: Math.floor(reference / rows) }, (_, i) => count(sample.subarray(i * rows, (i + 1) * rows)));
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

test('small days of many columns, and large days, raise no more: at most one alarm in each year', (t) => {
  for (const [rows, reference, times, days, years] of [
    [100, 1400, 2.5, DAYS, 4],
    [60, 420, 1, DAYS, 4],
    [300, 2100, 1, DAYS, 2],
    [20_000, 140_000, 1, 60, 1],
  ] as const) {
    // Rare categories, most of which a small reference does not have yet.
    const tail = [60, 95, 150].map(ranked);
    const many = [...tail, ...Array.from({ length: columns.length * times }, (_, i) => columns[i % columns.length]!)];
    for (let year = 0; year < years; year++) {
      const random = generator(rows + year);
      const watched = many.map((column) => watch(column, random, rows, reference));
      const found = watched.map((): { drifted: boolean[]; broken: boolean[] } => ({ drifted: [], broken: [] }));
      for (let day = 0; day < days; day++)
        watched.forEach(({ baseline, count }, i) => {
          const question = { counts: count(draw(random, rows)), baseline, columns: many.length };
          const verdict = judgeDrift(question);
          found[i]!.drifted.push(verdict.ok && verdict.drifted);
          found[i]!.broken.push(judgeQuality(question).some((q) => q.broken));
        });
      const alarms = found.reduce((sum, f) => sum + episodes(f.drifted, 2, 3) + episodes(f.broken, 1, 1), 0);
      const findings = found.reduce((sum, f) => sum + f.drifted.filter(Boolean).length, 0);
      t.diagnostic(`${rows} rows, ${many.length} columns, ${days} days: ${findings} findings of drift, ${alarms} alarms`);
      assert.ok(alarms <= 1, `${alarms} alarms`);
    }
  }
});

test('chance alone finds a column in as many windows as the level says, for small windows and large ones', (t) => {
  // Without a practical threshold and without the spread, so that only the null threshold speaks.
  const alpha = 0.05;
  for (const [rows, windows] of [
    [40, 1000],
    [200, 1000],
    [900, 500],
    [6000, 100],
  ] as const) {
    const random = generator(200 + rows);
    let any = 0;
    for (let block = 0; block < 5; block++) {
      const watched = columns.map((column) => watch(column, random));
      for (let i = 0; i < windows / 5; i++) {
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

test('what changed is found in its first window, what did not is not: one column of twenty', () => {
  const random = generator(700);
  const { baseline, count } = watch(normal, random);
  assert.ok(baseline.kind === 'numeric');
  const judge = (counts: ColumnCounts) => {
    const verdict = judgeDrift({ counts, baseline, columns: 20 });
    assert.ok(verdict.ok);
    return verdict;
  };
  let [moved, wider, same] = [0, 0, 0];
  for (let i = 0; i < 100; i++) {
    const codes = draw(random, ROWS);
    if (judge(count(codes)).drifted) same++;
    if (
      judge(
        countNumeric(
          baseline,
          Float64Array.from(codes, (code) => normal[code]! + 0.5),
        ),
      ).drifted
    )
      moved++;
    if (
      judge(
        countNumeric(
          baseline,
          Float64Array.from(codes, (code) => normal[code]! * 1.5),
        ),
      ).drifted
    )
      wider++;
  }
  assert.deepEqual({ moved: moved >= 98, wider: wider >= 98, same }, { moved: true, wider: true, same: 0 }, `${moved} ${wider} ${same}`);
});
