// Bearer tokens that another issuer signed: of people whom the provider knows, and of programs (jobs of a CI, pods)
// that a service account is bound to.
import type { JWTPayload } from 'jose';
import type { Ctx, Platform } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { fail } from '../errors.ts';
import { noteFailedLogin } from '../sign-in/failed-logins.ts';
import { checkIssuer, openIssuer, refusalIn } from '../sign-in/issuers.ts';
import { claimedIssuer, JwtRefused, verifyJwt } from '../sign-in/jwt.ts';
import { deleteBinding, insertBinding, listBindings, type Binding } from '../store/identities.ts';
import { findPrincipalById, findPrincipalByIdentity, type Principal } from '../store/principals.ts';
import { getServiceAccount } from './service-accounts.ts';

/** Whose token this is. Raises `unauthenticated` with the reason, `sign-on-unreachable`, `issuer-not-usable`. */
export async function identifyByJwt(platform: Platform, token: string, workspace: string): Promise<Principal> {
  const { oidcIssuer, oidcAudience } = platform.settings;
  const refuse = async (why: string): Promise<never> => {
    await noteFailedLogin(platform, { userId: undefined, how: 'jwt', address: '', workspace });
    return fail('unauthenticated', { why: `The signed token is refused: ${why}.` });
  };
  const issuer = await claimedIssuer(token);
  const bindings = issuer === undefined ? [] : await listBindings(platform.database.reader, { issuer });
  // Nobody is asked whom no administrator has named.
  if (issuer === undefined || (issuer !== oidcIssuer && bindings.length === 0)) return refuse('its issuer is not known here');
  let claims: JWTPayload;
  try {
    claims = await verifyJwt(platform, (await openIssuer(platform, issuer)).keys, token, { issuer, audience: oidcAudience });
  } catch (error) {
    if (error instanceof JwtRefused) return refuse(error.message);
    if ((error as { name?: string }).name === 'Problem') throw error;
    const refused = refusalIn(error);
    return refused
      ? fail('issuer-not-usable', { issuer, why: refused })
      : fail('sign-on-unreachable', { issuer, why: 'its keys cannot be fetched' });
  }
  const bound = bindings.find((b) => b.workspace === workspace && fits(b, claims));
  const db = platform.database.reader;
  const found = bound
    ? await findPrincipalById(db, bound.userId, workspace)
    : issuer === oidcIssuer
      ? await findPrincipalByIdentity(db, issuer, String(claims.sub), workspace)
      : undefined;
  if (!found || found.disabled) return refuse('nobody here is bound to its subject; a person logs in at /login first');
  return found;
}

const globOf = (pattern: string): RegExp =>
  new RegExp(`^${pattern.replace(/[.*+?^${}()|[\]\\]/g, (c) => (c === '*' ? '.*' : `\\${c}`))}$`, 's');

/** Whether a token's claims satisfy a binding. Only text, numbers and booleans can be asked for. */
export const fits = (b: Pick<Binding, 'subject' | 'claims'>, claims: Readonly<Record<string, unknown>>): boolean =>
  typeof claims.sub === 'string' &&
  globOf(b.subject).test(claims.sub) &&
  Object.entries(b.claims).every(
    ([name, value]) => ['string', 'number', 'boolean'].includes(typeof claims[name]) && String(claims[name]) === value,
  );

export interface NewBinding {
  readonly issuer: string;
  readonly subject: string;
  readonly claims?: Readonly<Record<string, string>>;
}

/** Lets whoever an issuer vouches for act as a service account. Raises `service-account-not-found`, `issuer-not-usable`, `binding-too-wide`. */
export const bindAccount = (ctx: Ctx, name: string, input: NewBinding): Promise<Binding> =>
  ctx.tx(async (tx) => {
    const account = await getServiceAccount(tx, name);
    checkIssuer(tx, input.issuer);
    // A public issuer (of a forge) signs for the jobs of everybody.
    if (/^[*]+|^[^*]{0,4}[*]/.test(input.subject) && Object.keys(input.claims ?? {}).length === 0)
      return fail('binding-too-wide', { subject: input.subject });
    const binding: Binding = {
      id: newId('bnd', tx.ids),
      userId: account.id,
      workspace: tx.workspace,
      issuer: input.issuer,
      subject: input.subject,
      claims: input.claims ?? {},
      createdMs: tx.clock.now(),
    };
    await insertBinding(tx.db, binding);
    await tx.emit({ type: 'service-account.bound', subject: { kind: 'user', id: account.id }, payload: { binding: binding.id } });
    return binding;
  });

/** Raises `service-account-not-found`. */
export const listAccountBindings = async (ctx: Ctx, name: string): Promise<Binding[]> =>
  listBindings(ctx.db, { userId: (await getServiceAccount(ctx, name)).id, workspace: ctx.workspace });

/** Raises `service-account-not-found`, `binding-not-found`. */
export const unbindAccount = (ctx: Ctx, name: string, id: string): Promise<void> =>
  ctx.tx(async (tx) => {
    const account = await getServiceAccount(tx, name);
    if ((await deleteBinding(tx.db, account.id, tx.workspace, id)) === 0) return fail('binding-not-found', { id });
    await tx.emit({ type: 'service-account.unbound', subject: { kind: 'user', id: account.id }, payload: { binding: id } });
  });
