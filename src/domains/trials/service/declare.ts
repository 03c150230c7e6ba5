// Trials of gyre.yaml: planned as soon as there is traffic to plan from, started if the file says so, and detached when the file
// no longer names them. May be run again at any time: what is as it is declared stays as it is.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { currentRevision, type TrialDefinition } from '../../projects/public.ts';
import type { Plan, Trial } from '../model.ts';
import * as store from '../store.ts';
import { newTrial, noSize, planOf, tellPlanned, unsizedPlan, type NewTrial } from './plan.ts';
import { startTrial } from './steer.ts';

const toInput = (project: string, { longestUs, start: _start, ...d }: TrialDefinition): NewTrial => ({
  ...d,
  project,
  arms: d.arms.map(({ name, version, weight }) => ({ name, version: version ?? undefined, weight: weight ?? undefined })),
  higherIsBetter: d.higherIsBetter ?? undefined,
  guardrails: d.guardrails ?? undefined,
  guardAlpha: d.guardAlpha ?? undefined,
  guardUnits: d.guardUnits ?? undefined,
  longestUs,
  bandit: d.bandit ?? undefined,
});

/** Brings the trials of a project to what its current revision declares. */
export async function declareTrials(ctx: Ctx, project: string): Promise<void> {
  const revision = await currentRevision(ctx, project);
  const declared = Object.values(revision.definition.trials ?? {});
  for (const definition of declared) await declare(ctx, project, revision.id, definition);
  const names = new Set(declared.map((d) => `${d.endpoint}/${d.name}`));
  for (const { trial } of await store.listManaged(ctx.db, { workspace: ctx.workspace, project }))
    if (!names.has(`${trial.endpoint}/${trial.name}`))
      // It goes on as it is, and whoever wants it to end says so.
      await ctx.tx((tx) => store.updateTrial(tx.db, tx.workspace, { ...trial, managedBy: 'detached' }));
}

async function declare(ctx: Ctx, project: string, revision: string, definition: TrialDefinition): Promise<void> {
  const { endpoint, name } = definition;
  const input = toInput(project, definition);
  const before = await store.findByName(ctx.db, ctx.workspace, { project, endpoint }, name);
  const planned =
    before && before.state !== 'declared' && before.state !== 'planned'
      ? await keep(ctx, before, input, revision)
      : await write(ctx, before, input, revision);
  if (!definition.start || planned?.state !== 'planned' || !planned.settled) return;
  try {
    await startTrial(ctx, { project, endpoint, trial: name });
  } catch (error) {
    await explain(ctx, planned.id, error);
  }
}

/** One that has begun keeps its plan, whatever the file says by now. */
async function keep(ctx: Ctx, trial: Trial, input: NewTrial, revision: string): Promise<undefined> {
  if (trial.managedBy === 'file' && trial.declaredBy === revision) return;
  const isSame = sameBut(trial.plan, unsizedPlan(input));
  const standing = isSame || trial.standing.endsWith(OTHER) ? trial.standing : `${trial.standing}${OTHER}`;
  await ctx.tx((tx) => store.updateTrial(tx.db, tx.workspace, { ...trial, managedBy: 'file', declaredBy: revision, standing }));
}
const OTHER = '; gyre.yaml has another plan of this name by now, which needs a name of its own';

/** Plans it, anew if the file has changed or there was nothing to plan from until now. */
async function write(ctx: Ctx, before: Trial | undefined, input: NewTrial, revision: string): Promise<Trial | undefined> {
  const { project, endpoint, name } = input;
  const isDone = before?.state === 'planned' && sameBut(before.plan, unsizedPlan(input));
  if (isDone && before.managedBy === 'file') return before;
  const found = isDone ? { plan: before.plan, why: null } : await tryPlan(ctx, input);
  const state = found.why === null ? 'planned' : 'declared';
  const standing = found.why ?? 'planned';
  if (before?.declaredBy === revision && before.state === state && before.standing === standing) return before;
  return ctx.tx(async (tx) => {
    const trial = { ...(before ?? newTrial(tx, { project, endpoint, name }, found.plan)), plan: found.plan, state, standing } as const;
    const next: Trial = { ...trial, managedBy: 'file', declaredBy: revision };
    const isWritten = before ? await store.updateTrial(tx.db, tx.workspace, next) : await store.insertTrial(tx.db, tx.workspace, next);
    if (!isWritten) return undefined;
    if (state === 'planned') await tellPlanned(tx, next);
    return (await store.findTrial(tx.db, tx.workspace, next.id))!;
  });
}

async function tryPlan(ctx: Ctx, input: NewTrial): Promise<{ plan: Plan; why: string | null }> {
  try {
    return { plan: await planOf(ctx, input), why: null };
  } catch (error) {
    if (!isProblem(error)) throw error;
    return { plan: { ...unsizedPlan(input), size: noSize }, why: error.message };
  }
}

/** Why it has not started is said where one looks; the next tick is its next attempt. */
async function explain(ctx: Ctx, id: string, error: unknown): Promise<void> {
  if (!isProblem(error)) throw error;
  await ctx.tx(async (tx) => {
    const trial = await store.findTrial(tx.db, tx.workspace, id);
    const standing = `planned; not started: ${error.message}`;
    if (trial?.state === 'planned' && trial.standing !== standing) await store.updateTrial(tx.db, tx.workspace, { ...trial, standing });
  });
}

/** The same plan but for the size, which depends on the traffic. */
function sameBut({ size: _size, ...plan }: Plan, other: Omit<Plan, 'size'>): boolean {
  const text = (value: object): string => JSON.stringify(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)));
  return text(plan) === text(other);
}
