// Logins of the command line, by a person in a browser (as RFC 8628 has it): the program shows a code, the person
// who is logged in allows it, and the program gets a personal token.
import { makeCtx, type Ctx, type Platform } from '../../../kernel/ctx.ts';
import type { Database } from '../../../kernel/db/database.ts';
import { fail } from '../errors.ts';
import { digestOf, newSecret } from '../sign-in/digest.ts';
import { countGuess, networkOf, passGuesses } from '../sign-in/throttle.ts';
import * as store from '../store/device-logins.ts';
import { findPrincipal } from '../store/principals.ts';
import { callerOf } from './identify.ts';
import { createOwnToken, newUserCode, type MadeToken } from './personal-tokens.ts';

const GOOD_FOR_MS = 600_000;
/** How often a program may ask whether the person has answered. */
export const INTERVAL_S = 2;
/** Anybody may begin one, so there is a bound; and one for each place, so that nobody keeps others out. */
const MOST = 5000;
const MOST_OF_A_PLACE = 100;
/** Timers are not exact: who asks twice within this does not keep to the interval. */
const SOONEST_MS = (INTERVAL_S * 1000) / 2;

export interface DeviceLogin {
  readonly deviceCode: string;
  readonly userCode: string;
  readonly expiresInS: number;
}

/** Raises `device-logins-many`. */
export async function beginDeviceLogin(platform: Platform, name: string, address: string): Promise<DeviceLogin> {
  const place = digestOf(`place\0${networkOf(address)}`);
  const deviceCode = newSecret();
  const userCode = newUserCode();
  await platform.database.tx(async (db) => {
    const now = platform.clock.now();
    await store.deleteDevicesBefore(db, now);
    if ((await store.countDevices(db, place)) >= MOST_OF_A_PLACE || (await store.countDevices(db)) >= MOST)
      return fail('device-logins-many', { retryAfterS: 60 });
    await store.insertDevice(db, {
      device_digest: digestOf(deviceCode),
      user_code: userCode,
      name,
      workspace_id: '',
      user_name: null,
      denied_ms: null,
      expires_ms: now + GOOD_FOR_MS,
      place,
    });
  });
  return { deviceCode, userCode, expiresInS: GOOD_FOR_MS / 1000 };
}

/** As people type it: in any case, with or without its hyphen. */
const asCode = (typed: string): string => {
  const letters = typed.toUpperCase().replace(/[^A-Z]/g, '');
  return `${letters.slice(0, 4)}-${letters.slice(4)}`;
};

/** The login that waits under a code which somebody typed. Raises `device-code-unknown`, `device-guesses-many`. */
export async function findWaiting(platform: Platform, typed: string, user: string): Promise<store.DeviceRow> {
  await passGuesses(platform, user);
  const row = await store.findDevice(platform.database.reader, { code: asCode(typed) });
  const waits = row && row.user_name === null && row.denied_ms === null && row.expires_ms > platform.clock.now();
  return waits ? row : unknown(platform, user);
}

// Whoever allows somebody else's program hands it a token of one's own, so codes must not be found by trying.
async function unknown(platform: Platform, user: string): Promise<never> {
  await countGuess(platform, user);
  return fail('device-code-unknown', {});
}

/** Raises `device-code-unknown`, `device-guesses-many`. */
export async function answerDeviceLogin(ctx: Ctx, typed: string, allow: boolean): Promise<void> {
  await passGuesses(ctx, ctx.actor.id);
  const answered = await ctx.tx(async (tx) => {
    const now = tx.clock.now();
    const answer = allow ? { userName: tx.actor.id, workspace: tx.workspace } : { deniedMs: now };
    if (!(await store.answerDevice(tx.db, asCode(typed), answer, now))) return false;
    await tx.emit({ type: allow ? 'device-login.allowed' : 'device-login.refused', subject: { kind: 'user', id: tx.actor.id } });
    return true;
  });
  if (!answered) await unknown(ctx, ctx.actor.id);
}

// Of logins that wait here, so there are no more than these.
const asked = new WeakMap<Database, Map<string, number>>();

/** Raises `device-poll-soon`, as RFC 8628 has `slow_down`. */
function passPoll(platform: Platform, digest: string): void {
  const now = platform.clock.now();
  const known = asked.get(platform.database) ?? new Map<string, number>();
  asked.set(platform.database, known);
  if (now - (known.get(digest) ?? -Infinity) < SOONEST_MS) return fail('device-poll-soon', { retryAfterS: INTERVAL_S });
  if (known.size > MOST) for (const [other, ms] of known) if (now - ms > GOOD_FOR_MS) known.delete(other);
  known.set(digest, now);
}

/** The token, once and only once it is allowed; undefined while nobody has answered. Raises `device-code-unknown`, `device-login-denied`, `device-poll-soon`. */
export async function claimDeviceLogin(
  platform: Platform,
  deviceCode: string,
): Promise<(MadeToken & { user: string; workspace: string }) | undefined> {
  const digest = digestOf(deviceCode);
  const row = await store.findDevice(platform.database.reader, { digest });
  if (!row || row.expires_ms <= platform.clock.now()) return fail('device-code-unknown', {});
  if (row.denied_ms !== null) return fail('device-login-denied', {});
  if (row.user_name === null) {
    passPoll(platform, digest);
    return undefined;
  }
  asked.get(platform.database)?.delete(digest);
  const user = (await findPrincipal(platform.database.reader, row.user_name, row.workspace_id)) ?? fail('device-code-unknown', {});
  return makeCtx(platform, await callerOf(platform, user, row.workspace_id)).tx(async (tx) => {
    // Two that ask at once get one token.
    if (!(await store.deleteDevice(tx.db, digest))) return fail('device-code-unknown', {});
    return { ...(await createOwnToken(tx, { name: row.name })), user: user.name, workspace: row.workspace_id };
  });
}
