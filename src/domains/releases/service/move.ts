// How a release gets from one state to the next. What changes the plan takes two transactions with the data
// planes' acknowledgement between them: `beginMove` and `endMove`. What does not takes one: `stay`.
import type { Ctx } from '../../../kernel/ctx.ts';
import { championAlias, keepVersions, setAlias } from '../../registry/public.ts';
import { isActive, shareOf, variantsOf, type Move, type Release, type ReleaseState, type StepFigures, type Variant } from '../model.ts';
import * as endpoints from '../store/endpoints.ts';
import * as store from '../store/releases.ts';
import { makeRevision } from './revisions.ts';

/** The plan change that a release makes next. */
export interface Wanted {
  readonly to: Move['to'];
  readonly step: number;
  readonly reason: string;
  readonly figures: StepFigures | null;
  /** Who has it moved, where it is not the one who runs this. */
  readonly actor?: Move['actor'];
}

/**
 * Makes the revision that the release moves to and says so; false if another process has moved it on. Its end is the
 * candidate alone, back is the stable variant alone as it was served before: one plan change each. Inside a transaction.
 */
export async function beginMove(tx: Ctx, release: Release, { to, step, reason, figures, actor }: Wanted): Promise<boolean> {
  // It may have been read before this transaction began; a revision must not be made for nothing.
  if ((await store.getRelease(tx.db, tx.workspace, release.id)).version !== release.version) return false;
  const stable = await endpoints.getRevision(tx.db, tx.workspace, release.previous!);
  const now = await endpoints.getRevision(tx.db, tx.workspace, release.revision);
  const isBack = to === 'rolled-back' || to === 'aborted';
  const variants = variantsOf(to, release.policy!, step, alone(stable.variants[0]!), release.candidate);
  const revision = await makeRevision(tx, { ...(isBack ? stable : now), variants });
  const move: Move = { to, step, revision: revision.id, actor: actor ?? { kind: tx.actor.kind, id: tx.actor.id }, reason, figures };
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, release.project);
  const isMoved = await store.updateRelease(tx.db, tx.workspace, {
    ...release,
    revision: revision.id,
    move,
    waiting: null,
    standing: `moving: ${reason}`,
    figures: figures ?? release.figures,
    looks: figures?.looks ?? release.looks,
    judgedUs: nowUs,
  });
  if (!isMoved) throw new Error(`release ${release.id} was moved by another transaction meanwhile`);
  return true;
}

/** Ends a move that the data planes have taken, or could not take. A move that has ended stays as it is. */
export async function endMove(tx: Ctx, release: Release, taken: { plan: number } | { why: string }): Promise<void> {
  const move = release.move!;
  const refused = 'why' in taken ? taken.why : undefined;
  const isBack = move.to === 'rolled-back' || move.to === 'aborted';
  // Back is where it goes, also where no data plane says so: each takes the plan as soon as it can.
  const state: ReleaseState = refused !== undefined && !isBack ? 'failed' : move.to;
  const reason = state === 'failed' ? refused! : refused === undefined ? move.reason : `${move.reason} (not acknowledged: ${refused})`;
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, release.project);
  const ended: Release = {
    ...release,
    state,
    move: null,
    reason: isActive(state) ? release.reason : reason,
    standing: reason,
    planNumber: 'plan' in taken ? taken.plan : release.planNumber,
    finishedMs: isActive(state) ? null : tx.clock.now(),
    ...(isBack || state === 'failed' ? {} : { step: move.step }),
    ...(isActive(state) ? { looks: 0, sinceUs: nowUs, judgedUs: nowUs, figures: null } : {}),
  };
  if (!(await store.updateRelease(tx.db, tx.workspace, ended))) return;
  if (state === 'failed') await endpoints.replaceCurrent(tx.db, tx.workspace, release.endpoint, move.revision, release.previous);
  await keepServed(tx, ended);
  if (state === 'promoted') await setAlias(tx, release.candidate.model, championAlias, release.candidate.number);
  await record(tx, release, ended, { ...move, reason });
}

/** A stable variant as it answers alone. */
const alone = ({ shadow: _, ...variant }: Variant): Variant => ({ ...variant, weight: 1 });

// Nobody deletes a version that the endpoint serves now; the ones before it are free.
async function keepServed(tx: Ctx, { project, endpoint }: Release): Promise<void> {
  const current = await endpoints.findCurrent(tx.db, tx.workspace, project, endpoint);
  await keepVersions(tx, endpoint, current?.variants.map((v) => v.versionId) ?? []);
}

/** A change that needs no new plan. False if another process has moved the release on. */
export async function stay(
  tx: Ctx,
  release: Release,
  change: Partial<Pick<Release, 'state' | 'standing' | 'figures' | 'looks' | 'sinceUs' | 'judgedUs' | 'waiting'>>,
  told?: { readonly reason: string },
): Promise<boolean> {
  const next: Release = { ...release, ...change };
  if (!(await store.updateRelease(tx.db, tx.workspace, next))) return false;
  if (told) {
    const actor = { kind: tx.actor.kind, id: tx.actor.id };
    await record(tx, release, next, { actor, reason: told.reason, figures: next.figures });
  }
  return true;
}

const steps: readonly ReleaseState[] = ['shadow', 'canary', 'baking'];
const eventOf = (from: Release, to: Release): string =>
  from.state === to.state && from.step === to.step
    ? 'held'
    : to.state === 'warming'
      ? 'warmed'
      : steps.includes(to.state)
        ? from.state === 'paused'
          ? 'resumed'
          : 'stepped'
        : to.state;

/** Writes down what a release went through. Inside the transaction of the change. */
export async function record(
  tx: Ctx,
  from: Release,
  to: Release,
  { actor, reason, figures }: { actor: Move['actor']; reason: string; figures: StepFigures | null },
): Promise<void> {
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, to.project);
  await store.insertTransition(tx.db, tx.workspace, to.id, {
    number: from.version + 1,
    from: from.state,
    to: to.state,
    step: to.step,
    share: shareOf(to),
    revision: to.revision,
    actor,
    reason,
    figures,
    atUs: nowUs,
    atMs: tx.clock.now(),
  });
  const self = { kind: 'release', id: to.id };
  await tx.emit({
    type: `release.${eventOf(from, to)}`,
    subject: self,
    label: `release of ${to.endpoint}`,
    project: to.project,
    payload: {
      endpoint: to.endpoint,
      revision: to.revision,
      version: to.candidate.versionId,
      step: to.step,
      share: shareOf(to),
      by: actor.kind,
      // A person's words stay with the record.
      ...(actor.kind === 'system' || to.state === 'failed' ? { reason } : {}),
      ...(figures ? { figures } : {}),
    },
    edges: [{ from: self, to: { kind: 'endpoint-revision', id: to.revision }, relation: 'moves-to' }],
    occurredUs: nowUs,
  });
}
