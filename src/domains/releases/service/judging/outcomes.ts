// Guardrails of what became of it: metrics of delayed labels, and the mean of a reward. Pure.
import { harm } from '../../../../stats/concurrent.ts';
import { momentsOf, standardError } from '../../../../stats/moments.ts';
import { lowerConfidenceSequence, type Estimate } from '../../../../stats/sequential.ts';
import type { Compared } from './compared.ts';
import { level, nothing, round, type Judged } from './words.ts';

interface Found extends Estimate {
  readonly candidate: number;
  readonly other: number;
  readonly method: string;
  readonly on: readonly [candidate: number, stable: number];
}

function judge(metric: string, found: Found, { alpha, expected }: Compared, margin: number): Judged {
  const { low, pValue } = lowerConfidenceSequence(found, alpha, expected, margin);
  const isHarm = low > margin;
  const tolerated = margin > 0 ? ` (${margin} is tolerated)` : '';
  return {
    verdict: isHarm ? 'harm' : 'ok',
    candidate: found.candidate,
    stable: found.other,
    difference: found.difference,
    interval: { low, level: 1 - alpha },
    ...{ pValue, margin, n: found.n },
    method: `${found.method}, asymptotic confidence sequence, one-sided, valid at every look`,
    why: `${metric}: candidate ${round(found.candidate)} on ${found.on[0]} outcomes, stable ${round(found.other)} on ${found.on[1]}${
      isHarm ? `; worse by at least ${round(low)}, with ${level(alpha)} confidence at every look${tolerated}` : ''
    }`,
  };
}

const tooLittle = (margin: number, n: number, why: string): Judged => ({
  ...nothing,
  ...{ verdict: 'too-little-data', margin, method: 'asymptotic confidence sequence', n, why },
});

export function metricGuardrail(c: Compared, margin: number, metric: string): Judged {
  const { candidate, stable } = c;
  const n = candidate.labels.length + stable.labels.length;
  const found = harm(metric, candidate, stable);
  if (!found.ok) return tooLittle(margin, n, `${metric}: ${found.reason}`);
  return judge(metric, { ...found, on: [candidate.labels.length, stable.labels.length] }, c, margin);
}

/** Outcomes that each arm must have: below that, standard errors are not to be relied on. */
const MIN_REWARDS = 30;

/** More is better. */
export function rewardGuardrail(c: Compared, margin: number): Judged {
  const [own, other] = [c.candidate.rewards, c.stable.rewards];
  const n = own.length + other.length;
  const few = Math.min(own.length, other.length);
  if (few < MIN_REWARDS) return tooLittle(margin, n, `reward: one of the two has ${few} outcomes, ${MIN_REWARDS} are needed`);
  const [a, b] = [momentsOf(own.length, (i) => own[i]!), momentsOf(other.length, (i) => other[i]!)];
  const error = Math.hypot(standardError(a), standardError(b));
  const found = { difference: b.mean - a.mean, standardError: error, n, candidate: a.mean, other: b.mean, method: 'mean' };
  // Outcomes that are all one value say nothing of how they vary.
  if (error === 0) return tooLittle(margin, n, `reward: all outcomes are ${round(b.mean)} and ${round(a.mean)}; their spread is unknown`);
  return judge('reward', { ...found, on: [own.length, other.length] }, c, margin);
}
