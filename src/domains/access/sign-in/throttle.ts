// Failed logins are slowed down. Counted per user and address, per address, and per user, in the database: so a
// restart forgets nothing and all replicas count together. Only logins whose password has to be derived ask here.
import type { Platform } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import { waitingPasswords } from '../password.ts';
import * as store from '../store/login-failures.ts';
import { digestOf } from './digest.ts';

interface Bound {
  /** So many failures cost nothing. */
  readonly free: number;
  /** The first wait is a second, each further one twice as long, up to this. */
  readonly longestMs: number;
}
const BOUNDS = {
  // A person who mistypes, or a script that holds an old password.
  pair: { free: 5, longestMs: 15 * 60_000 },
  // One machine that tries many names; an office behind one address has many people.
  address: { free: 50, longestMs: 15 * 60_000 },
  // Many machines that try one name. Short, for a stranger must not be able to lock somebody out.
  user: { free: 100, longestMs: 30_000 },
} as const satisfies Readonly<Record<string, Bound>>;

/** Failures are forgotten when there was none for so long. */
export const FORGET_MS = 60 * 60_000;
const MOST_WAITING = 50;

export const waitMs = (failures: number, { free, longestMs }: Bound): number =>
  failures < free ? 0 : Math.min(longestMs, 1000 * 2 ** Math.min(failures - free, 30));

// Whoever has an IPv6 address has 2^64 of them.
const networkOf = (address: string): string =>
  address.includes(':') && !address.startsWith('::ffff:') ? address.split(':').slice(0, 4).join(':') : address;

/** The names under which a failure counts, as digests: what people type as a name may be a password. */
export const keysOf = (name: string, address: string): { key: string; bound: Bound }[] => [
  { key: digestOf(`pair\0${name}\0${networkOf(address)}`), bound: BOUNDS.pair },
  ...(address === '' ? [] : [{ key: digestOf(`address\0${networkOf(address)}`), bound: BOUNDS.address }]),
  { key: digestOf(`user\0${name}`), bound: BOUNDS.user },
];
type Keys = ReturnType<typeof keysOf>;

// Guesses that are under way count as failures until they are known not to be one.
const underWay = new Map<string, Set<symbol>>();

/** Runs a login unless it has to wait. `attempt` says whether it succeeded. Raises `login-throttled`. */
export async function throttled(platform: Platform, keys: Keys, attempt: () => Promise<boolean>): Promise<boolean> {
  const now = platform.clock.now();
  if (waitingPasswords() > MOST_WAITING) return fail('login-throttled', { retryAfterS: 1 });
  const rows = new Map(
    (
      await store.listFailures(
        platform.database.reader,
        keys.map((k) => k.key),
      )
    ).map((row) => [row.key, row]),
  );
  for (const { key, bound } of keys) {
    const row = rows.get(key);
    const failures = row && now - row.last_ms < FORGET_MS ? row.failures : 0;
    const wait = (row?.until_ms ?? 0) - now;
    if (wait > 0) return fail('login-throttled', { retryAfterS: Math.ceil(wait / 1000) });
    const guesses = underWay.get(key)?.size ?? 0;
    if (guesses > 0 && failures + guesses >= bound.free) return fail('login-throttled', { retryAfterS: 1 });
  }
  const mine = Symbol('guess');
  for (const { key } of keys) underWay.set(key, (underWay.get(key) ?? new Set()).add(mine));
  try {
    const succeeded = await attempt();
    if (!succeeded) await countFailure(platform, keys);
    // One's own success says nothing of what else comes from the address.
    else if (rows.has(keys[0]!.key)) await platform.database.tx((db) => store.deleteFailures(db, [keys[0]!.key]));
    return succeeded;
  } finally {
    for (const { key } of keys) {
      const guesses = underWay.get(key);
      guesses?.delete(mine);
      if (guesses?.size === 0) underWay.delete(key);
    }
  }
}

const countFailure = (platform: Platform, keys: Keys): Promise<void> =>
  platform.database.tx(async (db) => {
    const now = platform.clock.now();
    const rows = await store.listFailures(
      db,
      keys.map((k) => k.key),
    );
    for (const { key, bound } of keys) {
      const row = rows.find((r) => r.key === key);
      const failures = (row && now - row.last_ms < FORGET_MS ? row.failures : 0) + 1;
      await store.setFailures(db, { key, failures, last_ms: now, until_ms: now + waitMs(failures, bound) });
    }
    await store.deleteFailuresBefore(db, now - FORGET_MS);
  });
