// What erasure reads and writes of monitoring: the files of baselines.
import type { Db } from '../../../kernel/db/database.ts';

const tablesIn = (db: Db) => db.withTables<{ monitor_baselines: { workspace_id: string; project: string; digest: string } }>();

export const listBaselineFiles = (db: Db, workspace: string): Promise<{ project: string; digest: string }[]> =>
  tablesIn(db).selectFrom('monitor_baselines').select(['project', 'digest']).where('workspace_id', '=', workspace).execute();

export const replaceBaselineFile = (db: Db, workspace: string, project: string, digest: string, by: string) =>
  tablesIn(db)
    .updateTable('monitor_baselines')
    .set({ digest: by })
    .where('workspace_id', '=', workspace)
    .where('project', 'in', [project, ''])
    .where('digest', '=', digest)
    .execute();
