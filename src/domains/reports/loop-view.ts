// The loop over time: what the monitor saw, what followed from it, and what it was worth. Pure.
import type { Difference, Figure } from '../../stats/figure.ts';
import type { GateView } from './model.ts';

/** One window of a monitor: newest generations of its data and its performance. */
export interface LoopWindow {
  readonly fromUs: number;
  readonly toUs: number;
  readonly records: number;
  /** Model version that most records came from; '' = no records. */
  readonly version: string;
  readonly labelled: number;
  /** Of the performance; 0 = not closed yet. More than 1 = labels came late. */
  readonly generation: number;
  readonly figure: Figure;
  readonly estimate: Figure;
  readonly baseline: number | null;
  /** Share of the watched columns that drifted; null = not judged. */
  readonly driftShare: number | null;
  readonly driftedColumns: readonly string[];
  readonly predictionDrift: { readonly value: number; readonly threshold: number; readonly drifted: boolean } | null;
  readonly qualityFindings: number;
}

/** The same windows answered by the first version alone, scored afterwards on the logged inputs. */
export interface Counterfactual {
  readonly version: string;
  readonly method: string;
  readonly windows: readonly { readonly fromUs: number; readonly figure: Figure }[];
  /** All labelled predictions of the time since the first replacement, as answered and by the first version. */
  readonly asAnswered: Figure;
  readonly alone: Figure;
  /** Positive: the loop was better, by the metric's own direction. */
  readonly difference: Difference;
}

export interface LoopAlert {
  readonly id: string;
  readonly rule: string;
  readonly severity: string;
  readonly state: string;
  readonly firedUs: number;
  readonly resolvedUs: number | null;
  readonly words: string;
}

export interface LoopTrigger {
  readonly id: string;
  readonly policy: string;
  readonly atUs: number;
  readonly cause: string;
  readonly accepted: boolean;
  readonly reason: string;
  /** promoted, refused, rolled-back, failed, ...; null = still open, or suppressed. */
  readonly outcome: string | null;
  readonly outcomeReason: string;
  readonly version: number | null;
}

export interface LoopRelease {
  readonly id: string;
  readonly version: number;
  readonly state: string;
  readonly startedUs: number;
  readonly endedUs: number | null;
  readonly reason: string;
  readonly steps: readonly { readonly atUs: number; readonly share: number; readonly words: string }[];
  /** Requests that the candidate answered before it had all traffic, and those of them it failed. */
  readonly requests: number | null;
  readonly errors: number | null;
  readonly harmed: number | null;
}

export interface LoopErasure {
  readonly id: string;
  readonly subject: string;
  readonly reason: string;
  readonly atMs: number;
  readonly rewritten: readonly { readonly place: string; readonly files: number; readonly rows: number }[];
  readonly clean: readonly string[];
  readonly notCovered: readonly { readonly what: string; readonly refs: number; readonly why: string; readonly action: string }[];
}

export interface LoopView {
  readonly monitor: string;
  readonly metric: { readonly name: string; readonly title: string; readonly higherIsBetter: boolean };
  readonly windowUs: number;
  readonly windows: readonly LoopWindow[];
  readonly lateGenerations: number;
  readonly counterfactual: Counterfactual | { readonly absent: string };
  readonly alerts: readonly LoopAlert[];
  readonly triggers: readonly LoopTrigger[];
  readonly releases: readonly LoopRelease[];
  /** Gate decisions in their order, each with its figures. */
  readonly decisions: readonly (GateView & { readonly model: string; readonly version: number })[];
  readonly erasures: readonly LoopErasure[];
}

/** How many windows one point of a smoothed line takes in. */
export const SMOOTHED = 7;

/**
 * For each window the mean of it and the windows before it, at most `SMOOTHED`, weighted by their rows: daily
 * figures jump about more than the eye can follow. null where none of them has a figure.
 */
export function smoothed(figures: readonly Figure[]): (number | null)[] {
  return figures.map((_, i) => {
    const near = figures.slice(Math.max(0, i - SMOOTHED + 1), i + 1).flatMap((f) => (f.ok ? [f] : []));
    const n = near.reduce((sum, f) => sum + f.n, 0);
    return n === 0 ? null : near.reduce((sum, f) => sum + f.value * f.n, 0) / n;
  });
}
