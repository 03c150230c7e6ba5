// What a loop has come to, without ids and wall time: two loops that decided the same have the same outcome. Asked
// through the public API.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { Receiver } from '../../scripts/demo/receiver.ts';
import { persist } from './loop-client.ts';
import type { System } from './system.ts';

type Item = Readonly<Record<string, unknown>> & { readonly id: string; readonly state: string };

export interface Outcome {
  readonly windows: readonly unknown[];
  readonly findings: readonly unknown[];
  readonly feedback: readonly unknown[];
  readonly alerts: readonly unknown[];
  readonly deliveries: readonly unknown[];
  readonly triggers: readonly unknown[];
  readonly runs: readonly unknown[];
  readonly versions: readonly unknown[];
  readonly decisions: readonly unknown[];
  readonly releases: readonly unknown[];
  /** How many events of each type were told. */
  readonly events: Readonly<Record<string, number>>;
}

/** A repeated barrier moves event time again, and ships the log in other pieces; both change nothing that counts. */
const repeatable = /^(timeline|inference-segment)\./;
const idIn = /\b[a-z]{3}_[0-9a-z]{20,}\b/g;
/** Words without the ids in them. */
const words = (text: unknown): string => String(text).replace(idIn, (id) => id.slice(0, 3));

export async function outcomeOf(system: System, receiver: Receiver): Promise<Outcome> {
  const api = (path: string): string => `${system.url}/api/gyre/v1${path}`;
  const list = async (path: string): Promise<Item[]> => {
    const items: Item[] = [];
    for (let cursor: string | null = ''; cursor !== null;) {
      const heard = await persist({
        url: api(`${path}${path.includes('?') ? '&' : '?'}limit=1000${cursor && `&cursor=${encodeURIComponent(cursor)}`}`),
      });
      items.push(...heard.get<Item[]>('items'));
      cursor = heard.get<string | null>('nextCursor');
    }
    return items;
  };
  await persist({ url: api('/settle'), body: {} });
  const deliveries = await arrived(() => list('/projects/demo/alert-deliveries'));
  const told = new Set(receiver.heard.map((h) => h.delivery));
  assert.deepEqual([...told].sort(), deliveries.map((d) => d.id).sort(), 'what was owed has been heard, and nothing else');
  assert.equal(receiver.refused(), 0, 'every delivery was signed');

  const audit = await persist({ url: api('/audit/verify') });
  assert.deepEqual([audit.get<boolean>('ok'), audit.get<unknown[]>('faults')], [true, []], 'the chain of events is whole');

  const triggers = (await list('/projects/demo/triggers')).toReversed();
  const runs = (await list('/projects/demo/runs')).toReversed();
  // The first run made the first champion.
  const started = runs.slice(1).map((r) => r.id);
  assert.deepEqual(
    started,
    triggers.flatMap((t) => (t.run === null ? [] : [t.run])),
    'each accepted trigger has one run, and no other is there',
  );
  const rules = new Map((await list('/projects/demo/alerts')).map((a) => [a.id, a]));
  const releases = (await list('/projects/demo/endpoints/e/releases')).toReversed();
  const transitions = await Promise.all(
    releases.map(async (r) => (await persist({ url: api(`/projects/demo/endpoints/e/releases/${r.id}`) })).get<Item[]>('transitions')),
  );
  const windows = await list('/projects/demo/monitors/e/windows?generations=all');
  const events: Record<string, number> = {};
  for (const { type } of await list('/events')) if (!repeatable.test(String(type))) events[String(type)] = (events[String(type)] ?? 0) + 1;

  return {
    windows: windows.map((w) => [w.kind, w.from, w.generation, w.latest, w.n, w.version, w.closedAt]),
    findings: (await list('/projects/demo/findings')).map((f) => [f.kind, f.subject, f.from, f.n]).sort(),
    feedback: (await list('/projects/demo/monitors/e/feedback')).map((b) => [
      b.state,
      b.rows,
      b.joined,
      b.duplicate,
      b.corrected,
      b.late,
      b.waiting,
      b.acceptedAt,
    ]),
    alerts: [...rules.values()].map((a) => [a.rule, a.severity, a.state, a.startedAt, a.firedAt, a.endedAt]),
    deliveries: deliveries.map((d) => [rules.get(String(d.alert))?.rule, d.receiver, d.reason, d.at, d.state]).sort(),
    triggers: triggers.map((t) => [t.cause, t.state, t.guard, words(t.outcome), t.at, t.acceptedAt, t.endedAt]),
    runs: runs.map((r) => [r.pipeline, r.number, r.state, r.params]),
    versions: (await list('/models/m/versions')).map((v) => [v.number, v.state]),
    decisions: (await list('/models/m/decisions')).map((d) => [d.outcome, words(d.reason)]),
    releases: releases.map((r, i) => [
      words(r.reason),
      r.state,
      transitions[i]!.map((x) => [x.from, x.to, x.step, x.share, words(x.reason), x.at]),
    ]),
    events,
  };
}

/** Deliveries are wall time: one that failed is tried again after a second or more. */
async function arrived(deliveries: () => Promise<Item[]>): Promise<Item[]> {
  const deadline = performance.now() + 60_000;
  for (;;) {
    const found = await deliveries();
    if (found.every((d) => d.state === 'delivered') || performance.now() > deadline) return found;
    await delay(100);
  }
}
