// A look at a trial that runs, at a tick of event time: guardrails, sample ratio, its longest time, and the weights of a bandit.
// The same records give the same decisions; a look that is taken again changes nothing.
import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { RATIO_ALPHA, type GuardFigures, type Readout, type Trial } from '../model.ts';
import * as store from '../store.ts';
import { isMove, nextWeights, type Next } from './bandit.ts';
import { isDecisive, recordDecision } from './decide.ts';
import { declareTrials } from './declare.ts';
import { harmInWords, judgeGuardrails } from './guardrails.ts';
import { measureRewards } from './measure-rewards.ts';
import { readTrial } from './readout.ts';
import { settleTrial } from './settle.ts';
import { leave, moveWeights, record, write } from './steer.ts';
import { tell } from './tell.ts';

const HOUR_US = 3_600_000_000;
const MINUTE_US = 60_000_000;

interface Look {
  readonly atUs: number;
  readonly guards: readonly GuardFigures[];
  readonly readout: Readout;
  /** null: no update is due. */
  readonly next: Next | null;
}

/** Looks at a trial, and does what follows. */
export async function judgeTrialNow(ctx: Ctx, id: string): Promise<void> {
  const trial = await settleTrial(ctx, id);
  if (trial.state !== 'running' || !trial.settled) return;
  const { nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, trial.project);
  // Also where a wall clock has gone back: what was seen is not seen again.
  if (nowUs <= trial.judgedUs) return;
  const look = await lookAt(ctx, trial, nowUs);
  failpoint('trials.before-judged');
  await ctx.tx((tx) => follow(tx, trial, look));
  failpoint('trials.after-judged');
  await settleTrial(ctx, id);
}

async function lookAt(ctx: Ctx, trial: Trial, atUs: number): Promise<Look> {
  const { plan, started, steering, project, endpoint } = trial;
  const guards = await judgeGuardrails(ctx, trial, atUs);
  const readout = await readTrial(ctx, trial, atUs);
  const { bandit } = plan;
  if (!bandit || !steering || steering.fixed || atUs < steering.nextUs) return { atUs, guards, readout, next: null };
  const found = await measureRewards(ctx, {
    ...{ project, endpoint, spans: started!.spans, fromUs: started!.atUs, toUs: atUs, metric: plan.metric },
    ...{ delayUs: bandit.delayUs, missing: bandit.missing, halfLifeUs: bandit.halfLifeUs },
  });
  return { atUs, guards, readout, next: nextWeights(plan, bandit, found, steering.updates) };
}

async function follow(tx: Ctx, trial: Trial, { atUs, guards, readout, next }: Look): Promise<void> {
  const seen = { judgedUs: atUs, guards } as const;
  const { plan, started, steering } = trial;
  if (readout.ratio.pValue < RATIO_ALPHA || readout.verdict.kind === 'invalid') {
    const more = { ...seen, started: { ...started!, invalid: true } };
    return leave(tx, trial, 'paused', readout.verdict.why, more);
  }
  const harm = guards.find((g) => g.verdict === 'harm');
  if (harm) return leave(tx, trial, 'stopped', `harm: ${harmInWords(harm)}`, seen);
  if (plan.longestUs !== null && atUs - started!.atUs >= plan.longestUs) {
    const why = `it has run for its longest time of ${Number((plan.longestUs / (24 * HOUR_US)).toFixed(3))} days`;
    if (isDecisive(readout)) return recordDecision(tx, trial, readout, why, seen);
    return leave(tx, trial, 'stopped', `${why} without a result: ${readout.verdict.why}`, seen);
  }
  if (!next || !steering) return write(tx, { ...trial, ...seen });
  // From the start in whole intervals: whoever looks late does not make the next one late.
  const every = plan.bandit!.everyUs;
  const nextUs = started!.atUs + (Math.floor((atUs - started!.atUs) / every) + 1) * every;
  if (next.kind === 'waits')
    return write(tx, { ...trial, ...seen, steering: { ...steering, nextUs }, standing: `weights stay: ${next.why}` });
  const updated = { ...trial, steering: { ...steering, nextUs, updates: steering.updates + 1 } };
  const step = { why: next.why, atUs, update: next.update } as const;
  if (isMove(steering.weights, next.weights)) {
    await moveWeights(tx, updated, next.weights, { kind: 'weights', ...step }, seen);
    return tell(tx, trial, 'weights-moved', { weights: next.weights, update: updated.steering.updates, seed: next.update.seed });
  }
  await record(tx, trial, { kind: 'kept', ...step });
  return write(tx, { ...updated, ...seen });
}

/** All trials of a project, once event time has moved and all that this brings about is done. */
export async function judgeTrials(ctx: Ctx, project: string): Promise<void> {
  // By now there may be traffic to plan from, or the endpoint may be free.
  await declareTrials(ctx, project);
  for (const { trial } of await store.listInStates(ctx.db, ['running'], { workspace: ctx.workspace, project }))
    await judgeTrialNow(ctx, trial.id);
}

/**
 * Trials on live timelines, with the records just shipped. The longer one runs, the rarer it is looked at, for each look reads all
 * of it: after a day every quarter of an hour.
 */
export async function judgeLive(ctx: Ctx): Promise<void> {
  for (const { workspace, trial } of await store.listInStates(ctx.database.reader, ['running'])) {
    const scoped = makeCtx(ctx, { actor: systemActor, workspace, signal: ctx.signal });
    const { mode, nowUs } = await scoped.timeline.read(scoped.db, workspace, trial.project);
    if (mode !== 'live' || !isLookDue(trial, nowUs)) continue;
    await apart(ctx, trial.id, () => judgeTrialNow(scoped, trial.id));
  }
  const waiting = await store.listInStates(ctx.database.reader, ['declared', 'planned']);
  const projects = new Map(
    waiting
      .filter(({ trial }) => trial.managedBy === 'file')
      .map(({ workspace, trial }) => [`${workspace}/${trial.project}`, { workspace, trial }]),
  );
  for (const { workspace, trial } of projects.values()) {
    const scoped = makeCtx(ctx, { actor: systemActor, workspace, signal: ctx.signal });
    const { mode } = await scoped.timeline.read(scoped.db, workspace, trial.project);
    if (mode === 'live') await apart(ctx, trial.id, () => declareTrials(scoped, trial.project));
  }
}

/** One that cannot be judged must not hold up the others; the next minute is its next attempt. */
async function apart(ctx: Ctx, trial: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    ctx.log.error({ event: 'trials.not-judged', trial, error });
  }
}

export function isLookDue({ started, judgedUs, steering }: Pick<Trial, 'started' | 'judgedUs' | 'steering'>, nowUs: number): boolean {
  const isUpdateDue = steering !== null && steering.fixed === null && nowUs >= steering.nextUs;
  return isUpdateDue || nowUs - judgedUs >= Math.max(MINUTE_US, (nowUs - started!.atUs) / 100);
}
