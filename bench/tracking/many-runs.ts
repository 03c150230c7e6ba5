// Runs by the hundred thousand, put straight into the tables of each side: over HTTP MLflow would take hours.
import { DatabaseSync } from 'node:sqlite';
import { join } from 'node:path';
import type { Server, Side } from './servers.ts';

export const RUNS = 100_000;
/** Each metric, param and tag has values of its own; `p1` has ten, `m0` to `m4` are spread evenly from 0 to 1. */
const METRIC_STEPS = [7919, 104_729, 15_485_863, 32_452_843, 49_979_687];
const PARAM_VALUES = [2, 10, 100, 1000, 100_000];
const TAGS: readonly (readonly [string, string])[] = [
  ['mlflow.runName', "'run-' || i"],
  ['mlflow.user', "'ada'"],
  ['team', "'team-' || cast(i % 7 as varchar(9))"],
];

export async function loadRuns(side: Side, server: Server, postgres: string): Promise<void> {
  const id = postgres ? "lpad(to_hex((i * 2654435761) % 4294967296), 32, '0')" : "printf('%032x', (i * 2654435761) % 4294967296)";
  const numbers = `with recursive n(i) as (select cast(0 as bigint) union all select i + 1 from n where i < ${RUNS - 1})`;
  const statements = (side === 'gyre' ? gyreInserts(id) : mlflowInserts(id)).map((insert) => {
    const [into, select] = insert.split('::');
    return `${into} ${numbers} ${select} from n`;
  });
  if (!postgres) {
    const file = new DatabaseSync(join(server.dir, side === 'gyre' ? 'gyre.db' : 'mlflow.db'), { timeout: 20_000 });
    file.exec('pragma foreign_keys = off; pragma cache_size = -500000; begin');
    for (const statement of statements) file.exec(statement);
    file.exec('commit');
    file.close();
    return;
  }
  const { default: pg } = await import('pg');
  const client = new pg.Client({ connectionString: postgres });
  await client.connect();
  for (const statement of [...statements, 'vacuum analyze']) await client.query(statement);
  await client.end();
}

const valueOf = (m: number): string => `((i * ${METRIC_STEPS[m]} + ${m}) % 100003) / 100003.0`;
const paramOf = (p: number): string => `cast((i / 3) % ${PARAM_VALUES[p]} as varchar(9))`;
const start = '1700000000000 + i * 1000';

function gyreInserts(id: string): string[] {
  return [
    `insert into tracking_runs (workspace_id, id, experiment_id, name, user_id, status, start_ms, end_ms, artifact_uri, lifecycle)::
      select 'default', ${id}, '0', 'run-' || i, 'ada', 'FINISHED', ${start}, ${start} + 500, 'mlflow-artifacts:/0/x/artifacts', 'active'`,
    ...METRIC_STEPS.map(
      (_, m) => `insert into latest_metrics (workspace_id, run_id, key, timestamp_ms, step, value, is_nan, points, blocks, in_last)::
        select 'default', ${id}, 'm${m}', ${start}, 0, ${valueOf(m)}, 0, 0, 0, 0`,
    ),
    ...PARAM_VALUES.map(
      (_, p) => `insert into tracking_params (workspace_id, run_id, key, value, short_value)::
        select 'default', ${id}, 'p${p}', ${paramOf(p)}, ${paramOf(p)}`,
    ),
    ...TAGS.map(
      ([key, value]) => `insert into tracking_tags (workspace_id, run_id, key, value, short_value)::
        select 'default', ${id}, '${key}', ${value}, ${value}`,
    ),
  ];
}

function mlflowInserts(id: string): string[] {
  const metric = (table: string, m: number): string =>
    `insert into ${table} (run_uuid, key, timestamp, step, value, is_nan)::select ${id}, 'm${m}', ${start}, 0, ${valueOf(m)}, false`;
  return [
    `insert into runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time, end_time, source_version,
        lifecycle_stage, artifact_uri, experiment_id)::
      select ${id}, 'run-' || i, 'LOCAL', '', '', 'ada', 'FINISHED', ${start}, ${start} + 500, '', 'active', 'mlflow-artifacts:/0/x/artifacts', 0`,
    ...METRIC_STEPS.flatMap((_, m) => [metric('metrics', m), metric('latest_metrics', m)]),
    ...PARAM_VALUES.map((_, p) => `insert into params (run_uuid, key, value)::select ${id}, 'p${p}', ${paramOf(p)}`),
    ...TAGS.map(([key, value]) => `insert into tags (run_uuid, key, value)::select ${id}, '${key}', ${value}`),
  ];
}
