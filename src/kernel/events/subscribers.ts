// Subscribers read committed events by `seq`, each with a cursor that moves in the same transaction as
// the subscriber's own writes: every event has its effect exactly once.
import { setTimeout as delay } from 'node:timers/promises';
import type { Platform } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import { makeCtx, systemActor, type Ctx } from '../ctx.ts';
import { defineErrors } from '../errors.ts';
import { command, statement } from '../db/statement.ts';
import type { Edge, EventRow, Ref } from './events.ts';

export interface StoredEvent {
  readonly seq: number;
  readonly id: string;
  readonly workspace: string;
  readonly type: string;
  readonly subject: Ref;
  readonly label: string | null;
  readonly project: string | null;
  readonly actor: { readonly kind: string; readonly id: string };
  readonly payload: Readonly<Record<string, unknown>>;
  readonly edges: readonly Edge[];
  readonly recordedMs: number;
  readonly occurredUs: number | null;
}

export interface Subscriber {
  readonly name: string;
  /** Event types listened to; absent = all. */
  readonly types?: readonly string[];
  /** Several events may share a transaction; where one of them fails, each is handed over again by itself. */
  readonly together?: true;
  /** Runs in a transaction of the event's workspace. */
  readonly handle: (ctx: Ctx, event: StoredEvent) => Promise<void>;
}

export const toStoredEvent = (row: EventRow): StoredEvent => ({
  seq: row.seq!,
  id: row.id,
  workspace: row.workspace_id,
  type: row.type,
  subject: { kind: row.subject_kind, id: row.subject_id },
  label: row.label,
  project: row.project,
  actor: { kind: row.actor_kind, id: row.actor_id },
  payload: JSON.parse(row.payload) as Record<string, unknown>,
  edges: JSON.parse(row.edges) as Edge[],
  recordedMs: row.recorded_ms,
  occurredUs: row.occurred_us,
});

const BATCH = 200;
/** So many share a transaction: more would hold up requests, */
const AT_ONCE = 20;
/** and they have this time to gather. */
export const GATHER_MS = 10;
/** While more comes all the time: each round costs as much as a request, however many events it takes. */
const BURST_MS = 30;
/** A stored cursor lags by no more events than this: a restart looks at them once more. */
const KEPT_BEHIND = 1000;
const IDLE_LOOK_MS = 5000;
const LOOK_MS = 10;

export const { fail } = defineErrors({
  'barrier-incomplete': {
    status: 503,
    title: 'Not everything due is done',
    detail: (p: { behind: readonly string[] }) =>
      `Events wait for what failed twice: ${p.behind.join(', ')}. What is done stays done. Repeat the call, it goes on from there; the log of the server has the reason.`,
  },
});

export interface SubscriberLoop {
  wake(): void;
  /**
   * Resolves when every subscriber has seen every committed event; one that fails gets a second attempt.
   * Raises `barrier-incomplete`.
   */
  drain(): Promise<void>;
  stop(): Promise<void>;
}

interface Looked {
  /** The stored cursor. */
  readonly stored: number;
  readonly seq: number;
}

export function startSubscribers(
  platform: () => Platform,
  subscribers: readonly Subscriber[],
  sequencer: { readonly settle: () => Promise<void>; readonly poke: () => void },
  /** Of several replicas one hands events over, so that they do not all begin what only one of them may end. */
  leads: () => boolean = () => true,
): SubscriberLoop {
  let stopped = false;
  /** Who waits for the end of everything does his part of it, leader or not. */
  let draining = 0;
  let running: Promise<void> | undefined;
  let again = false;
  /** Who failed in the last round. */
  let behind: string[] = [];

  /** How far each has looked: events that it does not listen to move no stored cursor, for that would be a commit each. */
  const looked = new Map<string, Looked>();

  const advance = async (subscriber: Subscriber, stored: number, pages: Map<number, StoredEvent[]>): Promise<boolean> => {
    const { database } = platform();
    const before = looked.get(subscriber.name);
    // One that was put back looks again at what it has seen.
    const from = before && stored >= before.stored ? Math.max(stored, before.seq) : stored;
    looked.set(subscriber.name, { stored, seq: from });
    const page = pages.get(from) ?? (await readPage(database.reader, from));
    pages.set(from, page);
    if (page.length === 0) return false;
    const wanted = page.filter((e) => subscriber.types?.includes(e.type) ?? true);
    for (const some of together(wanted, subscriber.together ? AT_ONCE : 1)) await hand(subscriber, some);
    const end = page.at(-1)!.seq;
    const held = looked.get(subscriber.name)!.stored;
    const keep = end - held >= KEPT_BEHIND;
    if (keep)
      await makeCtx(platform(), { actor: systemActor, workspace: '' }).tx(async (tx) => {
        if ((await getCursor(tx.db, subscriber.name)) < end) await setCursor(tx.db, subscriber.name, end);
      });
    looked.set(subscriber.name, { stored: keep ? end : held, seq: end });
    return true;
  };

  /** Hands over events of one workspace by one commit; where one of them fails, each by its own. */
  const hand = async (subscriber: Subscriber, events: readonly StoredEvent[]): Promise<void> => {
    const [{ workspace }, last] = [events[0]!, events.at(-1)!.seq];
    try {
      await makeCtx(platform(), { actor: systemActor, workspace }).tx(async (tx) => {
        // Another replica may have handled them since the page was read, or between two attempts of this transaction.
        const done = await getCursor(tx.db, subscriber.name);
        if (done >= last) return;
        for (const event of events) if (event.seq > done) await subscriber.handle(tx, event);
        await setCursor(tx.db, subscriber.name, last);
      });
    } catch (error) {
      if (events.length === 1) throw error;
      for (const event of events) await hand(subscriber, [event]);
    }
    looked.set(subscriber.name, { stored: last, seq: last });
  };

  /** Everybody who stands at the same event reads the same page. */
  const round = async (): Promise<void> => {
    const cursors = await listCursors(platform().database.reader);
    const pages = new Map<number, StoredEvent[]>();
    for (const subscriber of subscribers) {
      try {
        let stored = cursors.get(subscriber.name) ?? 0;
        while (!stopped && (await advance(subscriber, stored, pages))) {
          again = true;
          stored = looked.get(subscriber.name)!.stored;
        }
      } catch (error) {
        behind.push(subscriber.name);
        platform().log.error({ event: 'subscriber.failed', subscriber: subscriber.name, error });
      }
    }
  };

  const loop = async (): Promise<void> => {
    do {
      again = false;
      behind = [];
      try {
        await sequencer.settle();
      } catch (error) {
        behind.push('the numbering of events');
        platform().log.warn({ event: 'subscribers.sequencer-failed', error });
      }
      await round().catch((error: unknown) => {
        behind.push('the events');
        platform().log.error({ event: 'subscribers.not-read', error });
      });
      if (again && !stopped) await gather(BURST_MS);
    } while (again && !stopped);
    // In the same step as the last look at `again`, so that no call in between is lost.
    running = undefined;
  };

  let hurry = (): void => undefined;
  /** Ends after a moment, or at once if somebody waits. */
  const gather = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      hurry = () => {
        clearTimeout(timer);
        // Not in the same turn: on an embedded database nothing waits, and who drains again and again would let no
        // timer, process or connection come up.
        setImmediate(resolve);
      };
      if (draining > 0) hurry();
    });

  const wake = (): void => {
    if (draining === 0 && !leads()) return sequencer.poke();
    again = true;
    if (!stopped) running ??= gather(GATHER_MS).then(loop);
  };

  // A failed handler is tried again; so is what was committed by another process.
  const timer = setInterval(wake, IDLE_LOOK_MS).unref();
  return {
    wake,
    drain: async () => {
      draining += 1;
      hurry();
      try {
        for (let attempt = 1; attempt <= 2; attempt++) {
          wake();
          while (running) await running;
          if (behind.length === 0) return;
        }
        fail('barrier-incomplete', { behind });
      } finally {
        draining -= 1;
      }
    },
    stop: async () => {
      stopped = true;
      hurry();
      clearInterval(timer);
      while (running) await running;
    },
  };
}

/**
 * Waits until a subscriber that listens to every event has seen what was committed when this was called, so that who
 * did something reads what came of it; but no longer than `patienceMs`: what is read then is late, not wrong.
 */
export async function caughtUp(ctx: Ctx, subscriber: string, patienceMs = 2000): Promise<void> {
  const end = performance.now() + patienceMs;
  const isPatient = (): boolean => performance.now() < end && !ctx.signal.aborted;
  while ((await unnumbered(ctx.db)).length > 0 && isPatient()) await delay(LOOK_MS);
  const head = (await newest(ctx.db))[0]?.seq ?? 0;
  while ((await getCursor(ctx.db, subscriber)) < head && isPatient()) await delay(LOOK_MS);
}

/** In their order, so many at once as are of one workspace. */
function together(events: readonly StoredEvent[], most: number): StoredEvent[][] {
  const groups: StoredEvent[][] = [];
  for (const event of events) {
    const group = groups.at(-1);
    if (group && group.length < most && group[0]!.workspace === event.workspace) group.push(event);
    else groups.push([event]);
  }
  return groups;
}

const pageAfter = statement<EventRow>(`select * from events where seq > ? order by seq limit ${BATCH}`);
const unnumbered = statement<{ id: string }>('select id from events where seq is null limit 1');
const newest = statement<{ seq: number }>('select seq from events where seq is not null order by seq desc limit 1');
const allCursors = statement<{ subscriber: string; seq: number }>('select subscriber, seq from event_cursors');
const cursorOf = statement<{ seq: number }>('select seq from event_cursors where subscriber = ?');
const movedCursor = command(
  'insert into event_cursors (subscriber, seq) values (?, ?) on conflict (subscriber) do update set seq = excluded.seq',
);

const readPage = async (db: Db, after: number): Promise<StoredEvent[]> => (await pageAfter(db, after)).map(toStoredEvent);
const listCursors = async (db: Db): Promise<Map<string, number>> => new Map((await allCursors(db)).map((c) => [c.subscriber, c.seq]));
const getCursor = async (db: Db, subscriber: string): Promise<number> => (await cursorOf(db, subscriber))[0]?.seq ?? 0;
const setCursor = (db: Db, subscriber: string, seq: number) => movedCursor(db, subscriber, seq);
