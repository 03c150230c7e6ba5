import type { Db } from '../../../kernel/db/database.ts';
import type { BaselineRow, MonitorState } from '../model.ts';

type StateRow = {
  workspace_id: string;
  project: string;
  monitor: string;
  first_us: number;
  data_next_us: number;
  performance_next_us: number;
  lead: string;
  watermark_us: number;
  version: number;
};
type BaselineTableRow = {
  workspace_id: string;
  id: string;
  project: string;
  monitor: string;
  subject: string;
  window_us: number;
  digest: string;
  rows_read: number;
  from_us: number | null;
  to_us: number | null;
  recorded_ms: number;
};
type RelabelRow = { workspace_id: string; id: string; project: string; monitor: string; from_us: number; to_us: number };
const tablesIn = (db: Db) =>
  db.withTables<{ monitor_states: StateRow; monitor_baselines: BaselineTableRow; monitor_relabels: RelabelRow }>();

const toState = (r: StateRow): MonitorState => ({
  project: r.project,
  monitor: r.monitor,
  firstUs: r.first_us,
  dataNextUs: r.data_next_us,
  performanceNextUs: r.performance_next_us,
  lead: r.lead,
  watermarkUs: r.watermark_us,
  version: r.version,
});
const toBaseline = (r: BaselineTableRow): BaselineRow => ({
  id: r.id,
  project: r.project,
  monitor: r.monitor,
  subject: r.subject,
  windowUs: r.window_us,
  digest: r.digest,
  rows: r.rows_read,
  fromUs: r.from_us,
  toUs: r.to_us,
  recordedMs: r.recorded_ms,
});

export async function findState(db: Db, workspace: string, project: string, monitor: string): Promise<MonitorState | undefined> {
  const row = await tablesIn(db)
    .selectFrom('monitor_states')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('monitor', '=', monitor)
    .executeTakeFirst();
  return row && toState(row);
}

export const insertState = (db: Db, workspace: string, s: MonitorState) =>
  tablesIn(db)
    .insertInto('monitor_states')
    .values({
      workspace_id: workspace,
      project: s.project,
      monitor: s.monitor,
      first_us: s.firstUs,
      data_next_us: s.dataNextUs,
      performance_next_us: s.performanceNextUs,
      lead: s.lead,
      watermark_us: s.watermarkUs,
      version: s.version,
    })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'monitor']).doNothing())
    .execute();

/** Moves a monitor on from the state that was read; false if somebody else did. */
export async function updateState(db: Db, workspace: string, from: MonitorState, to: Partial<MonitorState>): Promise<boolean> {
  const next = { ...from, ...to };
  const { numUpdatedRows } = await tablesIn(db)
    .updateTable('monitor_states')
    .set({
      data_next_us: next.dataNextUs,
      performance_next_us: next.performanceNextUs,
      lead: next.lead,
      watermark_us: next.watermarkUs,
      version: from.version + 1,
    })
    .where('workspace_id', '=', workspace)
    .where('project', '=', from.project)
    .where('monitor', '=', from.monitor)
    .where('version', '=', from.version)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export type BaselineKey = Pick<BaselineRow, 'project' | 'monitor' | 'subject' | 'windowUs'>;

export async function findBaseline(db: Db, workspace: string, key: BaselineKey): Promise<BaselineRow | undefined> {
  const row = await tablesIn(db)
    .selectFrom('monitor_baselines')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', key.project)
    .where('monitor', '=', key.monitor)
    .where('subject', '=', key.subject)
    .where('window_us', '=', key.windowUs)
    .executeTakeFirst();
  return row && toBaseline(row);
}

export async function getBaseline(db: Db, workspace: string, id: string): Promise<BaselineRow | undefined> {
  const row = await tablesIn(db)
    .selectFrom('monitor_baselines')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toBaseline(row);
}

/** False if there is one already: a baseline is fixed once made. */
export async function insertBaseline(db: Db, workspace: string, b: BaselineRow): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tablesIn(db)
    .insertInto('monitor_baselines')
    .values({
      workspace_id: workspace,
      id: b.id,
      project: b.project,
      monitor: b.monitor,
      subject: b.subject,
      window_us: b.windowUs,
      digest: b.digest,
      rows_read: b.rows,
      from_us: b.fromUs,
      to_us: b.toUs,
      recorded_ms: b.recordedMs,
    })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'monitor', 'subject', 'window_us']).doNothing())
    .executeTakeFirstOrThrow();
  return numInsertedOrUpdatedRows === 1n;
}

export const insertRelabel = (
  db: Db,
  workspace: string,
  r: { readonly id: string; readonly project: string; readonly monitor: string; readonly fromUs: number; readonly toUs: number },
) =>
  tablesIn(db)
    .insertInto('monitor_relabels')
    .values({ workspace_id: workspace, id: r.id, project: r.project, monitor: r.monitor, from_us: r.fromUs, to_us: r.toUs })
    .onConflict((c) => c.columns(['workspace_id', 'id']).doNothing())
    .execute();

export async function listRelabels(
  db: Db,
  workspace: string,
  project: string,
  monitor: string,
): Promise<{ id: string; fromUs: number; toUs: number }[]> {
  const rows = await tablesIn(db)
    .selectFrom('monitor_relabels')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('monitor', '=', monitor)
    .orderBy('from_us')
    .orderBy('id')
    .execute();
  return rows.map((r) => ({ id: r.id, fromUs: r.from_us, toUs: r.to_us }));
}

export const deleteRelabels = (db: Db, workspace: string, ids: readonly string[]) =>
  tablesIn(db)
    .deleteFrom('monitor_relabels')
    .where('workspace_id', '=', workspace)
    .where('id', 'in', [...ids, ''])
    .execute();
