// People whom the provider knows: they appear at their first login, and their groups give roles at each.
import { makeCtx, systemActor, type Ctx, type Platform } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { fail } from '../errors.ts';
import { settleMembership } from '../levels/grants.ts';
import type { GrantableRole, User } from '../model.ts';
import { groupsOf, parseGroupRoles, rolesFor } from '../sign-in/group-roles.ts';
import * as store from '../store.ts';
import { findIdentity, listMapped, replaceMapped, setIdentity } from '../store/identities.ts';
import { deleteSessionsOf } from '../store/sessions.ts';
import { requireSoleMember } from './login.ts';

const NAME = /^[A-Za-z0-9][A-Za-z0-9._@-]{0,126}$/;

export interface Person {
  readonly id: string;
  readonly name: string;
}

/** The user behind an identity, made if it is new, with the roles of its groups. `refuse` ends a login with a reason. */
export async function admitPerson(
  platform: Platform,
  issuer: string,
  claims: Readonly<Record<string, unknown>>,
  refuse: (why: string) => Promise<never>,
): Promise<Person> {
  const { oidcUserClaim, oidcGroupsClaim, oidcGroupRoles } = platform.settings;
  const subject = String(claims.sub);
  const groups = groupsOf(claims[oidcGroupsClaim]);
  const outcome = await makeCtx(platform, { actor: systemActor, workspace: 'default' }).tx(async (tx): Promise<Person | string> => {
    const workspaces = await store.listWorkspaces(tx.db);
    const roles = new Map([...rolesFor(groups, parseGroupRoles(oidcGroupRoles))].filter(([workspace]) => workspaces.includes(workspace)));
    const known = await findIdentity(tx.db, issuer, subject);
    const now = tx.clock.now();
    if (known) {
      await setIdentity(tx.db, { ...known, seen_ms: now });
      await mapRoles(tx, known.user_id, roles);
      const user = await store.getUser(tx.db, known.user_id);
      if (!user) return 'the user does not exist any more';
      if ((await store.listWorkspacesOf(tx.db, user.id)).length > 0) return user;
      await deleteSessionsOf(tx.db, user.id);
      return NO_ROLE;
    }
    const name = claims[oidcUserClaim];
    if (typeof name !== 'string' || !NAME.test(name)) return `its claim "${oidcUserClaim}" is missing or cannot be a user name here`;
    if (oidcUserClaim === 'email' && claims.email_verified === false) return 'the address of mail is not verified there';
    // A name alone proves nothing: whoever can choose it at the provider would take over the user of that name.
    if (await store.findUser(tx.db, name))
      return `there is a user "${name}" here already who is not linked with it; an administrator links the two ("gyre users link")`;
    if (roles.size === 0) return NO_ROLE;
    const user: User = { id: newId('usr', tx.ids), name, passwordHash: '', createdMs: now, levelsVersion: 0 };
    await store.insertUser(tx.db, user);
    await setIdentity(tx.db, { issuer, subject, user_id: user.id, created_ms: now, seen_ms: now });
    await tx.emit({ type: 'user.created', subject: { kind: 'user', id: user.id }, payload: { how: 'oidc' } });
    await mapRoles(tx, user.id, roles);
    return user;
  });
  return typeof outcome === 'string' ? refuse(outcome) : outcome;
}

const NO_ROLE = 'none of your groups has a role here; an administrator maps one (GYRE_OIDC_GROUP_ROLES) or gives you a role';

// What was given here by hand stays as it is; only what groups gave is replaced.
async function mapRoles(tx: Ctx, userId: string, roles: ReadonlyMap<string, GrantableRole>): Promise<void> {
  const before = new Map((await listMapped(tx.db, userId)).map((m) => [m.workspace_id, m.role]));
  const changed = [...new Set([...before.keys(), ...roles.keys()])].filter((workspace) => before.get(workspace) !== roles.get(workspace));
  if (changed.length === 0) return;
  await replaceMapped(tx.db, userId, roles);
  for (const workspace of changed) {
    // The provider can always name another administrator, so its last one may lose the role.
    await settleMembership(tx, workspace, userId, { keepAnAdmin: false });
    await tx.emit({
      type: 'grant.changed',
      subject: { kind: 'user', id: userId },
      payload: { workspace, mapped: roles.get(workspace) ?? null },
    });
  }
}

/** Lets an identity of an issuer log in as a user who is here already. Raises `user-not-found`, `forbidden`, `identity-taken`. */
export const linkPerson = (ctx: Ctx, name: string, issuer: string, subject: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await requireSoleMember(tx, name);
    const user = (await store.findUser(tx.db, name)) ?? fail('user-not-found', { name });
    const known = await findIdentity(tx.db, issuer, subject);
    if (known && known.user_id !== user.id) return fail('identity-taken', { issuer, subject });
    const now = tx.clock.now();
    await setIdentity(tx.db, { issuer, subject, user_id: user.id, created_ms: now, seen_ms: now });
    await tx.emit({ type: 'user.linked', subject: { kind: 'user', id: user.id } });
  });
