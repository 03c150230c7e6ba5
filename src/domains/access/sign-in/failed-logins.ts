// Failed logins as events of the chain: the first one at once, equal ones of the minute that follows as one more event
// with their number. So nobody can fill the chain by guessing.
import { makeCtx, systemActor, type Platform } from '../../../kernel/ctx.ts';
import type { Database } from '../../../kernel/db/database.ts';
import { digestOf } from './digest.ts';

export interface FailedLogin {
  /** The id of the user, if there is one of that name: what was typed as a name may be a password. */
  readonly userId: string | undefined;
  readonly how: 'password' | 'jwt' | 'oidc' | 'throttled';
  readonly address: string;
  readonly workspace: string;
}

interface Pending {
  readonly login: FailedLogin;
  readonly sinceMs: number;
  more: number;
}

const AGGREGATE_MS = 60_000;
const MOST_KINDS = 1000;
const pending = new WeakMap<Database, Map<string, Pending>>();

export async function noteFailedLogin(platform: Platform, login: FailedLogin): Promise<void> {
  platform.log.warn({ event: 'login.failed', how: login.how, user: login.userId ?? 'unknown', address: login.address });
  await writeFailedLogins(platform, AGGREGATE_MS);
  const kinds = pending.get(platform.database) ?? new Map<string, Pending>();
  pending.set(platform.database, kinds);
  // Beyond a bound of different ones, which no honest minute has, all others are one kind.
  const full = kinds.size >= MOST_KINDS;
  const key = full ? login.how : [login.how, login.userId, login.address, login.workspace].join('\0');
  const known = kinds.get(key);
  if (known) {
    // Also where no other login fails afterwards.
    if (known.more++ === 0) setTimeout(() => void writeFailedLogins(platform).catch(() => undefined), AGGREGATE_MS).unref();
    return;
  }
  kinds.set(key, { login: full ? { ...login, userId: undefined, address: '' } : login, sinceMs: platform.clock.now(), more: 0 });
  await write(platform, login, 1);
}

/** Writes what was counted and is older than this; what had no further failure leaves nothing. */
export async function writeFailedLogins(platform: Platform, olderThanMs = 0): Promise<void> {
  const kinds = pending.get(platform.database);
  for (const [key, { login, sinceMs, more }] of kinds ?? []) {
    if (platform.clock.now() - sinceMs < olderThanMs) continue;
    kinds!.delete(key);
    if (more > 0) await write(platform, login, more);
  }
}

const write = (platform: Platform, { userId, how, address, workspace }: FailedLogin, count: number): Promise<void> =>
  makeCtx(platform, { actor: systemActor, workspace }).tx((tx) =>
    tx.emit({
      type: 'login.failed',
      subject: { kind: 'user', id: userId ?? 'unknown' },
      // Enough to see that two came from one place; the log has the address itself.
      payload: { how, from: address === '' ? null : digestOf(address).slice(0, 16), count },
    }),
  );
