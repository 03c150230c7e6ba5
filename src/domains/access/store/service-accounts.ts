import type { Db } from '../../../kernel/db/database.ts';
import type { GrantableRole } from '../model.ts';

type Tables = {
  users: { id: string; name: string; password_hash: string; created_ms: number };
  grants: { workspace_id: string; user_id: string; role: GrantableRole };
  service_accounts: { user_id: string; owner: string; description: string; disabled_ms: number | null };
};
const tablesIn = (db: Db) => db.withTables<Tables>();

export interface ServiceAccount {
  readonly id: string;
  readonly name: string;
  readonly role: GrantableRole;
  readonly owner: string;
  readonly description: string;
  readonly disabledMs: number | null;
  readonly createdMs: number;
}

const accountsIn = (db: Db, workspace: string) =>
  tablesIn(db)
    .selectFrom('service_accounts')
    .innerJoin('users', 'users.id', 'service_accounts.user_id')
    .innerJoin('grants', (j) => j.onRef('grants.user_id', '=', 'users.id').on('grants.workspace_id', '=', workspace))
    .select([
      'users.id as id',
      'users.name as name',
      'grants.role as role',
      'service_accounts.owner as owner',
      'service_accounts.description as description',
      'service_accounts.disabled_ms as disabledMs',
      'users.created_ms as createdMs',
    ]);

export const listServiceAccounts = (db: Db, workspace: string): Promise<ServiceAccount[]> =>
  accountsIn(db, workspace).orderBy('users.name').limit(1000).execute();

export const findServiceAccount = (db: Db, workspace: string, name: string): Promise<ServiceAccount | undefined> =>
  accountsIn(db, workspace).where('users.name', '=', name).executeTakeFirst();

export const insertServiceAccount = (db: Db, userId: string, owner: string, description: string) =>
  tablesIn(db).insertInto('service_accounts').values({ user_id: userId, owner, description, disabled_ms: null }).execute();

export const updateServiceAccount = (
  db: Db,
  userId: string,
  change: { owner?: string; description?: string; disabledMs?: number | null },
) =>
  tablesIn(db)
    .updateTable('service_accounts')
    .set({
      ...(change.owner === undefined ? {} : { owner: change.owner }),
      ...(change.description === undefined ? {} : { description: change.description }),
      ...(change.disabledMs === undefined ? {} : { disabled_ms: change.disabledMs }),
    })
    .where('user_id', '=', userId)
    .execute();

export const deleteServiceAccount = (db: Db, userId: string) =>
  tablesIn(db).deleteFrom('service_accounts').where('user_id', '=', userId).execute();
