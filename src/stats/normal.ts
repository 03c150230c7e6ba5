/**
 * Quantile of the standard normal distribution for 0 < p < 1. Rational approximation by P. J. Acklam
 * (relative error below 1.2e-9), refined by one step of Halley's method.
 */
export function normalQuantile(p: number): number {
  if (!(p > 0 && p < 1)) return Number.NaN;
  // The refinement needs the small side: 1 - p is exact there, and cdf(x) - p near 1 is not.
  if (p > 0.5) return -normalQuantile(1 - p);
  const a = [-3.969683028665376e1, 2.209460984245205e2, -2.759285104469687e2, 1.38357751867269e2, -3.066479806614716e1, 2.506628277459239];
  const b = [-5.447609879822406e1, 1.615858368580409e2, -1.556989798598866e2, 6.680131188771972e1, -1.328068155288572e1];
  const c = [-7.784894002430293e-3, -3.223964580411365e-1, -2.400758277161838, -2.549732539343734, 4.374664141464968, 2.938163982698783];
  const d = [7.784695709041462e-3, 3.224671290700398e-1, 2.445134137142996, 3.754408661907416];
  const polynomial = (k: readonly number[], x: number): number => k.reduce((sum, v) => sum * x + v, 0);
  const tail = (q: number): number => polynomial(c, q) / (polynomial(d, q) * q + 1);
  const low = 0.02425;
  let x: number;
  if (p < low) x = tail(Math.sqrt(-2 * Math.log(p)));
  else {
    const q = p - 0.5;
    x = (polynomial(a, q * q) * q) / (polynomial(b, q * q) * q * q + 1);
  }
  const error = normalCdf(x) - p;
  const u = error * Math.sqrt(2 * Math.PI) * Math.exp((x * x) / 2);
  return x - u / (1 + (x * u) / 2);
}

/** Cumulative distribution of the standard normal (W. J. Cody's erfc by continued fraction and series). */
export function normalCdf(x: number): number {
  return 0.5 * erfc(-x / Math.SQRT2);
}

/** Complementary error function: Taylor series below 2.5, Lentz's continued fraction above; error below 1e-14. */
export function erfc(x: number): number {
  const z = Math.abs(x);
  let value: number;
  if (z < 2.5) {
    let term = z;
    let sum = z;
    for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum) && n < 200; n++) {
      term *= (-z * z) / n;
      sum += term / (2 * n + 1);
    }
    value = 1 - (2 / Math.sqrt(Math.PI)) * sum;
  } else {
    let fraction = 0;
    for (let k = 60; k > 0; k--) fraction = k / 2 / (z + fraction);
    value = Math.exp(-z * z) / Math.sqrt(Math.PI) / (z + fraction);
  }
  return x < 0 ? 2 - value : value;
}
