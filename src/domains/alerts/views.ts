// What the routes answer of the records. Pure.
import { usToIso } from '../../kernel/timeline/timeline.ts';
import type { ReceiverDefinition } from '../projects/public.ts';
import type { Alert, Delivery, Holding, Rule, Silence } from './model.ts';
import type { Replay, RuleView } from './service/replay.ts';

const isoOrNull = (us: number | null): string | null => (us === null ? null : usToIso(us));
const isoMs = (ms: number): string => new Date(ms).toISOString();
const isoMsOrNull = (ms: number | null): string | null => (ms === null ? null : isoMs(ms));

const UNITS = [
  ['w', 604_800e6],
  ['d', 86_400e6],
  ['h', 3_600e6],
  ['m', 60e6],
  ['s', 1e6],
] as const;

/** As gyre.yaml writes durations, in the largest unit that says it exactly. */
export function durationText(us: number): string {
  const [unit, size] = UNITS.find(([, each]) => us >= each && us % each === 0) ?? ['s', 1e6];
  return `${us / size}${unit}`;
}

export const holdingText = (h: Holding): string =>
  'us' in h
    ? durationText(h.us)
    : h.of === h.windows
      ? `${h.windows} window${h.windows === 1 ? '' : 's'}`
      : `${h.windows} of ${h.of} windows`;

const ruleFields = (r: Rule) => ({
  name: r.name,
  managedBy: r.managedBy,
  monitor: r.monitor,
  signal: r.signal,
  when: r.when,
  for: holdingText(r.for),
  keepFiringFor: durationText(r.keepFiringUs),
  severity: r.severity,
  receivers: [...r.receivers],
  summary: r.summary,
});

export const ruleView = ({ rule, state, noDataSinceUs, noDataReason }: RuleView) => ({
  ...ruleFields(rule),
  state,
  noDataSince: isoOrNull(noDataSinceUs),
  noDataReason,
});

export const alertView = (a: Alert, silenced: boolean) => ({
  id: a.id,
  rule: a.rule,
  monitor: a.monitor,
  signal: a.signal,
  severity: a.severity,
  state: a.state,
  muted: a.muted,
  silenced,
  summary: a.summary,
  labels: a.labels,
  fingerprint: a.fingerprint,
  startedAt: usToIso(a.startedUs),
  firedAt: isoOrNull(a.firedUs),
  endedAt: isoOrNull(a.endedUs),
  evidence: a.evidence,
  history: a.history.map(({ atUs, ...rest }) => ({ ...rest, at: usToIso(atUs) })),
});

export const replayView = ({ rule, windows, withoutData, noDataReason, transitions, end }: Replay) => ({
  rule: rule.name,
  when: rule.when,
  for: holdingText(rule.for),
  windows,
  withoutData,
  noDataReason,
  transitions: transitions.map(({ from, to, seen: { window, value, threshold, n, method, knownUs } }) => ({
    from,
    state: to,
    at: usToIso(knownUs),
    window,
    value,
    threshold,
    n,
    method,
  })),
  end,
});

export const silenceView = (s: Silence, nowUs: number) => ({
  id: s.id,
  matchers: [...s.matchers],
  startsAt: usToIso(s.startsUs),
  endsAt: usToIso(s.endsUs),
  author: s.author,
  comment: s.comment,
  state: s.endsUs <= nowUs ? ('expired' as const) : s.startsUs <= nowUs ? ('active' as const) : ('pending' as const),
});

export const deliveryView = (d: Delivery) => ({
  id: d.id,
  alert: d.alert === '' ? null : d.alert,
  receiver: d.receiver,
  status: d.status,
  reason: d.reason,
  at: usToIso(d.atUs),
  state: d.state,
  attempts: d.attempts,
  lastStatus: d.lastStatus,
  lastError: d.lastError,
  nextAttemptAt: isoMsOrNull(d.nextMs),
  createdAt: isoMs(d.createdMs),
  deliveredAt: isoMsOrNull(d.deliveredMs),
});

/** An address may be the secret itself: only its host is shown. */
const hostOf = (address: string): string =>
  /^(env|file):/.test(address) ? address : URL.canParse(address) ? new URL(address).host : 'an address that cannot be read';

export const receiverView = (r: ReceiverDefinition, rules: readonly Rule[]) => ({
  name: r.name,
  kind: r.kind,
  to: r.kind === 'email' ? `${r.to.join(', ')} by ${hostOf(r.server)}` : hostOf(r.url),
  repeat: durationText(r.repeatUs),
  sendResolved: r.sendResolved,
  rules: rules.filter((rule) => rule.receivers.includes(r.name)).map((rule) => rule.name),
});
