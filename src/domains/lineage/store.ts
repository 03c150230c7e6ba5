import type { Ctx } from '../../kernel/ctx.ts';
import type { Db } from '../../kernel/db/database.ts';
import type { Ref } from '../../kernel/events/events.ts';
import type { StoredEvent } from '../../kernel/events/subscribers.ts';

type NodeRow = { workspace_id: string; kind: string; id: string; label: string; project: string | null; first_ms: number; payload: string };
type EdgeRow = { workspace_id: string; from_kind: string; from_id: string; relation: string; to_kind: string; to_id: string };
const tablesIn = (db: Db) => db.withTables<{ lineage_nodes: NodeRow; lineage_edges: EdgeRow }>();

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
  if (event.edges.length === 0) return;
  await t
    .insertInto('lineage_edges')
    .values(
      event.edges.map((e) => ({
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

export async function getNode(db: Db, workspace: string, ref: Ref): Promise<Node | undefined> {
  const row = await tablesIn(db)
    .selectFrom('lineage_nodes')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('kind', '=', ref.kind)
    .where('id', '=', ref.id)
    .executeTakeFirst();
  return (
    row && {
      kind: row.kind,
      id: row.id,
      label: row.label,
      payload: JSON.parse(row.payload) as Record<string, unknown>,
      firstMs: row.first_ms,
    }
  );
}

const toEdge = (r: EdgeRow): GraphEdge => ({
  from: { kind: r.from_kind, id: r.from_id },
  to: { kind: r.to_kind, id: r.to_id },
  relation: r.relation,
});

/** Edges that leave a node (what it was made from), or that arrive at it (what was made from it). */
export async function listEdges(db: Db, workspace: string, ref: Ref, direction: 'from' | 'to', limit: number): Promise<GraphEdge[]> {
  const query = tablesIn(db).selectFrom('lineage_edges').selectAll().where('workspace_id', '=', workspace);
  const rows =
    direction === 'from'
      ? await query
          .where('from_kind', '=', ref.kind)
          .where('from_id', '=', ref.id)
          .orderBy('relation')
          .orderBy('to_kind')
          .orderBy('to_id')
          .limit(limit)
          .execute()
      : await query
          .where('to_kind', '=', ref.kind)
          .where('to_id', '=', ref.id)
          .orderBy('relation')
          .orderBy('from_kind')
          .orderBy('from_id')
          .limit(limit)
          .execute();
  return rows.map(toEdge);
}
