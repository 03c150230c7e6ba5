/** A figure with its sample size and, where it has one, an interval; or the reason why there is none. */
export type Figure =
  | { readonly ok: true; readonly value: number; readonly n: number; readonly interval?: Interval }
  | { readonly ok: false; readonly reason: string; readonly n: number };

export interface Interval {
  readonly low: number;
  readonly high: number;
  /** Confidence level, for example 0.95. */
  readonly level: number;
  readonly method: string;
}

/** A metric of one model less that of another on the same rows, with its paired interval. */
export type Difference =
  | {
      readonly ok: true;
      readonly difference: number;
      readonly low: number;
      readonly high: number;
      readonly n: number;
      readonly method: string;
    }
  | { readonly ok: false; readonly reason: string };

export const none = (reason: string, n: number): Figure => ({ ok: false, reason, n });

/** Labels (0 or 1, or any number for regression) and scores of the same rows. */
export interface Scores {
  readonly labels: ArrayLike<number>;
  readonly scores: ArrayLike<number>;
}

/** The reason why these rows allow no figure; undefined if they do. */
export function unusable({ labels, scores }: Scores): string | undefined {
  if (labels.length !== scores.length) return `${labels.length} labels and ${scores.length} scores`;
  if (labels.length === 0) return 'there are no rows';
  for (let i = 0; i < labels.length; i++)
    if (!Number.isFinite(labels[i]!) || !Number.isFinite(scores[i]!)) return `row ${i} has a label or score that is not a number`;
  return undefined;
}
