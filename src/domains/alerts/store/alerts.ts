import type { Db } from '../../../kernel/db/database.ts';
import type { Alert, AlertState, Silence } from '../model.ts';
import { tablesIn, type AlertRow } from './tables.ts';

const toAlert = (r: AlertRow): Alert => ({
  id: r.id,
  project: r.project,
  monitor: r.monitor,
  rule: r.rule,
  signal: r.signal,
  severity: r.severity,
  fingerprint: r.fingerprint,
  labels: JSON.parse(r.labels) as Alert['labels'],
  summary: r.summary,
  receivers: JSON.parse(r.receivers) as string[],
  state: r.state,
  muted: r.muted,
  told: r.told === 1,
  startedUs: r.started_us,
  firedUs: r.fired_us,
  endedUs: r.ended_us,
  evidence: JSON.parse(r.evidence) as Alert['evidence'],
  history: JSON.parse(r.history) as Alert['history'],
  version: r.version,
  recordedMs: r.recorded_ms,
});

export async function getAlert(db: Db, workspace: string, id: string): Promise<Alert | undefined> {
  const row = await tablesIn(db)
    .selectFrom('alerts')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toAlert(row);
}

export interface AlertFilter {
  readonly monitor?: string | undefined;
  readonly states?: readonly AlertState[] | undefined;
}

/** Newest first. */
export async function listAlerts(
  db: Db,
  workspace: string,
  project: string,
  { monitor, states }: AlertFilter,
  before: string,
  limit: number,
): Promise<Alert[]> {
  let select = tablesIn(db)
    .selectFrom('alerts')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('id', '<', before);
  if (monitor !== undefined) select = select.where('monitor', '=', monitor);
  if (states !== undefined) select = select.where('state', 'in', [...states]);
  return (await select.orderBy('id', 'desc').limit(limit).execute()).map(toAlert);
}

export const insertAlert = (db: Db, workspace: string, a: Alert) =>
  tablesIn(db)
    .insertInto('alerts')
    .values({
      workspace_id: workspace,
      id: a.id,
      project: a.project,
      monitor: a.monitor,
      rule: a.rule,
      signal: a.signal,
      fingerprint: a.fingerprint,
      started_us: a.startedUs,
      recorded_ms: a.recordedMs,
      ...changing(a),
    })
    .execute();

/** False if another process changed it since it was read, or it is in none of these states. */
export async function updateAlert(db: Db, workspace: string, a: Alert, from: readonly AlertState[]): Promise<boolean> {
  const { numUpdatedRows } = await tablesIn(db)
    .updateTable('alerts')
    .set({ ...changing(a), version: a.version + 1 })
    .where('workspace_id', '=', workspace)
    .where('id', '=', a.id)
    .where('version', '=', a.version)
    .where('state', 'in', [...from])
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

const changing = (a: Alert) => ({
  severity: a.severity,
  labels: JSON.stringify(a.labels),
  summary: a.summary,
  receivers: JSON.stringify(a.receivers),
  state: a.state,
  muted: a.muted,
  told: a.told ? 1 : 0,
  fired_us: a.firedUs,
  ended_us: a.endedUs,
  evidence: JSON.stringify(a.evidence),
  history: JSON.stringify(a.history),
  version: a.version,
});

export const insertSilence = (db: Db, workspace: string, s: Silence) =>
  tablesIn(db)
    .insertInto('alert_silences')
    .values({
      workspace_id: workspace,
      id: s.id,
      project: s.project,
      matchers: JSON.stringify(s.matchers),
      starts_us: s.startsUs,
      ends_us: s.endsUs,
      author: s.author,
      comment: s.comment,
      recorded_ms: s.recordedMs,
    })
    .execute();

/** Those that end after a moment, the newest first. */
export async function listSilences(db: Db, workspace: string, project: string, endsAfterUs: number): Promise<Silence[]> {
  const rows = await tablesIn(db)
    .selectFrom('alert_silences')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('ends_us', '>', endsAfterUs)
    .orderBy('id', 'desc')
    .limit(1000)
    .execute();
  return rows.map((r) => ({
    id: r.id,
    project: r.project,
    matchers: JSON.parse(r.matchers) as string[],
    startsUs: r.starts_us,
    endsUs: r.ends_us,
    author: r.author,
    comment: r.comment,
    recordedMs: r.recorded_ms,
  }));
}

/** Ends a silence; false if there is none that still lasts. */
export async function endSilence(db: Db, workspace: string, project: string, id: string, nowUs: number): Promise<boolean> {
  const { numUpdatedRows } = await tablesIn(db)
    .updateTable('alert_silences')
    .set({ ends_us: nowUs })
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('id', '=', id)
    .where('ends_us', '>', nowUs)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}
