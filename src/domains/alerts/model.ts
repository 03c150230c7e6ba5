// Rules, what they read from a window, and the state machine of an alert as a pure fold: production, the tests
// of rules over past windows and the documents all use `step`.
import { monitorSignals, type AlertCondition, type AlertRuleDefinition } from '../projects/public.ts';

export const severities = ['page', 'warn', 'info'] as const;
export type Severity = (typeof severities)[number];

/** Where a rule was written: in gyre.yaml, by the API, or nowhere, because every monitor gets it. */
export const ruleOrigins = ['file', 'api', 'default'] as const;
export type RuleOrigin = (typeof ruleOrigins)[number];

/** k of the last n windows with data, or as long as this without a break. */
export type Holding = { readonly windows: number; readonly of: number } | { readonly us: number };

export interface Rule {
  readonly name: string;
  readonly monitor: string;
  readonly signal: string;
  readonly condition: AlertCondition;
  /** As written. */
  readonly when: string;
  readonly for: Holding;
  readonly keepFiringUs: number;
  readonly severity: Severity;
  readonly receivers: readonly string[];
  readonly summary: string;
  readonly managedBy: RuleOrigin;
}

export const ruleOf = (d: AlertRuleDefinition, managedBy: RuleOrigin): Rule => ({
  name: d.name,
  monitor: d.monitor,
  signal: d.signal,
  condition: d.condition,
  when: d.when,
  for: 'us' in d.for ? d.for : { windows: d.for.windows, of: d.for.of ?? d.for.windows },
  keepFiringUs: d.keepFiringUs,
  severity: d.severity,
  receivers: d.receivers,
  summary: d.summary,
  managedBy,
});

/** What decides: when one of these changes, the rule begins anew. Severity, receivers and summary do not count. */
export const logicOf = (r: Rule): string => JSON.stringify([r.monitor, r.signal, r.condition, r.for, r.keepFiringUs]);

/** The kind of window that a signal is read from. */
export const kindOfSignal = (signal: string): 'data' | 'performance' =>
  Object.hasOwn(monitorSignals, signal)
    ? monitorSignals[signal as keyof typeof monitorSignals]
    : /^(drift|estimated)\./.test(signal)
      ? 'data'
      : 'performance';

/** Drift of broken data says nothing about the world. */
export const isMutable = (signal: string): boolean => signal === 'drift' || signal === 'prediction_drift' || signal.startsWith('drift.');

/** What tells one alert from another. */
export const labelsOf = (project: string, rule: Rule): Record<string, string> => ({
  project,
  monitor: rule.monitor,
  rule: rule.name,
  signal: rule.signal,
  severity: rule.severity,
  ...(rule.signal.startsWith('drift.') ? { column: rule.signal.slice('drift.'.length) } : {}),
});

/** One look at a signal. `breach: null` = there was nothing to judge, and `method` says why. */
export interface Observation {
  readonly window: string | null;
  /** End of the window: `for` and `keep_firing_for` are measured with it. */
  readonly atUs: number;
  /** Event time at which this was known: a window closes after its end. */
  readonly knownUs: number;
  readonly breach: boolean | null;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly n: number;
  readonly method: string;
}

/** `resolved` is `normal` after an alert. A pending alert whose condition went away never was one. */
export const instanceStates = ['normal', 'pending', 'firing', 'recovering', 'resolved'] as const;
export type InstanceState = (typeof instanceStates)[number];

export const transitions = {
  normal: ['pending', 'firing'],
  pending: ['firing', 'normal'],
  firing: ['recovering', 'resolved'],
  recovering: ['firing', 'resolved'],
  resolved: ['pending', 'firing'],
} as const satisfies Readonly<Record<InstanceState, readonly InstanceState[]>>;

export const isActive = (state: string): boolean => state === 'firing' || state === 'recovering';

export interface Memory {
  readonly state: InstanceState;
  /** End of the window that brought the state. */
  readonly sinceUs: number;
  /** The last windows with data, oldest first. */
  readonly outcomes: readonly { readonly atUs: number; readonly breach: boolean }[];
  /** End of the first window of the present run of breaches. */
  readonly breachingSinceUs: number | null;
  /** Since when there has been nothing to judge. */
  readonly noDataSinceUs: number | null;
  readonly noDataReason: string;
  /** Event time at which the newest window with records closed; the dead man counts from it. */
  readonly lastUs: number | null;
}

export const fresh: Memory = {
  state: 'normal',
  sinceUs: 0,
  outcomes: [],
  breachingSinceUs: null,
  noDataSinceUs: null,
  noDataReason: '',
  lastUs: null,
};

export interface Transition {
  readonly from: InstanceState;
  readonly to: InstanceState;
  readonly seen: Observation;
}

type Logic = Pick<Rule, 'for' | 'keepFiringUs' | 'signal'>;

const holdingOf = (rule: Logic): Holding => (rule.signal === 'windows' && 'windows' in rule.for ? { windows: 1, of: 1 } : rule.for);

const breaches = (outcomes: Memory['outcomes'], last: number): number =>
  last <= 0 ? 0 : outcomes.slice(-last).filter((o) => o.breach).length;

/** Whether the condition holds for as long as the rule asks, and whether the next windows could still make it so. */
function holds(
  rule: Logic,
  { outcomes, breachingSinceUs }: Pick<Memory, 'outcomes' | 'breachingSinceUs'>,
): { met: boolean; warm: boolean } {
  const holding = holdingOf(rule);
  const newest = outcomes.at(-1);
  if ('us' in holding) {
    const since = newest?.breach ? breachingSinceUs : null;
    return { met: since !== null && newest!.atUs - since >= holding.us, warm: since !== null };
  }
  // A breach older than that is out of sight before enough others can come.
  return { met: breaches(outcomes, holding.of) >= holding.windows, warm: breaches(outcomes, holding.of - holding.windows + 1) > 0 };
}

/**
 * The next state. A newer generation of a window that is still in memory takes the place of the older one, and the
 * state is judged anew; what has been told stays told. A window older than the memory changes nothing.
 */
export function step(rule: Logic, memory: Memory, seen: Observation): { readonly memory: Memory; readonly transition?: Transition } {
  const newest = memory.outcomes.at(-1);
  const known = memory.outcomes.findIndex((o) => o.atUs === seen.atUs);
  if (newest && seen.atUs < newest.atUs && known < 0) return { memory };
  if (seen.breach === null) {
    if (known >= 0) return { memory };
    return { memory: { ...memory, noDataSinceUs: memory.noDataSinceUs ?? seen.knownUs, noDataReason: seen.method } };
  }
  const holding = holdingOf(rule);
  const outcome = { atUs: seen.atUs, breach: seen.breach };
  const all = known < 0 ? [...memory.outcomes, outcome] : memory.outcomes.with(known, outcome);
  const outcomes = all.slice(-('us' in holding ? 1 : holding.of));
  const isNewest = known < 0 || known === memory.outcomes.length - 1;
  const breachingSinceUs = isNewest ? (seen.breach ? (memory.breachingSinceUs ?? seen.atUs) : null) : memory.breachingSinceUs;
  const next: Memory = { ...memory, outcomes, breachingSinceUs, ...(isNewest ? { noDataSinceUs: null, noDataReason: '' } : {}) };
  const atUs = outcomes.at(-1)!.atUs;
  const to = nextState(rule, memory, holds(rule, next), atUs);
  if (to === memory.state) return { memory: next };
  return { memory: { ...next, state: to, sinceUs: atUs }, transition: { from: memory.state, to, seen } };
}

function nextState(rule: Logic, { state, sinceUs }: Memory, { met, warm }: { met: boolean; warm: boolean }, atUs: number): InstanceState {
  switch (state) {
    case 'normal':
    case 'resolved':
      return met ? 'firing' : warm ? 'pending' : state;
    case 'pending':
      return met ? 'firing' : warm ? state : 'normal';
    case 'firing':
      return met ? state : rule.keepFiringUs > 0 ? 'recovering' : 'resolved';
    case 'recovering':
      return met ? 'firing' : atUs - sinceUs >= rule.keepFiringUs ? 'resolved' : state;
  }
}

/** One alert from its first breach to its end. */
export const alertStates = ['pending', 'firing', 'recovering', 'resolved', 'dropped'] as const;
export type AlertState = (typeof alertStates)[number];

export interface Evidence {
  readonly window: string | null;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly n: number;
  readonly method: string;
}

export interface Alert {
  readonly id: string;
  readonly project: string;
  readonly monitor: string;
  readonly rule: string;
  readonly signal: string;
  readonly severity: Severity;
  readonly fingerprint: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly summary: string;
  readonly receivers: readonly string[];
  readonly state: AlertState;
  /** Why it is not told although it fires: broken data; '' = it is told. */
  readonly muted: string;
  /** Whether `alert.firing` was told to the other rooms. */
  readonly told: boolean;
  readonly startedUs: number;
  readonly firedUs: number | null;
  readonly endedUs: number | null;
  /** Of the newest transition. */
  readonly evidence: Evidence;
  /** Each state it was in, with the figures that brought it there. */
  readonly history: readonly ({ readonly state: AlertState; readonly atUs: number; readonly why: string } & Evidence)[];
  readonly version: number;
  readonly recordedMs: number;
}

export interface Silence {
  readonly id: string;
  readonly project: string;
  readonly matchers: readonly string[];
  readonly startsUs: number;
  readonly endsUs: number;
  readonly author: string;
  readonly comment: string;
  readonly recordedMs: number;
}

/** queued -> delivered | failed | dead; failed (to be tried again) -> delivered | failed | dead; dead -> queued by hand. */
export const deliveryStates = ['queued', 'delivered', 'failed', 'dead'] as const;
export type DeliveryState = (typeof deliveryStates)[number];

export type DeliveryReason = 'fired' | 'repeat' | 'resolved' | 'test';

export interface Delivery {
  readonly id: string;
  readonly project: string;
  readonly alert: string;
  readonly receiver: string;
  readonly status: 'firing' | 'resolved' | 'test';
  readonly reason: DeliveryReason;
  /** Event time of what it tells. */
  readonly atUs: number;
  readonly state: DeliveryState;
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string;
  readonly nextMs: number | null;
  readonly createdMs: number;
  readonly deliveredMs: number | null;
  readonly version: number;
}

/** What a receiver is owed now, given what it was told last in this alert; undefined = nothing. */
export function owed(
  alert: Pick<Alert, 'state' | 'muted'>,
  receiver: { readonly repeatUs: number; readonly sendResolved: boolean },
  last: Pick<Delivery, 'status' | 'atUs'> | undefined,
  at: { readonly nowUs: number; readonly silenced: boolean },
): DeliveryReason | undefined {
  if (at.silenced) return undefined;
  if (isActive(alert.state)) {
    if (alert.muted !== '') return undefined;
    if (last === undefined) return 'fired';
    return last.status === 'firing' && at.nowUs - last.atUs >= receiver.repeatUs ? 'repeat' : undefined;
  }
  return alert.state === 'resolved' && last?.status === 'firing' && receiver.sendResolved ? 'resolved' : undefined;
}
