// The candidate against the stable variant that answers beside it: errors, scores, latencies and what was sent. Pure.
import { pairedExcess, pairedShift } from '../../../../stats/always-valid/paired.ts';
import { slowerQuantile } from '../../../../stats/always-valid/quantile.ts';
import { shareAbove } from '../../../../stats/always-valid/share.ts';
import { assignmentTest, excessDistance, excessShare } from '../../../../stats/sequential.ts';
import type { GuardrailPolicy } from '../../../projects/public.ts';
import { percent, type GuardrailFigures } from '../../model.ts';
import { applies, decides, type Compared, type Lone } from './compared.ts';
import { metricGuardrail, rewardGuardrail } from './outcomes.ts';
import { level, nothing, round, type Judged } from './words.ts';

/** What is tolerated where the project does not say. */
const defaultMargins: Readonly<Record<string, number>> = {
  // A retrained model is meant to score a little differently: from there on it counts as broken.
  prediction_drift: 0.3,
  // Share of the requests that the two decide otherwise.
  disagreement: 0.1,
  // As a part of the stable variant's.
  latency: 0.5,
  latency_p99: 0.5,
  feature_drift: 0.2,
};

const rules: Readonly<Record<string, (c: Compared, margin: number, metric: string) => Judged>> = {
  error_rate: errorRate,
  null_rate: nullRate,
  prediction_drift: predictionDrift,
  disagreement,
  feature_drift: featureDrift,
  latency,
  latency_p99: latency,
  reward: rewardGuardrail,
};

/** undefined: there is nothing to compare in this state. */
export function judgeGuardrail({ metric, margin, then }: GuardrailPolicy, c: Compared): GuardrailFigures | undefined {
  if (!applies(metric, c.state)) return undefined;
  const judged = (rules[metric] ?? metricGuardrail)(c, margin ?? defaultMargins[metric] ?? 0, metric);
  return { metric, step: c.step, then, ...judged };
}

/** Rows that must have been answered by both before pairs say anything. */
const MIN_PAIRS = 30;

const counts = (who: string, events: number, n: number): string => `${who} ${events} of ${n} (${percent(n === 0 ? 0 : events / n)})`;

function excess(
  metric: string,
  verb: string,
  { pairs, alpha }: Compared,
  margin: number,
  own: { events: number; n: number },
  other: { events: number; n: number },
  lone: Lone | undefined,
  n: number,
): Judged {
  const method = pairs
    ? 'paired binomial e-process on the same requests (McNemar), one-sided, valid at every look'
    : 'two-sample binomial e-process (universal inference), one-sided, valid at every look';
  const unknown = pairs ? n < MIN_PAIRS : own.n === 0 || other.n === 0;
  if (unknown) {
    const why = pairs ? `${n} requests were answered by both, ${MIN_PAIRS} are needed` : 'one of the two has answered nothing yet';
    return { ...nothing, verdict: 'too-little-data', margin, method, n, why: `${metric}: ${why}` };
  }
  const { difference, low, pValue } = lone ? pairedExcess({ ...lone, n }, alpha, margin) : excessShare(own, other, alpha, margin);
  const isHarm = pValue <= alpha;
  const found = isHarm
    ? `; at least ${round(100 * Math.max(0, low))} percentage points more, with ${level(alpha)} confidence at every look`
    : '';
  return {
    verdict: isHarm ? 'harm' : 'ok',
    candidate: own.events / own.n,
    stable: other.events / other.n,
    difference,
    interval: { low, level: 1 - alpha },
    ...{ pValue, margin, method, n },
    why: `${metric}: ${counts(`the candidate ${verb}`, own.events, own.n).replace(' (', ' requests (')}, ${counts('the stable variant', other.events, other.n)}${found}`,
  };
}

function errorRate(c: Compared, margin: number): Judged {
  const [own, other] = [c.candidate, c.stable].map((v) => ({ events: v.errors, n: v.requests })) as [never, never];
  return excess('error_rate', 'failed', c, margin, own, other, c.pairs?.errors, c.pairs?.n ?? c.candidate.requests + c.stable.requests);
}

function nullRate(c: Compared, margin: number): Judged {
  const [own, other] = [c.candidate, c.stable].map((v) => ({ events: v.nulls, n: v.requests - v.errors })) as [
    { events: number; n: number },
    { events: number; n: number },
  ];
  return excess('null_rate', 'had no score for', c, margin, own, other, c.pairs?.nulls, c.pairs?.answered ?? own.n + other.n);
}

function predictionDrift({ candidate, stable, share, alpha, pairs }: Compared, margin: number): Judged {
  const method = `Jensen-Shannon distance (base 2) of 10 bins beyond sampling; ${pairs ? 'marginal homogeneity' : 'assignment'} e-process, valid at every look`;
  const [own, other] = [candidate, stable].map(({ bins }) => bins.reduce((sum, count) => sum + count, 0)) as [number, number];
  const n = pairs ? pairs.scored : own + other;
  if (own === 0 || other === 0 || (pairs && pairs.scored < MIN_PAIRS))
    return { ...nothing, verdict: 'too-little-data', margin, method, n, why: 'prediction_drift: one of the two has no scores yet' };
  const distance = excessDistance(candidate.bins, stable.bins);
  const pValue = pairs ? pairedShift(pairs.moved) : assignmentTest(candidate.bins, stable.bins, share);
  const isHarm = pValue <= alpha && distance > margin;
  return {
    ...nothing,
    verdict: isHarm ? 'harm' : 'ok',
    difference: distance,
    ...{ pValue, margin, method, n },
    why: `prediction_drift: distance ${round(distance)} of the scores${isHarm ? ` is more than ${margin}, and chance does not explain it (p = ${pValue.toExponential(1)})` : `, ${margin} is tolerated`}`,
  };
}

function disagreement({ pairs, alpha }: Compared, margin: number): Judged {
  const method = 'binomial e-process of a share against its bound, valid at every look';
  const { scored: n, disagree } = pairs ?? { scored: 0, disagree: 0 };
  if (n < MIN_PAIRS)
    return {
      ...nothing,
      verdict: 'too-little-data',
      margin,
      method,
      n,
      why: `disagreement: ${n} requests were scored by both, ${MIN_PAIRS} are needed`,
    };
  const { share, low, pValue } = shareAbove({ events: disagree, n }, alpha, margin);
  const isHarm = pValue <= alpha;
  return {
    ...nothing,
    verdict: isHarm ? 'harm' : 'ok',
    difference: share,
    interval: { low, level: 1 - alpha },
    ...{ pValue, margin, method, n },
    why: `disagreement: the candidate decides ${disagree} of ${n} requests otherwise (${percent(share)})${
      isHarm
        ? `; at least ${percent(round(low))}, with ${level(alpha)} confidence at every look, where ${percent(margin)} are tolerated`
        : `, ${percent(margin)} are tolerated`
    }`,
  };
}

/** What the callers of both sent: where it differs, the two were not compared on the same traffic. */
function featureDrift({ features, share, alpha, candidate, stable }: Compared, margin: number): Judged {
  const method = 'per column: Jensen-Shannon distance (base 2) beyond sampling and assignment e-process, Bonferroni over the columns';
  const n = candidate.requests + stable.requests;
  if (!features || features.length === 0)
    return { ...nothing, verdict: 'too-little-data', margin, method, n, why: 'feature_drift: too few requests to tell bins apart' };
  const judged = features
    .map((f) => ({
      column: f.column,
      distance: excessDistance(f.candidate, f.stable),
      pValue: Math.min(1, assignmentTest(f.candidate, f.stable, share) * features.length),
    }))
    .sort((a, b) => b.distance - a.distance);
  const drifted = judged.filter((f) => f.pValue <= alpha && f.distance > margin);
  const [worst] = drifted.length > 0 ? drifted : judged;
  const isHarm = drifted.length > 0;
  return {
    ...nothing,
    verdict: isHarm ? 'harm' : 'ok',
    difference: worst!.distance,
    ...{ pValue: worst!.pValue, margin, method, n },
    why: `feature_drift: ${
      isHarm
        ? `what the callers of the two sent differs in ${drifted.map((f) => `${f.column} (distance ${round(f.distance)})`).join(', ')}; ${margin} is tolerated, and chance does not explain it`
        : `${judged.length} columns, farthest apart ${worst!.column} (distance ${round(worst!.distance)}), ${margin} is tolerated`
    }`,
  };
}

function latency({ candidate, stable, alpha, isLive }: Compared, margin: number, metric: string): Judged {
  const q = metric === 'latency_p99' ? 0.99 : 0.95;
  const method = `${q * 100}th percentile, microseconds; quantile e-process, one-sided, valid at every look`;
  const n = candidate.requests + stable.requests;
  const { candidate: own, other, pValue } = slowerQuantile(candidate.latency, stable.latency, q, margin);
  const figures = { ...nothing, candidate: own, stable: other, difference: own !== null && other !== null ? own - other : null };
  if (!decides(metric, isLive))
    return {
      ...figures,
      verdict: 'reported',
      margin,
      method,
      n,
      why: `${metric}: a replay is not served at the speed of its callers, so it decides nothing`,
    };
  if (own === null || other === null)
    return { ...figures, verdict: 'too-little-data', margin, method, n, why: `${metric}: one of the two has answered nothing yet` };
  const isHarm = pValue <= alpha;
  const ms = (us: number): string => `${round(us / 1000)} ms`;
  return {
    ...figures,
    verdict: isHarm ? 'harm' : 'ok',
    ...{ pValue, margin, method, n },
    why: `${metric}: ${q * 100} % of the candidate's answers took up to ${ms(own)}, of the stable variant's ${ms(other)}${
      isHarm
        ? `; that is more than ${percent(margin)} longer, with ${level(alpha)} confidence at every look`
        : `, ${percent(margin)} more is tolerated`
    }`,
  };
}
