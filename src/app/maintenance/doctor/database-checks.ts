import { LIVE_MS } from '../../../kernel/replicas/replicas.ts';
import { CHAIN_START, chainHash } from '../../../kernel/events/sequencer.ts';
import type { EventRow } from '../../../kernel/events/events.ts';
import { count, duration } from '../../../kernel/cli/terminal.ts';
import { collect, type Snapshot } from '../database/snapshot.ts';
import { fault, ok, warning, type Finding } from './finding.ts';

const number = async (snapshot: Snapshot, text: string): Promise<number> =>
  Number((await collect(snapshot.query<{ n: number }>(text)))[0]?.n ?? 0);

export async function checkIntegrity(snapshot: Snapshot): Promise<Finding> {
  if (snapshot.dialect.name === 'postgres') {
    const [row] = await collect(snapshot.query<{ version: string }>('select current_setting($$server_version$$) as version'));
    const version = Number.parseFloat(row?.version ?? '0');
    return version >= 14
      ? ok('database pages', `PostgreSQL ${row!.version}; its own checksums watch over its pages`)
      : warning(
          'database pages',
          `PostgreSQL ${row?.version ?? 'of an unknown version'} is older than 14`,
          'upgrade PostgreSQL; 14 and newer are tested',
        );
  }
  const rows = await collect(snapshot.query<{ quick_check: string }>('pragma quick_check(20)'));
  const broken = rows.map((r) => r.quick_check).filter((text) => text !== 'ok');
  return broken.length === 0
    ? ok('database pages', 'SQLite finds every page whole')
    : fault('database pages', broken.join('; '), 'stop the server and restore the newest backup; keep the broken file');
}

/** From, its column, to, its column. Within one workspace. */
const REFERENCES = [
  ['tracking_runs', 'experiment_id', 'experiments', 'id'],
  ['tracking_params', 'run_id', 'tracking_runs', 'id'],
  ['latest_metrics', 'run_id', 'tracking_runs', 'id'],
  ['metric_blocks', 'run_id', 'tracking_runs', 'id'],
  ['model_versions', 'model', 'models', 'name'],
  ['model_version_files', 'version_id', 'model_versions', 'id'],
  ['model_version_files', 'digest', 'blobs', 'digest'],
  ['logged_model_files', 'digest', 'blobs', 'digest'],
  ['steps', 'run_id', 'pipeline_runs', 'id'],
  ['attempts', 'run_id', 'pipeline_runs', 'id'],
] as const;

export async function checkReferences(snapshot: Snapshot): Promise<Finding> {
  const has = (table: string, column: string): boolean => snapshot.tables.some((t) => t.name === table && column in t.columns);
  const broken: string[] = [];
  for (const [from, column, to, key] of REFERENCES) {
    if (!has(from, column) || !has(to, key)) continue;
    const gone =
      to === 'blobs'
        ? ` and not exists (select 1 from blob_tombstones b where b.workspace_id = f.workspace_id and b.digest = f.${column})`
        : '';
    const lost = await number(
      snapshot,
      `select count(*) as n from ${from} f where not exists (select 1 from ${to} t where t.workspace_id = f.workspace_id and t.${key} = f.${column})${gone}`,
    );
    if (lost > 0) broken.push(`${count(lost)} of ${from} name a ${to} that is not there (${column})`);
  }
  return broken.length === 0
    ? ok('references', `what ${REFERENCES.length} kinds of records name is there`)
    : fault('references', broken.join('; '), 'restore a backup from before, beside this one, and compare; report it');
}

const LATE_MS = 60_000;

export async function checkSequencer(snapshot: Snapshot, nowMs: number): Promise<Finding> {
  const [row] = await collect(
    snapshot.query<{ n: number; oldest: number | null }>('select count(*) as n, min(recorded_ms) as oldest from events where seq is null'),
  );
  const future = await number(snapshot, `select count(*) as n from events where recorded_ms > ${Math.round(nowMs + 5 * 60_000)}`);
  if (future > 0)
    return warning(
      'sequencer',
      `${count(future)} events are from more than 5 minutes ahead of this machine's clock`,
      'set the clocks of all replicas by NTP',
    );
  const waiting = Number(row?.n ?? 0);
  if (waiting === 0) return ok('sequencer', 'every event has its number; the clock is not behind the newest');
  const age = nowMs - Number(row!.oldest);
  return age < LATE_MS
    ? ok('sequencer', `${count(waiting)} events of the last minute wait for their number`)
    : fault(
        'sequencer',
        `${count(waiting)} events wait for their number since ${duration(age)}`,
        'start a server; where one runs, look for "sequencer" in its log and restart it',
      );
}

/** Control planes on PostgreSQL that live, and who leads them; nothing on SQLite, and nothing where none runs. */
export async function checkReplicas(snapshot: Snapshot): Promise<Finding | undefined> {
  const known = await number(snapshot, 'select count(*) as n from replicas');
  if (known === 0) return undefined;
  const now = '(extract(epoch from clock_timestamp()) * 1000)';
  const rows = await collect(
    snapshot.query<{ place: string; leads: number }>(`select r.place as place, (select count(*) from leases l
      where l.holder = r.id and l.until_ms >= ${now}) as leads from replicas r where r.beat_ms >= ${now} - ${LIVE_MS} order by r.place`),
  );
  if (rows.length === 0) return undefined;
  const leader = rows.find((row) => Number(row.leads) > 0);
  return leader
    ? ok('replicas', `${count(rows.length)} live; ${leader.place} leads`)
    : warning(
        'replicas',
        `${rows.map((r) => r.place).join('; ')}: none leads`,
        'look again in 10 s; if none does then, look into their logs',
      );
}

export async function checkQueue(snapshot: Snapshot, nowMs: number): Promise<Finding> {
  const now = Math.round(nowMs);
  const names = (rows: readonly { name: string; n: number }[]): string => rows.map((r) => `${r.name} (${r.n})`).join(', ');
  const byName = (where: string) =>
    collect(snapshot.query<{ name: string; n: number }>(`select name, count(*) as n from jobs where ${where} group by name order by name`));
  const stuck = await byName(`state = 'running' and lease_until_ms < ${now - 5 * 60_000}`);
  const late = await byName(`state = 'queued' and due_us is null and run_at_ms < ${now - 3_600_000}`);
  const failed = await byName(`state = 'failed' and finished_ms > ${now - 24 * 3_600_000}`);
  if (stuck.length + late.length > 0)
    return fault(
      'jobs',
      [stuck.length > 0 ? `nobody holds ${names(stuck)}` : '', late.length > 0 ? `due for over an hour: ${names(late)}` : '']
        .filter(Boolean)
        .join('; '),
      'start the server; where it runs, restart it: jobs are safe to run again',
    );
  return failed.length > 0
    ? warning('jobs', `failed within a day: ${names(failed)}`, 'the server log says why (event "job.failed")')
    : ok('jobs', 'none is stuck, late or failed within a day');
}

export async function checkChain(snapshot: Snapshot): Promise<Finding> {
  let [hash, seq] = [CHAIN_START, 0];
  for await (const batch of snapshot.query<EventRow & Record<string, unknown>>('select * from events where seq is not null order by seq'))
    for (const event of batch) {
      if (event.seq !== seq + 1 || chainHash(hash, event.seq, event) !== event.hash)
        return fault(
          'audit chain',
          `broken at event ${event.seq}`,
          'somebody changed events behind the server: compare with a backup, and see who may write the database',
        );
      [hash, seq] = [event.hash!, event.seq];
    }
  return ok('audit chain', `${count(seq)} events, none changed, removed or inserted; only an exported head shows a cut-off end`);
}
