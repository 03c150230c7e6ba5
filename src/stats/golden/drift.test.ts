// Distances and p-values against NumPy, SciPy, Evidently's and NannyML's definitions; make-golden-drift.py made them.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { chiSquare, hellinger, jsDistance, jsDivergence, klDivergence, psi } from '../drift/distances.ts';
import { doaneCells, ksSorted, sturgesCells, wassersteinSorted } from '../drift/samples.ts';
import { chiSquareAbove, chiSquareUpperQuantile, logGamma } from '../special/gamma.ts';
import { kolmogorovAbove } from '../special/kolmogorov.ts';

type Pair = Readonly<
  Record<
    'bins' | 'js_nats' | 'js_bits' | 'psi' | 'kl' | 'w1' | 'w1_normed' | 'doane_bins' | 'nannyml_js' | 'nannyml_hellinger' | 'ks' | 'ks_p',
    number
  >
>;
type Ks = Pick<Pair, 'ks' | 'ks_p'>;
interface Golden {
  readonly pairs: Readonly<Record<'S' | 'M' | 'L', Pair>>;
  readonly null: Ks;
  readonly large: Ks;
  readonly uneven: Ks;
  readonly kstwo: readonly { n: number; x: number; above: number }[];
  readonly categories: Pick<Pair, 'js_nats' | 'js_bits' | 'psi' | 'kl'>;
  readonly contingency: { statistic: number; p: number };
  readonly yates: { statistic: number; p: number };
  readonly chi2: readonly { x: number; df: number; above: number }[];
  readonly chi2_quantile: readonly { p: number; df: number; value: number }[];
  readonly log_gamma: readonly { x: number; value: number }[];
}
const golden = JSON.parse(readFileSync(join(import.meta.dirname, 'golden-drift.json'), 'utf8')) as Golden;

/** Relative to the value itself, so that a tail of 1e-102 counts, too. */
const near = (found: number, expected: number, what: string, tolerance = 1e-9): void =>
  assert.ok(Math.abs(found - expected) <= tolerance * Math.abs(expected) + 1e-300, `${what}: ${found}, where ${expected} was expected`);

// As `seq` of make-golden-drift.py.
const seq = (n: number, a: number, m: number, o = 0): Float64Array => Float64Array.from({ length: n }, (_, i) => ((i * a + o) % m) / m);
const drifted = (x: Float64Array): Float64Array => x.map((v) => v * v * 0.9 + 0.05);
const pairs = {
  S: [seq(800, 7919, 10_007), drifted(seq(700, 104_729, 10_007, 13))],
  M: [seq(5000, 7919, 10_007), drifted(seq(4000, 104_729, 10_007, 13))],
  L: [seq(20_000, 7919, 100_003), drifted(seq(15_000, 104_729, 100_003, 13))],
} as const;

const ksOf = (a: Float64Array, b: Float64Array) => ksSorted(a.toSorted(), b.toSorted());

test('distances of two samples are those of Evidently, NannyML and SciPy', () => {
  for (const name of ['S', 'M', 'L'] as const) {
    const [ref, cur] = pairs[name];
    const expected = golden.pairs[name];
    const sturges = sturgesCells(ref, cur);
    assert.equal(sturges.edges.length - 1, expected.bins);
    const { reference: p, window: q } = sturges;
    near(Math.sqrt(jsDivergence(p, q)), expected.js_nats, `${name} JS in nats`);
    near(jsDistance(p, q), expected.js_bits, `${name} JS in bits`);
    near(psi(p, q), expected.psi, `${name} PSI`);
    near(klDivergence(p, q), expected.kl, `${name} KL`);
    const doane = doaneCells(ref, cur);
    assert.equal(doane.edges.length - 1, expected.doane_bins);
    near(jsDistance(doane.reference, doane.window), expected.nannyml_js, `${name} NannyML’s JS`);
    near(hellinger(doane.reference, doane.window), expected.nannyml_hellinger, `${name} NannyML’s Hellinger`);
    const w1 = wassersteinSorted(ref.toSorted(), cur.toSorted());
    near(w1, expected.w1, `${name} W1`);
    const mean = ref.reduce((s, x) => s + x, 0) / ref.length;
    near(w1 / Math.sqrt(ref.reduce((s, x) => s + (x - mean) ** 2, 0) / ref.length), expected.w1_normed, `${name} W1 normed`);
    const { statistic, p: chance } = ksOf(ref, cur);
    near(statistic, expected.ks, `${name} KS`);
    near(chance, expected.ks_p, `${name} KS p`, 1e-8);
  }
});

test('p-values of Kolmogorov and Smirnov are SciPy’s: exact up to 10,000 values, of finite size above', () => {
  const nothing = ksOf(
    seq(900, 7919, 10_007),
    seq(700, 104_729, 10_007, 13).map((x) => x * 0.98 + 0.015),
  );
  near(nothing.statistic, golden.null.ks, 'D');
  near(nothing.p, golden.null.ks_p, 'exact p');
  const large = ksOf(
    seq(12_000, 7919, 100_003),
    seq(11_000, 104_729, 100_003, 13).map((x) => x * 0.995 + 0.004),
  );
  near(large.p, golden.large.ks_p, 'p of 12,000 and 11,000');
  const uneven = ksOf(
    seq(15_000, 7919, 100_003),
    seq(60, 104_729, 100_003, 13).map((x) => x * 0.7),
  );
  near(uneven.p, golden.uneven.ks_p, 'p of 15,000 and 60');
  for (const { n, x, above } of golden.kstwo) near(kolmogorovAbove(n, x), above, `kstwo.sf(${x}, ${n})`, 1e-8);
});

test('distances of categories and their tables are SciPy’s', () => {
  const [p, q] = [
    [500, 300, 200, 0],
    [380, 330, 180, 10],
  ];
  near(Math.sqrt(jsDivergence(p!, q!)), golden.categories.js_nats, 'JS in nats');
  near(jsDistance(p!, q!), golden.categories.js_bits, 'JS in bits');
  near(psi(p!, q!), golden.categories.psi, 'PSI');
  near(klDivergence(p!, q!), golden.categories.kl, 'KL');
  for (const [a, b, expected] of [
    [[500, 300, 200], [380, 330, 190], golden.contingency],
    [[500, 500], [380, 520], golden.yates],
  ] as const) {
    const { statistic, df } = chiSquare(a, b);
    near(statistic, expected.statistic, 'statistic');
    near(chiSquareAbove(statistic, df), expected.p, 'p');
  }
});

test('the gamma function and the chi-square distribution are SciPy’s, far into the tails', () => {
  for (const { x, value } of golden.log_gamma)
    assert.ok(Math.abs(logGamma(x) - value) <= 1e-12 * Math.max(1, Math.abs(value)), `log gamma of ${x}`);
  for (const { x, df, above } of golden.chi2) near(chiSquareAbove(x, df), above, `chance above ${x} with ${df}`, 1e-10);
  for (const { p, df, value } of golden.chi2_quantile) near(chiSquareUpperQuantile(p, df), value, `quantile of ${p} with ${df}`, 1e-10);
});
