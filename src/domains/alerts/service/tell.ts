// The events of alerts, and the message that a receiver gets.
import type { NewEvent } from '../../../kernel/events/events.ts';
import { usToIso } from '../../../kernel/timeline/timeline.ts';
import type { Alert, Delivery } from '../model.ts';

export function alertEvent(type: `alert.${string}`, a: Alert, atUs: number, why = ''): NewEvent {
  const self = { kind: 'alert', id: a.id };
  const { window, value, threshold, n, method } = a.evidence;
  const reason = why === '' ? a.muted : why;
  return {
    type,
    subject: self,
    label: a.rule,
    project: a.project,
    payload: {
      rule: a.rule,
      monitor: a.monitor,
      signal: a.signal,
      severity: a.severity,
      value,
      threshold,
      n,
      method,
      window,
      ...(reason === '' ? {} : { reason }),
    },
    edges: [
      { from: self, to: { kind: 'monitor', id: `${a.project}/${a.monitor}` }, relation: 'watches' },
      ...(window === null ? [] : [{ from: self, to: { kind: 'window', id: window }, relation: 'raised-by' }]),
    ],
    occurredUs: atUs,
  };
}

/** What is told, in the shape that our own webhook sends; the other receivers' shapes are made from it. */
export interface Message {
  readonly version: 1;
  readonly delivery: string;
  readonly workspace: string;
  readonly project: string;
  readonly receiver: string;
  readonly status: Delivery['status'];
  readonly reason: Delivery['reason'];
  /** Event time. */
  readonly at: string;
  readonly alert: {
    readonly id: string;
    readonly fingerprint: string;
    readonly rule: string;
    readonly monitor: string;
    readonly signal: string;
    readonly when: string;
    readonly severity: string;
    readonly summary: string;
    readonly labels: Readonly<Record<string, string>>;
    readonly state: string;
    readonly startedAt: string;
    readonly firedAt: string | null;
    readonly endedAt: string | null;
    /** Why it ended where no figure did that: the rule was changed or removed. */
    readonly why: string;
  };
  readonly evidence: Alert['evidence'];
  /** Path of the alert on this server. */
  readonly link: string;
}

const isoOrNull = (us: number | null): string | null => (us === null ? null : usToIso(us));

export const messageOf = (workspace: string, d: Delivery, a: Alert, when: string): Message => ({
  version: 1,
  delivery: d.id,
  workspace,
  project: a.project,
  receiver: d.receiver,
  status: d.status,
  reason: d.reason,
  at: usToIso(d.atUs),
  alert: {
    id: a.id,
    fingerprint: a.fingerprint,
    rule: a.rule,
    monitor: a.monitor,
    signal: a.signal,
    when,
    severity: a.severity,
    summary: a.summary,
    labels: a.labels,
    state: a.state,
    startedAt: usToIso(a.startedUs),
    firedAt: isoOrNull(a.firedUs),
    endedAt: isoOrNull(a.endedUs),
    why: a.history.at(-1)?.why ?? '',
  },
  evidence: a.evidence,
  link: `/api/gyre/v1/projects/${a.project}/alerts/${a.id}`,
});

/** One line for people: what, where, and the figures. */
export function headline(m: Message): string {
  const mark = m.status === 'test' ? 'TEST' : m.status === 'resolved' ? 'RESOLVED' : 'FIRING';
  const what = m.alert.summary === '' ? m.alert.when : m.alert.summary;
  return `[${mark}] ${m.project}/${m.alert.rule}: ${what}`;
}

/** The figures in words; every number with its sample size and how it was made. */
export function figuresOf({ evidence: e, alert }: Message): string {
  const shown = (x: number | null): string => (x === null ? 'none' : String(Number(x.toPrecision(4))));
  return `${alert.why ? `${alert.why}; last figures: ` : ''}value ${shown(e.value)}, threshold ${shown(e.threshold)}, n ${e.n}: ${e.method}`;
}
