// Distribution of the Kolmogorov-Smirnov statistic: one sample of finite size, and two samples exactly.
import { logGamma } from './gamma.ts';

/**
 * Chance that the one-sided statistic of n values is at least x (N. V. Smirnov, 1944; Z. W. Birnbaum and
 * F. H. Tingey, 1951): x times the sum over j <= n (1 - x) of C(n, j) (x + j/n)^(j-1) (1 - x - j/n)^(n-j).
 */
export function smirnovAbove(n: number, x: number): number {
  if (x <= 0) return 1;
  if (x >= 1) return 0;
  const whole = logGamma(n + 1);
  let sum = 0;
  for (let j = 0; j <= Math.floor(n * (1 - x)); j++) {
    const [up, down] = [x + j / n, 1 - x - j / n];
    if (down <= 0) continue;
    sum += Math.exp(whole - logGamma(j + 1) - logGamma(n - j + 1) + (j - 1) * Math.log(up) + (n - j) * Math.log(down));
  }
  return Math.min(1, x * sum);
}

/**
 * Distribution function for large n: Kolmogorov's limit with terms to n^(-3/2), in the form for small arguments
 * (W. Pelz and I. J. Good, 1976; R. Simard and P. L'Ecuyer, J. Statistical Software 39(11), 2011).
 */
function pelzGood(n: number, x: number): number {
  const z = Math.sqrt(n) * x;
  const [z2, z4, z6, z8] = [z ** 2, z ** 4, z ** 6, z ** 8];
  const [p2, p4, p6] = [Math.PI ** 2, Math.PI ** 4, Math.PI ** 6];
  let [k0, k1, k2, k3] = [0, 0, 0, 0];
  for (let k = Math.ceil((16 * z) / Math.PI); k > 0; k--) {
    const m2 = (2 * k - 1) ** 2;
    const q = Math.exp((-p2 * m2) / 8 / z2);
    k0 += q;
    k1 += q * (-z2 + (p2 / 4) * m2);
    k2 += q * (6 * z6 + 2 * z4 + ((2 * z4 - 5 * z2) * p2 * m2) / 4 + (p4 * (1 - 2 * z2) * m2 ** 2) / 16);
    k3 +=
      q *
      (-30 * z6 -
        90 * z8 +
        (p2 * (135 * z4 - 96 * z6) * m2) / 4 +
        (p4 * (-60 * z2 + 212 * z4) * m2 ** 2) / 16 +
        (p6 * (5 - 30 * z2) * m2 ** 3) / 64);
  }
  const root = Math.sqrt(2 * Math.PI);
  [k0, k1, k2, k3] = [(k0 * root) / z, (k1 * root) / (6 * z4), (k2 * root) / (72 * z ** 7), (k3 * root) / (6480 * z ** 10)];
  for (let k = Math.ceil((16 * z) / Math.PI); k > 0; k--) {
    const q = Math.exp((-p2 * k * k) / 2 / z2);
    k2 -= (q * k * k * p2 * root) / (36 * z ** 3);
    k3 += (q * k * k * (3 * z2 - p2 * k * k) * p2 * root) / (216 * z6);
  }
  return k0 + k1 / Math.sqrt(n) + k2 / n + k3 / n ** 1.5;
}

type Matrix = readonly Float64Array[];

function times(a: Matrix, b: Matrix): Float64Array[] {
  return a.map((row) => {
    const out = new Float64Array(row.length);
    row.forEach((x, k) => {
      if (x !== 0) for (let j = 0; j < out.length; j++) out[j]! += x * b[k]![j]!;
    });
    return out;
  });
}

/**
 * Distribution function for small n, exactly: J. Durbin's matrix, by G. Marsaglia, W. W. Tsang and J. Wang,
 * J. Statistical Software 8(18), 2003. P(D < x) = n! / n^n times the middle element of H^n.
 */
function durbinMatrix(n: number, x: number): number {
  const k = Math.floor(n * x) + 1;
  const size = 2 * k - 1;
  const h = k - n * x;
  const factorial = (i: number): number => Math.exp(logGamma(i + 1));
  const matrix = Array.from({ length: size }, (_, i) =>
    Float64Array.from({ length: size }, (_unused, j) => {
      let value = i - j + 1 < 0 ? 0 : 1;
      if (j === 0) value -= h ** (i + 1);
      if (i === size - 1) value -= h ** (size - j);
      if (i === size - 1 && j === 0 && 2 * h - 1 > 0) value += (2 * h - 1) ** size;
      // Divided by e, so that powers neither overflow nor vanish.
      return (i - j + 1 > 0 ? value / factorial(i - j + 1) : value) / Math.E;
    }),
  );
  let power: Matrix = Array.from({ length: size }, (_, i) => Float64Array.from({ length: size }, (_unused, j) => (i === j ? 1 : 0)));
  let [square, left]: [Matrix, number] = [matrix, n];
  for (; left > 0; left = Math.floor(left / 2)) {
    if (left % 2 === 1) power = times(power, square);
    if (left > 1) square = times(square, square);
  }
  return power[k - 1]![k - 1]! * Math.exp(logGamma(n + 1) + n - n * Math.log(n));
}

/**
 * Chance that the two-sided statistic of n values is at least x. Twice the one-sided chance where that is exact to
 * rounding, else 1 less the distribution function: by Durbin's matrix where it is small, by Pelz and Good's series elsewhere.
 */
export function kolmogorovAbove(n: number, x: number): number {
  if (x <= 0.5 / n) return 1;
  if (x >= 1) return 0;
  const s = n * x * x;
  if (s >= 370) return 0;
  if (x >= 0.5 || s >= (n > 140 ? 2.2 : 4)) return Math.min(1, 2 * smirnovAbove(n, x));
  const small = n <= 140 || (n <= 1e5 && n * x ** 1.5 <= 1.4);
  return Math.min(1, Math.max(0, 1 - (small ? durbinMatrix(n, x) : pelzGood(n, x))));
}

/**
 * Chance that two samples of harmonic size n m / (n + m) differ by at least D: the one-sample law, as SciPy has it for
 * large ones. Where that is a sum over many rows, in the tail, twice the one-sided limit with its correction of order
 * 1 / sqrt(N) (N. V. Smirnov, 1944): within 0.5 % at p = 1e-4, 2 % at 1e-8.
 */
export function ksManyAbove(harmonic: number, D: number): number {
  const n = Math.max(1, Math.round(harmonic));
  if (n <= 2000 || n * D ** 2 < 2.2) return kolmogorovAbove(n, D);
  return Math.min(1, 2 * Math.exp(-2 * (Math.sqrt(n) * D + 1 / (6 * Math.sqrt(n))) ** 2));
}

const gcd = (a: number, b: number): number => (b === 0 ? a : gcd(b, a % b));

/** Samples up to this size have the exact p-value, as in SciPy. */
const EXACT = 10_000;

/**
 * Chance that two samples of n and m values of one continuous distribution differ by at least D. Up to 10,000 values
 * each exactly: the share of lattice paths from (0, 0) to (n, m) that touch |i/n - j/m| >= D, as a probability per
 * point (T. Viehmann, 2021), in O(n m D). Above, the one-sample law at the harmonic size, rounded, as SciPy does.
 */
export function ksTwoSampleAbove(D: number, n: number, m: number): number {
  if (!(n > 0 && m > 0) || Number.isNaN(D)) return Number.NaN;
  if (Math.max(n, m) > EXACT) return kolmogorovAbove(Math.round((n * m) / (n + m)), D);
  const [a, b] = n >= m ? [n, m] : [m, n];
  const g = gcd(a, b);
  const [stepA, stepB] = [b / g, a / g];
  const h = Math.round(D * a * stepA);
  if (h === 0) return 1;
  // touched[j]: chance that a random path to (i, j) has touched the boundary; 1 beyond it.
  const touched = new Float64Array(b + 1).fill(1);
  touched.fill(0, 0, Math.min(Math.ceil(h / stepB), b + 1));
  for (let i = 1; i <= a; i++) {
    const from = Math.max(0, Math.floor((stepA * i - h) / stepB) + 1);
    const to = Math.min(b + 1, Math.ceil((stepA * i + h) / stepB));
    if (to <= from) return 1;
    let value = from === 0 ? 0 : 1;
    for (let j = from; j < to; j++) {
      value = (touched[j]! * i + value * j) / (i + j);
      touched[j] = value;
    }
  }
  return touched[b]!;
}
