// What other rooms and the API read of monitoring.
import type { Ctx } from '../../../kernel/ctx.ts';
import { atLeast, levelOf, requireLevel, type ResourceKind } from '../../../kernel/levels.ts';
import { currentRevision, type MonitorDefinition } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import type { Baseline, BaselineRow, Finding, Window } from '../model.ts';
import * as monitors from '../store/monitors.ts';
import * as store from '../store/windows.ts';
import { openBaselines } from './baselines.ts';

/** Raises `monitor-not-found`, `project-not-found`; `level-too-low` unless the caller may read what it watches. */
export async function getMonitor(ctx: Ctx, project: string, monitor: string): Promise<MonitorDefinition> {
  const { definition } = await currentRevision(ctx, project);
  if (!Object.hasOwn(definition.monitors, monitor)) return fail('monitor-not-found', { project, monitor });
  const found = definition.monitors[monitor]!;
  for (const [kind, id] of watchedBy(found)) requireLevel(ctx, kind, id, 'READ');
  return found;
}

const watchedBy = ({ endpoint, model }: MonitorDefinition): (readonly [ResourceKind, string])[] => [
  ...(endpoint === null ? [] : [['endpoint', endpoint] as const]),
  ...(model === null ? [] : [['model', model] as const]),
];

/** The monitors of a project, those apart that watch what the caller may not read. Raises `project-not-found`. */
export async function listMonitors(ctx: Ctx, project: string): Promise<{ readable: MonitorDefinition[]; hidden: MonitorDefinition[] }> {
  const { definition } = await currentRevision(ctx, project);
  const isReadable = (m: MonitorDefinition): boolean => watchedBy(m).every(([kind, id]) => atLeast(levelOf(ctx, kind, id), 'READ'));
  const { readable = [], hidden = [] } = Object.groupBy(Object.values(definition.monitors), (m) => (isReadable(m) ? 'readable' : 'hidden'));
  return { readable, hidden };
}

const MOST = 100_000;

/** Windows of a monitor in the order of their start; all generations unless `latestOnly`. */
export const listWindows = (
  ctx: Ctx,
  filter: store.WindowFilter & { readonly limit?: number; readonly order?: 'asc' | 'desc' },
): Promise<Window[]> => store.listWindows(ctx.db, ctx.workspace, filter, { limit: filter.limit ?? MOST, order: filter.order ?? 'asc' });

/** Raises `window-not-found`. */
export const getWindow = async (ctx: Ctx, id: string): Promise<Window> =>
  (await store.getWindow(ctx.db, ctx.workspace, id)) ?? fail('window-not-found', { monitor: '', window: id });

/** Findings, newest first. */
export const listFindings = (ctx: Ctx, filter: store.FindingFilter & { readonly limit?: number }): Promise<Finding[]> =>
  store.listFindings(ctx.db, ctx.workspace, filter, { limit: filter.limit ?? MOST });

/** What windows led by a version (of the monitor's model; default the last lead) are compared with. Raises `monitor-not-found`, `baseline-not-found`. */
export async function baselineOf(
  ctx: Ctx,
  project: string,
  monitor: string,
  version?: string,
): Promise<{ row: BaselineRow; baseline: Baseline }> {
  const m = await getMonitor(ctx, project, monitor);
  const state = await monitors.findState(ctx.db, ctx.workspace, project, monitor);
  const lead = version ?? state?.lead ?? '';
  const blank = { project, monitor, firstUs: 0, dataNextUs: 0, performanceNextUs: 0, lead: '', watermarkUs: 0, version: 1 };
  const first = m.baseline !== null && 'firstUs' in m.baseline;
  if (first && !state) return fail('baseline-not-found', { monitor, why: 'no record has come yet' });
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  // Only what a tick would make is made here: a reader must not fix a baseline that is still growing.
  if (first && state!.dataNextUs < state!.firstUs + (m.baseline as { firstUs: number }).firstUs)
    return fail('baseline-not-found', { monitor, why: 'it is being gathered from the first windows' });
  const found = await openBaselines(ctx, project, m, state ?? blank).of(lead, { fromUs: nowUs, kind: 'data' });
  if (!found.baseline || found.id === null) return fail('baseline-not-found', { monitor, why: found.without });
  const row = (await monitors.getBaseline(ctx.db, ctx.workspace, found.id))!;
  return { row, baseline: found.baseline };
}
