// Rows of the questions in count-sql.ts as what guardrails look at, and as what is shown. Pure.
import type { VariantFigures } from '../../model.ts';
import { BINS, type StepWindow } from './count-sql.ts';
import type { Counted, Paired } from './compared.ts';

export interface VariantRow {
  readonly step: number;
  readonly variant: string;
  readonly requests: number;
  readonly errors: number;
  readonly nulls: number;
  readonly all_requests: number;
  readonly all_errors: number;
  readonly units: number;
  readonly score_mean: number | null;
  readonly latency: readonly number[] | null;
  readonly bins: readonly number[];
  readonly scores: readonly number[] | null;
  readonly labels: readonly number[] | null;
  readonly rewards: readonly number[] | null;
  readonly bucket_at: readonly number[] | null;
  readonly bucket_n: readonly number[] | null;
}

export interface PairRow {
  readonly step: number;
  readonly n: number;
  readonly own_errors: number;
  readonly other_errors: number;
  readonly own_error_only: number;
  readonly other_error_only: number;
  readonly answered: number;
  readonly own_nulls: number;
  readonly other_nulls: number;
  readonly own_null_only: number;
  readonly other_null_only: number;
  readonly scored: number;
  readonly disagree: number;
  readonly own_mean: number | null;
  readonly other_mean: number | null;
  readonly own_latency: readonly number[] | null;
  readonly other_latency: readonly number[] | null;
  readonly own_bins: readonly number[];
  readonly other_bins: readonly number[];
  readonly moved_own: readonly number[];
  readonly moved_other: readonly number[];
  readonly own_scores: readonly number[] | null;
  readonly other_scores: readonly number[] | null;
  readonly labels: readonly number[] | null;
}

const noBins = Array.from({ length: BINS }, () => 0);

export const emptyRow: Omit<VariantRow, 'step' | 'variant'> = {
  ...{ requests: 0, errors: 0, nulls: 0, all_requests: 0, all_errors: 0, units: 0, score_mean: null, latency: null, bins: noBins },
  ...{ scores: null, labels: null, rewards: null, bucket_at: null, bucket_n: null },
};

/**
 * Candidate and stable variant of a step with copies: each on the requests that both answered, but for the count of what the
 * one with the traffic answered, which a bake is held to.
 */
export function sidesOf(
  { state }: StepWindow,
  [candidate, stable]: readonly [VariantRow, VariantRow],
  pair: PairRow | undefined,
): readonly [VariantRow, VariantRow] {
  const { step } = candidate;
  const isBaking = state === 'baking';
  const own: VariantRow = {
    ...{ ...emptyRow, step, variant: candidate.variant },
    ...{ requests: pair?.n ?? 0, errors: pair?.own_errors ?? 0, nulls: pair?.own_nulls ?? 0, score_mean: pair?.own_mean ?? null },
    ...{
      latency: pair?.own_latency ?? null,
      bins: pair?.own_bins ?? noBins,
      scores: pair?.own_scores ?? null,
      labels: pair?.labels ?? null,
    },
  };
  const other: VariantRow = {
    ...{ ...emptyRow, step, variant: stable.variant },
    ...{ requests: pair?.n ?? 0, errors: pair?.other_errors ?? 0, nulls: pair?.other_nulls ?? 0, score_mean: pair?.other_mean ?? null },
    ...{ latency: pair?.other_latency ?? null, bins: pair?.other_bins ?? noBins },
    ...{ scores: pair?.other_scores ?? null, labels: pair?.labels ?? null },
  };
  const { requests, errors, nulls, latency } = candidate;
  return isBaking ? [{ ...own, requests, errors, nulls, latency }, other] : [own, other];
}

export const pairedOf = (row: PairRow | undefined): Paired =>
  row
    ? {
        n: row.n,
        errors: { candidateOnly: row.own_error_only, otherOnly: row.other_error_only },
        answered: row.answered,
        nulls: { candidateOnly: row.own_null_only, otherOnly: row.other_null_only },
        scored: row.scored,
        disagree: row.disagree,
        moved: row.moved_own.map((own, i) => [own, row.moved_other[i]!] as const),
      }
    : {
        ...{ n: 0, answered: 0, scored: 0, disagree: 0, moved: [] },
        ...{ errors: { candidateOnly: 0, otherOnly: 0 }, nulls: { candidateOnly: 0, otherOnly: 0 } },
      };

export const countedOf = (r: VariantRow): Counted => ({
  requests: r.requests,
  errors: r.errors,
  nulls: r.nulls,
  bins: r.bins,
  latency: (r.bucket_at ?? []).map((bucket, i) => [bucket, r.bucket_n![i]!] as const),
  scores: r.scores ?? [],
  labels: r.labels ?? [],
  rewards: r.rewards ?? [],
});

export const variantFigures = (r: VariantRow): VariantFigures => ({
  variant: r.variant,
  requests: r.requests,
  errors: r.errors,
  errorShare: r.requests === 0 ? null : r.errors / r.requests,
  scoreMean: r.score_mean,
  latencyUs: r.latency && { p50: r.latency[0]!, p95: r.latency[1]!, p99: r.latency[2]! },
  labels: r.labels?.length ?? 0,
});
