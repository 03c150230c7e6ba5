// The candidate against the stable variant that answers beside it. Pure.
import { harm } from '../../../stats/concurrent.ts';
import { assignmentTest, excessDistance, excessShare, lowerConfidenceSequence } from '../../../stats/sequential.ts';
import { percent, type GuardrailFigures } from '../model.ts';

/** One variant within one step, as counted from the log. */
export interface Counted {
  readonly requests: number;
  readonly errors: number;
  /** Scores by bin; the bins are those of both variants. */
  readonly bins: readonly number[];
  readonly latencyP95Us: number | null;
  readonly scores: readonly number[];
  readonly labels: readonly number[];
}

export interface Compared {
  readonly step: number;
  /** Planned share of the candidate. */
  readonly share: number;
  readonly candidate: Counted;
  readonly stable: Counted;
  /** Chance of a false alarm that this guardrail has in this step. */
  readonly alpha: number;
  /** Requests of both at which a decision is expected; fixed from the start. */
  readonly expected: number;
}

/** Distance of the score distributions from which on a model counts as broken: a retrained one is meant to score a little differently. */
export const DRIFT_MARGIN = 0.3;

const level = (alpha: number): string => `${Number((100 * (1 - alpha)).toFixed(1))} %`;
const round = (x: number): number => Number(x.toPrecision(4));

export function judgeGuardrail({ metric, margin }: { metric: string; margin: number | null }, c: Compared): GuardrailFigures {
  const figures =
    metric === 'error_rate' ? errorRate : metric === 'prediction_drift' ? predictionDrift : metric === 'latency' ? latency : performance;
  return { metric, step: c.step, ...figures(c, margin ?? (metric === 'prediction_drift' ? DRIFT_MARGIN : 0), metric) };
}

type Judged = Omit<GuardrailFigures, 'metric' | 'step'>;

const nothing = { candidate: null, stable: null, difference: null, interval: null, pValue: null } as const;

function errorRate({ candidate, stable, alpha }: Compared, margin: number): Judged {
  const method = 'two-sample binomial e-process (universal inference), one-sided, valid at every look';
  const n = candidate.requests + stable.requests;
  if (candidate.requests === 0 || stable.requests === 0)
    return { ...nothing, verdict: 'too-little-data', margin, method, n, why: 'error_rate: one of the two has answered nothing yet' };
  const counts = [candidate, stable].map((v) => ({ events: v.errors, n: v.requests })) as [never, never];
  const { difference, low, pValue } = excessShare(...counts, alpha, margin);
  const isHarm = pValue <= alpha;
  const [own, other] = [candidate.errors / candidate.requests, stable.errors / stable.requests];
  return {
    verdict: isHarm ? 'harm' : 'ok',
    candidate: own,
    stable: other,
    difference,
    interval: { low, level: 1 - alpha },
    pValue,
    margin,
    method,
    n,
    why: `error_rate: the candidate failed ${candidate.errors} of ${candidate.requests} requests (${percent(own)}), the stable variant ${stable.errors} of ${stable.requests} (${percent(other)})${
      isHarm ? `; at least ${round(100 * Math.max(0, low))} percentage points more, with ${level(alpha)} confidence at every look` : ''
    }`,
  };
}

function predictionDrift({ candidate, stable, share, alpha }: Compared, margin: number): Judged {
  const method = 'Jensen-Shannon distance (base 2) of 10 bins beyond sampling; assignment e-process, valid at every look';
  const [own, other] = [candidate, stable].map(({ bins }) => bins.reduce((sum, count) => sum + count, 0)) as [number, number];
  const n = own + other;
  if (own === 0 || other === 0)
    return { ...nothing, verdict: 'too-little-data', margin, method, n, why: 'prediction_drift: one of the two has no scores yet' };
  const distance = excessDistance(candidate.bins, stable.bins);
  const pValue = assignmentTest(candidate.bins, stable.bins, share);
  const isHarm = pValue <= alpha && distance > margin;
  return {
    ...nothing,
    verdict: isHarm ? 'harm' : 'ok',
    difference: distance,
    pValue,
    margin,
    method,
    n,
    why: `prediction_drift: distance ${round(distance)} of the scores${isHarm ? ` is more than ${margin}, and chance does not explain it (p = ${pValue.toExponential(1)})` : `, ${margin} is tolerated`}`,
  };
}

function latency({ candidate, stable }: Compared, margin: number): Judged {
  const [own, other] = [candidate.latencyP95Us, stable.latencyP95Us];
  return {
    ...nothing,
    verdict: 'reported',
    candidate: own,
    stable: other,
    difference: own !== null && other !== null ? own - other : null,
    margin,
    method: '95th percentile, microseconds',
    n: candidate.requests + stable.requests,
    why: 'latency: reported, it decides nothing',
  };
}

function performance({ candidate, stable, alpha, expected }: Compared, margin: number, metric: string): Judged {
  const n = candidate.labels.length + stable.labels.length;
  const found = harm(metric, candidate, stable);
  if (!found.ok)
    return {
      ...nothing,
      verdict: 'too-little-data',
      margin,
      method: 'asymptotic confidence sequence',
      n,
      why: `${metric}: ${found.reason}`,
    };
  const { low, pValue } = lowerConfidenceSequence(found, alpha, expected, margin);
  const isHarm = low > margin;
  return {
    verdict: isHarm ? 'harm' : 'ok',
    candidate: found.candidate,
    stable: found.other,
    difference: found.difference,
    interval: { low, level: 1 - alpha },
    pValue,
    margin,
    method: `${found.method}, asymptotic confidence sequence, one-sided, valid at every look`,
    n,
    why: `${metric}: candidate ${round(found.candidate)} on ${candidate.labels.length} outcomes, stable ${round(found.other)} on ${stable.labels.length}${
      isHarm
        ? `; worse by at least ${round(low)}, with ${level(alpha)} confidence at every look${margin > 0 ? ` (${margin} is tolerated)` : ''}`
        : ''
    }`,
  };
}
