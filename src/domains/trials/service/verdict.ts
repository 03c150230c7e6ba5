// What follows from a readout, by the rule that was fixed before. Pure.
import { EXPOSED_TWICE, RATIO_ALPHA, type Comparison, type Plan, type Readout, type Verdict } from '../model.ts';

const CORRECTED = { holm: 'Holm', 'benjamini-hochberg': 'Benjamini and Hochberg' } as const;

/** The rule of a plan as a decision names it. */
export const ruleInWords = ({ bandit, rule, alpha, correction, arms, size }: Plan): string =>
  [
    ...(bandit ? ['rewards weighted by one over their propensity'] : []),
    rule === 'fixed-horizon' ? `fixed horizon at ${size.units} units` : 'confidence sequence, valid at every look',
    `two-sided alpha ${alpha}`,
    ...(arms.length > 2 ? [`${CORRECTED[correction]} over ${arms.length - 1} comparisons`] : []),
  ].join(', ');

/** What follows from a readout. */
export function judgeTrial(plan: Plan, found: Omit<Readout, 'verdict'>): Verdict {
  const rule = ruleInWords(plan);
  const say = (kind: Verdict['kind'], why: string, arm: string | null = null): Verdict => ({ kind, arm, rule, why });
  const assigned = found.arms.reduce((sum, arm) => sum + arm.assigned, 0);
  if (found.ratio.pValue < RATIO_ALPHA)
    return say(
      'invalid',
      `the units did not go where they were sent: ${found.arms.map((a) => `${a.name} ${a.assigned}`).join(', ')} of ${assigned} (p = ${found.ratio.pValue.toExponential(1)} at every look)`,
    );
  // The keys of a bandit move with its weights; each request counts with the share it was drawn with.
  if (plan.bandit === null && found.exposedTwice > EXPOSED_TWICE * (assigned + found.exposedTwice))
    return say('invalid', `${found.exposedTwice} of ${assigned + found.exposedTwice} units met more than one arm`);
  const isFixed = plan.rule === 'fixed-horizon';
  const isFull = found.units >= found.planned;
  if (isFixed && !isFull) return say('continue', `${found.units} of ${found.planned} planned units have an outcome`);
  const sure = found.comparisons.flatMap((c) => {
    const span = isFixed ? c.fixed : c.always;
    return span && span.adjustedP <= plan.alpha ? [{ ...c, p: span.adjustedP }] : [];
  });
  if (plan.kind === 'aa') {
    if (sure[0])
      return say(
        'invalid',
        `arms that serve the same version differ (${sure[0].arm}: ${short(sure[0].difference)}, p = ${short(sure[0].p)}): assignment, log or outcomes are at fault, or chance, which is as rare as alpha`,
      );
    return isFull
      ? say('no-difference', `the same version in all arms, and no difference in ${found.units} units`)
      : say('continue', `no difference yet in ${found.units} of ${found.planned} planned units`);
  }
  const better = (c: Comparison): number => (plan.higherIsBetter ? c.difference : -c.difference);
  const [best] = sure.filter((c) => better(c) > 0).sort((a, b) => better(b) - better(a));
  if (best) return say('winner', `${best.arm} is better by ${short(Math.abs(best.difference))} (p = ${short(best.p)})`, best.arm);
  const worse = sure.filter((c) => better(c) < 0);
  if (worse.length === plan.arms.length - 1)
    return say('keep-control', `all others are worse: ${worse.map((c) => `${c.arm} by ${short(Math.abs(c.difference))}`).join(', ')}`);
  return isFull
    ? say('keep-control', `no arm is shown to be better in ${found.units} units, ${found.planned} were planned: what is served stays`)
    : say('continue', `nothing is shown yet; ${found.units} of ${found.planned} planned units have an outcome`);
}

const short = (x: number): string => String(Number(x.toPrecision(3)));
