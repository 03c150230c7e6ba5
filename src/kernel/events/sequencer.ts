// The sequencer gives committed events their dense number and chains them: hash = H(previous hash, seq,
// H(record)). On SQLite events have their number from the beginning (events.ts), and those that came another way get it
// inside the next commit; on PostgreSQL one holder of an advisory lock at a time. The lock
// is the transaction's own: who is stopped or cut off in the middle loses both together, and has numbered nothing.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { boundTo, type Database, type Db } from '../db/database.ts';
import { command, statement } from '../db/statement.ts';
import { CHAIN_START, chainHash, eventsIn, newestEventOf, type EventRow } from './events.ts';

export { CHAIN_START, chainHash } from './events.ts';

// With the schema's own number, for tests share a server.
const ADVISORY_LOCK = 7_400_001;
const IDLE_LOOK_MS = 5000;
// How long a holder may stand still before another takes its place.
const STANDSTILL_MS = 3000;
// Bounds the memory and the time of one transaction; the rest comes in the next.
const AT_ONCE = 2000;

/** Of a burst of commits the events are numbered together. */
const GATHER_MS = 10;

// Asked at every commit.
const unnumbered = statement<EventRow>(`select * from events where seq is null order by id limit ${AT_ONCE}`);
const anyUnnumbered = statement<object>('select 1 from events where seq is null limit 1');
const numbered = command('update events set seq = ?, hash = ? where id = ?');

/** Numbers everything not yet numbered, in the order of ids (which is the order of time). Returns how many. */
export async function sequenceEvents(db: Db): Promise<number> {
  const pending = await unnumbered(db);
  if (pending.length === 0) return 0;
  let { seq, hash } = (await newestEventOf(db)) ?? { seq: 0, hash: CHAIN_START };
  const given = pending.map((event) => ({ id: event.id, seq: ++seq, hash: (hash = chainHash(hash, seq, event)) }));
  // One way to the server and back, whatever their number: the others wait for it.
  const { dialect, connection } = boundTo(db);
  if (dialect.name === 'sqlite') for (const one of given) await numbered(db, one.seq, one.hash, one.id);
  else
    await (connection.send ?? connection.execute)(
      `update events set seq = v.seq, hash = v.hash from unnest($1::text[], $2::bigint[], $3::text[]) as v (id, seq, hash) where events.id = v.id`,
      [given.map((g) => g.id), given.map((g) => g.seq), given.map((g) => g.hash)],
    );
  return pending.length;
}

/**
 * How many it numbered; undefined if another replica is at it. Each statement sees what was committed before it, and it
 * reads after it has the lock: so nobody who writes an event ever has to be told to write it again.
 */
async function sequenceAlone(db: Db): Promise<number | undefined> {
  const { rows } = await sql<{ held: boolean }>`select pg_try_advisory_xact_lock(${ADVISORY_LOCK}, schema_key) as held,
    set_config('idle_in_transaction_session_timeout', ${String(STANDSTILL_MS)}, true)
    from (select hashtext(current_schema()) as schema_key) as here`.execute(db);
  return rows[0]?.held ? sequenceEvents(db) : undefined;
}

/**
 * Attaches the sequencer to a database; returns `poke` (after a commit), `settle` (raises what kept events
 * from their numbers) and `stop`.
 */
export function startSequencer(database: Database & { onBeforeCommit?: (hook: (db: Db) => Promise<void>) => void }): {
  poke: () => void;
  settle: () => Promise<void>;
  stop: () => Promise<void>;
} {
  if (database.onBeforeCommit) {
    database.onBeforeCommit(async (db) => {
      while ((await sequenceEvents(db)) === AT_ONCE);
    });
    return { poke: () => undefined, settle: async () => undefined, stop: async () => undefined };
  }
  let running: Promise<void> | undefined;
  let again = false;
  let failure: unknown;
  const run = async (): Promise<void> => {
    do {
      again = false;
      failure = undefined;
      try {
        // Another replica that holds the lock may have looked before our event was committed, so we look too.
        for (let did: number | undefined; did !== 0;) {
          // Most often somebody has numbered them, and to look costs no transaction.
          did = (await anyUnnumbered(database.reader)).length === 0 ? 0 : await database.tx(sequenceAlone, 'latest');
          if (did === undefined) await delay(10);
          else if (did < AT_ONCE) break;
        }
      } catch (error) {
        // The database is away or busy; the next event, or the timer, comes back to it.
        failure = error;
      }
    } while (again);
    // In the same step as the last look at `again`, so that no call in between is lost.
    running = undefined;
  };
  let gathering: NodeJS.Timeout | undefined;
  const start = (): void => {
    clearTimeout(gathering);
    gathering = undefined;
    again = true;
    running ??= Promise.resolve().then(run);
  };
  const poke = (): void => void (gathering ??= setTimeout(start, GATHER_MS));
  // What another replica committed and then died over is picked up here.
  const timer = setInterval(poke, IDLE_LOOK_MS).unref();
  return {
    poke,
    settle: async () => {
      start();
      while (running) await running;
      if (failure) throw failure;
    },
    stop: async () => {
      clearInterval(timer);
      if (gathering) start();
      while (running) await running;
    },
  };
}

export interface AuditResult {
  readonly ok: boolean;
  readonly events: number;
  readonly head: string;
  readonly faults: readonly { readonly seq: number; readonly what: string }[];
}

/**
 * Walks the chain and names what was changed, removed or inserted. A tail that was cut off leaves a valid
 * shorter chain: only a head exported earlier (`expectedHead`) can show that.
 */
export async function verifyChain(db: Db, expectedHead?: { seq: number; hash: string }): Promise<AuditResult> {
  const faults: { seq: number; what: string }[] = [];
  let hash = CHAIN_START;
  let seq = 0;
  let count = 0;
  let sawHead = expectedHead === undefined;
  for (let after = Number.MIN_SAFE_INTEGER; ;) {
    const page = await eventsIn(db).selectFrom('events').selectAll().where('seq', '>', after).orderBy('seq').limit(1000).execute();
    if (page.length === 0) break;
    for (const event of page) {
      const found = event.seq!;
      if (found <= 0) {
        faults.push({ seq: found, what: 'no event has this number: the record was inserted' });
        continue;
      }
      if (found !== seq + 1) faults.push({ seq: found, what: `events ${seq + 1} to ${found - 1} are missing` });
      const expected = chainHash(hash, found, event);
      if (expected !== event.hash) faults.push({ seq: found, what: 'the record or its predecessor was changed' });
      if (expectedHead && found === expectedHead.seq) {
        sawHead = true;
        if (event.hash !== expectedHead.hash) faults.push({ seq: found, what: 'differs from the exported head' });
      }
      hash = event.hash ?? '';
      seq = found;
      count += 1;
    }
    after = page.at(-1)!.seq!;
  }
  if (!sawHead) faults.push({ seq: expectedHead!.seq, what: 'the exported head is not there: the tail was cut off' });
  return { ok: faults.length === 0, events: count, head: hash, faults };
}
