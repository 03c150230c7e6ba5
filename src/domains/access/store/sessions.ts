import type { Db } from '../../../kernel/db/database.ts';

export interface SessionRow {
  id: string;
  user_id: string;
  workspace_id: string;
  digest: string;
  method: 'password' | 'oidc';
  agent: string;
  issuer: string | null;
  subject: string | null;
  provider_session: string | null;
  created_ms: number;
  seen_ms: number;
  expires_ms: number;
}

const sessionsIn = (db: Db) => db.withTables<{ sessions: SessionRow }>();

export const insertSession = (db: Db, row: SessionRow) => sessionsIn(db).insertInto('sessions').values(row).execute();

export const touchSession = (db: Db, id: string, seenMs: number) =>
  sessionsIn(db).updateTable('sessions').set({ seen_ms: seenMs }).where('id', '=', id).where('seen_ms', '<', seenMs).execute();

export const listSessions = (db: Db, userId: string): Promise<SessionRow[]> =>
  sessionsIn(db).selectFrom('sessions').selectAll().where('user_id', '=', userId).orderBy('id').limit(1000).execute();

/** Removes a session of a user; how many there were. */
export async function deleteSession(db: Db, userId: string, id: string): Promise<number> {
  const { numDeletedRows } = await sessionsIn(db)
    .deleteFrom('sessions')
    .where('user_id', '=', userId)
    .where('id', '=', id)
    .executeTakeFirst();
  return Number(numDeletedRows);
}

export async function deleteSessionsOf(db: Db, userId: string): Promise<number> {
  const { numDeletedRows } = await sessionsIn(db).deleteFrom('sessions').where('user_id', '=', userId).executeTakeFirst();
  return Number(numDeletedRows);
}

/** Sessions that a provider began: all of a subject, or the one with its name for it. The users they were of. */
export async function deleteProviderSessions(
  db: Db,
  which: { issuer: string; subject?: string | undefined; session?: string | undefined },
): Promise<string[]> {
  let query = sessionsIn(db).deleteFrom('sessions').where('issuer', '=', which.issuer);
  if (which.session !== undefined) query = query.where('provider_session', '=', which.session);
  if (which.subject !== undefined) query = query.where('subject', '=', which.subject);
  return (await query.returning('user_id').execute()).map((row) => row.user_id);
}

export const deleteEndedSessions = (db: Db, nowMs: number) =>
  sessionsIn(db).deleteFrom('sessions').where('expires_ms', '<=', nowMs).execute();
