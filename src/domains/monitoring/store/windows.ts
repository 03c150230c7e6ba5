import type { Db } from '../../../kernel/db/database.ts';
import type { Finding, FindingKind, Window, WindowKind } from '../model.ts';

type WindowRow = {
  workspace_id: string;
  id: string;
  project: string;
  monitor: string;
  kind: WindowKind;
  from_us: number;
  to_us: number;
  generation: number;
  latest: number;
  n: number;
  lead: string;
  baseline: string | null;
  labels_digest: string;
  labels_seen: number;
  findings: number;
  figures: string;
  sketch: string | null;
  closed_us: number;
  recorded_ms: number;
};
type FindingRow = {
  workspace_id: string;
  id: string;
  project: string;
  monitor: string;
  window_id: string;
  from_us: number;
  to_us: number;
  kind: FindingKind;
  subject: string;
  method: string;
  value: number | null;
  threshold: number | null;
  n: number;
  detail: string;
  recorded_ms: number;
};
const tablesIn = (db: Db) => db.withTables<{ monitor_windows: WindowRow; monitor_findings: FindingRow }>();

const toWindow = (r: Omit<WindowRow, 'sketch' | 'workspace_id'>): Window => ({
  id: r.id,
  project: r.project,
  monitor: r.monitor,
  kind: r.kind,
  fromUs: r.from_us,
  toUs: r.to_us,
  generation: r.generation,
  latest: r.latest === 1,
  n: r.n,
  lead: r.lead,
  baseline: r.baseline,
  labelsDigest: r.labels_digest,
  labelsSeen: r.labels_seen,
  findings: r.findings,
  figures: JSON.parse(r.figures) as Window['figures'],
  closedUs: r.closed_us,
  recordedMs: r.recorded_ms,
});
const toFinding = (r: FindingRow): Finding => ({
  id: r.id,
  project: r.project,
  monitor: r.monitor,
  window: r.window_id,
  fromUs: r.from_us,
  toUs: r.to_us,
  kind: r.kind,
  subject: r.subject,
  method: r.method,
  value: r.value,
  threshold: r.threshold,
  n: r.n,
  detail: r.detail,
  recordedMs: r.recorded_ms,
});

// All but the sketch, which only a sum of windows reads.
const shown = [
  'id',
  'project',
  'monitor',
  'kind',
  'from_us',
  'to_us',
  'generation',
  'latest',
  'n',
  'lead',
  'baseline',
  'labels_digest',
  'labels_seen',
  'findings',
  'figures',
  'closed_us',
  'recorded_ms',
] as const;

/** Writes a closed window; the generation before, if any, is no longer the latest. False if it is there already. */
export async function insertWindow(db: Db, workspace: string, w: Window, sketch: unknown): Promise<boolean> {
  if (w.generation > 1)
    await tablesIn(db)
      .updateTable('monitor_windows')
      .set({ latest: 0 })
      .where('workspace_id', '=', workspace)
      .where('project', '=', w.project)
      .where('monitor', '=', w.monitor)
      .where('kind', '=', w.kind)
      .where('from_us', '=', w.fromUs)
      .where('generation', '<', w.generation)
      .execute();
  const { numInsertedOrUpdatedRows } = await tablesIn(db)
    .insertInto('monitor_windows')
    .values({
      workspace_id: workspace,
      id: w.id,
      project: w.project,
      monitor: w.monitor,
      kind: w.kind,
      from_us: w.fromUs,
      to_us: w.toUs,
      generation: w.generation,
      latest: 1,
      n: w.n,
      lead: w.lead,
      baseline: w.baseline,
      labels_digest: w.labelsDigest,
      labels_seen: w.labelsSeen,
      findings: w.findings,
      figures: JSON.stringify(w.figures),
      sketch: sketch === null ? null : JSON.stringify(sketch),
      closed_us: w.closedUs,
      recorded_ms: w.recordedMs,
    })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'monitor', 'kind', 'from_us', 'generation']).doNothing())
    .executeTakeFirstOrThrow();
  return numInsertedOrUpdatedRows === 1n;
}

export async function insertFindings(db: Db, workspace: string, findings: readonly Finding[]): Promise<void> {
  if (findings.length === 0) return;
  await tablesIn(db)
    .insertInto('monitor_findings')
    .values(
      findings.map((f) => ({
        workspace_id: workspace,
        id: f.id,
        project: f.project,
        monitor: f.monitor,
        window_id: f.window,
        from_us: f.fromUs,
        to_us: f.toUs,
        kind: f.kind,
        subject: f.subject,
        method: f.method,
        value: f.value,
        threshold: f.threshold,
        n: f.n,
        detail: f.detail,
        recorded_ms: f.recordedMs,
      })),
    )
    .execute();
}

export interface WindowFilter {
  readonly project: string;
  readonly monitor: string;
  readonly kind?: WindowKind | undefined;
  /** Windows that overlap [fromUs, toUs). */
  readonly fromUs?: number | undefined;
  readonly toUs?: number | undefined;
  readonly latestOnly?: boolean | undefined;
  readonly lead?: string | undefined;
}

/** Ordered by start, kind and generation; `after` is the key of the last one seen. `desc` begins with the newest. */
export async function listWindows(
  db: Db,
  workspace: string,
  filter: WindowFilter,
  page: { readonly limit: number; readonly after?: readonly [number, string, number] | undefined; readonly order?: 'asc' | 'desc' },
): Promise<Window[]> {
  const order = page.order ?? 'asc';
  const beyond = order === 'asc' ? '>' : '<';
  let select = tablesIn(db)
    .selectFrom('monitor_windows')
    .select([...shown])
    .where('workspace_id', '=', workspace)
    .where('project', '=', filter.project)
    .where('monitor', '=', filter.monitor);
  if (filter.kind) select = select.where('kind', '=', filter.kind);
  if (filter.fromUs !== undefined) select = select.where('to_us', '>', filter.fromUs);
  if (filter.toUs !== undefined) select = select.where('from_us', '<', filter.toUs);
  if (filter.latestOnly) select = select.where('latest', '=', 1);
  if (filter.lead !== undefined) select = select.where('lead', '=', filter.lead);
  const { after } = page;
  if (after) {
    const [from, kind, generation] = after;
    select = select.where((eb) =>
      eb.or([
        eb('from_us', beyond, from),
        eb.and([eb('from_us', '=', from), eb('kind', beyond, kind as WindowKind)]),
        eb.and([eb('from_us', '=', from), eb('kind', '=', kind as WindowKind), eb('generation', beyond, generation)]),
      ]),
    );
  }
  const rows = await select.orderBy('from_us', order).orderBy('kind', order).orderBy('generation', order).limit(page.limit).execute();
  return rows.map(toWindow);
}

export async function getWindow(db: Db, workspace: string, id: string): Promise<Window | undefined> {
  const row = await tablesIn(db)
    .selectFrom('monitor_windows')
    .select([...shown])
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toWindow(row);
}

/** The newest generation of one window. */
export async function findLatest(
  db: Db,
  workspace: string,
  of: { readonly project: string; readonly monitor: string; readonly kind: WindowKind; readonly fromUs: number },
): Promise<Window | undefined> {
  const row = await tablesIn(db)
    .selectFrom('monitor_windows')
    .select([...shown])
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('monitor', '=', of.monitor)
    .where('kind', '=', of.kind)
    .where('from_us', '=', of.fromUs)
    .orderBy('generation', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && toWindow(row);
}

export interface FindingFilter {
  readonly project: string;
  readonly monitor?: string | undefined;
  /** Monitors that are left out. */
  readonly without?: readonly string[] | undefined;
  readonly window?: string | undefined;
  readonly kind?: string | undefined;
  readonly subject?: string | undefined;
  readonly fromUs?: number | undefined;
  readonly toUs?: number | undefined;
}

/** Newest first. */
export async function listFindings(
  db: Db,
  workspace: string,
  filter: FindingFilter,
  page: { readonly limit: number; readonly before?: readonly [number, string] | undefined },
): Promise<Finding[]> {
  let select = tablesIn(db)
    .selectFrom('monitor_findings')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', filter.project);
  if (filter.monitor !== undefined) select = select.where('monitor', '=', filter.monitor);
  if (filter.without && filter.without.length > 0) select = select.where('monitor', 'not in', filter.without);
  if (filter.window !== undefined) select = select.where('window_id', '=', filter.window);
  if (filter.kind !== undefined) select = select.where('kind', '=', filter.kind as FindingKind);
  if (filter.subject !== undefined) select = select.where('subject', '=', filter.subject);
  if (filter.fromUs !== undefined) select = select.where('to_us', '>', filter.fromUs);
  if (filter.toUs !== undefined) select = select.where('from_us', '<', filter.toUs);
  const { before } = page;
  if (before)
    select = select.where((eb) =>
      eb.or([eb('from_us', '<', before[0]), eb.and([eb('from_us', '=', before[0]), eb('id', '<', before[1])])]),
    );
  const rows = await select.orderBy('from_us', 'desc').orderBy('id', 'desc').limit(page.limit).execute();
  return rows.map(toFinding);
}
