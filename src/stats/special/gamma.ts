// The gamma function and the chi-square distribution.
import { normalQuantile } from '../normal.ts';

// Lanczos, g = 607/128, n = 15 (coefficients by P. Godfrey, 2001); relative error below 1e-14 for x > 0.
const LANCZOS = [
  0.9999999999999971, 57.15623566586292, -59.59796035547549, 14.136097974741746, -0.4919138160976202, 3.399464998481189e-5,
  4.652362892704858e-5, -9.837447530487956e-5, 0.0001580887032249125, -0.00021026444172410488, 0.00021743961811521265,
  -0.0001643181065367639, 8.441822398385275e-5, -2.6190838401581408e-5, 3.6899182659531625e-6,
];

/** Natural logarithm of the gamma function, for x > 0. */
export function logGamma(x: number): number {
  if (!(x > 0)) return Number.NaN;
  const sum = LANCZOS.reduce((total, c, i) => (i === 0 ? c : total + c / (x + i)), 0);
  const t = x + 607 / 128 + 0.5;
  return (x + 0.5) * Math.log(t) - t + Math.log((Math.sqrt(2 * Math.PI) * sum) / x);
}

const TINY = 1e-300;

/**
 * Upper regularised incomplete gamma function Q(a, x), a > 0, x >= 0: the series below a + 1, Lentz's continued
 * fraction above (W. H. Press et al., Numerical Recipes, 6.2). Relative error about 1e-13, tails included.
 */
export function upperGamma(a: number, x: number): number {
  if (!(a > 0) || !(x >= 0)) return Number.NaN;
  if (x === 0) return 1;
  if (x === Infinity) return 0;
  const front = Math.exp(a * Math.log(x) - x - logGamma(a));
  const most = 500 + Math.ceil(20 * Math.sqrt(a));
  if (x < a + 1) {
    let [term, sum] = [1 / a, 1 / a];
    for (let k = 1; k < most && term > sum * 1e-17; k++) {
      term *= x / (a + k);
      sum += term;
    }
    return 1 - front * sum;
  }
  let b = x + 1 - a;
  let c = 1 / TINY;
  let d = 1 / b;
  let fraction = d;
  for (let k = 1; k < most; k++) {
    const an = -k * (k - a);
    b += 2;
    d = an * d + b;
    if (Math.abs(d) < TINY) d = TINY;
    c = b + an / c;
    if (Math.abs(c) < TINY) c = TINY;
    d = 1 / d;
    const step = c * d;
    fraction *= step;
    if (Math.abs(step - 1) < 1e-16) break;
  }
  return front * fraction;
}

/** Chance that a chi-square variable with `df` degrees of freedom is above x. */
export const chiSquareAbove = (x: number, df: number): number => upperGamma(df / 2, x / 2);

/**
 * The value that a chi-square variable exceeds with probability p, for 0 < p < 1: from E. B. Wilson and
 * M. M. Hilferty's cube (1931) by Newton's steps on the logarithm of the chance, kept between bounds; to 1e-12 relative.
 */
export function chiSquareUpperQuantile(p: number, df: number): number {
  if (!(p > 0 && p < 1) || !(df > 0)) return Number.NaN;
  const cube = 1 - 2 / (9 * df) - normalQuantile(p) * Math.sqrt(2 / (9 * df));
  let x = Math.max(cube, 0.01) ** 3 * df;
  let [low, high] = [0, Infinity];
  for (let i = 0; i < 100; i++) {
    const above = chiSquareAbove(x, df);
    if (above > p) low = x;
    else high = x;
    const density = Math.exp((df / 2 - 1) * Math.log(x) - x / 2 - (df / 2) * Math.LN2 - logGamma(df / 2));
    let next = x + (Math.log(above / p) * above) / density;
    if (!(next > low && next < high)) next = high === Infinity ? x * 2 + 1 : (low + high) / 2;
    if (Math.abs(next - x) <= 1e-13 * x) return next;
    x = next;
  }
  return x;
}
