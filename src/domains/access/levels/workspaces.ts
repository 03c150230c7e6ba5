// Workspaces as they are listed, described and taken away.
import { contentOfWorkspace } from '../../../kernel/db/workspace-content.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import * as accounts from '../store.ts';
import type { GrantableRole, User } from '../model.ts';
import { inWorkspace } from './roles.ts';
import { forgetWorkspace } from '../store/levels.ts';

export interface Workspace {
  readonly name: string;
  readonly description: string | null;
}

const isAdmin = ({ actor }: Ctx): boolean => actor.roles.length > 0 && actor.roles.every((role) => role === 'admin');

/** Workspaces that the caller is in; all for the local administrator. A token is good for its own only. */
export async function listSeenWorkspaces(ctx: Ctx): Promise<Workspace[]> {
  const all = await accounts.describeWorkspaces(ctx.db);
  if (ctx.actor.kind === 'local' || ctx.actor.kind === 'system') return all;
  const user = ctx.actor.kind === 'user' ? await accounts.findUser(ctx.db, ctx.actor.id) : undefined;
  const names = user ? await accounts.listWorkspacesOf(ctx.db, user.id) : [ctx.workspace];
  return all.filter((w) => names.includes(w.name));
}

/** Raises `workspace-not-found`, also for one that the caller is not in. */
export async function findWorkspace(ctx: Ctx, name: string): Promise<Workspace> {
  return (await listSeenWorkspaces(ctx)).find((w) => w.name === name) ?? fail('workspace-not-found', { workspace: name });
}

/** Needs an administrator of that workspace. Raises `workspace-not-found`, `forbidden`. */
export async function describeWorkspace(ctx: Ctx, name: string, description: string): Promise<Workspace> {
  const there = await inWorkspace(ctx, name);
  if (!isAdmin(there)) return fail('forbidden', { actor: `${ctx.actor.kind} "${ctx.actor.id}"`, permission: 'access:admin' });
  return there.tx(async (tx) => {
    await accounts.setWorkspaceDescription(tx.db, name, description, tx.clock.now());
    await tx.emit({ type: 'workspace.changed', subject: { kind: 'workspace', id: name } });
    return { name, description };
  });
}

// Who is in it, and records of what happened; and what is there from the first look on.
const NO_CONTENT = {
  ...{ grants: 'all', mapped_grants: 'all', resource_grants: 'all', tokens: 'all', account_bindings: 'all', sessions: 'all' },
  ...{ access_roles: 'all', access_role_grants: 'all', access_role_members: 'all' },
  ...{ events: 'all', jobs: 'all', idempotency_keys: 'all', lineage_nodes: 'all', lineage_edges: 'all' },
  experiments: '0',
} as const;

/**
 * Takes an empty workspace away, with who is in it; events stay. Only for the administrators of "default", who make them.
 * Raises `workspace-reserved`, `workspace-not-found`, `workspace-not-empty`, `forbidden`.
 */
export const deleteWorkspace = (ctx: Ctx, name: string): Promise<void> =>
  ctx.tx(async (tx) => {
    if (name === 'default') return fail('workspace-reserved', { workspace: name });
    if (!isAdmin(tx) || tx.workspace !== 'default')
      return fail('forbidden', { actor: `${tx.actor.kind} "${tx.actor.id}"`, permission: 'access:admin in the workspace "default"' });
    if (!(await accounts.workspaceExists(tx.db, name))) return fail('workspace-not-found', { workspace: name });
    const table = await contentOfWorkspace(tx.db, tx.database.dialect, name, NO_CONTENT);
    if (table !== undefined) return fail('workspace-not-empty', { workspace: name, table });
    for (const { user } of await accounts.listUsers(tx.db, name)) await accounts.deleteMember(tx.db, name, user);
    await forgetWorkspace(tx.db, name);
    await accounts.deleteWorkspace(tx.db, name);
    await tx.emit({ type: 'workspace.deleted', subject: { kind: 'workspace', id: name } });
  });

/** Every workspace that a user is in, with the role there. */
export async function rolesIn(ctx: Ctx, user: User): Promise<{ workspace: string; role: GrantableRole }[]> {
  const found: { workspace: string; role: GrantableRole }[] = [];
  for (const workspace of await accounts.listWorkspacesOf(ctx.db, user.id)) {
    const role = await accounts.getRole(ctx.db, workspace, user.id);
    if (role) found.push({ workspace, role });
  }
  return found;
}
