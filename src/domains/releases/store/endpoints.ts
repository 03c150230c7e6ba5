// Endpoints, their revisions, and the number of the server's plan.
import type { Db } from '../../../kernel/db/database.ts';
import type { EndpointRevision, Variant } from '../model.ts';

type EndpointRow = { workspace_id: string; project: string; name: string; current_revision: string | null; last_number: number };
type RevisionRow = {
  workspace_id: string;
  id: string;
  project: string;
  endpoint: string;
  number: number;
  variants: string;
  project_revision: string;
  decision: string;
  trial: string | null;
  per_request: number;
  created_ms: number;
};
const tablesIn = (db: Db) =>
  db.withTables<{
    endpoints: EndpointRow;
    endpoint_revisions: RevisionRow;
    releases: { workspace_id: string; id: string; endpoint: string; revision: string; state: string };
    serving_plans: { id: string; number: number };
  }>();

const toRevision = (r: RevisionRow): EndpointRevision => ({
  id: r.id,
  project: r.project,
  endpoint: r.endpoint,
  number: r.number,
  variants: JSON.parse(r.variants) as Variant[],
  projectRevision: r.project_revision,
  decision: r.decision,
  trial: r.trial,
  perRequest: r.per_request === 1,
  createdMs: r.created_ms,
});
export async function findCurrent(db: Db, workspace: string, project: string, endpoint: string): Promise<EndpointRevision | undefined> {
  const row = await tablesIn(db)
    .selectFrom('endpoints')
    .innerJoin('endpoint_revisions', (j) =>
      j
        .onRef('endpoint_revisions.id', '=', 'endpoints.current_revision')
        .onRef('endpoint_revisions.workspace_id', '=', 'endpoints.workspace_id'),
    )
    .selectAll('endpoint_revisions')
    .where('endpoints.workspace_id', '=', workspace)
    .where('endpoints.project', '=', project)
    .where('endpoints.name', '=', endpoint)
    .executeTakeFirst();
  return row && toRevision(row);
}

export async function findRevision(db: Db, workspace: string, endpoint: string, number: number): Promise<EndpointRevision | undefined> {
  const row = await tablesIn(db)
    .selectFrom('endpoint_revisions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('endpoint', '=', endpoint)
    .where('number', '=', number)
    .executeTakeFirst();
  return row && toRevision(row);
}

/** Current revisions of every workspace: the serving plan is the server's. */
export async function listAllCurrent(db: Db): Promise<{ workspace: string; revision: EndpointRevision }[]> {
  const rows = await tablesIn(db)
    .selectFrom('endpoints')
    .innerJoin('endpoint_revisions', (j) =>
      j
        .onRef('endpoint_revisions.id', '=', 'endpoints.current_revision')
        .onRef('endpoint_revisions.workspace_id', '=', 'endpoints.workspace_id'),
    )
    .selectAll('endpoint_revisions')
    .orderBy('endpoint_revisions.workspace_id')
    .orderBy('endpoint_revisions.endpoint')
    .execute();
  return rows.map((row) => ({ workspace: row.workspace_id, revision: toRevision(row) }));
}

/** The project that an endpoint of this name belongs to. */
export async function findOwner(db: Db, workspace: string, name: string): Promise<string | undefined> {
  const row = await tablesIn(db)
    .selectFrom('endpoints')
    .select('project')
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .executeTakeFirst();
  return row?.project;
}

export async function takeNumber(db: Db, workspace: string, project: string, name: string): Promise<number> {
  const row = await tablesIn(db)
    .insertInto('endpoints')
    .values({ workspace_id: workspace, project, name, current_revision: null, last_number: 1 })
    .onConflict((c) => c.columns(['workspace_id', 'name']).doUpdateSet((eb) => ({ last_number: eb('endpoints.last_number', '+', 1) })))
    .returning('last_number')
    .executeTakeFirstOrThrow();
  return row.last_number;
}

export const setCurrent = (db: Db, workspace: string, endpoint: string, revision: string | null) =>
  tablesIn(db)
    .updateTable('endpoints')
    .set({ current_revision: revision })
    .where('workspace_id', '=', workspace)
    .where('name', '=', endpoint)
    .execute();

/** Moves an endpoint back, if it still is where it was. */
export const replaceCurrent = (db: Db, workspace: string, endpoint: string, from: string, to: string | null) =>
  tablesIn(db)
    .updateTable('endpoints')
    .set({ current_revision: to })
    .where('workspace_id', '=', workspace)
    .where('name', '=', endpoint)
    .where('current_revision', '=', from)
    .execute();

export const insertRevision = (db: Db, workspace: string, r: EndpointRevision) =>
  tablesIn(db)
    .insertInto('endpoint_revisions')
    .values({
      workspace_id: workspace,
      id: r.id,
      project: r.project,
      endpoint: r.endpoint,
      number: r.number,
      variants: JSON.stringify(r.variants),
      project_revision: r.projectRevision,
      decision: r.decision,
      trial: r.trial,
      per_request: r.perRequest ? 1 : 0,
      created_ms: r.createdMs,
    })
    .execute();

/** The revisions that were promoted last, newest first. */
export async function listPromoted(db: Db, workspace: string, endpoint: string, limit: number): Promise<EndpointRevision[]> {
  const rows = await tablesIn(db)
    .selectFrom('releases')
    .innerJoin('endpoint_revisions', (j) =>
      j.onRef('endpoint_revisions.id', '=', 'releases.revision').onRef('endpoint_revisions.workspace_id', '=', 'releases.workspace_id'),
    )
    .selectAll('endpoint_revisions')
    .where('releases.workspace_id', '=', workspace)
    .where('releases.endpoint', '=', endpoint)
    .where('releases.state', '=', 'promoted')
    .orderBy('endpoint_revisions.number', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toRevision);
}

export async function listRevisions(
  db: Db,
  workspace: string,
  endpoint: string,
  before: number,
  limit: number,
): Promise<EndpointRevision[]> {
  const rows = await tablesIn(db)
    .selectFrom('endpoint_revisions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('endpoint', '=', endpoint)
    .where('number', '<', before)
    .orderBy('number', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toRevision);
}

export const getRevision = async (db: Db, workspace: string, id: string): Promise<EndpointRevision> =>
  toRevision(
    await tablesIn(db)
      .selectFrom('endpoint_revisions')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('id', '=', id)
      .executeTakeFirstOrThrow(),
  );

/** The next number of the server's plan. */
export async function takePlanNumber(db: Db): Promise<number> {
  const row = await tablesIn(db)
    .insertInto('serving_plans')
    .values({ id: 'plan', number: 1 })
    .onConflict((c) => c.column('id').doUpdateSet((eb) => ({ number: eb('serving_plans.number', '+', 1) })))
    .returning('number')
    .executeTakeFirstOrThrow();
  return row.number;
}
