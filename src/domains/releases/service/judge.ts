// Judging a staged release at a tick of event time, never when something arrives: the same records give the same decisions.
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { currentRevision, monitorOfEndpoint } from '../../projects/public.ts';
import { judgeStep, type Release, type StepFigures, type Verdict } from '../model.ts';
import * as store from '../store/releases.ts';
import { figuresOf } from './figures.ts';
import { isFrozen } from './freeze.ts';
import { beginMove, stay } from './move.ts';
import { recoverLater, settle } from './settle.ts';

/** Judges a release, and does what follows. May be run again, at the same tick to no effect. */
export async function judgeRelease(ctx: Ctx, id: string): Promise<void> {
  await settle(ctx, id);
  const release = await store.findRelease(ctx.db, ctx.workspace, id);
  if (!release || release.move || (release.state !== 'canary' && release.state !== 'paused')) return;
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, release.project);
  if (nowUs <= release.judgedUs) return;
  const figures = await figuresOf(ctx, release, nowUs);
  failpoint('releases.before-judged');
  await ctx.tx(async (tx) => {
    const frozen = await isFrozen(tx, release.project, release.endpoint);
    await follow(tx, release, judgeStep(release, figures, nowUs, frozen), figures);
  });
  failpoint('releases.after-judged');
  await settle(ctx, id);
}

async function follow(tx: Ctx, release: Release, verdict: Verdict, figures: StepFigures): Promise<void> {
  const seen = { figures, looks: figures.looks, judgedUs: figures.atUs, standing: verdict.why } as const;
  switch (verdict.kind) {
    case 'wait':
      return void (await stay(tx, release, { ...seen, standing: release.state === 'paused' ? release.standing : verdict.why }));
    case 'hold': {
      // Told once, not at every look.
      const held = `held for want of ${verdict.lack}`;
      const told = release.standing.startsWith(held) ? undefined : { reason: verdict.why };
      return void (await stay(tx, release, { ...seen, standing: `${held}: ${verdict.why}` }, told));
    }
    case 'pause':
      return void (await stay(tx, release, { ...seen, state: 'paused', standing: `paused: ${verdict.why}` }, { reason: verdict.why }));
    case 'roll-back':
    case 'next': {
      const isLast = verdict.kind === 'next' && verdict.step >= release.policy!.steps.length - 1;
      const to = verdict.kind === 'roll-back' ? 'rolled-back' : isLast ? 'promoted' : 'canary';
      const step = to === 'canary' && verdict.kind === 'next' ? verdict.step : release.step;
      if (await beginMove(tx, release, { to, step, reason: verdict.why, figures })) await recoverLater(tx, release.id);
    }
  }
}

/**
 * Judges the staged releases of a replay whose tick this is: that of the monitor which brings the endpoint's
 * labels, or the timeline's own where no monitor watches the endpoint.
 */
export async function judgeProject(ctx: Ctx, { project, monitor }: { project: string; monitor: string | null }): Promise<void> {
  const { mode } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  if (mode === 'live') return;
  const { definition } = await currentRevision(ctx, project);
  for (const { workspace, release } of await store.listCanaries(ctx.db)) {
    if (workspace !== ctx.workspace || release.project !== project) continue;
    if ((monitorOfEndpoint(definition.monitors, release.endpoint)?.name ?? null) === monitor) await judgeRelease(ctx, release.id);
  }
}
