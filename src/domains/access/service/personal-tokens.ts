// Tokens of people, of programs that hold a token already, and of service accounts.
import { randomBytes } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { permissions as allPermissions, type Permission } from '../../../kernel/permissions.ts';
import { fail } from '../errors.ts';
import { may, permissionsOf, type GrantableRole, type Token } from '../model.ts';
import { createToken } from '../service.ts';
import { faultOf } from '../sign-in/scopes.ts';
import * as store from '../store.ts';
import { getServiceAccount } from './service-accounts.ts';

const DAY_MS = 86_400_000;

export interface TokenRequest {
  readonly name: string;
  readonly role?: GrantableRole | undefined;
  /** Permissions it is narrowed to. */
  readonly scopes?: readonly string[] | undefined;
  /** Resources it is narrowed to, as `kind:id`. */
  readonly resources?: readonly string[] | undefined;
  /** Undefined: the default of the settings; null: never, where that is allowed. */
  readonly expiresMs?: number | null | undefined;
}

export interface MadeToken {
  readonly token: Token;
  readonly secret: string;
}

/** Raises `token-expired-already` (in createToken), `token-too-long`. */
function expiryOf(ctx: Ctx, asked: number | null | undefined): number | undefined {
  const { tokenDefaultDays, tokenMaxDays } = ctx.settings;
  const now = ctx.clock.now();
  const latest = tokenMaxDays === 0 ? Infinity : now + tokenMaxDays * DAY_MS;
  const byDefault = tokenDefaultDays === 0 ? Infinity : now + tokenDefaultDays * DAY_MS;
  const wanted = asked === undefined ? Math.min(byDefault, latest) : (asked ?? Infinity);
  if (wanted > latest) return fail('token-too-long', { days: tokenMaxDays, latest: new Date(latest).toISOString() });
  return wanted === Infinity ? undefined : wanted;
}

// A token must not become more than it is by making another one.
function boundByMaker(ctx: Ctx, role: GrantableRole, request: TokenRequest): void {
  const { roles, scope } = ctx.actor;
  const excess = [...permissionsOf[role]].find((permission) => !may(roles, permission));
  // What people may do is looked up at each use; what a token may do is written in it.
  if (ctx.actor.kind !== 'service') return;
  if (excess !== undefined) fail('token-too-wide', { what: `the role "${role}" allows "${excess}"` });
  const wider = (mine: readonly string[] | undefined, wanted: readonly string[] | undefined): string | undefined =>
    mine === undefined ? undefined : wanted === undefined ? 'all' : wanted.find((one) => !mine.includes(one));
  const scopes = wider(scope?.permissions, request.scopes);
  if (scopes !== undefined) fail('token-too-wide', { what: `it is narrowed to scopes, and "${scopes}" is more` });
  const resources = wider(scope?.resources, request.resources);
  if (resources !== undefined) fail('token-too-wide', { what: `it is narrowed to resources, and "${resources}" is more` });
}

function checkScopes({ scopes = [], resources = [] }: TokenRequest): void {
  const unclear = resources.flatMap((resource, i) => {
    const detail = faultOf(resource);
    return detail === undefined ? [] : [{ pointer: `/resources/${i}`, detail }];
  });
  if (unclear.length > 0) fail('resource-unclear', { resources: unclear.length }, unclear);
  const wrong = scopes.flatMap((scope, i) =>
    allPermissions.includes(scope as (typeof allPermissions)[number])
      ? []
      : [{ pointer: `/scopes/${i}`, detail: `"${scope}" is no permission; there are ${allPermissions.join(', ')}` }],
  );
  if (wrong.length > 0) fail('scope-unknown', { scopes: wrong.length }, wrong);
}

const scopeOf = (request: TokenRequest): Token['scope'] => ({
  ...(request.scopes ? { permissions: request.scopes as Permission[] } : {}),
  ...(request.resources ? { resources: request.resources } : {}),
});

async function issue(ctx: Ctx, owner: string, role: GrantableRole, request: TokenRequest): Promise<MadeToken> {
  checkScopes(request);
  boundByMaker(ctx, role, request);
  const expiresMs = expiryOf(ctx, request.expiresMs);
  return createToken(ctx, {
    name: request.name,
    role,
    scope: scopeOf(request),
    ownerId: owner,
    ...(expiresMs === undefined ? {} : { expiresMs }),
  });
}

const isGrantable = (role: string | undefined): role is GrantableRole => role !== undefined && role !== 'step';

/** A token of whoever asks, with its own role unless a lesser one is named. Raises `token-too-wide`, `token-too-long`, `scope-unknown`, `resource-unclear`, `token-expired-already`. */
export function createOwnToken(ctx: Ctx, request: TokenRequest): Promise<MadeToken> {
  const held = ctx.actor.roles[0];
  return issue(ctx, ctx.actor.id, request.role ?? (isGrantable(held) ? held : 'viewer'), request);
}

/** A token of a service account, with its role. Raises `service-account-not-found` and what `createOwnToken` raises. */
export async function createAccountToken(ctx: Ctx, account: string, request: TokenRequest): Promise<MadeToken> {
  const { name, role } = await getServiceAccount(ctx, account);
  return issue(ctx, name, request.role ?? role, request);
}

/** Tokens of whoever asks. */
export const listOwnTokens = async (ctx: Ctx): Promise<Token[]> =>
  (await store.listTokens(ctx.db, ctx.workspace)).filter((token) => token.ownerId === ctx.actor.id);

/** Raises `token-not-found`. */
export async function ownToken(ctx: Ctx, id: string): Promise<Token> {
  const token = await store.getToken(ctx.db, ctx.workspace, id);
  return token && token.ownerId === ctx.actor.id ? token : fail('token-not-found', { id });
}

const LONGEST_GRACE_S = 7 * 86_400;

/**
 * A token in the place of another one, good for as long as that was made for. The old one ends after `graceS` seconds,
 * so that it can be exchanged everywhere meanwhile. Raises `token-not-found`, and what making a token raises.
 */
export const rotateToken = (ctx: Ctx, id: string, graceS: number): Promise<MadeToken> =>
  ctx.tx(async (tx) => {
    const now = tx.clock.now();
    const old = await store.getToken(tx.db, tx.workspace, id);
    const ended = !old || old.revokedMs !== null || (old.expiresMs !== null && old.expiresMs <= now);
    if (ended || !isGrantable(old.role)) return fail('token-not-found', { id });
    const made = await issue(tx, old.ownerId, old.role, {
      name: old.name,
      scopes: old.scope.permissions,
      resources: old.scope.resources,
      expiresMs: old.expiresMs === null ? null : now + (old.expiresMs - old.createdMs),
    });
    await store.endTokenAt(tx.db, tx.workspace, id, now + Math.min(graceS, LONGEST_GRACE_S) * 1000);
    await tx.emit({ type: 'token.revoked', subject: { kind: 'token', id }, payload: { replacedBy: made.token.id } });
    return made;
  });

// Letters that are not taken for one another (RFC 8628, 6.1).
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ';
/** Eight of them, as people type it: `WDJB-MJHT`. */
export const newUserCode = (): string => {
  // 12 * 20 = 240: bytes from there on would make some letters likelier.
  const letters: string[] = [];
  while (letters.length < 8) for (const byte of randomBytes(16)) if (byte < 240 && letters.length < 8) letters.push(LETTERS[byte % 20]!);
  return `${letters.slice(0, 4).join('')}-${letters.slice(4).join('')}`;
};
