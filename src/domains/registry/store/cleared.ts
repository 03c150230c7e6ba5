// What erasure reads and writes of the registry: files of evaluations and of sealed models.
import type { Db } from '../../../kernel/db/database.ts';
import { registryIn } from './tables.ts';

export interface EvaluationFiles {
  readonly id: string;
  readonly datasetVersion: string;
  readonly input: string;
  readonly scoreTable: string;
}

export async function listEvaluationFiles(db: Db, workspace: string): Promise<EvaluationFiles[]> {
  const rows = await registryIn(db)
    .selectFrom('evaluations')
    .select(['id', 'dataset_version', 'input_digest', 'score_table'])
    .where('workspace_id', '=', workspace)
    .orderBy('id')
    .execute();
  return rows.map((r) => ({
    id: r.id,
    datasetVersion: r.dataset_version,
    input: r.input_digest,
    scoreTable: (JSON.parse(r.score_table) as { digest: string }).digest,
  }));
}

/** Other files take the place of an evaluation's; its figures stay as they were made. */
export const putEvaluationFiles = (
  db: Db,
  workspace: string,
  id: string,
  files: { readonly input?: { digest: string; sizeBytes: number }; readonly scoreTable?: { digest: string; sizeBytes: number } },
) =>
  registryIn(db)
    .updateTable('evaluations')
    .set({
      ...(files.input ? { input_digest: files.input.digest, input_bytes: files.input.sizeBytes } : {}),
      ...(files.scoreTable
        ? { score_table: JSON.stringify({ digest: files.scoreTable.digest, sizeBytes: files.scoreTable.sizeBytes }) }
        : {}),
    })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();

export const listModelFiles = (db: Db, workspace: string) =>
  registryIn(db).selectFrom('model_version_files').select(['version_id', 'path', 'digest']).where('workspace_id', '=', workspace).execute();

export async function putModelFile(
  db: Db,
  workspace: string,
  versionId: string,
  path: string,
  by: { digest: string; sizeBytes: number },
): Promise<void> {
  await registryIn(db)
    .updateTable('model_version_files')
    .set({ digest: by.digest, size_bytes: by.sizeBytes })
    .where('workspace_id', '=', workspace)
    .where('version_id', '=', versionId)
    .where('path', '=', path)
    .execute();
}

/** The digest over all files of a version, after one of them changed. */
export const putModelDigest = (db: Db, workspace: string, versionId: string, digest: string) =>
  registryIn(db)
    .updateTable('model_versions')
    .set((eb) => ({ digest, version: eb('version', '+', 1) }))
    .where('workspace_id', '=', workspace)
    .where('id', '=', versionId)
    .where('digest', 'is not', null)
    .execute();

/** Versions of models, with the logged model that each is of. */
export const listVersionsOf = (db: Db, workspace: string, loggedModels: readonly string[]) =>
  loggedModels.length === 0
    ? Promise.resolve([])
    : registryIn(db)
        .selectFrom('model_versions')
        .select(['id', 'model', 'number', 'logged_model_id'])
        .where('workspace_id', '=', workspace)
        .where('logged_model_id', 'in', [...loggedModels])
        .orderBy('id')
        .execute();
