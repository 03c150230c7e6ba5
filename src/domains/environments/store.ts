import type { Db } from '../../kernel/db/database.ts';
import type { LockedPackage } from './lock.ts';
import type { Environment } from './model.ts';

type EnvironmentRow = {
  workspace_id: string;
  digest: string;
  lock_digest: string;
  lock_file: string;
  packages: string;
  python: string;
  platform: string;
  created_ms: number;
};

const tablesIn = (db: Db) => db.withTables<{ environments: EnvironmentRow }>();

const toEnvironment = (r: EnvironmentRow): Environment => ({
  digest: r.digest,
  lockDigest: r.lock_digest,
  lockFile: r.lock_file,
  packages: JSON.parse(r.packages) as LockedPackage[],
  python: r.python,
  platform: r.platform,
});

export async function getEnvironment(db: Db, workspace: string, digest: string): Promise<Environment | undefined> {
  const row = await tablesIn(db)
    .selectFrom('environments')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('digest', '=', digest)
    .executeTakeFirst();
  return row && toEnvironment(row);
}

/** Records an environment; one that is known already stays as it is. */
export const insertEnvironment = (db: Db, workspace: string, e: Environment, recordedMs: number) =>
  tablesIn(db)
    .insertInto('environments')
    .values({
      workspace_id: workspace,
      digest: e.digest,
      lock_digest: e.lockDigest,
      lock_file: e.lockFile,
      packages: JSON.stringify(e.packages),
      python: e.python,
      platform: e.platform,
      created_ms: recordedMs,
    })
    .onConflict((c) => c.doNothing())
    .execute();

/** Newest first. */
export async function listEnvironments(db: Db, workspace: string): Promise<Environment[]> {
  const rows = await tablesIn(db)
    .selectFrom('environments')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .orderBy('created_ms', 'desc')
    .orderBy('digest')
    .limit(1000)
    .execute();
  return rows.map(toEnvironment);
}
