// Judging a staged release at a tick of event time, never when something arrives: the same records give the same decisions.
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { currentRevision, monitorOfEndpoint } from '../../projects/public.ts';
import { isJudged } from '../model.ts';
import * as store from '../store/releases.ts';
import { figuresOf } from './judging/figures.ts';
import { follow } from './follow.ts';
import { frozenBy } from './freeze.ts';
import { recoverLater, settle } from './settle.ts';
import { judgeStep } from './judging/verdict.ts';

/** Judges a release, and does what follows. May be run again, at the same tick to no effect. */
export async function judgeRelease(ctx: Ctx, id: string): Promise<void> {
  await settle(ctx, id);
  const release = await store.findRelease(ctx.db, ctx.workspace, id);
  if (!release || release.move || !isJudged(release.state)) return;
  const { mode, nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, release.project);
  // A wall clock that was set back must not blind those who look for harm; no hold passes by it.
  if (mode === 'live' ? nowUs === release.judgedUs : nowUs <= release.judgedUs) return;
  const figures = release.state === 'warming' ? null : await figuresOf(ctx, release, { nowUs, isLive: mode === 'live' });
  failpoint('releases.before-judged');
  await ctx.tx(async (tx) => {
    const frozen = await frozenBy(tx, release.project, release.endpoint);
    if (await follow(tx, release, judgeStep(release, figures, nowUs, frozen), figures)) await recoverLater(tx, id);
  });
  failpoint('releases.after-judged');
  await settle(ctx, id);
}

/**
 * Judges the staged releases of a replay whose tick this is: that of the monitor which brings the endpoint's
 * labels, or the timeline's own where no monitor watches the endpoint.
 */
export async function judgeProject(ctx: Ctx, { project, monitor }: { project: string; monitor: string | null }): Promise<void> {
  const { mode } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  if (mode === 'live') return;
  const { definition } = await currentRevision(ctx, project);
  for (const { workspace, release } of await store.listJudged(ctx.db)) {
    if (workspace !== ctx.workspace || release.project !== project) continue;
    if ((monitorOfEndpoint(definition.monitors, release.endpoint)?.name ?? null) === monitor) await judgeRelease(ctx, release.id);
  }
}
