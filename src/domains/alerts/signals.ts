// What a rule reads from a window of monitoring, and whether that breaches its condition. Pure.
import { normalQuantile } from '../../stats/normal.ts';
import { judgeFall } from '../../stats/performance-fall.ts';
import type { AlertCondition } from '../projects/public.ts';
import type { Observation, Rule } from './model.ts';

/** A signal of one window. `value: null` = there is no figure, and `reason` says why. */
export interface Signal {
  readonly value: number | null;
  readonly n: number;
  readonly method: string;
  readonly reason?: string;
  readonly threshold?: number | null;
  readonly baseline?: number | null;
  /** Of the value, where chance has a part in it. */
  readonly standardError?: number;
  readonly baselineStandardError?: number;
  /** Standard deviation of the true figure between windows of the baseline. */
  readonly spread?: number;
  /** Windows that the figure is pooled from. */
  readonly windows?: number;
  /** Two-sided interval of a figure that comes with one instead of a standard error. */
  readonly interval?: { readonly low: number; readonly high: number; readonly level: number };
}

/** A finding of monitoring under the signal it belongs to. */
export interface Found {
  readonly subject: string;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly n: number;
  readonly method: string;
}

/** A window as rules see it. */
export interface SignalWindow {
  readonly id: string;
  readonly kind: 'data' | 'performance';
  readonly fromUs: number;
  readonly toUs: number;
  readonly closedUs: number;
  readonly generation: number;
  readonly n: number;
  readonly signals: Readonly<Record<string, Signal>>;
  readonly found: Readonly<Record<string, readonly Found[]>>;
}

/** How rules get at windows; monitoring implements it. */
export interface SignalReader {
  readonly window: (id: string) => Promise<SignalWindow | undefined>;
  /** Every generation, in the order in which they were closed. */
  readonly windows: (span: { monitor: string; kind: 'data' | 'performance'; fromUs?: number; toUs?: number }) => Promise<SignalWindow[]>;
}

/** Of the one-sided intervals, the same as that of monitoring's own findings. */
const LEVEL = 0.99;

/** Judges one window. The dead man is judged by `watch` instead. */
export function judge(rule: Pick<Rule, 'signal' | 'condition'>, window: SignalWindow): Observation {
  const seen = { window: window.id, atUs: window.toUs, knownUs: window.closedUs };
  const none = (why: string): Observation => ({ ...seen, breach: null, value: null, threshold: null, n: window.n, method: why });
  const signal = window.signals[rule.signal];
  if (rule.condition.kind === 'found') {
    const found = window.found[rule.signal] ?? [];
    const first = found[0];
    if (first) {
      const others = found.length > 1 ? `; ${found.length} findings in this window` : '';
      const method = `${first.subject === '' ? '' : `${first.subject}: `}${first.method}${others}`;
      return { ...seen, breach: true, value: first.value, threshold: first.threshold, n: first.n, method };
    }
    if (signal ? signal.value === null : window.n === 0) return none(signal?.reason ?? 'the window has no records');
    return {
      ...seen,
      breach: false,
      value: signal?.value ?? null,
      threshold: signal?.threshold ?? null,
      n: signal?.n ?? window.n,
      method: signal?.method ?? 'no finding',
    };
  }
  if (!signal) return none(`the window has no figure for ${rule.signal}`);
  if (signal.value === null) return none(signal.reason ?? `the window has no figure for ${rule.signal}`);
  const judged = compare(rule.condition, signal, signal.value);
  return typeof judged === 'string' ? none(judged) : { ...seen, ...judged, value: signal.value, n: signal.n };
}

type Judged = Pick<Observation, 'breach' | 'threshold' | 'method'>;

function compare(condition: AlertCondition, signal: Signal, value: number): Judged | string {
  const below = condition.kind === 'below' || condition.kind === 'below-baseline';
  // Signed so that a breach lies on the negative side.
  const sign = below ? 1 : -1;
  if (condition.kind === 'below' || condition.kind === 'above') {
    const near = nearEnd(signal, value, sign);
    return {
      breach: sign * (near - condition.bound) < 0,
      threshold: condition.bound,
      method:
        near === value
          ? signal.method
          : `${signal.method}; the whole one-sided 99 % interval must lie ${below ? 'below' : 'above'} the bound`,
    };
  }
  if (condition.kind !== 'below-baseline' && condition.kind !== 'above-baseline') return 'such a condition has no bound';
  const { baseline } = signal;
  if (baseline === null || baseline === undefined) return 'there is no baseline to compare with';
  const by = condition.relative ? condition.by * Math.abs(baseline) : condition.by;
  const method = `${signal.method}; baseline ${round(baseline)}`;
  if (signal.standardError !== undefined) {
    const verdict = judgeFall({
      pooled: { ok: true, value, standardError: signal.standardError, n: signal.n, windows: signal.windows ?? 1 },
      baseline: { value: baseline, standardError: signal.baselineStandardError ?? 0, spread: signal.spread ?? 0 },
      by,
      higherIsBetter: below,
      level: LEVEL,
    });
    if (!verdict.ok) return verdict.reason;
    return {
      breach: verdict.fallen,
      threshold: verdict.threshold,
      method: `${method}; worse by ${round(verdict.fall)}, at least ${round(verdict.low)}`,
    };
  }
  const near = nearEnd(signal, value, sign);
  const fall = sign * (baseline - value);
  return { breach: fall >= by && sign * (near - baseline) < 0, threshold: baseline - sign * by, method };
}

/**
 * The end of the one-sided interval that lies nearer to what it is compared with; the value itself where chance has no
 * part. A two-sided interval of another level is widened as a normal one would be.
 */
function nearEnd({ standardError, interval }: Signal, value: number, sign: number): number {
  if (standardError !== undefined) return value + sign * normalQuantile(LEVEL) * standardError;
  if (!interval) return value;
  const end = sign > 0 ? interval.high : interval.low;
  return value + ((end - value) * normalQuantile(LEVEL)) / normalQuantile(0.5 + interval.level / 2);
}

const round = (x: number): string => String(Number(x.toPrecision(4)));

/** The dead man: windows with records have stopped since `lastUs`. */
export function watch(stoppedForUs: number, lastUs: number | null, nowUs: number): Observation {
  const at = { window: null, atUs: nowUs, knownUs: nowUs, n: 0, threshold: stoppedForUs / 1e6 };
  const method = 'seconds of event time since the last window with records closed';
  if (lastUs === null) return { ...at, breach: null, value: null, method: 'no window with records has closed yet' };
  return { ...at, breach: nowUs - lastUs > stoppedForUs, value: (nowUs - lastUs) / 1e6, method };
}
