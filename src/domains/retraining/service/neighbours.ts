// What other rooms say of an endpoint and its monitors, asked in one place.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { activeAlerts } from '../../alerts/public.ts';
import { countLabels } from '../../feedback/public.ts';
import { championAlias, findVersion, type ModelVersion } from '../../registry/public.ts';
import { activeRelease, beginRelease, getRelease, type WithRelease } from '../../releases/public.ts';

/** The release of an endpoint that has not ended, or undefined. */
export const releaseUnderWayOf = async (ctx: Ctx, endpoint: string): Promise<string | undefined> =>
  (await activeRelease(ctx.db, ctx.workspace, endpoint))?.id;

/**
 * Says whether a quality alert of the monitor pages somebody: what is so broken must not be learned from. One that
 * only warns mutes drift, and training on data with a gap that is real has always been the pipeline's business.
 */
export const isMuted = async (ctx: Ctx, project: string, monitor: string): Promise<boolean> =>
  (await activeAlerts(ctx, project, { monitor })).some((a) => a.signal === 'quality' && a.severity === 'page');

/** Predictions of a monitor whose labels were accepted after a moment of event time. */
export const countNewLabels = countLabels;

export interface FiringAlert {
  readonly id: string;
  readonly rule: string;
  readonly monitor: string;
  readonly severity: string;
  readonly signal: string | undefined;
}

/** Alerts that fire now and that no broken data mutes, in the order in which they began. */
export async function firingAlerts(ctx: Ctx, project: string): Promise<FiringAlert[]> {
  const active = await activeAlerts(ctx, project);
  return active.filter((a) => a.state === 'firing' && a.muted === '').toReversed();
}

/** The version that an endpoint's model has to beat; undefined if there is none yet. */
export async function championOf(ctx: Ctx, model: string): Promise<ModelVersion | undefined> {
  try {
    return await findVersion(ctx, model, championAlias);
  } catch (error) {
    if (!isProblem(error, 'model-version-not-found')) throw error;
    return undefined;
  }
}

/** Begins a release by the endpoint's own policy; `also` is written in its transaction. Raises what `beginRelease` raises. */
export const beginReleaseOf = async (
  ctx: Ctx,
  input: { readonly project: string; readonly endpoint: string; readonly version: string; readonly reason: string },
  also: WithRelease,
): Promise<void> => void (await beginRelease(ctx, input, also));

export interface ReleaseEnd {
  readonly promoted: boolean;
  readonly how: string;
  /** Its reason is a person's words. */
  readonly byPerson: boolean;
  readonly reason: string;
}

const HOW: Readonly<Record<string, string>> = { 'rolled-back': 'rolled back', aborted: 'aborted', failed: 'not taken' };

/** How a release has ended; undefined while it has not. */
export async function releaseEnd(ctx: Ctx, id: string): Promise<ReleaseEnd | undefined> {
  const { state, reason } = await getRelease(ctx.db, ctx.workspace, id);
  if (state === 'promoted') return { promoted: true, how: 'promoted', byPerson: false, reason };
  const how = HOW[state];
  return how === undefined ? undefined : { promoted: false, how, byPerson: state === 'aborted', reason };
}
