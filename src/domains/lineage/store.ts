import type { Ctx } from '../../kernel/ctx.ts';
import type { Db } from '../../kernel/db/database.ts';
import { insertMany } from '../../kernel/db/insert-many.ts';
import { command } from '../../kernel/db/statement.ts';
import { eventsIn, type Ref } from '../../kernel/events/events.ts';
import { toStoredEvent, type StoredEvent } from '../../kernel/events/subscribers.ts';

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

// Every event comes through here. The first one that names a thing tells most of it; later ones only add edges.
const putNode = command(
  `insert into lineage_nodes (workspace_id, kind, id, label, project, first_ms, payload) values (?, ?, ?, ?, ?, ?, ?)
    on conflict (workspace_id, kind, id) do update set label = excluded.label, payload = excluded.payload
    where lineage_nodes.label = '' and excluded.label <> ''`,
);
const putEdges = insertMany({
  table: 'lineage_edges',
  columns: { workspace_id: 'id', from_kind: 'text', from_id: 'id', relation: 'text', to_kind: 'text', to_id: 'id' },
  then: 'on conflict do nothing',
});

/** Adds what an event says. Run again, it changes nothing. */
export async function project(
  { db }: Ctx,
  { workspace, subject, label, project: of, recordedMs, payload, edges }: StoredEvent,
): Promise<void> {
  await putNode(db, workspace, subject.kind, subject.id, label ?? '', of, recordedMs, JSON.stringify(payload));
  await putEdges(
    db,
    edges.map((e) => [workspace, e.from.kind, e.from.id, e.relation, e.to.kind, e.to.id]),
  );
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
