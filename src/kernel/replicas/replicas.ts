// The control planes that share one database: each tells every other second that it lives, and one of them leads. The
// leader hands events to the subscribers; that each is handled once does not depend on it (events/subscribers.ts).
// All times here are the database's, so that clocks that differ confuse nobody.
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import type { Database, Db } from '../db/database.ts';
import type { Table } from '../db/tables.ts';
import { defineErrors } from '../errors.ts';

const BEAT_MS = 1500;
/** Who has not been heard of for so long is taken for dead. */
export const LIVE_MS = 6000;
const KEPT_MS = 24 * 3_600_000;

const { fail } = defineErrors({
  'replica-differs': {
    status: 409,
    title: 'This server and another one of the same database do not fit',
    detail: (p: { what: string; other: string; mend: string }) =>
      `${p.other} uses this database and has ${p.what}. ${p.mend} One that has just ended is forgotten after ${LIVE_MS / 1000} s.`,
  },
});

export interface ReplicaFacts {
  readonly id: string;
  /** Machine, process and folder, for people. */
  readonly place: string;
  /** The place of the bytes, and what stands for the keys; never a key itself. */
  readonly store: string;
  readonly keys: string;
  /** Whether this one sees in the place of the bytes what the other one put there; of use where two places have one name. */
  readonly meets: (other: string) => boolean;
  /** Whether data planes read this folder. */
  readonly dataPlane: boolean;
}

interface ReplicaRow {
  id: string;
  place: string;
  url: string;
  store: string;
  keys: string;
  data_plane: number;
  started_ms: number;
  beat_ms: number;
}

type ReplicaTables = { replicas: ReplicaRow; leases: { name: string; holder: string; fence: number; until_ms: number } };

export const replicaTables: readonly Table[] = [
  {
    name: 'replicas',
    columns: {
      id: 'id',
      place: 'text',
      url: 'text',
      store: 'text',
      keys: 'text',
      data_plane: 'bool',
      started_ms: 'int',
      beat_ms: 'int',
    },
    primary: ['id'],
  },
  { name: 'leases', columns: { name: 'text', holder: 'id', fence: 'int', until_ms: 'int' }, primary: ['name'] },
];

const replicasIn = (db: Db) => db.withTables<ReplicaTables>();

export interface Replicas {
  /** Whether this one leads; always, where there is one process only. */
  leads(): boolean;
  /** Whether this one may do what needs the folder that data planes read. */
  mayServe(): boolean;
  /** Tells where it is reached. */
  announce(url: string): void;
  stop(): Promise<void>;
}

/** The only process of its database. */
export const aloneReplica: Replicas = { leads: () => true, mayServe: () => true, announce: () => undefined, stop: async () => undefined };

const LEAD = 'lead';
const SERVES = 'data-plane';
// A restart of the one with the data plane must not make others do in their folders what belongs into that one's.
const SERVES_MS = 3_600_000;
const nowMs = sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`;

/**
 * Joins the others. Raises `replica-differs` if one that lives keeps its bytes elsewhere, has other keys, or serves
 * from another folder. `onLead` is called when this one comes to lead.
 */
export async function joinReplicas(database: Database, facts: ReplicaFacts, onLead: () => void): Promise<Replicas> {
  let url = '';
  let leadsUntil = -Infinity;
  let mayServe = true;
  let stopped = false;
  const beating = new Set<Promise<void>>();

  const ask = (joining: boolean): Promise<void> => {
    const asked = performance.now();
    return database
      .tx(async (db) => {
        // Two that start at once look at each other one after the other.
        await sql`select pg_advisory_xact_lock(7400003, hashtext(current_schema()))`.execute(db);
        const others = await listReplicas(db, facts.id);
        if (joining) refuseOthers(facts, others);
        const { id, place, store, keys } = facts;
        await sql`insert into replicas (id, place, url, store, keys, data_plane, started_ms, beat_ms)
          values (${id}, ${place}, ${url}, ${store}, ${keys}, ${facts.dataPlane ? 1 : 0}, ${nowMs}, ${nowMs})
          on conflict (id) do update set beat_ms = excluded.beat_ms, url = excluded.url`.execute(db);
        await sql`delete from replicas where beat_ms < ${nowMs} - ${KEPT_MS}::bigint`.execute(db);
        const lease = async (name: string, lastsMs: number, orIfDead: boolean): Promise<boolean> => {
          const { rows } = await sql`insert into leases (name, holder, fence, until_ms)
            values (${name}, ${id}, 1, ${nowMs} + ${lastsMs}::bigint)
            on conflict (name) do update set holder = excluded.holder, until_ms = excluded.until_ms,
              fence = leases.fence + case when leases.holder = excluded.holder then 0 else 1 end
            where leases.holder = excluded.holder or leases.until_ms < ${nowMs}
              or (${orIfDead ? 1 : 0} = 1 and not exists (select 1 from replicas r
                where r.id = leases.holder and r.beat_ms >= ${nowMs} - ${LIVE_MS}::bigint))
            returning fence`.execute(db);
          return rows.length > 0;
        };
        const leads = await lease(LEAD, LIVE_MS, false);
        // One that stood still while another took its place with a data plane of its own finds that one serving.
        if (facts.dataPlane) return { leads, serves: await lease(SERVES, SERVES_MS, true) };
        const { rows } = await sql`select 1 from leases where name = ${SERVES} and until_ms >= ${nowMs}`.execute(db);
        return { leads, serves: rows.length === 0 };
      }, 'latest')
      .then(({ serves, leads }) => {
        const before = performance.now() < leadsUntil;
        mayServe = serves;
        // Counted from before it was asked, so it ends here before it ends there.
        leadsUntil = leads ? asked + LIVE_MS : -Infinity;
        if (leads && !before) onLead();
      });
  };

  const beat = async (joining: boolean): Promise<void> => {
    const asked = ask(joining);
    beating.add(asked);
    await asked.finally(() => beating.delete(asked));
  };

  await beat(true);
  const beats = (async () => {
    while (!stopped) {
      await delay(BEAT_MS, undefined, { ref: false });
      // A database that is away is heard of elsewhere; until it is back nobody can take the lead either.
      if (!stopped) await beat(false).catch(() => undefined);
    }
  })();
  void beats;

  return {
    leads: () => performance.now() < leadsUntil,
    mayServe: () => mayServe,
    announce: (at) => {
      url = at;
      if (!stopped) void beat(false).catch(() => undefined);
    },
    stop: async () => {
      stopped = true;
      // A beat on its way would write after the deletion below that this one lives.
      await Promise.allSettled(beating);
      leadsUntil = -Infinity;
      // So that the others need not wait until it is taken for dead.
      await database
        .tx(async (db) => {
          await replicasIn(db).deleteFrom('leases').where('holder', '=', facts.id).where('name', '=', LEAD).execute();
          await replicasIn(db).deleteFrom('replicas').where('id', '=', facts.id).execute();
        }, 'latest')
        .catch(() => undefined);
    },
  };
}

export interface LiveReplica {
  readonly id: string;
  readonly place: string;
  readonly url: string;
  readonly store: string;
  readonly keys: string;
  readonly dataPlane: boolean;
  readonly startedMs: number;
  readonly leads: boolean;
}

/** Those that live, but for one; empty on SQLite. */
export async function listReplicas(db: Db, except = ''): Promise<LiveReplica[]> {
  const { rows } = await sql<ReplicaRow & { leads: boolean }>`
    select r.*, exists (select 1 from leases l where l.name = ${LEAD} and l.holder = r.id and l.until_ms >= ${nowMs}) as leads
    from replicas r where r.beat_ms >= ${nowMs} - ${LIVE_MS}::bigint and r.id <> ${except} order by r.id`.execute(db);
  return rows.map((r) => ({
    id: r.id,
    place: r.place,
    url: r.url,
    store: r.store,
    keys: r.keys,
    dataPlane: r.data_plane === 1,
    startedMs: r.started_ms,
    leads: r.leads,
  }));
}

function refuseOthers(facts: ReplicaFacts, others: readonly LiveReplica[]): void {
  for (const other of others) {
    if (other.store !== facts.store || !facts.meets(other.id))
      fail('replica-differs', {
        other: other.place,
        what: `its bytes elsewhere (${other.store}, and this one ${facts.store})`,
        mend: 'Name the same bucket for both with GYRE_BLOBS_URL, or let the folders "cas" and "paths" of both be the same ones on a shared disk.',
      });
    if (other.keys !== facts.keys)
      fail('replica-differs', {
        other: other.place,
        what: 'other keys in its folder',
        mend: 'Copy the files governance/*.key, run/*.key and serving/*.key of its folder into this one, or set the same GYRE_SECRETS_KEY for both and begin with a folder without keys.',
      });
    if (other.dataPlane && facts.dataPlane)
      fail('replica-differs', {
        other: other.place,
        what: 'a data plane that answers predictions from its folder',
        mend: 'Start this one with --no-data-plane.',
      });
  }
}
