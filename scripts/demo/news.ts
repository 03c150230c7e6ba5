// What the server decided, told from its events in one line each.

export interface StoredEvent {
  readonly seq: number;
  readonly type: string;
  readonly label: string | null;
  readonly subject: { readonly kind: string; readonly id: string };
  readonly payload: Readonly<Record<string, unknown>>;
}

type Payload = StoredEvent['payload'];

const text = (value: unknown): string => (typeof value === 'number' ? String(Number(value.toPrecision(3))) : String(value ?? ''));

const share = (value: unknown): string => `${Math.round(Number(value) * 100)} %`;

const TOLD: Readonly<Record<string, (p: Payload, e: StoredEvent) => string | undefined>> = {
  'alert.pending': (p) => `alert pending   ${text(p.rule)}`,
  'alert.firing': (p) => `alert FIRING    ${text(p.rule)}${p.value === undefined ? '' : `: ${text(p.value)}`}`,
  'alert.resolved': (p) => `alert resolved  ${text(p.rule)}`,
  'trigger.recorded': (p) => `trigger         ${text(p.cause)}, ${p.accepted === true ? 'accepted' : `suppressed: ${text(p.reason)}`}`,
  'trigger.ended': (p) => `retraining      ${text(p.outcome)}: ${text(p.reason)}`,
  'pipeline-run.started': (_, e) => `training        ${e.label ?? e.subject.id}`,
  'decision.recorded': (_, e) => `decision        ${e.label ?? e.subject.id}`,
  'release.stepped': (p) => `release         ${share(p.share)} of the traffic${p.reason === undefined ? '' : `: ${text(p.reason)}`}`,
  'release.paused': (p) => `release paused  ${text(p.reason)}`,
  'release.promoted': (p) => `release         PROMOTED: ${text(p.reason)}`,
  'release.rolled-back': (p) => `release         ROLLED BACK: ${text(p.reason)}`,
  'release.aborted': (p) => `release         aborted: ${text(p.reason)}`,
  'release.failed': (p) => `release         failed: ${text(p.reason)}`,
};

const LONGEST = 150;

/** The line for an event; undefined if it is no news. */
export function newsOf(event: StoredEvent): string | undefined {
  const line = TOLD[event.type]?.(event.payload, event)?.trimEnd();
  if (line === undefined) return undefined;
  return line.length <= LONGEST ? line : `${line.slice(0, LONGEST)}…`;
}
