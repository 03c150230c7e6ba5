// Triggers: why a pipeline is to run, what became of it, and the guard rails that say no. Pure.
import { Cron } from 'croner';
import type { Parameter, RetrainingDefinition, TriggerCause } from '../projects/public.ts';

export const triggerStates = [
  'recorded',
  'suppressed',
  'waiting-approval',
  'accepted',
  'running',
  'deciding',
  'releasing',
  'rejected',
  'expired',
  'cancelled',
  'failed',
  'refused',
  'passed',
  'promoted',
  'rolled-back',
] as const;
export type TriggerState = (typeof triggerStates)[number];

/** From each state, where a trigger may go. The guard of the store, the table in the docs. */
export const transitions: Readonly<Record<TriggerState, readonly TriggerState[]>> = {
  recorded: ['suppressed', 'waiting-approval', 'accepted', 'cancelled'],
  'waiting-approval': ['accepted', 'rejected', 'expired', 'cancelled'],
  accepted: ['running', 'failed', 'cancelled'],
  running: ['deciding', 'passed', 'failed', 'cancelled'],
  deciding: ['releasing', 'passed', 'refused', 'failed', 'cancelled'],
  releasing: ['promoted', 'rolled-back'],
  suppressed: [],
  rejected: [],
  expired: [],
  cancelled: [],
  failed: [],
  refused: [],
  passed: [],
  promoted: [],
  'rolled-back': [],
};

export const statesBefore = (to: TriggerState): TriggerState[] => triggerStates.filter((from) => transitions[from].includes(to));

/** A trigger that something is still to come of; one of a policy at a time. */
export const openStates = ['waiting-approval', 'accepted', 'running', 'deciding', 'releasing'] as const satisfies readonly TriggerState[];

/** Ends that cost a training and changed nothing. */
export const isUseless = (state: TriggerState): boolean => state === 'failed' || state === 'refused' || state === 'rolled-back';
/** Ends that show that retraining works. */
export const isUseful = (state: TriggerState): boolean => state === 'promoted' || state === 'passed';

export type Figures = Readonly<Record<string, string | number | boolean | null>>;

export interface Trigger {
  readonly id: string;
  readonly project: string;
  readonly policy: string;
  readonly cause: TriggerCause;
  /** One row per policy and key, however often its event is seen. */
  readonly causeKey: string;
  /** What raised it: an alert, a finding, a dataset version, a project revision. */
  readonly subject: { readonly kind: string; readonly id: string } | null;
  /** The same for what is the same problem seen again. */
  readonly fingerprint: string;
  /** Why, in words. */
  readonly reason: string;
  readonly state: TriggerState;
  /** The guard rail that suppressed it. */
  readonly guard: Guard | null;
  /** What became of it, in words; null while it is open. */
  readonly outcome: string | null;
  /** Figures of the cause, and of the guard rail that suppressed it. */
  readonly figures: Figures;
  /** Of the run, with moments in place of "now"; null before it is accepted. */
  readonly params: Readonly<Record<string, Parameter>> | null;
  /** Guard rails of habit (cooldown, budget, labels, halt) are waived by who asked. */
  readonly forced: boolean;
  readonly actor: { readonly kind: string; readonly id: string };
  /** Event time, in microseconds. */
  readonly occurredUs: number;
  readonly acceptedUs: number | null;
  readonly expiresUs: number | null;
  readonly endedUs: number | null;
  readonly runId: string | null;
  readonly versionId: string | null;
  readonly decisionId: string | null;
  readonly releaseId: string | null;
  readonly version: number;
}

/** In the order in which they are judged. */
export const guards = [
  'stopped',
  'frozen',
  'one-at-a-time',
  'duplicate',
  'cooldown',
  'budget',
  'new-labels',
  'broken-data',
  'halted',
] as const;
export type Guard = (typeof guards)[number];

/** Waived by who asks with force: they keep habit in check, not harm. */
const OF_HABIT: readonly Guard[] = ['duplicate', 'cooldown', 'budget', 'new-labels', 'halted'];

/** What the guard rails are judged on. */
export interface Facts {
  readonly nowUs: number;
  readonly stop: { readonly scope: string; readonly by: string; readonly reason: string } | undefined;
  readonly freeze: { readonly by: string; readonly reason: string } | undefined;
  readonly open: { readonly id: string; readonly state: TriggerState } | undefined;
  readonly releaseUnderWay: string | undefined;
  /** The newest accepted trigger of the policy, and that of the same fingerprint. */
  readonly lastAccepted: { readonly id: string; readonly acceptedUs: number } | undefined;
  readonly lastSame: { readonly id: string; readonly acceptedUs: number } | undefined;
  readonly acceptedInSpan: number;
  /** Rows labelled since the champion's training cut-off; undefined = no monitor counts them. */
  readonly newLabels: { readonly labels: number; readonly sinceUs: number } | undefined;
  readonly broken: readonly { readonly dataset: string; readonly version: string; readonly number: number }[];
  readonly mutedMonitors: readonly string[];
  readonly useless: number;
  readonly halted: boolean;
}

export type Verdict =
  | { readonly accepted: true }
  | { readonly accepted: false; readonly guard: Guard; readonly reason: string; readonly figures: Figures };

const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400_000_000],
  ['h', 3_600_000_000],
  ['m', 60_000_000],
  ['s', 1_000_000],
];

/** A span in its largest unit that fits: "14d", "36h"; rounded down to seconds. */
export function span(us: number): string {
  const [unit, size] = UNITS.find(([, s]) => us >= s && us % s === 0) ?? UNITS.find(([, s]) => us >= s) ?? ['s', 1_000_000];
  return `${Math.floor(us / size)}${unit}`;
}

const iso = (us: number): string => new Date(Math.floor(us / 1000)).toISOString();

/** Judges the guard rails in their order; the first one that says no is the reason. */
export function judge(policy: RetrainingDefinition, facts: Facts, forced = false): Verdict {
  for (const guard of guards) {
    if (forced && OF_HABIT.includes(guard)) continue;
    const no = says[guard](policy, facts);
    if (no) return { accepted: false, guard, ...no };
  }
  return { accepted: true };
}

type No = { readonly reason: string; readonly figures: Figures } | undefined;

const says: Readonly<Record<Guard, (policy: RetrainingDefinition, facts: Facts) => No>> = {
  stopped: (_, { stop }) =>
    stop && { reason: `retraining of ${stop.scope} was stopped by ${stop.by}: ${stop.reason}`, figures: { stoppedBy: stop.by } },
  frozen: ({ endpoint }, { freeze }) =>
    freeze && { reason: `endpoint ${endpoint} was frozen by ${freeze.by}: ${freeze.reason}`, figures: { frozenBy: freeze.by } },
  'one-at-a-time': ({ endpoint }, { open, releaseUnderWay }) =>
    open
      ? { reason: `trigger ${open.id} of this policy is still ${open.state}`, figures: { trigger: open.id, state: open.state } }
      : releaseUnderWay !== undefined
        ? { reason: `release ${releaseUnderWay} of endpoint ${endpoint} is under way`, figures: { release: releaseUnderWay } }
        : undefined,
  // The same alert that goes on firing counts anew once a whole cooldown has passed.
  duplicate: ({ cooldownUs }, { lastSame, nowUs }) =>
    lastSame && (cooldownUs === 0 || nowUs - lastSame.acceptedUs < cooldownUs)
      ? {
          reason: `the same cause was acted on at ${iso(lastSame.acceptedUs)} by trigger ${lastSame.id}`,
          figures: { trigger: lastSame.id, acceptedAt: iso(lastSame.acceptedUs) },
        }
      : undefined,
  cooldown: ({ cooldownUs }, { lastAccepted, nowUs }) => {
    if (!lastAccepted || nowUs - lastAccepted.acceptedUs >= cooldownUs) return undefined;
    const until = lastAccepted.acceptedUs + cooldownUs;
    return {
      reason: `the last trigger was accepted at ${iso(lastAccepted.acceptedUs)}; the cooldown of ${span(cooldownUs)} ends at ${iso(until)}`,
      figures: { lastTrigger: lastAccepted.id, acceptedAt: iso(lastAccepted.acceptedUs), cooldown: span(cooldownUs), until: iso(until) },
    };
  },
  budget: ({ budget }, { acceptedInSpan }) =>
    budget && acceptedInSpan >= budget.runs
      ? {
          reason: `${acceptedInSpan} of ${budget.runs} runs per ${span(budget.perUs)} are used`,
          figures: { used: acceptedInSpan, runs: budget.runs, per: span(budget.perUs) },
        }
      : undefined,
  'new-labels': ({ minNewLabels }, { newLabels }) => {
    if (minNewLabels === 0) return undefined;
    if (!newLabels)
      return {
        reason: `${minNewLabels} new labelled rows are asked for, and no monitor of the endpoint counts them`,
        figures: { needed: minNewLabels },
      };
    if (newLabels.labels >= minNewLabels) return undefined;
    const since = newLabels.sinceUs > 0 ? ` since the champion’s training cut-off at ${iso(newLabels.sinceUs)}` : '';
    return {
      reason: `${newLabels.labels} rows were labelled${since}; ${minNewLabels} are needed`,
      figures: { labels: newLabels.labels, needed: minNewLabels, since: newLabels.sinceUs > 0 ? iso(newLabels.sinceUs) : null },
    };
  },
  'broken-data': (_, { broken, mutedMonitors }) => {
    const [first] = broken;
    if (first)
      return {
        reason: `${broken.map((b) => `version ${b.number} of dataset ${b.dataset} broke its contract`).join('; ')}, and no newer one is good`,
        figures: { dataset: first.dataset, datasetVersion: first.version, number: first.number, datasets: broken.length },
      };
    return mutedMonitors.length > 0
      ? {
          reason: `a quality alert of monitor ${mutedMonitors.join(', ')} pages: its data are broken`,
          figures: { monitors: mutedMonitors.join(', ') },
        }
      : undefined;
  },
  halted: ({ name, stopAfter }, { halted, useless }) =>
    halted
      ? {
          reason: `the last ${useless} tries in a row did not help (it stops after ${stopAfter}); "gyre retraining resume ${name}" lets it go on`,
          figures: { useless, stopAfter },
        }
      : undefined,
};

const DAY_US = 86_400_000_000;
const UNIT_US: Readonly<Record<string, number>> = { s: 1e6, m: 60e6, h: 3600e6, d: DAY_US, w: 7 * DAY_US };

/** Parameters at a moment of event time: "now" and "now - 60d" become the UTC day of that moment. */
export const resolveParams = (params: Readonly<Record<string, Parameter>>, nowUs: number): Record<string, Parameter> =>
  Object.fromEntries(
    Object.entries(params).map(([name, value]) => {
      const match = typeof value === 'string' ? /^now(?:\s*-\s*(\d+)([smhdw]))?$/.exec(value.trim()) : null;
      if (!match) return [name, value];
      const at = nowUs - (match[1] ? Number(match[1]) * UNIT_US[match[2]!]! : 0);
      return [name, iso(Math.floor(at / DAY_US) * DAY_US).slice(0, 10)];
    }),
  );

/** The last moment after `afterUs` and not after `untilUs` that a schedule (five fields, UTC) names; missed ones are not made up. */
export function lastTick(pattern: string, afterUs: number, untilUs: number): number | undefined {
  const schedule = new Cron(pattern, { paused: true, timezone: 'UTC' });
  const next = (ms: number): number | undefined => schedule.nextRun(new Date(ms))?.getTime();
  const [afterMs, untilMs] = [Math.floor(afterUs / 1000), Math.floor(untilUs / 1000)];
  const first = next(afterMs);
  if (first === undefined || first > untilMs) return undefined;
  // Looks back in growing steps, so that a year of minutes costs no half million of steps forward.
  let found = first;
  for (let backMs = 60_000; ; backMs *= 2) {
    const fromMs = Math.max(afterMs, untilMs - backMs);
    let tick = next(fromMs);
    if (tick !== undefined && tick <= untilMs) {
      for (let more: number | undefined = tick; more !== undefined && more <= untilMs; more = next(more)) tick = more;
      found = Math.max(found, tick);
      break;
    }
    if (fromMs === afterMs) break;
  }
  return found * 1000;
}
