// Why something that was deleted may not go for good: the registry and its evidence refer to it, or somebody holds it.
import { sql } from 'kysely';
import type { Db } from '../../kernel/db/database.ts';

/** On a run or an experiment: it and what belongs to it is kept, whatever the retention says. */
export const HOLD_TAG = 'gyre.legal_hold';

const HEX_ID = /(?:m-)?[0-9a-f]{32}/g;

const list = (ids: readonly string[]) => sql`(${sql.join(ids.map((id) => sql`${id}`))})`;

/** Reasons by id of those that have to stay. */
export async function heldModels(db: Db, workspace: string, ids: readonly string[]): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  if (ids.length === 0) return held;
  const { rows: evaluated } = await sql<{ id: string; of: string }>`select logged_model_id as id, id as "of" from evaluations
    where workspace_id = ${workspace} and logged_model_id in ${list(ids)}`.execute(db);
  for (const e of evaluated) held.set(e.id, `evaluation ${e.of} measured it`);
  const { rows: versions } = await sql<{ id: string; model: string; number: number }>`select logged_model_id as id, model, number
    from model_versions where workspace_id = ${workspace} and stage <> 'Deleted_Internal' and logged_model_id in ${list(ids)}`.execute(db);
  for (const v of versions) held.set(v.id, `version ${v.number} of the model "${v.model}" is made of it`);
  for (const [id, why] of await namedByVersions(db, workspace)) if (ids.includes(id)) held.set(id, why);
  const { rows: tagged } = await sql<{ id: string; by: string }>`select m.id as id, t.experiment_id as "by" from logged_models m
    join experiment_tags t on t.workspace_id = m.workspace_id and t.experiment_id = m.experiment_id and t.key = ${HOLD_TAG}
    where m.workspace_id = ${workspace} and m.id in ${list(ids)}`.execute(db);
  for (const m of tagged) held.set(m.id, `experiment ${m.by} has the tag ${HOLD_TAG}`);
  return held;
}

/** `gone` are logged models that are as good as gone. */
export async function heldRuns(db: Db, workspace: string, ids: readonly string[], gone: ReadonlySet<string>): Promise<Map<string, string>> {
  const held = new Map<string, string>();
  if (ids.length === 0) return held;
  const { rows: models } = await sql<{ id: string; of: string }>`select source_run_id as id, id as "of" from logged_models
    where workspace_id = ${workspace} and source_run_id in ${list(ids)}`.execute(db);
  for (const m of models) if (!gone.has(m.of)) held.set(m.id, `the logged model ${m.of} came from it and is still there`);
  const { rows: versions } = await sql<{ id: string; model: string; number: number }>`select tracking_run_id as id, model, number
    from model_versions where workspace_id = ${workspace} and stage <> 'Deleted_Internal' and tracking_run_id in ${list(ids)}`.execute(db);
  for (const v of versions) held.set(v.id, `version ${v.number} of the model "${v.model}" came from it`);
  for (const [id, why] of await namedByVersions(db, workspace)) if (ids.includes(id)) held.set(id, why);
  const { rows: tagged } = await sql<{ id: string; by: string }>`select r.id as id, 'the run' as "by" from tracking_runs r
    join tracking_tags t on t.workspace_id = r.workspace_id and t.run_id = r.id and t.key = ${HOLD_TAG}
    where r.workspace_id = ${workspace} and r.id in ${list(ids)}
    union all select r.id as id, 'experiment ' || r.experiment_id as "by" from tracking_runs r
    join experiment_tags t on t.workspace_id = r.workspace_id and t.experiment_id = r.experiment_id and t.key = ${HOLD_TAG}
    where r.workspace_id = ${workspace} and r.id in ${list(ids)}`.execute(db);
  for (const r of tagged) held.set(r.id, `${r.by} has the tag ${HOLD_TAG}`);
  return held;
}

/** Versions may be made of a folder in another one's artifacts, by its path alone. */
async function namedByVersions(db: Db, workspace: string): Promise<Map<string, string>> {
  const { rows } = await sql<{
    model: string;
    number: number;
    source: string;
    location: string | null;
  }>`select model, number, source, location
    from model_versions where workspace_id = ${workspace} and stage <> 'Deleted_Internal'
    and (tracking_run_id is null or logged_model_id is null)`.execute(db);
  return new Map(
    rows.flatMap((v) =>
      [...`${v.source} ${v.location ?? ''}`.matchAll(HEX_ID)].map(
        ([id]) => [id, `version ${v.number} of the model "${v.model}" lies in its artifacts`] as const,
      ),
    ),
  );
}

/** Workspaces in which something is deleted. */
export async function workspacesWithDeleted(db: Db): Promise<string[]> {
  const { rows } = await sql<{ id: string }>`select distinct workspace_id as id from tracking_runs where lifecycle = 'deleted'
    union select distinct workspace_id from experiments where lifecycle = 'deleted'
    union select distinct workspace_id from logged_models where lifecycle = 'deleted'`.execute(db);
  return rows.map((r) => r.id);
}
