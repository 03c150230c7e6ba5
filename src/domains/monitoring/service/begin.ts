// Where the windows of a monitor begin.
import type { Ctx } from '../../../kernel/ctx.ts';
import { windowStart, WINDOWS_BEGIN_US } from '../../../kernel/timeline/windows.ts';
import { stageFiles } from '../../datasets/public.ts';
import { endpointOf, type MonitorDefinition } from '../../projects/public.ts';
import { inferenceFiles, type InferenceFile } from '../../serving/public.ts';
import type { MonitorState } from '../model.ts';
import * as monitors from '../store/monitors.ts';

/** Records that lie further than both of these before all others are of a clock that was wrong, and no beginning. */
const ASTRAY_US = 366 * 86_400_000_000;
const ASTRAY_WINDOWS = 1000;

/** The first record begins the first window; undefined while none has come whose moment is past. */
export async function begin(ctx: Ctx, project: string, m: MonitorDefinition, nowUs: number): Promise<MonitorState | undefined> {
  const files = await inferenceFiles(ctx, { project, endpoint: endpointOf(m), fromUs: 0, toUs: nowUs });
  if (files.length === 0) return undefined;
  const firstUs = await firstWindow(ctx, m, files, nowUs);
  const state: MonitorState = {
    project,
    monitor: m.name,
    firstUs,
    dataNextUs: firstUs,
    performanceNextUs: firstUs,
    lead: '',
    watermarkUs: 0,
    version: 1,
  };
  await ctx.tx((tx) => monitors.insertState(tx.db, tx.workspace, state));
  return monitors.findState(ctx.db, ctx.workspace, project, m.name);
}

async function firstWindow(ctx: Ctx, m: MonitorDefinition, files: readonly InferenceFile[], nowUs: number): Promise<number> {
  const oldestUs = files.reduce((least, f) => Math.min(least, f.fromUs), Infinity);
  const newestUs = files.reduce((most, f) => Math.max(most, f.toUs), -Infinity);
  const gapUs = Math.max(ASTRAY_US, ASTRAY_WINDOWS * m.windowUs);
  if (Math.min(newestUs, nowUs) - oldestUs <= gapUs) return windowStart(oldestUs, m.windowUs);
  const { rows } = await ctx.compute.run(
    {
      what: `the first window of monitor ${m.name}`,
      tables: { log: { files: await stageFiles(ctx, [...new Set(files.map((f) => f.digest))]) } },
      statements: [],
      // Rounded down for moments before the first Monday, too.
      rows: `select floor(("eventTimeUs" - ${WINDOWS_BEGIN_US}) / ${m.windowUs}.0)::bigint as w, count(*) as n from log where "eventTimeUs" <= ${nowUs} group by 1 order by 1`,
    },
    ctx.signal,
  );
  const found = rows.map((r) => ({ startUs: WINDOWS_BEGIN_US + Number(r.w) * m.windowUs, n: Number(r.n) }));
  const first = Math.max(
    0,
    found.findLastIndex((w, i) => i > 0 && w.startUs - found[i - 1]!.startUs > gapUs),
  );
  const records = found.slice(0, first).reduce((sum, w) => sum + w.n, 0);
  if (records > 0) ctx.log.warn({ event: 'monitoring.records-astray', monitor: m.name, records, beginUs: found[first]!.startUs });
  return found[first]!.startUs;
}
