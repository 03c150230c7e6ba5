// A trial in words.
export interface TrialRow {
  readonly name: string;
  readonly endpoint: string;
  readonly state: string;
  readonly standing: string;
  readonly kind: 'ab' | 'aa';
  readonly metric: string;
  readonly effect: number;
  readonly alpha: number;
  readonly power: number;
  readonly rule: string;
  readonly arms: readonly { readonly name: string; readonly version: string | null; readonly weight: number }[];
  readonly size: {
    readonly units: number;
    readonly unitsPerDay: number;
    readonly days: number;
    readonly baseline: { readonly mean: number; readonly variance: number; readonly from: string };
    readonly reduction: number;
  };
  readonly decision: { readonly verdict: { readonly kind: string; readonly rule: string; readonly why: string } } | null;
  readonly release: string | null;
}

interface Span {
  readonly low: number;
  readonly high: number;
  readonly adjustedP: number;
}

export interface ReadoutRow {
  readonly kind: string;
  readonly arms: readonly {
    readonly name: string;
    readonly version: number | null;
    readonly assigned: number;
    readonly units: number;
    readonly value: number | null;
  }[];
  readonly comparisons: readonly {
    readonly arm: string;
    readonly difference: number;
    readonly relative: number | null;
    readonly fixed: Span | null;
    readonly always: Span | null;
  }[];
  readonly units: number;
  readonly planned: number;
  readonly ratio: { readonly pValue: number };
  readonly exposedTwice: number;
  readonly reduction: number | null;
  readonly verdict: { readonly kind: string; readonly rule: string; readonly why: string };
}

const round = (x: number): string => String(Number(x.toPrecision(4)));
const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;

export const describeTrial = (t: TrialRow): string[] => [
  `${t.name} on ${t.endpoint}: ${t.state}, ${t.standing}`,
  ...(t.decision ? [`  by ${t.decision.verdict.rule}`] : []),
  ...(t.release ? [`  release ${t.release} brings it to all traffic`] : []),
];

export const describePlan = ({ size, ...t }: TrialRow): string[] => [
  `${t.kind === 'aa' ? 'A/A check of' : 'trial on'} ${t.metric}, by ${t.rule}: ${t.arms.map((a) => `${a.name}${a.version === null ? '' : `=${a.version}`} ${percent(a.weight)}`).join(', ')}`,
  `  ${size.units} units to find a difference of ${t.effect} with power ${t.power} at alpha ${t.alpha}`,
  `  ${size.days} days at ${round(size.unitsPerDay)} units a day`,
  `  from a mean of ${round(size.baseline.mean)} and a variance of ${round(size.baseline.variance)} (${size.baseline.from})${size.reduction > 0 ? `; the covariate takes ${percent(size.reduction)} of it away` : ''}`,
];

const spanOf = (span: Span | null): string => (span ? `${round(span.low)} to ${round(span.high)} (p ${round(span.adjustedP)})` : 'not yet');

export const describeReadout = (r: ReadoutRow): string[] => [
  `${r.verdict.kind}: ${r.verdict.why}`,
  `  by ${r.verdict.rule}`,
  ...r.arms.map(
    (a) =>
      `  ${a.name}: ${a.value === null ? 'no value' : round(a.value)} from ${a.units} units, ${a.assigned} assigned${a.version === null ? '' : `, version ${a.version}`}`,
  ),
  ...r.comparisons.flatMap((c) => [
    `  ${c.arm} less control: ${round(c.difference)}${c.relative === null ? '' : ` (${percent(c.relative)})`}`,
    `    at the planned ${r.planned} units: ${spanOf(c.fixed)}`,
    `    at every look: ${spanOf(c.always)}`,
  ]),
  `  sample ratio p ${round(r.ratio.pValue)} at every look; ${r.exposedTwice} units met several arms`,
  ...(r.reduction === null ? [] : [`  the covariate took away ${percent(r.reduction)} of the variance`]),
];
