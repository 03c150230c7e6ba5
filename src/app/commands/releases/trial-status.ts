// A trial in words.
export interface TrialRow {
  readonly name: string;
  readonly endpoint: string;
  readonly state: string;
  readonly standing: string;
  readonly kind: 'ab' | 'aa' | 'bandit';
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
  readonly guardrails: readonly { readonly metric: string; readonly margin: number }[];
  readonly maxDurationDays: number | null;
  readonly bandit: {
    readonly reward: string;
    readonly everyHours: number;
    readonly floor: number;
    readonly cap: number;
    readonly minRewards: number;
    readonly halfLifeHours: number | null;
    readonly delayHours: number;
    readonly missing: number | null;
    readonly assign: string;
  } | null;
  readonly steering: {
    readonly weights: Readonly<Record<string, number>>;
    readonly updates: number;
    readonly nextAt: string;
    readonly fixed: { readonly reason: string; readonly at: string } | null;
  } | null;
  readonly guards: readonly {
    readonly metric: string;
    readonly arm: string;
    readonly verdict: string;
    readonly units: number;
    readonly worse: number | null;
    readonly atLeast: number | null;
  }[];
  readonly managedBy: string;
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
    readonly weighted: {
      readonly share: number;
      readonly chance: number | null;
      readonly plain: number | null;
      readonly snips: { readonly value: number; readonly low: number; readonly high: number } | null;
      readonly effectiveSize: number;
    } | null;
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
  readonly asRun: { readonly value: number | null; readonly waiting: number } | null;
  readonly verdict: { readonly kind: string; readonly rule: string; readonly why: string };
}

export interface StepRow {
  readonly kind: string;
  readonly weights: Readonly<Record<string, number>> | null;
  readonly why: string;
  readonly update: {
    readonly seed: number;
    readonly arms: readonly { readonly name: string; readonly rewards: number; readonly chance: number; readonly share: number }[];
  } | null;
  readonly by: { readonly kind: string; readonly id: string };
  readonly at: string;
}

const round = (x: number): string => String(Number(x.toPrecision(4)));
const percent = (share: number): string => `${Number((100 * share).toFixed(1))} %`;

export const describeTrial = (t: TrialRow): string[] => [
  `${t.name} on ${t.endpoint}: ${t.standing.startsWith(t.state) ? '' : `${t.state}, `}${t.standing}`,
  ...(t.decision ? [`  by ${t.decision.verdict.rule}`] : []),
  ...(t.release ? [`  release ${t.release} brings it to all traffic`] : []),
];

const weightsOf = (weights: Readonly<Record<string, number>>): string =>
  Object.entries(weights)
    .map(([arm, share]) => `${arm} ${percent(share)}`)
    .join(', ');

/** Where a trial that runs stands: its weights, and what the guardrails said. */
export const describeSteering = ({ steering, guards, state }: TrialRow): string[] => [
  ...(steering && (state === 'running' || state === 'paused')
    ? [
        `  weights: ${weightsOf(steering.weights)}, after ${steering.updates} ${steering.updates === 1 ? 'update' : 'updates'}`,
        steering.fixed
          ? `  fixed since ${steering.fixed.at}: ${steering.fixed.reason}; "gyre trial thaw-weights" lets them go`
          : `  next update at ${steering.nextAt}`,
      ]
    : []),
  ...guards.map((g) => `  guardrail ${g.metric} of ${g.arm}: ${guardOf(g)}`),
];

const guardOf = ({ verdict, units, worse, atLeast }: TrialRow['guards'][number]): string =>
  verdict === 'too-little-data' || worse === null
    ? `too little data yet (${units} units)`
    : verdict === 'harm'
      ? `HARM, worse by at least ${round(atLeast ?? worse)} (${units} units)`
      : `no harm shown, ${worse === 0 ? 'no difference' : `${worse > 0 ? 'worse' : 'better'} by ${round(Math.abs(worse))}`} (${units} units)`;

const TITLE = { ab: 'trial on', aa: 'A/A check of', bandit: 'bandit on' } as const;

export const describePlan = ({ size, bandit, ...t }: TrialRow): string[] => [
  `${TITLE[t.kind]} ${t.metric}, by ${t.rule}: ${t.arms.map((a) => `${a.name}${a.version === null ? '' : `=${a.version}`} ${percent(a.weight)}`).join(', ')}`,
  ...(size.units === 0
    ? []
    : [
        `  ${size.units} units to find a difference of ${t.effect} with power ${t.power} at alpha ${t.alpha}`,
        `  ${size.days} days at ${round(size.unitsPerDay)} units a day`,
        `  from a mean of ${round(size.baseline.mean)} and a variance of ${round(size.baseline.variance)} (${size.baseline.from})${size.reduction > 0 ? `; the covariate takes ${percent(size.reduction)} of it away` : ''}`,
      ]),
  ...(bandit ? describeBandit(bandit) : []),
  t.guardrails.length === 0
    ? '  no guardrail stops it'
    : `  stopped by harm in ${t.guardrails.map((g) => (g.margin > 0 ? `${g.metric} beyond ${g.margin}` : g.metric)).join(', ')}`,
  ...(t.maxDurationDays === null ? [] : [`  ends after ${round(t.maxDurationDays)} days at the latest`]),
  ...(t.managedBy === 'api' ? [] : [t.managedBy === 'file' ? '  from gyre.yaml' : '  was in gyre.yaml, and is not any more']),
];

const describeBandit = (b: NonNullable<TrialRow['bandit']>): string[] => [
  `  ${b.reward} rewards, weights move every ${hours(b.everyHours)} from ${b.minRewards} rewards in each arm on, each between ${percent(b.floor)} and ${percent(b.cap)}`,
  `  an arm for each ${b.assign}${b.delayHours > 0 ? `; predictions count after ${hours(b.delayHours)}` : ''}${
    b.missing === null ? '' : `, and without a reward as ${b.missing}`
  }${b.halfLifeHours === null ? '' : `; a reward weighs half after ${hours(b.halfLifeHours)}`}`,
];

const hours = (n: number): string => (n % 24 === 0 ? `${n / 24} d` : n >= 1 ? `${round(n)} h` : `${round(60 * n)} min`);

export const describeStep = (s: StepRow): string[] => [
  `${s.at}  ${s.kind}${s.weights ? `  ${weightsOf(s.weights)}` : ''}${s.why && s.update === null ? `  ${s.why}` : ''}  (${s.by.kind}${s.by.id === s.by.kind ? '' : ` ${s.by.id}`})`,
  ...(s.update
    ? [
        `  seed ${s.update.seed}; ${s.update.arms.map((a) => `${a.name}: ${a.rewards} rewards, chance to be best ${percent(a.chance)}, share ${percent(a.share)}`).join('; ')}`,
      ]
    : []),
];

const spanOf = (span: Span | null): string => (span ? `${round(span.low)} to ${round(span.high)} (p ${round(span.adjustedP)})` : 'not yet');

export const describeReadout = (r: ReadoutRow): string[] => [
  `${r.verdict.kind}: ${r.verdict.why}`,
  `  by ${r.verdict.rule}`,
  ...r.arms.flatMap((a) => [
    `  ${a.name}: ${a.value === null ? 'no value' : round(a.value)} from ${a.units} ${a.weighted ? 'rewards' : 'units'}, ${a.assigned} ${a.weighted ? 'units assigned' : 'assigned'}${a.version === null ? '' : `, version ${a.version}`}`,
    ...(a.weighted ? [weightedOf(a.weighted)] : []),
  ]),
  ...r.comparisons.flatMap((c) => [
    `  ${c.arm} less control: ${round(c.difference)}${c.relative === null ? '' : ` (${percent(c.relative)})`}`,
    ...(r.kind === 'weighted' ? [] : [`    at the planned ${r.planned} units: ${spanOf(c.fixed)}`]),
    `    at every look: ${spanOf(c.always)}`,
  ]),
  `  sample ratio p ${round(r.ratio.pValue)} at every look; ${r.exposedTwice} units met several arms${r.kind === 'weighted' ? ' as the weights moved' : ''}`,
  ...(r.reduction === null ? [] : [`  the covariate took away ${percent(r.reduction)} of the variance`]),
  ...(r.asRun
    ? [
        `  as it ran: ${r.asRun.value === null ? 'no reward yet' : `${round(r.asRun.value)} a request`}${r.asRun.waiting > 0 ? `; ${r.asRun.waiting} predictions are too young to count` : ''}`,
        '  values are weighted by 1 / propensity (SNIPS); plain means of a bandit are biased, mostly downwards',
      ]
    : []),
];

const weightedOf = (w: NonNullable<ReadoutRow['arms'][number]['weighted']>): string =>
  `    ${w.snips ? `${round(w.snips.low)} to ${round(w.snips.high)}, ` : ''}effective sample ${round(w.effectiveSize)}, plain mean ${w.plain === null ? 'none' : round(w.plain)}; chance to be best ${
    w.chance === null ? 'not known' : percent(w.chance)
  }, share now ${percent(w.share)}`;
