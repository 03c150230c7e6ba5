// Reports of a million rows by fifty columns, and windows: time, memory of all processes together, and what bare DuckDB
// needs for statistics of the same columns in the same run.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { openPlatform } from '../src/app/platform.ts';
import { driftReport } from '../src/domains/monitoring/service/report.ts';
import { at, projectText, registerWithBaseline, sendLabels, sendRecords } from '../src/domains/monitoring/fixtures/records.ts';
import { tickMonitors } from '../src/domains/monitoring/public.ts';
import { applyProject, storeSnapshot } from '../src/domains/projects/service.ts';
import { storeBlobs } from '../src/kernel/blobs/blob-index.ts';
import { readSettings } from '../src/kernel/config/settings.ts';
import { makeCtx, type Ctx } from '../src/kernel/ctx.ts';
import { silentLog } from '../src/kernel/log.ts';
import { moveTimeline } from '../src/kernel/timeline/timeline.ts';
import { ms, quantile, row, type Row } from './table.ts';

const ROWS = 1_000_000;
const COLUMNS = 50;

/** Resident memory of processes, MB; NaN where the system does not tell. */
const residentMb = (pids: readonly number[]): number =>
  existsSync('/proc/self/statm')
    ? pids.reduce((sum, pid) => {
        const file = `/proc/${pid}/statm`;
        return existsSync(file) ? sum + (Number(readFileSync(file, 'utf8').split(' ')[1]) * 4096) / 1e6 : sum;
      }, 0)
    : Number.NaN;

interface Measured {
  readonly wallMs: number;
  /** What came on top of what was there before. */
  readonly addedMb: number;
  readonly peakMb: number;
}

async function measured(ctx: Ctx, work: () => Promise<unknown>): Promise<Measured> {
  const now = (): number => residentMb([process.pid, ...ctx.compute.pids()]);
  const before = residentMb([process.pid]);
  let peakMb = before;
  const watch = setInterval(() => (peakMb = Math.max(peakMb, now())), 20);
  const from = performance.now();
  await work();
  const wallMs = performance.now() - from;
  clearInterval(watch);
  return { wallMs, peakMb, addedMb: peakMb - before };
}

const shown = (m: Measured): string => `${ms(m.wallMs)}, ${Math.round(m.peakMb)} MB`;

export async function monitoring(): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-bench-monitoring-'));
  const running = await openPlatform({
    settings: readSettings({ GYRE_DIR: dir, GYRE_LOG_LEVEL: 'silent', GYRE_PORT: '0' }),
    log: silentLog,
    compose: () => ({ jobs: [], subscribers: [] }),
  });
  // Closing waits for the end of idle compute processes, which do not hold the event loop.
  const alive = setInterval(() => undefined, 1000);
  const ctx = makeCtx(running.platform, { actor: { kind: 'local', id: 'bench', roles: ['admin'] }, workspace: 'default' });
  try {
    const text = projectText('{ window: 1d, labels: { from: feedback, within: 1d } }');
    await applyProject(ctx, { text, snapshot: await storeSnapshot(ctx, {}) });
    return [...(await reports(ctx, dir)), ...(await windows(ctx, dir))];
  } finally {
    await running.close();
    clearInterval(alive);
    rmSync(dir, { recursive: true, force: true });
  }
}

async function reports(ctx: Ctx, dir: string): Promise<Row[]> {
  const numeric = Array.from({ length: COLUMNS - 5 }, (_, i) => `c${i}`);
  const make = async (name: string, shift: number): Promise<string> => {
    const path = join(dir, name);
    const columns = [
      ...numeric.map((c, i) => `(random() * ${i + 1} + ${shift})::double as ${c}`),
      ...Array.from({ length: 5 }, (_, i) => `'k' || (random() * 30)::int as d${i}`),
    ];
    const sql = `copy (select ${columns.join(', ')} from range(${ROWS}) t(i)) to '${path}' (format parquet)`;
    await ctx.compute.run({ what: 'a table of the bench', writes: [path], statements: [{ sql }] });
    return path;
  };
  const [a, b] = [await make('reference.parquet', 0), await make('current.parquet', 0.01)];
  const [reference, current] = await storeBlobs(ctx, [{ path: a }, { path: b }]);
  const asked = { reference: reference!.digest, current: current!.digest };
  const cold = await measured(ctx, () => driftReport(ctx, 'demo', asked));
  const stored = await measured(ctx, () => driftReport(ctx, 'demo', asked));
  const bare = await bareStatistics([a, b], numeric);
  return [
    row(`report of 1M x ${COLUMNS} against 1M x ${COLUMNS}, cold`, shown(cold), '<= 9 s, <= 700 MB'),
    row('the same with a stored baseline', shown(stored), '<= 5 s'),
    row('bare DuckDB: moments and 99 quantiles of both tables', ms(bare)),
    row('report, cold, to bare DuckDB', `${(cold.wallMs / bare).toFixed(2)} x`),
  ];
}

async function bareStatistics(files: readonly string[], columns: readonly string[]): Promise<number> {
  const instance = await DuckDBInstance.create(':memory:', { threads: '2' });
  const connection = await instance.connect();
  const shares = Array.from({ length: 99 }, (_, i) => (i + 1) / 100).join(', ');
  const figures = columns.map((c) => `count(${c}), avg(${c}), stddev(${c}), min(${c}), max(${c}), approx_quantile(${c}, [${shares}])`);
  const from = performance.now();
  for (const file of files) await connection.runAndReadAll(`select ${figures.join(', ')} from read_parquet('${file}')`);
  const wallMs = performance.now() - from;
  connection.closeSync();
  instance.closeSync();
  return wallMs;
}

async function windows(ctx: Ctx, dir: string): Promise<Row[]> {
  await registerWithBaseline(ctx, dir);
  const days = 300;
  const times: number[] = [];
  const tick = async (us: number): Promise<Measured> => {
    await moveTimeline(ctx, 'demo', us);
    return measured(ctx, () => tickMonitors(ctx, 'demo'));
  };
  for (let d = 0; d < days; d++) {
    await sendRecords(ctx, { fromUs: at(d), toUs: at(d + 1), rows: 900, first: d * 900 });
    await sendLabels(ctx, { fromUs: at(d), toUs: at(d + 1), rows: 900, first: d * 900, number: d + 1 });
    times.push((await tick(at(d + 1))).wallMs);
  }
  const median = (from: number): number => quantile(times.slice(from, from + 10), 0.5);
  await sendRecords(ctx, { fromUs: at(days + 10), toUs: at(days + 11), rows: ROWS, first: 10_000_000 });
  await sendLabels(ctx, { fromUs: at(days + 10), toUs: at(days + 11), rows: ROWS, first: 10_000_000, number: 1000 });
  await tick(at(days + 10));
  const large = await tick(at(days + 11));
  const labelled = await tick(at(days + 12));
  const added = (m: Measured): string => `${ms(m.wallMs)}, +${Math.round(m.addedMb)} MB`;
  return [
    row('a tick that closes a day of 900 predictions and one of 900 labels, after 10 days', ms(median(5)), '<= 150 ms'),
    row(`the same after ${days} days`, ms(median(days - 10)), 'as before'),
    row('close a day of 1M predictions', added(large), '<= 5 s, <= 500 MB'),
    row('close the performance of a day with 1M labels', added(labelled), '<= 5 s, <= 500 MB'),
  ];
}
