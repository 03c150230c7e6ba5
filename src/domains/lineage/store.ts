import type { Ctx } from '../../kernel/ctx.ts';
import type { Db } from '../../kernel/db/database.ts';
import { eventsIn, type Ref } from '../../kernel/events/events.ts';
import { toStoredEvent, type StoredEvent } from '../../kernel/events/subscribers.ts';

type NodeRow = { workspace_id: string; kind: string; id: string; label: string; project: string | null; first_ms: number; payload: string };
type EdgeRow = { workspace_id: string; from_kind: string; from_id: string; relation: string; to_kind: string; to_id: string };
const tablesIn = (db: Db) => db.withTables<{ lineage_nodes: NodeRow; lineage_edges: EdgeRow }>();

const EDGES_AT_ONCE = 1000;

export interface Node extends Ref {
  readonly label: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly firstMs: number;
}
export interface GraphEdge {
  readonly from: Ref;
  readonly to: Ref;
  readonly relation: string;
}

/** Adds what an event says. Run again, it changes nothing. */
export async function project(ctx: Ctx, event: StoredEvent): Promise<void> {
  const t = tablesIn(ctx.db);
  const first = {
    workspace_id: event.workspace,
    kind: event.subject.kind,
    id: event.subject.id,
    project: event.project,
    first_ms: event.recordedMs,
  };
  // The first event that names a thing tells most of it; later ones only add edges.
  const known = await t
    .selectFrom('lineage_nodes')
    .select('label')
    .where('workspace_id', '=', event.workspace)
    .where('kind', '=', event.subject.kind)
    .where('id', '=', event.subject.id)
    .executeTakeFirst();
  if (!known)
    await t
      .insertInto('lineage_nodes')
      .values({ ...first, label: event.label ?? '', payload: JSON.stringify(event.payload) })
      .execute();
  else if (event.label && known.label === '')
    await t
      .updateTable('lineage_nodes')
      .set({ label: event.label, payload: JSON.stringify(event.payload) })
      .where('workspace_id', '=', event.workspace)
      .where('kind', '=', event.subject.kind)
      .where('id', '=', event.subject.id)
      .execute();
  // A snapshot of a large project has an edge per file; statements have a limit on bound values.
  for (let i = 0; i < event.edges.length; i += EDGES_AT_ONCE)
    await t
      .insertInto('lineage_edges')
      .values(
        event.edges.slice(i, i + EDGES_AT_ONCE).map((e) => ({
          workspace_id: event.workspace,
          from_kind: e.from.kind,
          from_id: e.from.id,
          relation: e.relation,
          to_kind: e.to.kind,
          to_id: e.to.id,
        })),
      )
      .onConflict((c) => c.doNothing())
      .execute();
}

const byKind = (refs: readonly Ref[]): Map<string, string[]> => {
  const ids = new Map<string, string[]>();
  for (const { kind, id } of refs) {
    const held = ids.get(kind);
    if (held) held.push(id);
    else ids.set(kind, [id]);
  }
  return ids;
};

/** What events said of these; who was only pointed at is not among them. */
export async function findNodes(db: Db, workspace: string, refs: readonly Ref[]): Promise<Node[]> {
  const nodes: Node[] = [];
  for (const [kind, ids] of byKind(refs)) {
    const rows = await tablesIn(db)
      .selectFrom('lineage_nodes')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('kind', '=', kind)
      .where('id', 'in', ids)
      .execute();
    for (const row of rows)
      nodes.push({
        kind: row.kind,
        id: row.id,
        label: row.label,
        payload: JSON.parse(row.payload) as Record<string, unknown>,
        firstMs: row.first_ms,
      });
  }
  return nodes;
}

const toEdge = (r: EdgeRow): GraphEdge => ({
  from: { kind: r.from_kind, id: r.from_id },
  to: { kind: r.to_kind, id: r.to_id },
  relation: r.relation,
});

/** Edges that leave these nodes (what they were made from), or arrive at them (what was made from them). */
export async function listEdges(
  db: Db,
  workspace: string,
  refs: readonly Ref[],
  direction: 'from' | 'to',
  limit: number,
): Promise<GraphEdge[]> {
  const edges: GraphEdge[] = [];
  for (const [kind, ids] of byKind(refs)) {
    const left = limit - edges.length;
    if (left <= 0) break;
    const query = tablesIn(db).selectFrom('lineage_edges').selectAll().where('workspace_id', '=', workspace).limit(left);
    // In the order of the key and of the other index: any other order makes SQLite sort all edges of the workspace.
    const rows = await (
      direction === 'from'
        ? query
            .where('from_kind', '=', kind)
            .where('from_id', 'in', ids)
            .orderBy('from_id')
            .orderBy('relation')
            .orderBy('to_kind')
            .orderBy('to_id')
        : query
            .where('to_kind', '=', kind)
            .where('to_id', 'in', ids)
            .orderBy('to_id')
            .orderBy('from_kind')
            .orderBy('from_id')
            .orderBy('relation')
    ).execute();
    edges.push(...rows.map(toEdge));
  }
  return edges;
}

/** The event that last told a project's column map. */
export async function newestColumnMap(db: Db, workspace: string, project: string): Promise<StoredEvent | undefined> {
  const row = await eventsIn(db)
    .selectFrom('events')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('subject_kind', '=', 'column-map')
    .where('subject_id', '=', project)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && toStoredEvent(row);
}
