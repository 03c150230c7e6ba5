// What issuers say: identities of people, roles mapped from their groups, bindings of service accounts.
import type { Db } from '../../../kernel/db/database.ts';
import type { GrantableRole } from '../model.ts';

type IdentityRow = { issuer: string; subject: string; user_id: string; created_ms: number; seen_ms: number };
type MappedRow = { workspace_id: string; user_id: string; role: GrantableRole };
type BindingRow = {
  id: string;
  user_id: string;
  workspace_id: string;
  issuer: string;
  subject: string;
  claims: string;
  created_ms: number;
};

const tablesIn = (db: Db) => db.withTables<{ identities: IdentityRow; mapped_grants: MappedRow; account_bindings: BindingRow }>();

export const setIdentity = (db: Db, row: IdentityRow) =>
  tablesIn(db)
    .insertInto('identities')
    .values(row)
    .onConflict((c) => c.columns(['issuer', 'subject']).doUpdateSet({ seen_ms: row.seen_ms }))
    .execute();

export const findIdentity = (db: Db, issuer: string, subject: string): Promise<IdentityRow | undefined> =>
  tablesIn(db).selectFrom('identities').selectAll().where('issuer', '=', issuer).where('subject', '=', subject).executeTakeFirst();

export const listMapped = (db: Db, userId: string): Promise<MappedRow[]> =>
  tablesIn(db).selectFrom('mapped_grants').selectAll().where('user_id', '=', userId).orderBy('workspace_id').execute();

/** Puts these roles in the place of all that were mapped for the user before. */
export async function replaceMapped(db: Db, userId: string, roles: ReadonlyMap<string, GrantableRole>): Promise<void> {
  await tablesIn(db).deleteFrom('mapped_grants').where('user_id', '=', userId).execute();
  const rows = [...roles].map(([workspace_id, role]) => ({ workspace_id, user_id: userId, role }));
  if (rows.length > 0) await tablesIn(db).insertInto('mapped_grants').values(rows).execute();
}

/** Tells who else knows the user by that id: all of it goes with the user. */
export async function deleteIdentitiesOf(db: Db, userId: string): Promise<void> {
  await tablesIn(db).deleteFrom('identities').where('user_id', '=', userId).execute();
  await tablesIn(db).deleteFrom('mapped_grants').where('user_id', '=', userId).execute();
  await tablesIn(db).deleteFrom('account_bindings').where('user_id', '=', userId).execute();
}

export interface Binding {
  readonly id: string;
  readonly userId: string;
  readonly workspace: string;
  readonly issuer: string;
  /** The subject, in which "*" stands for any letters. */
  readonly subject: string;
  /** Claims that must be there with this value. */
  readonly claims: Readonly<Record<string, string>>;
  readonly createdMs: number;
}

const toBinding = (row: BindingRow): Binding => ({
  id: row.id,
  userId: row.user_id,
  workspace: row.workspace_id,
  issuer: row.issuer,
  subject: row.subject,
  claims: JSON.parse(row.claims) as Record<string, string>,
  createdMs: row.created_ms,
});

export const insertBinding = (db: Db, b: Binding) =>
  tablesIn(db)
    .insertInto('account_bindings')
    .values({
      id: b.id,
      user_id: b.userId,
      workspace_id: b.workspace,
      issuer: b.issuer,
      subject: b.subject,
      claims: JSON.stringify(b.claims),
      created_ms: b.createdMs,
    })
    .execute();

export async function listBindings(db: Db, where: { issuer: string } | { userId: string; workspace: string }): Promise<Binding[]> {
  const all = tablesIn(db).selectFrom('account_bindings').selectAll();
  const some =
    'issuer' in where
      ? all.where('issuer', '=', where.issuer)
      : all.where('user_id', '=', where.userId).where('workspace_id', '=', where.workspace);
  return (await some.orderBy('id').limit(1000).execute()).map(toBinding);
}

export async function deleteBinding(db: Db, userId: string, workspace: string, id: string): Promise<number> {
  const { numDeletedRows } = await tablesIn(db)
    .deleteFrom('account_bindings')
    .where('user_id', '=', userId)
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return Number(numDeletedRows);
}
