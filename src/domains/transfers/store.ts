import type { Db } from '../../kernel/db/database.ts';
import { insertMany } from '../../kernel/db/insert-many.ts';
import type { Import, ImportKind, ImportState } from './model.ts';

type ImportRow = {
  workspace_id: string;
  id: string;
  source: string;
  origin: string;
  place: string;
  state: ImportState;
  counts: string;
  started_ms: number;
  ended_ms: number | null;
};
export type IdRow = {
  workspace_id: string;
  source: string;
  kind: ImportKind;
  source_id: string;
  target_id: string;
  fingerprint: string | null;
};

const tablesIn = (db: Db) => db.withTables<{ imports: ImportRow; import_ids: IdRow }>();

const toImport = (r: ImportRow): Import => ({
  id: r.id,
  source: r.source,
  origin: r.origin,
  place: r.place,
  state: r.state,
  counts: JSON.parse(r.counts) as Record<string, number>,
  startedMs: r.started_ms,
  endedMs: r.ended_ms,
});

export async function getImport(db: Db, workspace: string, id: string): Promise<Import | undefined> {
  const row = await tablesIn(db)
    .selectFrom('imports')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toImport(row);
}

/** The newest first. */
export async function listImports(db: Db, workspace: string, before: string, limit: number): Promise<Import[]> {
  const rows = await tablesIn(db)
    .selectFrom('imports')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '<', before)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toImport);
}

/** The one of a source that has not ended. */
export async function findRunning(db: Db, workspace: string, source: string): Promise<Import | undefined> {
  const row = await tablesIn(db)
    .selectFrom('imports')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('source', '=', source)
    .where('state', '=', 'running')
    .orderBy('started_ms', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && toImport(row);
}

export const insertImport = (db: Db, workspace: string, i: Import) =>
  tablesIn(db)
    .insertInto('imports')
    .values({
      workspace_id: workspace,
      id: i.id,
      source: i.source,
      origin: i.origin,
      place: i.place,
      state: i.state,
      counts: JSON.stringify(i.counts),
      started_ms: i.startedMs,
      ended_ms: i.endedMs,
    })
    .execute();

export const endImport = (db: Db, workspace: string, id: string, state: ImportState, counts: Import['counts'], nowMs: number) =>
  tablesIn(db)
    .updateTable('imports')
    .set({ state, counts: JSON.stringify(counts), ended_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .execute();

async function inChunks<T>(ids: readonly string[], find: (some: string[]) => Promise<T[]>): Promise<T[]> {
  const found: T[] = [];
  for (let i = 0; i < ids.length; i += 1000) found.push(...(await find(ids.slice(i, i + 1000))));
  return found;
}

/** What these things of a source have become. */
export const findIds = (db: Db, workspace: string, source: string, kind: ImportKind, sourceIds: readonly string[]): Promise<IdRow[]> =>
  inChunks(sourceIds, (some) =>
    tablesIn(db)
      .selectFrom('import_ids')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('source', '=', source)
      .where('kind', '=', kind)
      .where('source_id', 'in', some)
      .execute(),
  );

/** Which of these came from the source. */
export const findTargets = (db: Db, workspace: string, source: string, kind: ImportKind, targetIds: readonly string[]): Promise<IdRow[]> =>
  inChunks(targetIds, (some) =>
    tablesIn(db)
      .selectFrom('import_ids')
      .selectAll()
      .where('workspace_id', '=', workspace)
      .where('source', '=', source)
      .where('kind', '=', kind)
      .where('target_id', 'in', some)
      .execute(),
  );

const putRows = insertMany({
  table: 'import_ids',
  columns: { workspace_id: 'id', source: 'text', kind: 'text', source_id: 'text', target_id: 'text', fingerprint: 'text' },
  then: `on conflict (workspace_id, source, kind, source_id) do update
    set target_id = excluded.target_id, fingerprint = excluded.fingerprint`,
});

/** The things are all different. */
export const putIds = (db: Db, rows: readonly IdRow[]): Promise<void> =>
  putRows(
    db,
    rows.map((r) => [r.workspace_id, r.source, r.kind, r.source_id, r.target_id, r.fingerprint]),
  );
