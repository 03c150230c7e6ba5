// Live traffic: between two minutes the data planes' own counts show whether a candidate fails. What they show
// only hastens the judgement, which is made of the log as always.
import { makeCtx, systemActor, type Ctx, type Platform } from '../../../kernel/ctx.ts';
import { liveCounts, shipLive } from '../../serving/public.ts';
import { shareOf } from '../model.ts';
import * as endpoints from '../store/endpoints.ts';
import * as store from '../store/releases.ts';
import { alphaOf, type Compared, type Counted } from './judging/compared.ts';
import { judgeGuardrail } from './judging/guardrails.ts';
import { judgeRelease } from './judge.ts';
import { liveAcks } from './settle.ts';

const EVERY_MS = 2000;

/** Looks at every staged release on a live timeline that has the guardrail `error_rate`. */
export async function watchOnce(ctx: Ctx): Promise<void> {
  for (const { workspace, release } of await store.listJudged(ctx.database.reader)) {
    const guardrail = release.policy?.guardrails.find((g) => g.metric === 'error_rate');
    const scoped = makeCtx(ctx, { actor: systemActor, workspace, signal: ctx.signal });
    // Of copies the data planes have no counts; the minute judges them.
    if (!guardrail || release.move || shareOf(release) <= 0 || shareOf(release) >= 1) continue;
    if ((await scoped.timeline.read(scoped.db, workspace, release.project)).mode !== 'live') continue;
    const { number, variants } = await endpoints.getRevision(scoped.db, workspace, release.revision);
    const planes = liveAcks(scoped);
    const counts = (await liveCounts(scoped, planes)).filter(
      (c) => c.workspace === workspace && c.endpoint === release.endpoint && c.revision === number,
    );
    const of = (variant: string): Counted => ({
      requests: counts.filter((c) => c.variant === variant).reduce((sum, c) => sum + c.requests, 0),
      errors: counts.filter((c) => c.variant === variant).reduce((sum, c) => sum + c.errors, 0),
      ...{ nulls: 0, bins: [], latency: [], scores: [], labels: [], rewards: [] },
    });
    const [candidate, stable] = [of(release.candidate.id), of(variants[0]!.id)];
    const { step, policy } = release;
    const compared: Compared = {
      ...{ state: 'canary', step, share: policy!.steps[step]!, candidate, stable, pairs: null, features: null },
      ...{ alpha: alphaOf(policy!, true), expected: policy!.minSample, isLive: true },
    };
    if (judgeGuardrail(guardrail, compared)?.verdict !== 'harm') continue;
    await shipLive(scoped, () => liveAcks(scoped));
    await judgeRelease(scoped, release.id);
  }
}

/** Looks every two seconds until it is stopped; while no release is staged, a look is one query of an index. */
export function watchReleases(platform: Platform): () => Promise<void> {
  let look: Promise<void> | undefined;
  const timer = setInterval(() => {
    look ??= watchOnce(makeCtx(platform, { actor: systemActor, workspace: '' }))
      .catch((error: unknown) => platform.log.warn({ event: 'releases.watch-failed', error }))
      .finally(() => (look = undefined));
  }, EVERY_MS).unref();
  return async () => {
    clearInterval(timer);
    await look;
  };
}
