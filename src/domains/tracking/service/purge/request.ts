// Asking for a purge, and single histories of metrics that go for good.
import type { Ctx } from '../../../../kernel/ctx.ts';
import type { Job } from '../../../../kernel/jobs/jobs.ts';
import { atLeast, levelOf, requireLevel } from '../../../../kernel/levels.ts';
import { fail } from '../../errors.ts';
import { experimentIdOf } from '../../model.ts';
import * as store from '../../store/purges.ts';
import { deleteBelongings } from '../../store/purges.ts';
import { getExperiment } from '../experiments.ts';
import { insertPurge, MOST_BLOCKS, nextRows, toPurge, type Purge } from './run-purge.ts';
import { activeRun, getRun } from '../runs.ts';
import { checkUnscoped } from '../scope.ts';

export interface PurgeAsked {
  readonly experimentIds: readonly string[] | undefined;
  readonly runIds: readonly string[] | undefined;
  /** Deleted at least so long ago. */
  readonly olderThanMs: number;
  readonly dryRun: boolean;
  readonly confirm: string | undefined;
}

/** Raises `purge-unconfirmed`, `purge-not-deleted`, `experiment-not-found`, `tracking-run-not-found`, `level-too-low`. */
export async function requestPurge(ctx: Ctx, asked: PurgeAsked, job: Job<{ id: string }>): Promise<Purge> {
  checkUnscoped(ctx, 'a purge');
  if (!asked.dryRun && asked.confirm !== 'purge') fail('purge-unconfirmed', {});
  const experimentIds = asked.experimentIds?.map(experimentIdOf);
  for (const id of experimentIds ?? []) {
    await getExperiment(ctx, id);
    requireLevel(ctx, 'experiment', id, 'MANAGE');
  }
  for (const id of asked.runIds ?? []) {
    const run = await getRun(ctx, id);
    requireLevel(ctx, 'experiment', run.experimentId, 'MANAGE');
    if (run.lifecycle !== 'deleted') fail('purge-not-deleted', { what: `Run ${id}` });
  }
  if (experimentIds === undefined && asked.runIds === undefined) requireLevel(ctx, 'experiment', '*', 'MANAGE');
  const scope = { experimentIds: experimentIds ?? null, runIds: asked.runIds ?? null, deletedByMs: ctx.clock.now() - asked.olderThanMs };
  return ctx.tx(async (tx) => {
    const purge = await insertPurge(tx, scope, asked.dryRun);
    await tx.enqueue({ job, payload: { id: purge.id }, uniqueKey: purge.id });
    return purge;
  });
}

// A purge names experiments of anybody, so it is shown to who asked for it and to who manages them all.
const seesAll = (ctx: Ctx): boolean => atLeast(levelOf(ctx, 'experiment', '*'), 'MANAGE');

/** Raises `purge-not-found`. */
export async function getPurge(ctx: Ctx, id: string): Promise<Purge> {
  const row = await store.getPurge(ctx.db, ctx.workspace, id);
  return row && (seesAll(ctx) || row.actor_id === ctx.actor.id) ? toPurge(row) : fail('purge-not-found', { id });
}

export const listPurges = async (ctx: Ctx, before: string, limit: number): Promise<Purge[]> =>
  (await store.listPurges(ctx.db, ctx.workspace, before, limit, seesAll(ctx) ? undefined : ctx.actor.id)).map(toPurge);

/** All points of one metric of a run, for good. Asked again it goes on. Raises `metric-not-found`, `tracking-run-*`. */
export async function purgeMetric(ctx: Ctx, runId: string, key: string): Promise<number> {
  const run = await activeRun(ctx, runId);
  requireLevel(ctx, 'experiment', run.experimentId, 'MANAGE');
  const [blocks, latest] = store.belongings.run;
  const of = store.ofKey(key);
  const points = await store.countPoints(ctx.db, ctx.workspace, [runId], key);
  for (let removed = Infinity, asked = 0, rows = MOST_BLOCKS; removed >= asked;) {
    const begun = performance.now();
    const most = (asked = rows);
    removed = await ctx.tx((tx) => deleteBelongings(tx.db, tx.workspace, blocks, [runId], most, of));
    rows = Math.min(MOST_BLOCKS, nextRows(asked, performance.now() - begun));
  }
  await ctx.tx(async (tx) => {
    // Whoever logs to it meanwhile waits for the row of its latest point, so that no block is left without that.
    const shown = await deleteBelongings(tx.db, tx.workspace, latest, [runId], 1, of);
    await deleteBelongings(tx.db, tx.workspace, blocks, [runId], Number.MAX_SAFE_INTEGER, of);
    if (shown + points === 0) fail('metric-not-found', { key, run: runId });
    await tx.emit({ type: 'tracking-run.metric-purged', subject: { kind: 'tracking-run', id: runId }, payload: { key, points } });
  });
  return points;
}
