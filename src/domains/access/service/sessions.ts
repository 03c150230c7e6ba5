// Sessions of browsers. The cookie holds a random secret, the table its digest.
import type { Ctx, Platform } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { fail } from '../errors.ts';
import { digestOf, newSecret } from '../sign-in/digest.ts';
import * as store from '../store.ts';
import { findSessionByDigest, type Principal } from '../store/principals.ts';
import * as sessions from '../store/sessions.ts';
import { asUser } from './login.ts';

const TOUCH_MS = 60_000;

export interface NewSession {
  readonly user: Pick<Principal, 'id' | 'name'>;
  readonly workspace: string;
  readonly method: 'password' | 'oidc';
  /** What the browser calls itself. */
  readonly agent: string;
  readonly provider?: { readonly issuer: string; readonly subject: string; readonly session: string | undefined };
  /** The cookie the browser came with; its session ends, so that nobody can plant one beforehand. */
  readonly before?: string | undefined;
}

/** Begins a session; its secret is for the cookie. */
export function startSession(platform: Platform, input: NewSession): Promise<{ id: string; cookie: string; seconds: number }> {
  const cookie = newSecret();
  const seconds = platform.settings.sessionMaxHours * 3600;
  return asUser(platform, input.user, input.workspace).tx(async (tx) => {
    const now = tx.clock.now();
    await sessions.deleteEndedSessions(tx.db, now);
    if (input.before !== undefined) {
      const old = await findSessionByDigest(tx.db, digestOf(input.before), undefined);
      if (old) await sessions.deleteSession(tx.db, old.session.user_id, old.session.id);
    }
    const id = newId('ses', tx.ids);
    await sessions.insertSession(tx.db, {
      id,
      user_id: input.user.id,
      workspace_id: input.workspace,
      digest: digestOf(cookie),
      method: input.method,
      agent: input.agent.slice(0, 300),
      issuer: input.provider?.issuer ?? null,
      subject: input.provider?.subject ?? null,
      provider_session: input.provider?.session ?? null,
      created_ms: now,
      seen_ms: now,
      expires_ms: now + seconds * 1000,
    });
    await tx.emit({
      type: 'login.succeeded',
      subject: { kind: 'user', id: input.user.id },
      payload: { how: input.method, session: id },
    });
    return { id, cookie, seconds };
  });
}

/** The session behind a cookie, if it has not ended; noted as used, once a minute at most. */
export async function findLiveSession(
  platform: Platform,
  cookie: string,
  workspace: string | undefined,
): Promise<Awaited<ReturnType<typeof findSessionByDigest>>> {
  const found = await findSessionByDigest(platform.database.reader, digestOf(cookie), workspace);
  const now = platform.clock.now();
  if (!found || found.session.expires_ms <= now) return undefined;
  if (now - found.session.seen_ms >= platform.settings.sessionIdleMinutes * 60_000) return undefined;
  if (now - found.session.seen_ms >= TOUCH_MS) await platform.database.tx((db) => sessions.touchSession(db, found.session.id, now));
  return found;
}

/** The workspace a person works in when none is named: the default one, or else the first where there is a role. */
export async function homeOf(platform: Platform, userId: string): Promise<string> {
  const all = await store.listWorkspacesOf(platform.database.reader, userId);
  return all.includes('default') ? 'default' : (all[0] ?? 'default');
}

/** Ends the session of a cookie, if there is one. */
export async function endSession(platform: Platform, cookie: string): Promise<sessions.SessionRow | undefined> {
  const found = await findSessionByDigest(platform.database.reader, digestOf(cookie), undefined);
  if (!found) return undefined;
  await asUser(platform, found.user, found.session.workspace_id).tx((tx) => end(tx, found.session.user_id, found.session.id));
  return found.session;
}

async function end(tx: Ctx, userId: string, id: string): Promise<boolean> {
  const ended = (await sessions.deleteSession(tx.db, userId, id)) > 0;
  if (ended) await tx.emit({ type: 'login.ended', subject: { kind: 'user', id: userId }, payload: { session: id } });
  return ended;
}

const ownId = async (ctx: Ctx): Promise<string> =>
  (ctx.actor.kind === 'user' && (await store.findUser(ctx.db, ctx.actor.id))?.id) || fail('people-only', { what: 'A list of sessions' });

/** Sessions of whoever asks that have not ended. Raises `people-only`. */
export async function listOwnSessions(ctx: Ctx): Promise<sessions.SessionRow[]> {
  const now = ctx.clock.now();
  const idleMs = ctx.settings.sessionIdleMinutes * 60_000;
  return (await sessions.listSessions(ctx.db, await ownId(ctx))).filter((s) => s.expires_ms > now && now - s.seen_ms < idleMs);
}

/** Raises `session-not-found`, `people-only`. */
export const endOwnSession = (ctx: Ctx, id: string): Promise<void> =>
  ctx.tx(async (tx) => {
    if (!(await end(tx, await ownId(tx), id))) fail('session-not-found', { id });
  });

/** Raises `people-only`. */
export const endOwnSessions = (ctx: Ctx): Promise<void> =>
  ctx.tx(async (tx) => {
    const id = await ownId(tx);
    const ended = await sessions.deleteSessionsOf(tx.db, id);
    if (ended > 0) await tx.emit({ type: 'login.ended', subject: { kind: 'user', id }, payload: { sessions: ended } });
  });
