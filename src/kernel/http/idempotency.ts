// Idempotency-Key: a client that did not hear the answer sends the same request again and gets the same
// answer. The key is claimed before the work, in a transaction of its own; the reply is kept for a day.
import { createHash } from 'node:crypto';
import type { Ctx } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import type { Table } from '../db/tables.ts';
import { defineErrors, fail as failAny } from '../errors.ts';
import { failpoint } from '../failpoints.ts';

interface KeyRow {
  workspace_id: string;
  actor_id: string;
  key: string;
  request_digest: string;
  status: number | null;
  reply: string | null;
  created_ms: number;
}

export const idempotencyTables: readonly Table[] = [
  {
    name: 'idempotency_keys',
    columns: { workspace_id: 'id', actor_id: 'id', key: 'text', request_digest: 'text', status: 'int?', reply: 'json?', created_ms: 'int' },
    primary: ['workspace_id', 'actor_id', 'key'],
    indexes: [['created_ms']],
  },
];

const keysIn = (db: Db) => db.withTables<{ idempotency_keys: KeyRow }>();
const KEEP_MS = 24 * 3600 * 1000;

const { fail } = defineErrors({
  'idempotency-key-reused': {
    status: 422,
    title: 'The idempotency key belongs to another request',
    detail: (p: { key: string }) =>
      `Idempotency-Key "${p.key}" was used with a different request within a day. Use a new key for a new request.`,
  },
  'idempotency-in-progress': {
    status: 409,
    title: 'The first request with this key has not ended',
    detail: (p: { key: string }) =>
      `A request with Idempotency-Key "${p.key}" was begun and its reply is not known. Read what it was to create; if it is not there, retry with a new key.`,
  },
});

/**
 * Runs `work` once per key. With `repeatable`, where the same work done twice changes nothing, a request whose first try
 * has not ended (its server was killed, say) does it again instead of being refused for a day.
 * Raises `invalid-input`, `idempotency-key-reused`, `idempotency-in-progress`.
 */
export async function once(
  ctx: Ctx,
  key: string,
  request: unknown,
  work: () => Promise<{ status: number; body: unknown }>,
  { repeatable = false }: { readonly repeatable?: boolean } = {},
): Promise<{ status: number; body: unknown; replayed: boolean }> {
  if (!/^[\x21-\x7e]{1,255}$/.test(key))
    return failAny('invalid-input', { what: 'The header Idempotency-Key' }, [
      { pointer: 'Idempotency-Key', detail: 'has 1 to 255 visible ASCII characters' },
    ]);
  const digest = createHash('sha256').update(JSON.stringify(request)).digest('hex');
  const owner = { workspace_id: ctx.workspace, actor_id: ctx.actor.id, key };
  const mine = (db: Db) =>
    keysIn(db)
      .selectFrom('idempotency_keys')
      .selectAll()
      .where('workspace_id', '=', owner.workspace_id)
      .where('actor_id', '=', owner.actor_id)
      .where('key', '=', key);
  const earlier = await ctx.tx(async ({ db, clock }) => {
    const now = clock.now();
    await keysIn(db)
      .deleteFrom('idempotency_keys')
      .where('created_ms', '<', now - KEEP_MS)
      .execute();
    const row = await mine(db).executeTakeFirst();
    if (!row)
      await keysIn(db)
        .insertInto('idempotency_keys')
        .values({ ...owner, request_digest: digest, status: null, reply: null, created_ms: now })
        .execute();
    return row;
  });
  if (earlier && earlier.request_digest !== digest) return fail('idempotency-key-reused', { key });
  if (earlier && earlier.status === null && !repeatable) return fail('idempotency-in-progress', { key });
  if (earlier && earlier.status !== null) return { status: earlier.status, body: JSON.parse(earlier.reply!), replayed: true };
  failpoint('idempotency.after-claim');
  const forget = () =>
    ctx.tx(({ db }) =>
      keysIn(db)
        .deleteFrom('idempotency_keys')
        .where('workspace_id', '=', owner.workspace_id)
        .where('actor_id', '=', owner.actor_id)
        .where('key', '=', key)
        .execute(),
    );
  let result;
  try {
    result = await work();
  } catch (error) {
    // Nothing was written (use cases are one transaction), so the key is free again.
    await forget();
    throw error;
  }
  const { status, body } = result;
  failpoint('idempotency.before-reply-kept');
  await ctx.tx(({ db }) =>
    keysIn(db)
      .updateTable('idempotency_keys')
      .set({ status, reply: JSON.stringify(body ?? null) })
      .where('workspace_id', '=', owner.workspace_id)
      .where('actor_id', '=', owner.actor_id)
      .where('key', '=', key)
      .execute(),
  );
  failpoint('idempotency.after-reply-kept');
  return { status, body, replayed: false };
}
