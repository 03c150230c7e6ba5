// Student's t distribution by the regularised incomplete beta function.
import { normalQuantile } from '../normal.ts';
import { logGamma } from './gamma.ts';

const TINY = 1e-300;

/**
 * Regularised incomplete beta function I_x(a, b), a > 0, b > 0, 0 <= x <= 1, by Lentz's continued fraction on its quick side
 * (W. H. Press et al., Numerical Recipes, 6.4). Relative error about 1e-13.
 */
export function regularBeta(x: number, a: number, b: number): number {
  if (!(a > 0) || !(b > 0) || !(x >= 0 && x <= 1)) return Number.NaN;
  if (x === 0 || x === 1) return x;
  if (x > (a + 1) / (a + b + 2)) return 1 - regularBeta(1 - x, b, a);
  const front = Math.exp(a * Math.log(x) + b * Math.log1p(-x) + logGamma(a + b) - logGamma(a) - logGamma(b)) / a;
  const away = (v: number): number => (Math.abs(v) < TINY ? TINY : v);
  let [c, d] = [1, 1 / away(1 - ((a + b) * x) / (a + 1))];
  let fraction = d;
  for (let m = 1; m < 10_000; m++) {
    for (const term of [
      (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m)),
      (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1)),
    ]) {
      d = 1 / away(1 + term * d);
      c = away(1 + term / c);
      fraction *= c * d;
    }
    if (Math.abs(c * d - 1) < 1e-16) break;
  }
  return front * fraction;
}

/** Chance that a variable of Student's t distribution with `df` > 0 degrees of freedom is above t. */
export function studentAbove(t: number, df: number): number {
  const tail = 0.5 * regularBeta(df / (df + t * t), df / 2, 0.5);
  return t >= 0 ? tail : 1 - tail;
}

/** The value that such a variable exceeds with chance p, for 0 < p < 1: by halving, beginning beside the normal one; to 1e-12 relative. */
export function studentUpperQuantile(p: number, df: number): number {
  if (!(p > 0 && p < 1) || !(df > 0)) return Number.NaN;
  if (p > 0.5) return -studentUpperQuantile(1 - p, df);
  let low = 0;
  let high = Math.max(1, -normalQuantile(p));
  while (studentAbove(high, df) > p) [low, high] = [high, high * 2];
  for (let i = 0; i < 200 && high - low > 1e-14 * high; i++) {
    const middle = (low + high) / 2;
    if (studentAbove(middle, df) > p) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}
