// Who stands behind a name, a token, a session or a foreign identity, with the roles of today: one query each.
import type { Db } from '../../../kernel/db/database.ts';
import type { GrantableRole, Token } from '../model.ts';
import { toToken, type TokenRow } from '../store.ts';
import type { SessionRow } from './sessions.ts';

type Tables = {
  users: { id: string; name: string; password_hash: string; created_ms: number; levels_version: number };
  grants: { workspace_id: string; user_id: string; role: GrantableRole };
  service_accounts: { user_id: string; owner: string; description: string; disabled_ms: number | null };
  identities: { issuer: string; subject: string; user_id: string; created_ms: number; seen_ms: number };
  tokens: TokenRow;
  sessions: SessionRow;
};

const tablesIn = (db: Db) => db.withTables<Tables>();

export interface Principal {
  readonly id: string;
  readonly name: string;
  /** Empty where there is none: service accounts, and people who come through a provider. */
  readonly passwordHash: string;
  /** In the workspace that was asked for. */
  readonly role: GrantableRole | undefined;
  readonly levelsVersion: number;
  readonly isService: boolean;
  readonly disabled: boolean;
}

interface PrincipalRow {
  id: string | null;
  name: string | null;
  password_hash: string | null;
  levels_version: number | null;
  role_here: GrantableRole | null;
  account: string | null;
  disabled_ms: number | null;
}

const toPrincipal = (row: PrincipalRow | undefined): Principal | undefined =>
  row?.id == null || row.name === null
    ? undefined
    : {
        id: row.id,
        name: row.name,
        passwordHash: row.password_hash ?? '',
        role: row.role_here ?? undefined,
        levelsVersion: row.levels_version ?? 0,
        isService: row.account !== null,
        disabled: row.disabled_ms !== null,
      };

const COLUMNS = [
  'users.id as id',
  'users.name as name',
  'users.password_hash as password_hash',
  'users.levels_version as levels_version',
  'grants.role as role_here',
  'service_accounts.user_id as account',
  'service_accounts.disabled_ms as disabled_ms',
] as const;

export async function findPrincipal(db: Db, name: string, workspace: string): Promise<Principal | undefined> {
  return toPrincipal(
    await tablesIn(db)
      .selectFrom('users')
      .leftJoin('grants', (j) => j.onRef('grants.user_id', '=', 'users.id').on('grants.workspace_id', '=', workspace))
      .leftJoin('service_accounts', 'service_accounts.user_id', 'users.id')
      .select(COLUMNS)
      .where('users.name', '=', name)
      .executeTakeFirst(),
  );
}

export async function findPrincipalById(db: Db, id: string, workspace: string): Promise<Principal | undefined> {
  return toPrincipal(
    await tablesIn(db)
      .selectFrom('users')
      .leftJoin('grants', (j) => j.onRef('grants.user_id', '=', 'users.id').on('grants.workspace_id', '=', workspace))
      .leftJoin('service_accounts', 'service_accounts.user_id', 'users.id')
      .select(COLUMNS)
      .where('users.id', '=', id)
      .executeTakeFirst(),
  );
}

export async function findPrincipalByIdentity(db: Db, issuer: string, subject: string, workspace: string): Promise<Principal | undefined> {
  return toPrincipal(
    await tablesIn(db)
      .selectFrom('identities')
      .innerJoin('users', 'users.id', 'identities.user_id')
      .leftJoin('grants', (j) => j.onRef('grants.user_id', '=', 'users.id').on('grants.workspace_id', '=', workspace))
      .leftJoin('service_accounts', 'service_accounts.user_id', 'users.id')
      .select(COLUMNS)
      .where('identities.issuer', '=', issuer)
      .where('identities.subject', '=', subject)
      .executeTakeFirst(),
  );
}

/** A token, and who owns it; the owner is absent where no user has that name. */
export async function findTokenByDigest(db: Db, digest: string): Promise<{ token: Token; owner: Principal | undefined } | undefined> {
  const row = await tablesIn(db)
    .selectFrom('tokens')
    .leftJoin('users', 'users.name', 'tokens.owner_id')
    .leftJoin('grants', (j) => j.onRef('grants.user_id', '=', 'users.id').onRef('grants.workspace_id', '=', 'tokens.workspace_id'))
    .leftJoin('service_accounts', 'service_accounts.user_id', 'users.id')
    .selectAll('tokens')
    .select([
      'users.id as user_id',
      'users.name as user_name',
      'users.levels_version as levels_version',
      'grants.role as role_here',
      'service_accounts.user_id as account',
      'service_accounts.disabled_ms as disabled_ms',
    ])
    .where('tokens.digest', '=', digest)
    .executeTakeFirst();
  if (!row) return undefined;
  return { token: toToken(row), owner: toPrincipal({ ...row, id: row.user_id, name: row.user_name, password_hash: '' }) };
}

/** A session by the digest of its cookie, with the roles in `workspace`, or in its own where that is undefined. */
export async function findSessionByDigest(
  db: Db,
  digest: string,
  workspace: string | undefined,
): Promise<{ session: SessionRow; user: Principal } | undefined> {
  const row = await tablesIn(db)
    .selectFrom('sessions')
    .innerJoin('users', 'users.id', 'sessions.user_id')
    .leftJoin('grants', (j) => {
      const on = j.onRef('grants.user_id', '=', 'users.id');
      return workspace === undefined
        ? on.onRef('grants.workspace_id', '=', 'sessions.workspace_id')
        : on.on('grants.workspace_id', '=', workspace);
    })
    .selectAll('sessions')
    .select([
      'users.name as name',
      'users.password_hash as password_hash',
      'users.levels_version as levels_version',
      'grants.role as role_here',
    ])
    .where('sessions.digest', '=', digest)
    .executeTakeFirst();
  if (!row) return undefined;
  const user = toPrincipal({ ...row, id: row.user_id, account: null, disabled_ms: null });
  return user && { session: row, user };
}
