// What a judgement leads to: a move, a wait, an end.
import type { Ctx } from '../../../kernel/ctx.ts';
import { stateOfStep, type Move, type Release, type StepFigures } from '../model.ts';
import { beginMove, stay } from './move.ts';
import type { Verdict } from './judging/verdict.ts';

/** Who has a release moved, where it is not the program. */
export interface By {
  readonly actor: Move['actor'];
  readonly reason: string;
}

/**
 * Does what a verdict says; true if a move has begun that somebody has to bring to its end (`settle`). Inside a
 * transaction; nothing happens if another process has moved the release on.
 */
export async function follow(tx: Ctx, release: Release, verdict: Verdict, figures: StepFigures | null, by?: By): Promise<boolean> {
  const seen = figures ? ({ figures, looks: figures.looks, judgedUs: figures.atUs } as const) : {};
  switch (verdict.kind) {
    case 'wait':
      await stay(tx, release, { ...seen, standing: release.state === 'paused' ? release.standing : verdict.why });
      return false;
    case 'hold': {
      // Told once, not at every look.
      const held = `held for want of ${verdict.lack}`;
      const told = release.standing.startsWith(held) ? undefined : { reason: verdict.why };
      await stay(tx, release, { ...seen, standing: `${held}: ${verdict.why}` }, told);
      return false;
    }
    case 'await': {
      const told = release.waiting ? undefined : { reason: verdict.why };
      await stay(tx, release, { ...seen, waiting: verdict.waiting, standing: release.waiting ? release.standing : verdict.why }, told);
      return false;
    }
    case 'pause':
      await stay(tx, release, { ...seen, state: 'paused', waiting: null, standing: `paused: ${verdict.why}` }, { reason: verdict.why });
      return false;
    case 'roll-back':
      return beginMove(tx, release, { to: 'rolled-back', step: release.step, reason: verdict.why, figures });
    case 'next':
      return beginMove(tx, release, {
        ...stopAt(release, verdict.step),
        reason: by?.reason ?? verdict.why,
        figures,
        ...(by ? { actor: by.actor } : {}),
      });
  }
}

/** Where a step of a release's policy leads; the one after the last is its end. */
export function stopAt({ policy }: Pick<Release, 'policy'>, step: number): Pick<Move, 'to' | 'step'> {
  const last = policy!.steps.length - 1;
  return step > last ? { to: 'promoted', step: last } : { to: stateOfStep(policy!, step), step };
}
