// What erasure reads and writes of feedback: the files of labels, as they were sent, as they wait, as they were joined.
import type { Db } from '../../../kernel/db/database.ts';

type BatchRow = { workspace_id: string; project: string; monitor: string; id: string; digest: string; rows: number };
type MonitorRow = { workspace_id: string; project: string; monitor: string; waiting_digest: string; waiting: number };
type JoinedRow = { workspace_id: string; project: string; digest: string };

const tablesIn = (db: Db) => db.withTables<{ feedback_batches: BatchRow; feedback_monitors: MonitorRow; joined_files: JoinedRow }>();

export async function listLabelFiles(
  db: Db,
  workspace: string,
): Promise<{ project: string; digest: string; kind: 'sent' | 'waiting' | 'joined' }[]> {
  const sent = await tablesIn(db)
    .selectFrom('feedback_batches')
    .select(['project', 'digest'])
    .where('workspace_id', '=', workspace)
    .execute();
  const waiting = await tablesIn(db)
    .selectFrom('feedback_monitors')
    .select(['project', 'waiting_digest'])
    .where('workspace_id', '=', workspace)
    .where('waiting_digest', '<>', '')
    .execute();
  const joined = await tablesIn(db)
    .selectFrom('joined_files')
    .select(['project', 'digest'])
    .distinct()
    .where('workspace_id', '=', workspace)
    .execute();
  return [
    ...sent.map((r) => ({ project: r.project, digest: r.digest, kind: 'sent' as const })),
    ...waiting.map((r) => ({ project: r.project, digest: r.waiting_digest, kind: 'waiting' as const })),
    ...joined.map((r) => ({ project: r.project, digest: r.digest, kind: 'joined' as const })),
  ];
}

/** Another file takes the place of one; the numbers and moments of labels stay. */
export async function replaceLabelFile(
  db: Db,
  workspace: string,
  project: string,
  digest: string,
  by: { readonly digest: string; readonly removed: number },
): Promise<void> {
  await tablesIn(db)
    .updateTable('feedback_batches')
    .set({ digest: by.digest })
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('digest', '=', digest)
    .execute();
  await tablesIn(db)
    .updateTable('feedback_monitors')
    .set((eb) => ({ waiting_digest: by.digest, waiting: eb('waiting', '-', by.removed) }))
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('waiting_digest', '=', digest)
    .execute();
  await tablesIn(db)
    .updateTable('joined_files')
    .set({ digest: by.digest })
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('digest', '=', digest)
    .execute();
}
