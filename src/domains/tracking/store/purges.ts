// Purges and what they have still to remove. A record goes first and at once, into `tracking_removals`; what belonged to it
// follows in small steps, which a process that comes after a killed one goes on with.
import { sql, type RawBuilder } from 'kysely';
import type { Db } from '../../../kernel/db/database.ts';
import { countPointsOf, findAllHeads, findHeads, groupsOf } from './blocks.ts';
import { trackingIn, type PurgeRow, type RemovalRow } from './tables.ts';

export interface PurgeScope {
  readonly experimentIds: readonly string[] | null;
  readonly runIds: readonly string[] | null;
  /** Deleted then or before. */
  readonly deletedByMs: number;
}

export interface Tally {
  runs: number;
  loggedModels: number;
  /** Points of metrics. */
  points: number;
  files: number;
  bytes: number;
  experiment: boolean;
}

export interface PurgeResult {
  /** By experiment. */
  readonly removed: Record<string, Tally>;
  /** The first of those that had to stay, and why. */
  readonly kept: { kind: RemovalRow['kind']; id: string; experimentId: string; why: string }[];
  keptCount: number;
  /** Folders in stores that this server does not look into. */
  artifactsLeft: number;
}

export const emptyResult = (): PurgeResult => ({ removed: {}, kept: [], keptCount: 0, artifactsLeft: 0 });

export const insertPurge = (db: Db, row: PurgeRow) => trackingIn(db).insertInto('tracking_purges').values(row).execute();

export const getPurge = (db: Db, workspace: string, id: string): Promise<PurgeRow | undefined> =>
  trackingIn(db).selectFrom('tracking_purges').selectAll().where('workspace_id', '=', workspace).where('id', '=', id).executeTakeFirst();

/** The newest first. */
/** Newest first; of one who asked, or of all. */
export const listPurges = (db: Db, workspace: string, before: string, limit: number, actor: string | undefined): Promise<PurgeRow[]> =>
  trackingIn(db)
    .selectFrom('tracking_purges')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '<', before)
    .$if(actor !== undefined, (q) => q.where('actor_id', '=', actor!))
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();

export const updatePurge = (db: Db, workspace: string, id: string, change: Partial<Pick<PurgeRow, 'state' | 'result' | 'finished_ms'>>) =>
  trackingIn(db).updateTable('tracking_purges').set(change).where('workspace_id', '=', workspace).where('id', '=', id).execute();

export const deletePurge = (db: Db, workspace: string, id: string) =>
  trackingIn(db).deleteFrom('tracking_purges').where('workspace_id', '=', workspace).where('id', '=', id).execute();

export interface Candidate {
  readonly id: string;
  readonly experiment_id: string;
  readonly artifact_uri: string;
  readonly order: number;
}
export type After = Pick<Candidate, 'id' | 'experiment_id' | 'order'> | undefined;

const ids = (list: readonly string[]) => sql`(${sql.join(list.map((id) => sql`${id}`))})`;
const inScope = (
  scope: PurgeScope,
): RawBuilder<unknown> => sql`${scope.experimentIds ? sql`r.experiment_id in ${ids(scope.experimentIds)}` : sql`1 = 1`}
  and ${scope.runIds ? sql`r.id in ${ids(scope.runIds)}` : sql`1 = 1`}`;

const runIsDeleted = (scope: PurgeScope) => sql`r.lifecycle = 'deleted' and (r.deleted_ms is null or r.deleted_ms <= ${scope.deletedByMs})`;
// Deleted ones, and all of deleted experiments.
const modelIsDeleted = (scope: PurgeScope) => sql`((r.lifecycle = 'deleted' and r.updated_ms <= ${scope.deletedByMs})
  or exists (select 1 from experiments e where e.workspace_id = r.workspace_id and e.id = r.experiment_id
    and e.lifecycle = 'deleted' and e.updated_ms <= ${scope.deletedByMs}))`;

export async function deletedRuns(
  db: Db,
  workspace: string,
  scope: PurgeScope,
  after: After,
  limit: number,
): Promise<readonly Candidate[]> {
  const from = after ? sql`and (r.experiment_id, r.id) > (${after.experiment_id}, ${after.id})` : sql``;
  const { rows } = await sql<Candidate>`select r.id, r.experiment_id, r.artifact_uri, 0 as "order" from tracking_runs r
    where r.workspace_id = ${workspace} and ${runIsDeleted(scope)} and ${inScope(scope)} ${from}
    order by r.experiment_id, r.id limit ${limit}`.execute(db);
  return rows;
}

export async function deletedModels(
  db: Db,
  workspace: string,
  scope: PurgeScope,
  after: After,
  limit: number,
): Promise<readonly Candidate[]> {
  if (scope.runIds) return [];
  const from = after ? sql`and (r.experiment_id, r.created_ms, r.id) > (${after.experiment_id}, ${after.order}, ${after.id})` : sql``;
  const { rows } = await sql<Candidate>`select r.id, r.experiment_id, r.artifact_uri, r.created_ms as "order" from logged_models r
    where r.workspace_id = ${workspace} and ${modelIsDeleted(scope)} and ${inScope(scope)} ${from}
    order by r.experiment_id, r.created_ms, r.id limit ${limit}`.execute(db);
  return rows;
}

/** Those of them that have not been restored. */
export async function stillDeleted(
  db: Db,
  workspace: string,
  kind: 'run' | 'logged-model',
  scope: PurgeScope,
  of: readonly string[],
): Promise<Set<string>> {
  const is = kind === 'run' ? runIsDeleted(scope) : modelIsDeleted(scope);
  const { rows } = await sql<{ id: string }>`select r.id from ${sql.table(kind === 'run' ? 'tracking_runs' : 'logged_models')} r
    where r.workspace_id = ${workspace} and r.id in ${ids(of)} and ${is}`.execute(db);
  return new Set(rows.map((r) => r.id));
}

export interface DeletedExperiment {
  readonly id: string;
  readonly name: string;
  readonly number: number;
  readonly artifact_location: string;
}

export async function deletedExperiments(db: Db, workspace: string, scope: PurgeScope): Promise<readonly DeletedExperiment[]> {
  if (scope.runIds) return [];
  const of = scope.experimentIds ? sql`and id in ${ids(scope.experimentIds)}` : sql``;
  const { rows } = await sql<DeletedExperiment>`select id, name, number, artifact_location from experiments
    where workspace_id = ${workspace} and lifecycle = 'deleted' and updated_ms <= ${scope.deletedByMs} ${of} order by number`.execute(db);
  return rows;
}

/** What an experiment still has, whatever its state. */
export async function leftIn(db: Db, workspace: string, experimentId: string): Promise<{ runs: number; models: number }> {
  const { rows } = await sql<{ runs: number; models: number }>`select
    (select count(*) from tracking_runs where workspace_id = ${workspace} and experiment_id = ${experimentId}) as runs,
    (select count(*) from logged_models where workspace_id = ${workspace} and experiment_id = ${experimentId}) as models`.execute(db);
  return { runs: Number(rows[0]!.runs), models: Number(rows[0]!.models) };
}

export const insertRemovals = async (db: Db, rows: readonly RemovalRow[]): Promise<void> => {
  if (rows.length > 0)
    await trackingIn(db)
      .insertInto('tracking_removals')
      .values([...rows])
      .execute();
};

export const openRemovals = (db: Db, workspace: string, purgeId: string, limit: number): Promise<RemovalRow[]> =>
  trackingIn(db)
    .selectFrom('tracking_removals')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('purge_id', '=', purgeId)
    .where('state', '<>', 'gone')
    .orderBy('kind')
    .orderBy('id')
    .limit(limit)
    .execute();

export const setRemovals = (db: Db, workspace: string, kind: RemovalRow['kind'], of: readonly string[], state: RemovalRow['state']) =>
  trackingIn(db)
    .updateTable('tracking_removals')
    .set({ state })
    .where('workspace_id', '=', workspace)
    .where('kind', '=', kind)
    .where('id', 'in', [...of])
    .execute();

export const dropRemovals = (db: Db, workspace: string, kind: RemovalRow['kind'], of: readonly string[]) =>
  trackingIn(db)
    .deleteFrom('tracking_removals')
    .where('workspace_id', '=', workspace)
    .where('kind', '=', kind)
    .where('id', 'in', [...of])
    .execute();

/** The records themselves, at once. */
export async function deleteRecords(db: Db, workspace: string, kind: RemovalRow['kind'], of: readonly string[]): Promise<void> {
  if (of.length === 0) return;
  const t = trackingIn(db);
  const query =
    kind === 'run' ? t.deleteFrom('tracking_runs') : kind === 'logged-model' ? t.deleteFrom('logged_models') : t.deleteFrom('experiments');
  await query
    .where('workspace_id', '=', workspace)
    .where('id', 'in', [...of])
    .execute();
}

/** Tables of what belongs to a record: their column of its id and the rest of their key. */
export const belongings = {
  run: [
    ['metric_blocks', 'run_id', ['key', 'number']],
    ['latest_metrics', 'run_id', ['key']],
    ['tracking_params', 'run_id', ['key']],
    ['tracking_tags', 'run_id', ['key']],
    ['tracking_inputs', 'run_id', ['name', 'digest']],
    ['model_links', 'run_id', ['model_id', 'role']],
  ],
  'logged-model': [
    ['logged_model_metrics', 'model_id', ['key', 'timestamp_ms', 'step', 'run_id']],
    ['logged_model_entries', 'model_id', ['kind', 'key']],
    ['logged_model_files', 'model_id', ['path']],
    ['model_links', 'model_id', ['run_id', 'role']],
  ],
  experiment: [
    ['tracking_datasets', 'experiment_id', ['name', 'digest']],
    ['experiment_tags', 'experiment_id', ['key']],
  ],
} as const satisfies Record<RemovalRow['kind'], readonly (readonly [string, string, readonly string[]])[]>;

/** At most so many rows of what belongs to these. Answers how many went, by their owner's id. */
export async function deleteBelongings(
  db: Db,
  workspace: string,
  [table, owner, key]: readonly [string, string, readonly string[]],
  of: readonly string[],
  limit: number,
  more: RawBuilder<unknown> = sql``,
): Promise<number> {
  const columns = sql.join(['workspace_id', owner, ...key].map((c) => sql.ref(c)));
  const { numAffectedRows } = await sql`delete from ${sql.table(table)} where (${columns}) in (
    select ${columns} from ${sql.table(table)} where workspace_id = ${workspace} and ${sql.ref(owner)} in ${ids(of)} ${more} limit ${limit})`.execute(
    db,
  );
  return Number(numAffectedRows ?? 0);
}

/** How many different points these runs have; of one metric if that is named. */
export async function countPoints(db: Db, workspace: string, of: readonly string[], key?: string): Promise<number> {
  if (of.length === 0) return 0;
  const heads = key === undefined ? await findAllHeads(db, workspace, of) : await findHeads(db, workspace, of, key);
  let count = 0;
  for (const ofRun of Map.groupBy(heads, (h) => h.run_id).values())
    for (const some of Map.groupBy(ofRun, (h) => h.key).values())
      count += await countPointsOf(db, workspace, some[0]!.run_id, some[0]!.key, groupsOf(some));
  return count;
}

/** Of the metric with this key alone. */
export const ofKey = (key: string): RawBuilder<unknown> => sql`and key = ${key}`;
