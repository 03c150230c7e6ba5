// What a trial says: a difference from the control with its interval, at one fixed moment or at every look.
import { wilson } from '../intervals.ts';
import { erfc, normalQuantile } from '../normal.ts';
import { confidenceSequence } from '../sequential.ts';
import { studentAbove, studentUpperQuantile } from '../special/student.ts';
import type { ArmEstimate, Events } from './arms.ts';

export interface Compared {
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  /** Two-sided, against "no difference". */
  readonly pValue: number;
  readonly method: string;
}

/** No spread at all: nothing is known of the error, so nothing is said. */
const unknown = (difference: number, method: string): Compared => ({ difference, low: -Infinity, high: Infinity, pValue: 1, method });

/**
 * Two shares: the pooled z test, and R. G. Newcombe's interval of their difference (1998, method 10, from Wilson's intervals), which
 * stays within -1 and 1 and holds its level for small samples, where the plain one does not.
 */
export function compareShares(control: Events, arm: Events, alpha: number): Compared {
  const [p, q] = [control.events / control.n, arm.events / arm.n];
  const [a, b] = [wilson(control.events, control.n, 1 - alpha), wilson(arm.events, arm.n, 1 - alpha)];
  const difference = q - p;
  const pooled = (control.events + arm.events) / (control.n + arm.n);
  const error = Math.sqrt(pooled * (1 - pooled) * (1 / control.n + 1 / arm.n));
  return {
    difference,
    low: difference - Math.hypot(q - b.low, a.high - p),
    high: difference + Math.hypot(b.high - q, p - a.low),
    pValue: error > 0 ? erfc(Math.abs(difference) / error / Math.SQRT2) : 1,
    method: 'pooled z test, Newcombe’s interval',
  };
}

/** A. Wald's interval of a difference of shares: what most calculators show. */
export function waldInterval(control: Events, arm: Events, alpha: number): { low: number; high: number } {
  const [p, q] = [control.events / control.n, arm.events / arm.n];
  const half = normalQuantile(1 - alpha / 2) * Math.sqrt((p * (1 - p)) / control.n + (q * (1 - q)) / arm.n);
  return { low: q - p - half, high: q - p + half };
}

/** Two means, or two ratios, each with a variance of its own (B. L. Welch, 1947). */
export function compareMeans(control: ArmEstimate, arm: ArmEstimate, alpha: number): Compared {
  const method = 'Welch’s t test';
  const difference = arm.value - control.value;
  const [a, b] = [control.variance / control.n, arm.variance / arm.n];
  if (!(a + b > 0) || control.n < 2 || arm.n < 2) return unknown(difference, method);
  const error = Math.sqrt(a + b);
  const df = (a + b) ** 2 / (a ** 2 / (control.n - 1) + b ** 2 / (arm.n - 1));
  const half = studentUpperQuantile(alpha / 2, df) * error;
  return {
    difference,
    low: difference - half,
    high: difference + half,
    pValue: Math.min(1, 2 * studentAbove(Math.abs(difference) / error, df)),
    method,
  };
}

/** Either, valid at every look. `expected` is the sample at which a decision is expected, fixed before the first look. */
export function compareAlways(control: ArmEstimate, arm: ArmEstimate, alpha: number, expected: number): Compared {
  const method = 'asymptotic confidence sequence';
  const difference = arm.value - control.value;
  const error = standardError(control, arm);
  if (!(error > 0) || Math.min(control.n, arm.n) < FEWEST_ALWAYS) return unknown(difference, method);
  const { low, high, pValue } = confidenceSequence({ difference, standardError: error, n: control.n + arm.n }, alpha, expected);
  return { difference, low, high, pValue, method };
}

/** Units in each arm below which the asymptotic sequence is not asked. */
export const FEWEST_ALWAYS = 100;

export const standardError = (control: ArmEstimate, arm: ArmEstimate): number =>
  Math.sqrt(control.variance / control.n + arm.variance / arm.n);

/**
 * The difference as a share of the control's value, by the delta method: (b - a) / |a|, whose error also has that of a.
 * null where the control's value is 0.
 */
export function relative(control: ArmEstimate, arm: ArmEstimate): { difference: number; standardError: number } | null {
  const a = control.value;
  if (a === 0) return null;
  const variance = arm.variance / (arm.n * a * a) + (control.variance * arm.value ** 2) / (control.n * a ** 4);
  return { difference: (arm.value - a) / Math.abs(a), standardError: Math.sqrt(variance) };
}
