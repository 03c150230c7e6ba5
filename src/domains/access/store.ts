import type { Db } from '../../kernel/db/database.ts';
import { statement } from '../../kernel/db/statement.ts';
import type { Grant, GrantableRole, Role, Token, User } from './model.ts';

type UserRow = { id: string; name: string; password_hash: string; created_ms: number; levels_version: number };
type GrantRow = { workspace_id: string; user_id: string; role: GrantableRole; direct_role: GrantableRole | null };
export type TokenRow = {
  workspace_id: string;
  id: string;
  name: string;
  owner_id: string;
  digest: string;
  role: Role;
  scope: string;
  expires_ms: number | null;
  revoked_ms: number | null;
  created_ms: number;
  prefix: string;
  last_used_ms: number | null;
};
type WorkspaceRow = { id: string; created_ms: number; description: string | null };

type AccountRow = { user_id: string; disabled_ms: number | null };

const tablesIn = (db: Db) =>
  db.withTables<{ users: UserRow; grants: GrantRow; tokens: TokenRow; workspaces: WorkspaceRow; service_accounts: AccountRow }>();

const toUser = (row: UserRow): User => ({
  id: row.id,
  name: row.name,
  passwordHash: row.password_hash,
  createdMs: row.created_ms,
  levelsVersion: row.levels_version,
});

export const toToken = (row: TokenRow): Token => ({
  id: row.id,
  workspace: row.workspace_id,
  name: row.name,
  ownerId: row.owner_id,
  role: row.role,
  scope: JSON.parse(row.scope) as Token['scope'],
  expiresMs: row.expires_ms,
  revokedMs: row.revoked_ms,
  createdMs: row.created_ms,
  prefix: row.prefix,
  lastUsedMs: row.last_used_ms,
});

// Asked by every request.
const anyUser = statement<{ id: string }>('select id from users limit 1');

export const hasUsers = async (db: Db): Promise<boolean> => (await anyUser(db)).length > 0;

export async function findUser(db: Db, name: string): Promise<User | undefined> {
  const row = await tablesIn(db).selectFrom('users').selectAll().where('name', '=', name).executeTakeFirst();
  return row && toUser(row);
}

export async function getUser(db: Db, id: string): Promise<User | undefined> {
  const row = await tablesIn(db).selectFrom('users').selectAll().where('id', '=', id).executeTakeFirst();
  return row && toUser(row);
}

export async function listUsers(db: Db, workspace: string): Promise<{ user: User; role: GrantableRole }[]> {
  const rows = await tablesIn(db)
    .selectFrom('users')
    .innerJoin('grants', 'grants.user_id', 'users.id')
    .selectAll('users')
    .select('grants.role')
    .where('grants.workspace_id', '=', workspace)
    .orderBy('users.name')
    .limit(1000)
    .execute();
  return rows.map((row) => ({ user: toUser(row), role: row.role }));
}

let madeHere = false;
/** Whether this process ever made a user, in whatever database. */
export const usersWereMadeHere = (): boolean => madeHere;

const insertedUser = statement('insert into users (id, name, password_hash, created_ms, levels_version) values (?, ?, ?, ?, ?)');
export const insertUser = (db: Db, user: User) => {
  madeHere = true;
  return insertedUser(db, user.id, user.name, user.passwordHash, user.createdMs, user.levelsVersion);
};

export const updatePassword = (db: Db, id: string, passwordHash: string) =>
  tablesIn(db).updateTable('users').set({ password_hash: passwordHash }).where('id', '=', id).execute();

/** Removes the grant and the tokens of a user in a workspace, and the user if no grant is left. */
export async function deleteMember(db: Db, workspace: string, { id, name }: User): Promise<void> {
  const t = tablesIn(db);
  await t.deleteFrom('grants').where('workspace_id', '=', workspace).where('user_id', '=', id).execute();
  // Tokens belong to the name that made them, as everything else that a user does.
  await t.deleteFrom('tokens').where('workspace_id', '=', workspace).where('owner_id', '=', name).execute();
  const left = await t.selectFrom('grants').select('workspace_id').where('user_id', '=', id).limit(1).executeTakeFirst();
  if (left) return;
  await t.deleteFrom('tokens').where('owner_id', '=', name).execute();
  await t.deleteFrom('users').where('id', '=', id).execute();
}

export async function getRole(db: Db, workspace: string, userId: string): Promise<GrantableRole | undefined> {
  const row = await tablesIn(db)
    .selectFrom('grants')
    .select('role')
    .where('workspace_id', '=', workspace)
    .where('user_id', '=', userId)
    .executeTakeFirst();
  return row?.role;
}

export const setGrant = (db: Db, grant: Grant) =>
  tablesIn(db)
    .insertInto('grants')
    .values({ workspace_id: grant.workspace, user_id: grant.userId, role: grant.role, direct_role: grant.role })
    .onConflict((c) => c.columns(['workspace_id', 'user_id']).doUpdateSet({ role: grant.role, direct_role: grant.role }))
    .execute();

/** Administrators who can log in: service accounts cannot let anybody in again. */
export async function countAdmins(db: Db, workspace: string): Promise<number> {
  const rows = await tablesIn(db)
    .selectFrom('grants')
    .leftJoin('service_accounts', 'service_accounts.user_id', 'grants.user_id')
    .select('grants.user_id')
    .where('grants.workspace_id', '=', workspace)
    .where('grants.role', '=', 'admin')
    .where('service_accounts.user_id', 'is', null)
    .execute();
  return rows.length;
}

/** Tokens with the role that their owner has in the workspace today; none if the owner is no user. */
const tokensWithOwner = (db: Db) =>
  tablesIn(db)
    .selectFrom('tokens')
    .leftJoin('users', 'users.name', 'tokens.owner_id')
    .leftJoin('grants', (j) => j.onRef('grants.user_id', '=', 'users.id').onRef('grants.workspace_id', '=', 'tokens.workspace_id'));

export async function getToken(db: Db, workspace: string, id: string): Promise<Token | undefined> {
  const row = await tablesIn(db)
    .selectFrom('tokens')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toToken(row);
}

export async function listTokens(db: Db, workspace: string): Promise<Token[]> {
  const rows = await tablesIn(db)
    .selectFrom('tokens')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('role', '!=', 'step')
    .orderBy('id')
    .limit(1000)
    .execute();
  return rows.map(toToken);
}

export interface UsableToken {
  readonly digest: string;
  readonly workspace: string;
  readonly expiresMs: number | null;
  readonly scope: Token['scope'];
  readonly role: Role;
  readonly ownerRole: GrantableRole | undefined;
  readonly owner: { readonly id: string; readonly levelsVersion: number } | undefined;
}

/** Usable tokens of every workspace that hold one of these roles, and whose owner does, if that is a user. */
export async function listUsableTokens(db: Db, held: readonly GrantableRole[], nowMs: number): Promise<UsableToken[]> {
  const rows = await tokensWithOwner(db)
    .leftJoin('service_accounts', 'service_accounts.user_id', 'users.id')
    .select(['tokens.digest', 'tokens.workspace_id', 'tokens.expires_ms', 'tokens.scope', 'tokens.role'])
    .select(['grants.role as owner_role', 'users.id as owner_user', 'users.levels_version'])
    .where('tokens.role', 'in', held)
    .where((eb) => eb.or([eb('users.id', 'is', null), eb('grants.role', 'in', held)]))
    .where('service_accounts.disabled_ms', 'is', null)
    .where('tokens.revoked_ms', 'is', null)
    .where((eb) => eb.or([eb('tokens.expires_ms', 'is', null), eb('tokens.expires_ms', '>', nowMs)]))
    .orderBy('tokens.digest')
    .execute();
  return rows.map((r) => ({
    digest: r.digest,
    workspace: r.workspace_id,
    expiresMs: r.expires_ms,
    scope: JSON.parse(r.scope) as Token['scope'],
    role: r.role,
    ownerRole: r.owner_role ?? undefined,
    owner: r.owner_user === null ? undefined : { id: r.owner_user, levelsVersion: r.levels_version ?? 0 },
  }));
}

export const insertToken = (db: Db, token: Token, digest: string) =>
  tablesIn(db)
    .insertInto('tokens')
    .values({
      workspace_id: token.workspace,
      id: token.id,
      name: token.name,
      owner_id: token.ownerId,
      digest,
      role: token.role,
      scope: JSON.stringify(token.scope),
      expires_ms: token.expiresMs,
      revoked_ms: token.revokedMs,
      created_ms: token.createdMs,
      prefix: token.prefix,
      last_used_ms: token.lastUsedMs,
    })
    .execute();

/** Notes the use of a token unless one was noted after `beforeMs`; whether it is the first. */
export async function markTokenUsed(db: Db, workspace: string, id: string, nowMs: number, beforeMs: number): Promise<boolean> {
  const mine = tablesIn(db).updateTable('tokens').set({ last_used_ms: nowMs }).where('workspace_id', '=', workspace).where('id', '=', id);
  const first = await mine.where('last_used_ms', 'is', null).executeTakeFirst();
  if (Number(first.numUpdatedRows) > 0) return true;
  await mine.where('last_used_ms', '<=', beforeMs).execute();
  return false;
}

/** Ends a token at a moment, unless it ends before. */
export const endTokenAt = (db: Db, workspace: string, id: string, ms: number) =>
  tablesIn(db)
    .updateTable('tokens')
    .set({ expires_ms: ms })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .where((eb) => eb.or([eb('expires_ms', 'is', null), eb('expires_ms', '>', ms)]))
    .execute();

export const revokeToken = (db: Db, workspace: string, id: string, nowMs: number) =>
  tablesIn(db)
    .updateTable('tokens')
    .set({ revoked_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .where('revoked_ms', 'is', null)
    .execute();

export async function deleteStepTokens(db: Db, workspace: string, ownerId: string): Promise<void> {
  await tablesIn(db)
    .deleteFrom('tokens')
    .where('workspace_id', '=', workspace)
    .where('owner_id', '=', ownerId)
    .where('role', '=', 'step')
    .execute();
}

export async function workspaceExists(db: Db, id: string): Promise<boolean> {
  return (
    id === 'default' || (await tablesIn(db).selectFrom('workspaces').select('id').where('id', '=', id).executeTakeFirst()) !== undefined
  );
}

export const insertWorkspace = (db: Db, id: string, nowMs: number, description: string | null = null) =>
  tablesIn(db)
    .insertInto('workspaces')
    .values({ id, created_ms: nowMs, description })
    .onConflict((c) => c.column('id').doNothing())
    .execute();

export async function listWorkspaces(db: Db): Promise<string[]> {
  const rows = await tablesIn(db).selectFrom('workspaces').select('id').orderBy('id').execute();
  return [...new Set(['default', ...rows.map((row) => row.id)])];
}

/** All workspaces by name, with what is said of them. */
export async function describeWorkspaces(db: Db): Promise<{ name: string; description: string | null }[]> {
  const rows = await tablesIn(db).selectFrom('workspaces').select(['id as name', 'description']).orderBy('id').limit(10_000).execute();
  return rows.some((row) => row.name === 'default') ? rows : [{ name: 'default', description: null }, ...rows];
}

export const setWorkspaceDescription = (db: Db, id: string, description: string, nowMs: number) =>
  tablesIn(db)
    .insertInto('workspaces')
    .values({ id, created_ms: nowMs, description })
    .onConflict((c) => c.column('id').doUpdateSet({ description }))
    .execute();

export const deleteWorkspace = (db: Db, id: string) => tablesIn(db).deleteFrom('workspaces').where('id', '=', id).execute();

/** Workspaces in which a user has a role. */
export async function listWorkspacesOf(db: Db, userId: string): Promise<string[]> {
  const rows = await tablesIn(db)
    .selectFrom('grants')
    .select('workspace_id')
    .where('user_id', '=', userId)
    .orderBy('workspace_id')
    .execute();
  return rows.map((row) => row.workspace_id);
}
