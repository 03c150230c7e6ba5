import type { Db } from '../../kernel/db/database.ts';
import type { ProjectDefinition } from './model.ts';

export interface Project {
  readonly name: string;
  readonly revision: number;
  readonly createdMs: number;
}

export interface Revision {
  readonly id: string;
  readonly project: string;
  readonly number: number;
  readonly definition: ProjectDefinition;
  readonly digest: string;
  readonly snapshot: string;
  readonly commit: string | null;
  readonly dirtyDigest: string | null;
  readonly actor: string;
  readonly recordedMs: number;
}

/** Files of a code snapshot: path within the project -> digest. */
export type SnapshotFiles = Readonly<Record<string, string>>;

type ProjectRow = { workspace_id: string; name: string; revision: number; created_ms: number };
type RevisionRow = {
  workspace_id: string;
  id: string;
  project: string;
  number: number;
  definition: string;
  digest: string;
  snapshot: string;
  commit_hash: string | null;
  dirty_digest: string | null;
  actor_id: string;
  recorded_ms: number;
};
type SnapshotRow = { workspace_id: string; id: string; files: string; created_ms: number };

const tablesIn = (db: Db) => db.withTables<{ projects: ProjectRow; project_revisions: RevisionRow; code_snapshots: SnapshotRow }>();

const toProject = (row: ProjectRow): Project => ({ name: row.name, revision: row.revision, createdMs: row.created_ms });
const toRevision = (row: RevisionRow): Revision => ({
  id: row.id,
  project: row.project,
  number: row.number,
  definition: JSON.parse(row.definition) as ProjectDefinition,
  digest: row.digest,
  snapshot: row.snapshot,
  commit: row.commit_hash,
  dirtyDigest: row.dirty_digest,
  actor: row.actor_id,
  recordedMs: row.recorded_ms,
});

export async function findProject(db: Db, workspace: string, name: string): Promise<Project | undefined> {
  const row = await tablesIn(db)
    .selectFrom('projects')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .executeTakeFirst();
  return row && toProject(row);
}

export async function listProjects(db: Db, workspace: string, after: string, limit: number): Promise<Project[]> {
  const rows = await tablesIn(db)
    .selectFrom('projects')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('name', '>', after)
    .orderBy('name')
    .limit(limit)
    .execute();
  return rows.map(toProject);
}

/** Projects of every workspace, for what the wall clock does to all of them. */
export const listAllProjects = (db: Db): Promise<{ workspace: string; project: string }[]> =>
  tablesIn(db)
    .selectFrom('projects')
    .select(['workspace_id as workspace', 'name as project'])
    .orderBy('workspace_id')
    .orderBy('name')
    .execute();

/** False if somebody else made it in the meantime. */
export async function insertProject(db: Db, workspace: string, p: Project): Promise<boolean> {
  const result = await tablesIn(db)
    .insertInto('projects')
    .values({ workspace_id: workspace, name: p.name, revision: p.revision, created_ms: p.createdMs })
    .onConflict((c) => c.columns(['workspace_id', 'name']).doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** Moves the project from one revision to the next; false if somebody else did in the meantime. */
export async function moveRevision(db: Db, workspace: string, name: string, from: number, to: number): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('projects')
    .set({ revision: to })
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .where('revision', '=', from)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function findRevision(db: Db, workspace: string, project: string, number: number): Promise<Revision | undefined> {
  const row = await tablesIn(db)
    .selectFrom('project_revisions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('number', '=', number)
    .executeTakeFirst();
  return row && toRevision(row);
}

export async function getRevision(db: Db, workspace: string, id: string): Promise<Revision | undefined> {
  const row = await tablesIn(db)
    .selectFrom('project_revisions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toRevision(row);
}

export async function listRevisions(db: Db, workspace: string, project: string, before: number, limit: number): Promise<Revision[]> {
  const rows = await tablesIn(db)
    .selectFrom('project_revisions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('number', '<', before)
    .orderBy('number', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toRevision);
}

export const insertRevision = (db: Db, workspace: string, r: Revision) =>
  tablesIn(db)
    .insertInto('project_revisions')
    .values({
      workspace_id: workspace,
      id: r.id,
      project: r.project,
      number: r.number,
      definition: JSON.stringify(r.definition),
      digest: r.digest,
      snapshot: r.snapshot,
      commit_hash: r.commit,
      dirty_digest: r.dirtyDigest,
      actor_id: r.actor,
      recorded_ms: r.recordedMs,
    })
    .execute();

export async function findSnapshot(db: Db, workspace: string, id: string): Promise<SnapshotFiles | undefined> {
  const row = await tablesIn(db)
    .selectFrom('code_snapshots')
    .select('files')
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && (JSON.parse(row.files) as SnapshotFiles);
}

/** True if it is new. */
export async function insertSnapshot(db: Db, workspace: string, id: string, files: SnapshotFiles, nowMs: number): Promise<boolean> {
  const result = await tablesIn(db)
    .insertInto('code_snapshots')
    .values({ workspace_id: workspace, id, files: JSON.stringify(files), created_ms: nowMs })
    .onConflict((c) => c.columns(['workspace_id', 'id']).doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

/** Digests of every file of every code snapshot. */
export async function listSnapshotDigests(db: Db, workspace: string): Promise<string[]> {
  const rows = await tablesIn(db).selectFrom('code_snapshots').select('files').where('workspace_id', '=', workspace).execute();
  return [...new Set(rows.flatMap((r) => Object.values(JSON.parse(r.files) as Record<string, string>)))];
}
