import type { Db } from '../../kernel/db/database.ts';
import type { DatasetVersion, VersionFile, VersionState } from './model.ts';

type VersionRow = {
  workspace_id: string;
  id: string;
  project: string;
  dataset: string;
  number: number;
  state: VersionState;
  columns: string;
  row_count: number;
  logical_digest: string;
  profile: string;
  violations: string;
  build_key: string;
  inputs: string;
  generation: number;
  actor_id: string;
  recorded_ms: number;
};
type FileRow = { workspace_id: string; version_id: string; generation: number; path: string; digest: string; size_bytes: number };
type DatasetRow = { workspace_id: string; project: string; name: string; current_version: string | null; last_number: number };

const tablesIn = (db: Db) => db.withTables<{ dataset_versions: VersionRow; dataset_files: FileRow; datasets: DatasetRow }>();

const toVersion = (r: VersionRow): DatasetVersion => ({
  id: r.id,
  project: r.project,
  dataset: r.dataset,
  number: r.number,
  state: r.state,
  columns: JSON.parse(r.columns) as DatasetVersion['columns'],
  rows: r.row_count,
  logicalDigest: r.logical_digest,
  profile: JSON.parse(r.profile) as DatasetVersion['profile'],
  violations: JSON.parse(r.violations) as DatasetVersion['violations'],
  buildKey: r.build_key,
  inputs: JSON.parse(r.inputs) as string[],
  generation: r.generation,
  actor: r.actor_id,
  recordedMs: r.recorded_ms,
});

export async function getVersion(db: Db, workspace: string, id: string): Promise<DatasetVersion | undefined> {
  const row = await tablesIn(db)
    .selectFrom('dataset_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toVersion(row);
}

export async function findCurrent(db: Db, workspace: string, project: string, dataset: string): Promise<DatasetVersion | undefined> {
  const row = await tablesIn(db)
    .selectFrom('datasets')
    .innerJoin('dataset_versions', (j) =>
      j.onRef('dataset_versions.id', '=', 'datasets.current_version').onRef('dataset_versions.workspace_id', '=', 'datasets.workspace_id'),
    )
    .selectAll('dataset_versions')
    .where('datasets.workspace_id', '=', workspace)
    .where('datasets.project', '=', project)
    .where('datasets.name', '=', dataset)
    .executeTakeFirst();
  return row && toVersion(row);
}

/** The newest version under a build key that broke no contract. */
export async function findBuilt(
  db: Db,
  workspace: string,
  project: string,
  dataset: string,
  buildKey: string,
): Promise<DatasetVersion | undefined> {
  const row = await tablesIn(db)
    .selectFrom('dataset_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('dataset', '=', dataset)
    .where('build_key', '=', buildKey)
    .where('state', '!=', 'quarantined')
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && toVersion(row);
}

export async function listVersions(
  db: Db,
  workspace: string,
  project: string,
  dataset: string,
  before: number,
  limit: number,
): Promise<DatasetVersion[]> {
  const rows = await tablesIn(db)
    .selectFrom('dataset_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('dataset', '=', dataset)
    .where('number', '<', before)
    .orderBy('number', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toVersion);
}

export const listFiles = async (db: Db, workspace: string, version: DatasetVersion): Promise<VersionFile[]> => {
  const rows = await tablesIn(db)
    .selectFrom('dataset_files')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('version_id', '=', version.id)
    .where('generation', '=', version.generation)
    .orderBy('path')
    .execute();
  return rows.map((r) => ({ path: r.path, digest: r.digest, sizeBytes: r.size_bytes }));
};

/** Takes the next number of a dataset, making the dataset if it is new. */
export async function takeNumber(db: Db, workspace: string, project: string, name: string): Promise<number> {
  const row = await tablesIn(db)
    .insertInto('datasets')
    .values({ workspace_id: workspace, project, name, current_version: null, last_number: 1 })
    .onConflict((c) =>
      c.columns(['workspace_id', 'project', 'name']).doUpdateSet((eb) => ({ last_number: eb('datasets.last_number', '+', 1) })),
    )
    .returning('last_number')
    .executeTakeFirstOrThrow();
  return row.last_number;
}

export async function insertVersion(db: Db, workspace: string, v: DatasetVersion, files: readonly VersionFile[]): Promise<void> {
  await tablesIn(db)
    .insertInto('dataset_versions')
    .values({
      workspace_id: workspace,
      id: v.id,
      project: v.project,
      dataset: v.dataset,
      number: v.number,
      state: v.state,
      columns: JSON.stringify(v.columns),
      row_count: v.rows,
      logical_digest: v.logicalDigest,
      profile: JSON.stringify(v.profile),
      violations: JSON.stringify(v.violations),
      build_key: v.buildKey,
      inputs: JSON.stringify(v.inputs),
      generation: v.generation,
      actor_id: v.actor,
      recorded_ms: v.recordedMs,
    })
    .execute();
  for (let i = 0; i < files.length; i += 1000)
    await tablesIn(db)
      .insertInto('dataset_files')
      .values(
        files.slice(i, i + 1000).map((f) => ({
          workspace_id: workspace,
          version_id: v.id,
          generation: v.generation,
          path: f.path,
          digest: f.digest,
          size_bytes: f.sizeBytes,
        })),
      )
      .execute();
}

/** Makes a version the current one; the one before becomes superseded. */
export async function setCurrent(db: Db, workspace: string, v: DatasetVersion): Promise<void> {
  await tablesIn(db)
    .updateTable('dataset_versions')
    .set({ state: 'superseded' })
    .where('workspace_id', '=', workspace)
    .where('project', '=', v.project)
    .where('dataset', '=', v.dataset)
    .where('state', '=', 'current')
    .where('id', '!=', v.id)
    .execute();
  await tablesIn(db)
    .updateTable('datasets')
    .set({ current_version: v.id })
    .where('workspace_id', '=', workspace)
    .where('project', '=', v.project)
    .where('name', '=', v.dataset)
    .execute();
}

/** Of these digests, those that a version of the project has. */
export async function heldDigests(db: Db, workspace: string, project: string, digests: readonly string[]): Promise<Set<string>> {
  const found = new Set<string>();
  for (let i = 0; i < digests.length; i += 1000) {
    const rows = await tablesIn(db)
      .selectFrom('dataset_files')
      .innerJoin('dataset_versions', (j) =>
        j
          .onRef('dataset_versions.id', '=', 'dataset_files.version_id')
          .onRef('dataset_versions.workspace_id', '=', 'dataset_files.workspace_id')
          .onRef('dataset_versions.generation', '=', 'dataset_files.generation'),
      )
      .select('dataset_files.digest')
      .where('dataset_files.workspace_id', '=', workspace)
      .where('dataset_versions.project', '=', project)
      .where('dataset_files.digest', 'in', digests.slice(i, i + 1000))
      .execute();
    for (const r of rows) found.add(r.digest);
  }
  return found;
}

/** Files of all versions, each version in its newest generation. */
export async function listAllFiles(
  db: Db,
  workspace: string,
): Promise<
  {
    readonly project: string;
    readonly dataset: string;
    readonly version: string;
    readonly path: string;
    readonly digest: string;
    readonly inputs: readonly string[];
  }[]
> {
  const rows = await tablesIn(db)
    .selectFrom('dataset_files')
    .innerJoin('dataset_versions', (j) =>
      j
        .onRef('dataset_versions.id', '=', 'dataset_files.version_id')
        .onRef('dataset_versions.workspace_id', '=', 'dataset_files.workspace_id')
        .onRef('dataset_versions.generation', '=', 'dataset_files.generation'),
    )
    .select([
      'dataset_versions.project',
      'dataset_versions.dataset',
      'dataset_files.version_id',
      'dataset_files.path',
      'dataset_files.digest',
      'dataset_versions.inputs',
    ])
    .where('dataset_files.workspace_id', '=', workspace)
    .execute();
  return rows.map((r) => ({
    project: r.project,
    dataset: r.dataset,
    version: r.version_id,
    path: r.path,
    digest: r.digest,
    inputs: r.inputs === '[]' ? [] : (JSON.parse(r.inputs) as string[]),
  }));
}

/** Versions of all datasets of a project, in the order in which they were made. */
export async function listProjectVersions(db: Db, workspace: string, project: string): Promise<DatasetVersion[]> {
  const rows = await tablesIn(db)
    .selectFrom('dataset_versions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .orderBy('id')
    .execute();
  return rows.map(toVersion);
}

/** The next generation of a version: other files, and what is known of their rows. */
export async function putGeneration(db: Db, workspace: string, v: DatasetVersion, files: readonly VersionFile[]): Promise<void> {
  await tablesIn(db)
    .updateTable('dataset_versions')
    .set({
      generation: v.generation,
      row_count: v.rows,
      logical_digest: v.logicalDigest,
      profile: JSON.stringify(v.profile),
      violations: JSON.stringify(v.violations),
      build_key: v.buildKey,
    })
    .where('workspace_id', '=', workspace)
    .where('id', '=', v.id)
    .where('generation', '=', v.generation - 1)
    .execute();
  for (let i = 0; i < files.length; i += 1000)
    await tablesIn(db)
      .insertInto('dataset_files')
      .values(
        files.slice(i, i + 1000).map((f) => ({
          workspace_id: workspace,
          version_id: v.id,
          generation: v.generation,
          path: f.path,
          digest: f.digest,
          size_bytes: f.sizeBytes,
        })),
      )
      .execute();
}

export async function listVersionNames(db: Db, workspace: string): Promise<Map<string, { project: string; dataset: string }>> {
  const rows = await tablesIn(db)
    .selectFrom('dataset_versions')
    .select(['id', 'project', 'dataset'])
    .where('workspace_id', '=', workspace)
    .execute();
  return new Map(rows.map((r) => [r.id, { project: r.project, dataset: r.dataset }]));
}
