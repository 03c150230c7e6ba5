// Files of joined labels, by the days of event time that they have labels for.
import type { Db } from '../../../kernel/db/database.ts';
import type { OfMonitor } from './monitors.ts';

type JoinedRow = {
  workspace_id: string;
  project: string;
  monitor: string;
  number: number;
  day_us: number;
  digest: string;
  labels: number;
  from_us: number;
  to_us: number;
};

const tablesIn = (db: Db) => db.withTables<{ joined_files: JoinedRow }>();

export interface JoinedDay {
  readonly dayUs: number;
  readonly labels: number;
  readonly fromUs: number;
  readonly toUs: number;
}

export async function insertJoined(
  db: Db,
  workspace: string,
  of: OfMonitor,
  file: { number: number; digest: string; days: readonly JoinedDay[] },
): Promise<void> {
  for (let i = 0; i < file.days.length; i += 500)
    await tablesIn(db)
      .insertInto('joined_files')
      .values(
        file.days.slice(i, i + 500).map((d) => ({
          workspace_id: workspace,
          project: of.project,
          monitor: of.monitor,
          number: file.number,
          day_us: d.dayUs,
          digest: file.digest,
          labels: d.labels,
          from_us: d.fromUs,
          to_us: d.toUs,
        })),
      )
      .execute();
}

export interface JoinedFile {
  readonly digest: string;
  /** Number of the join that made it; grows with each. */
  readonly number: number;
  readonly fromUs: number;
  readonly toUs: number;
  readonly labels: number;
}

/** Files with labels of predictions between two event times, both included, each once. */
export async function listJoined(db: Db, workspace: string, of: OfMonitor, fromUs: number, toUs: number): Promise<JoinedFile[]> {
  const rows = await tablesIn(db)
    .selectFrom('joined_files')
    .select(['digest', 'number', 'from_us', 'to_us', 'labels'])
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('monitor', '=', of.monitor)
    .where('to_us', '>=', fromUs)
    .where('from_us', '<=', toUs)
    .orderBy('number')
    .orderBy('day_us')
    .execute();
  const files = new Map<number, JoinedFile>();
  for (const r of rows) {
    const f = files.get(r.number);
    files.set(r.number, {
      digest: r.digest,
      number: r.number,
      fromUs: f ? Math.min(f.fromUs, r.from_us) : r.from_us,
      toUs: f ? Math.max(f.toUs, r.to_us) : r.to_us,
      labels: (f?.labels ?? 0) + r.labels,
    });
  }
  return [...files.values()];
}
