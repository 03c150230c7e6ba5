// A hold keeps bytes where they are: while somebody reads what a snapshot of the database refers to, no pack is
// removed. It is a lease, so a reader that dies holds nobody up for long.
import { setTimeout as delay } from 'node:timers/promises';
import type { Clock } from '../clock.ts';
import type { Ctx } from '../ctx.ts';
import type { Database, Db } from '../db/database.ts';
import type { Table } from '../db/tables.ts';

type HoldRow = { id: string; what: string; until_ms: number };

export const holdTable: Table = { name: 'storage_holds', columns: { id: 'id', what: 'text', until_ms: 'int' }, primary: ['id'] };

const holdsIn = (db: Db) => db.withTables<{ storage_holds: HoldRow }>();

const LEASE_MS = 60_000;
const RENEW_MS = 15_000;
const LOOK_MS = 500;

/** Holds all bytes until `end`. Take it before the snapshot whose bytes it is for. */
export async function holdStorage(database: Database, clock: Clock, id: string, what: string): Promise<{ end: () => Promise<void> }> {
  const extend = (): Promise<void> =>
    database.tx(async (db) => {
      const until_ms = clock.now() + LEASE_MS;
      await holdsIn(db)
        .insertInto('storage_holds')
        .values({ id, what, until_ms })
        .onConflict((c) => c.column('id').doUpdateSet({ until_ms }))
        .execute();
    });
  await extend();
  // One that is late is made up for by the next; two minutes of a database that is away end it.
  const renewal = setInterval(() => void extend().catch(() => undefined), RENEW_MS);
  return {
    end: async () => {
      clearInterval(renewal);
      await database.tx(async (db) => void (await holdsIn(db).deleteFrom('storage_holds').where('id', '=', id).execute()));
    },
  };
}

/** What holds the bytes now; undefined if nothing does. */
export const findStorageHold = async (db: Db, nowMs: number): Promise<string | undefined> =>
  (await holdsIn(db).selectFrom('storage_holds').select('what').where('until_ms', '>', nowMs).limit(1).executeTakeFirst())?.what;

/** Waits until nothing holds the bytes. To be asked right before bytes go, after the records no longer name them. */
export async function untilUnheld(ctx: Ctx): Promise<void> {
  while ((await findStorageHold(ctx.database.reader, ctx.clock.now())) !== undefined)
    await delay(LOOK_MS, undefined, { signal: ctx.signal });
}
