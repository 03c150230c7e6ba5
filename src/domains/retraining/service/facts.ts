// Gathers what the guard rails are judged on: records and event time, nothing else.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newestVersion } from '../../datasets/public.ts';
import type { ProjectDefinition, RetrainingDefinition } from '../../projects/public.ts';
import { findFreeze } from '../../releases/public.ts';
import type { Facts, Trigger } from '../model.ts';
import * as policies from '../store/policies.ts';
import * as store from '../store/triggers.ts';
import { championOf, countNewLabels, isMuted, releaseUnderWayOf } from './neighbours.ts';
import { datasetsOf, modelOf, monitorsOf } from './watched.ts';

export async function gatherFacts(
  ctx: Ctx,
  definition: ProjectDefinition,
  policy: RetrainingDefinition,
  { fingerprint, nowUs }: { readonly fingerprint: string; readonly nowUs: number },
): Promise<Facts> {
  const { db, workspace } = ctx;
  const of = { project: definition.project, policy: policy.name };
  const [last, same, state] = [
    await store.findLastAccepted(db, workspace, of),
    await store.findLastAccepted(db, workspace, { ...of, fingerprint }),
    await policies.findState(db, workspace, of),
  ];
  const muted: string[] = [];
  for (const { name } of monitorsOf(definition, policy)) if (await isMuted(ctx, definition.project, name)) muted.push(name);
  return {
    nowUs,
    ...(await gatherHolds(ctx, definition.project, policy)),
    lastAccepted: accepted(last),
    lastSame: accepted(same),
    acceptedInSpan: policy.budget ? await store.countAccepted(db, workspace, of, nowUs - policy.budget.perUs) : 0,
    newLabels: policy.minNewLabels > 0 ? await newLabels(ctx, definition, policy) : undefined,
    broken: await brokenDatasets(ctx, definition, policy),
    mutedMonitors: muted,
    useless: state?.useless ?? 0,
    halted: state?.halted ?? false,
  };
}

/** What keeps a policy from starting anything now; few rows, so that it can be asked for in the transaction that accepts. */
export async function gatherHolds(
  ctx: Ctx,
  project: string,
  policy: RetrainingDefinition,
): Promise<Pick<Facts, 'stop' | 'freeze' | 'open' | 'releaseUnderWay'>> {
  const of = { project, policy: policy.name };
  const stop = await policies.findStop(ctx.db, ctx.workspace, of);
  const freeze = await findFreeze(ctx, project, policy.endpoint);
  const open = await store.findOpen(ctx.db, ctx.workspace, of);
  return {
    stop: stop && { scope: scopeOf(stop), by: stop.actor, reason: stop.reason },
    freeze: freeze && { by: freeze.actor, reason: freeze.reason },
    open: open && { id: open.id, state: open.state },
    releaseUnderWay: await releaseUnderWayOf(ctx, policy.endpoint),
  };
}

const accepted = (t: Trigger | undefined): Facts['lastAccepted'] => t && { id: t.id, acceptedUs: t.acceptedUs! };

export const scopeOf = ({ project, policy }: { readonly project: string; readonly policy: string }): string =>
  project === '' ? 'all projects' : policy === '' ? `project ${project}` : `policy ${policy}`;

/** Of several monitors, the one that has seen most counts: the same rows are not counted twice. */
async function newLabels(ctx: Ctx, definition: ProjectDefinition, policy: RetrainingDefinition): Promise<Facts['newLabels']> {
  const sinceUs = await championCutoff(ctx, modelOf(definition, policy));
  const counts: number[] = [];
  for (const { name } of monitorsOf(definition, policy))
    counts.push(await countNewLabels(ctx, { project: definition.project, monitor: name, sinceUs }));
  return counts.length === 0 ? undefined : { labels: Math.max(...counts), sinceUs };
}

/** The moment by which all that the champion was fitted on was known; 0 without a champion, for which all labels are new. */
const championCutoff = async (ctx: Ctx, model: string | null): Promise<number> =>
  (model === null ? undefined : await championOf(ctx, model))?.evidence.trainingCutoffUs ?? 0;

async function brokenDatasets(ctx: Ctx, definition: ProjectDefinition, policy: RetrainingDefinition): Promise<Facts['broken']> {
  const pipeline = definition.pipelines[policy.pipeline];
  const broken: { dataset: string; version: string; number: number }[] = [];
  for (const dataset of pipeline ? datasetsOf(definition, pipeline) : []) {
    const newest = await newestVersion(ctx, definition.project, dataset);
    if (newest?.state === 'quarantined') broken.push({ dataset, version: newest.id, number: newest.number });
  }
  return broken;
}
