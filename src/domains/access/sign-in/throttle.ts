// Failed logins are slowed down. Counted per user and address, per address, and per user, in the database: so a
// restart forgets nothing and all replicas count together. Only logins whose password has to be derived ask here.
import type { Platform } from '../../../kernel/ctx.ts';
import type { Database } from '../../../kernel/db/database.ts';
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
  // Somebody who is logged in and types codes that programs show; the names of machines and people are not asked there.
  codes: { free: 10, longestMs: 15 * 60_000 },
  // Many machines that try one name. Short, for a stranger must not be able to lock somebody out.
  user: { free: 100, longestMs: 30_000 },
} as const satisfies Readonly<Record<string, Bound>>;

/** Failures are forgotten when there was none for so long. */
export const FORGET_MS = 60 * 60_000;
const MOST_WAITING = 50;

export const waitMs = (failures: number, { free, longestMs }: Bound): number =>
  failures < free ? 0 : Math.min(longestMs, 1000 * 2 ** Math.min(failures - free, 30));

// Whoever has an IPv6 address has 2^64 of them.
export const networkOf = (address: string): string =>
  address.includes(':') && !address.startsWith('::ffff:') ? address.split(':').slice(0, 4).join(':') : address;

/** The names under which a failure counts, as digests: what people type as a name may be a password. */
export const keysOf = (name: string, address: string): { key: string; bound: Bound }[] => [
  { key: digestOf(`pair\0${name}\0${networkOf(address)}`), bound: BOUNDS.pair },
  ...(address === '' ? [] : [{ key: digestOf(`address\0${networkOf(address)}`), bound: BOUNDS.address }]),
  { key: digestOf(`user\0${name}`), bound: BOUNDS.user },
];
type Keys = ReturnType<typeof keysOf>;

// Guesses that are under way count as failures until they are known not to be one; the same password is one guess.
const underWay = new Map<string, Map<string, number>>();

// What this process knows of waits, so that a password it remembers cannot be guessed past them.
const held = new WeakMap<Database, Map<string, number>>();
const MOST_HELD = 10_000;

function hold(database: Database, key: string, untilMs: number): void {
  let known = held.get(database);
  if (!known || known.size >= MOST_HELD) held.set(database, (known = new Map()));
  known.set(key, untilMs);
}

/** Raises `login-throttled` if logins of this name from this place, or any from this place, have to wait. Asks nobody. */
export function passHeld(platform: Platform, keys: Keys): void {
  const now = platform.clock.now();
  for (const { key, bound } of keys) {
    const wait = (held.get(platform.database)?.get(key) ?? 0) - now;
    // What others elsewhere did with the name does not concern whoever is logged in here.
    if (wait > 0 && bound !== BOUNDS.user) fail('login-throttled', { retryAfterS: Math.ceil(wait / 1000) });
  }
}

/** Runs a login unless it has to wait. `attempt` says whether it succeeded; `mark` tells passwords apart. Raises `login-throttled`. */
export async function throttled(platform: Platform, keys: Keys, mark: string, attempt: () => Promise<boolean>): Promise<boolean> {
  const now = platform.clock.now();
  if (waitingPasswords() > MOST_WAITING) return fail('login-throttled', { retryAfterS: 1 });
  const names = keys.map((k) => k.key);
  const rows = new Map((await store.listFailures(platform.database.reader, names)).map((row) => [row.key, row]));
  for (const { key, bound } of keys) {
    const row = rows.get(key);
    const failures = row && now - row.last_ms < FORGET_MS ? row.failures : 0;
    const wait = (row?.until_ms ?? 0) - now;
    if (wait > 0) {
      hold(platform.database, key, row!.until_ms);
      return fail('login-throttled', { retryAfterS: Math.ceil(wait / 1000) });
    }
    const others = [...(underWay.get(key)?.keys() ?? [])].filter((other) => other !== mark).length;
    if (others > 0 && failures + others >= bound.free) return fail('login-throttled', { retryAfterS: 1 });
  }
  for (const key of names) {
    const guesses = underWay.get(key) ?? new Map<string, number>();
    underWay.set(key, guesses.set(mark, (guesses.get(mark) ?? 0) + 1));
  }
  try {
    const succeeded = await attempt();
    if (!succeeded) await countFailure(platform, keys);
    // One's own success says nothing of what else comes from the address.
    else if (rows.has(names[0]!)) {
      await platform.database.tx((db) => store.deleteFailures(db, [names[0]!]));
      held.get(platform.database)?.delete(names[0]!);
    }
    return succeeded;
  } finally {
    for (const key of names) {
      const guesses = underWay.get(key);
      const left = (guesses?.get(mark) ?? 1) - 1;
      if (left > 0) guesses?.set(mark, left);
      else guesses?.delete(mark);
      if (guesses?.size === 0) underWay.delete(key);
    }
  }
}

const codesOf = (user: string): Keys => [{ key: digestOf(`codes\0${user}`), bound: BOUNDS.codes }];

/** Raises `device-guesses-many` while somebody who typed wrong codes has to wait. */
export async function passGuesses(platform: Platform, user: string): Promise<void> {
  const [row] = await store.listFailures(
    platform.database.reader,
    codesOf(user).map((k) => k.key),
  );
  const wait = (row?.until_ms ?? 0) - platform.clock.now();
  if (wait > 0) fail('device-guesses-many', { retryAfterS: Math.ceil(wait / 1000) });
}

export const countGuess = (platform: Platform, user: string): Promise<void> => countFailure(platform, codesOf(user));

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
      const until = now + waitMs(failures, bound);
      await store.setFailures(db, { key, failures, last_ms: now, until_ms: until });
      if (until > now) hold(platform.database, key, until);
    }
    await store.deleteFailuresBefore(db, now - FORGET_MS);
  });
