// A release begins: from a passed decision to a revision that is to be served.
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { newId } from '../../../kernel/ids.ts';
import { serviceForPlan } from '../../features/public.ts';
import { currentRevision, DEFAULT_ROLLBACK_WINDOW, type ReleasePolicy, type Revision } from '../../projects/public.ts';
import { findVersion, getVersion, requirePassed, versionInterpreter, type ModelVersion } from '../../registry/public.ts';
import { fail } from '../errors.ts';
import { failedEnds, variantsOf, type EndpointRevision, type Release, type Variant } from '../model.ts';
import * as endpoints from '../store/endpoints.ts';
import * as store from '../store/releases.ts';
import { requireNotFrozen } from './freeze.ts';
import { record } from './move.ts';
import { checkSignature, planColumns } from './publish.ts';
import { makeRevision } from './revisions.ts';
import { recoverLater, settle, settleSoon } from './settle.ts';
import { beginAbort } from './steer.ts';

/** Promoted revisions that are looked through for the one to go back to. */
const MOST_REVISIONS = 1000;

export interface NewRelease {
  readonly project: string;
  readonly endpoint: string;
  /** Number, alias or "latest". */
  readonly version: string;
  readonly reason: string;
  /** Skip the steps that the project declares. */
  readonly atOnce?: boolean;
  /** A newer version takes the place of the candidate of a release under way; the stable one stays what it is compared with. */
  readonly replaces?: boolean;
}

export interface NewRollback {
  readonly project: string;
  readonly endpoint: string;
  /** Number of the endpoint's revision; absent = the last one that served another version. */
  readonly revision?: number | undefined;
  readonly reason: string;
}

/** What a release is made of. */
interface Candidate {
  readonly applied: Revision;
  readonly endpoint: string;
  readonly version: ModelVersion;
  readonly decision: string;
  readonly reason: string;
  readonly policy: ReleasePolicy | null;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly replaces: boolean;
}

/** The endpoint's definition with what it takes to check models against it. */
async function endpointOf(ctx: Ctx, project: string, endpoint: string) {
  const applied = await currentRevision(ctx, project);
  if (!Object.hasOwn(applied.definition.endpoints, endpoint)) fail('endpoint-not-found', { project, endpoint });
  requireLevel(ctx, 'endpoint', endpoint, 'EDIT');
  const definition = applied.definition.endpoints[endpoint]!;
  const service = definition.service === null ? null : await serviceForPlan(ctx, applied, definition.service);
  const fit = (versions: readonly ModelVersion[]): void => {
    const { provided } = planColumns(definition, versions, service);
    for (const version of versions) checkSignature(endpoint, version, provided);
  };
  return { applied, definition, fit };
}

/** What else is written in the transaction that begins a release; a job then brings it to its first stop. */
export type WithRelease = (tx: Ctx, releaseId: string) => Promise<void>;

/**
 * Moves an endpoint to a version whose recorded decision holds at that moment: by the steps that the project
 * declares, or at once where it declares none or nothing is served yet. Without `also`, the caller has `settle` bring it to its
 * first stop.
 * Returns the release's id. Raises `endpoint-not-found`, `gate-not-passed`, `endpoint-signature-mismatch`,
 * `model-version-not-found`, `release-under-way`, `endpoint-frozen`, `endpoint-name-taken`.
 */
export async function beginRelease(
  ctx: Ctx,
  { project, endpoint, version: wanted, reason, atOnce = false, replaces = false }: NewRelease,
  also?: WithRelease,
): Promise<string> {
  const { applied, definition, fit } = await endpointOf(ctx, project, endpoint);
  await requireNotFrozen(ctx, { project, endpoint });
  // A model in Python has its environment before any traffic moves to it.
  const asked = await findVersion(ctx, definition.model, wanted);
  if (asked.signature !== null) await versionInterpreter(ctx, asked);
  return ctx.tx(async (tx) => {
    await requireNotFrozen(tx, { project, endpoint });
    const version = await findVersion(tx, definition.model, wanted);
    const decision = await requirePassed(tx, version, applied.definition.models[definition.model]?.gates ?? []);
    const stable = (await stableOf(tx, project, endpoint))?.variants[0];
    const isStaged = !atOnce && stable !== undefined && stable.versionId !== version.id && hasSteps(definition.release);
    // Both are served by one endpoint, as the project defines it now.
    fit(isStaged ? [await getVersion(tx, stable.versionId), version] : [version]);
    const policy = isStaged ? definition.release : null;
    const id = await begin(tx, { applied, endpoint, version, decision: decision.id, reason, policy, payload: {}, replaces });
    if (also) {
      await settleSoon(tx, project, id);
      await also(tx, id);
    } else await recoverLater(tx, id);
    return id;
  });
}

const hasSteps = (policy: ReleasePolicy | null): policy is ReleasePolicy =>
  policy !== null && (policy.steps.length > 1 || policy.shadow !== null || policy.bakeUs !== null || policy.approve[0] === true);

/** What a release is compared with: what the one under way is compared with, or else what is served. */
async function stableOf(tx: Ctx, project: string, endpoint: string): Promise<EndpointRevision | undefined> {
  const active = await store.findActive(tx.db, tx.workspace, endpoint);
  return active?.policy && active.previous !== null
    ? endpoints.getRevision(tx.db, tx.workspace, active.previous)
    : endpoints.findCurrent(tx.db, tx.workspace, project, endpoint);
}

/**
 * Moves an endpoint back to a promoted revision, on the decision that allowed it then: at once where it is one of the
 * last (`rollback_window`), an older one by the steps that the project declares. While a staged release runs, back is what
 * it runs beside: it is aborted.
 */
export async function beginRollback(ctx: Ctx, { project, endpoint, revision: wanted, reason }: NewRollback): Promise<string> {
  const { applied, definition, fit } = await endpointOf(ctx, project, endpoint);
  return ctx.tx(async (tx) => {
    const refuse = (why: string): never => fail('rollback-not-possible', { endpoint, why });
    const current = (await endpoints.findCurrent(tx.db, tx.workspace, project, endpoint)) ?? refuse('it serves nothing yet.');
    const active = await store.findActive(tx.db, tx.workspace, endpoint);
    if (active?.policy && wanted === undefined) return beginAbort(tx, active, reason);
    const former = (await endpoints.listPromoted(tx.db, tx.workspace, endpoint, MOST_REVISIONS)).filter((r) => r.id !== current.id);
    const target =
      (wanted === undefined
        ? former.find((r) => r.variants[0]!.versionId !== current.variants[0]!.versionId)
        : former.find((r) => r.number === wanted)) ??
      refuse(
        wanted === undefined
          ? 'no other version was served before.'
          : `revision ${wanted} is not among those that were promoted (${
              former
                .slice(0, 20)
                .map((r) => r.number)
                .join(', ') || 'none'
            }).`,
      );
    const version = await getVersion(tx, target.variants[0]!.versionId);
    if (version.stage === 'Deleted_Internal') refuse(`version ${version.number}, which revision ${target.number} served, was deleted.`);
    const window = definition.release?.rollbackWindow ?? DEFAULT_ROLLBACK_WINDOW;
    const stable = current.variants[0]!;
    const others = former.filter((r) => r.variants[0]!.versionId !== stable.versionId);
    const isRecent = others.indexOf(target) < window || !hasSteps(definition.release) || stable.versionId === version.id;
    if (!isRecent) await requireNotFrozen(tx, { project, endpoint });
    fit(isRecent ? [version] : [await getVersion(tx, stable.versionId), version]);
    const payload = { rollbackTo: target.number };
    const policy = isRecent ? null : definition.release;
    const id = await begin(tx, { applied, endpoint, version, decision: target.decision, reason, policy, payload, replaces: false });
    await recoverLater(tx, id);
    return id;
  });
}

/** `beginRelease` and its first move. Raises what it raises, and `release-not-taken`. */
export const release = async (ctx: Ctx, input: NewRelease): Promise<Release> => taken(ctx, await beginRelease(ctx, input));

/** `beginRollback` and its move. Raises `rollback-not-possible`, `release-not-taken` and what a release raises. */
export const rollBack = async (ctx: Ctx, input: NewRollback): Promise<Release> => taken(ctx, await beginRollback(ctx, input));

/**
 * The candidate of the last release once more, from its first step. Raises `release-none`, `release-action-not-possible`
 * and what a release raises.
 */
export async function retryRelease(ctx: Ctx, { project, endpoint, reason }: NewRollback): Promise<Release> {
  const [last] = await store.listReleases(ctx.db, ctx.workspace, endpoint, '~', 1);
  if (!last || last.project !== project) return fail('release-none', { endpoint });
  if (!(failedEnds as readonly string[]).includes(last.state))
    fail('release-action-not-possible', { release: last.id, action: 'be tried again', why: `it is ${last.state}` });
  return release(ctx, { project, endpoint, version: String(last.candidate.number), reason, atOnce: last.policy === null });
}

async function taken(ctx: Ctx, id: string): Promise<Release> {
  const ended = await settle(ctx, id);
  if (ended.state === 'failed') return fail('release-not-taken', { endpoint: ended.endpoint, why: ended.reason });
  return ended;
}

async function begin(tx: Ctx, { applied, endpoint, version, decision, reason, policy, payload, replaces }: Candidate): Promise<string> {
  const { project } = applied;
  const owner = await endpoints.findOwner(tx.db, tx.workspace, endpoint);
  if (owner !== undefined && owner !== project) fail('endpoint-name-taken', { endpoint, project: owner });
  const underWay = await store.findActive(tx.db, tx.workspace, endpoint);
  const previous = await stableOf(tx, project, endpoint);
  if (underWay) {
    if (!replaces || !underWay.policy || version.number <= underWay.candidate.number)
      fail('release-under-way', { endpoint, release: underWay.id });
    await supersede(tx, underWay, version.number);
  }
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
  if (previous?.trial) fail('endpoint-in-trial', { endpoint, trial: previous.trial });
  const candidate: Variant = { id: `v${version.number}`, versionId: version.id, model: version.model, number: version.number, weight: 1 };
  const revision: EndpointRevision = await makeRevision(tx, {
    project,
    endpoint,
    variants: policy ? variantsOf('warming', policy, -1, previous!.variants[0]!, candidate) : [candidate],
    projectRevision: applied.id,
    decision,
  });
  const actor = { kind: tx.actor.kind, id: tx.actor.id };
  const first = policy ? 'the data planes load the version' : 'all traffic at once';
  const made: Release = {
    id: newId('rel', tx.ids),
    project,
    endpoint,
    revision: revision.id,
    previous: previous?.id ?? null,
    candidate,
    state: 'pending',
    policy,
    step: -1,
    waiting: null,
    move: { to: policy ? 'warming' : 'promoted', step: -1, revision: revision.id, actor, reason, figures: null },
    reason,
    standing: `moving: ${first}`,
    figures: null,
    looks: 0,
    startedUs: nowUs,
    sinceUs: nowUs,
    judgedUs: nowUs,
    planNumber: 0,
    createdMs: tx.clock.now(),
    finishedMs: null,
    version: 1,
  };
  await store.insertRelease(tx.db, tx.workspace, made);
  const self = { kind: 'release', id: made.id };
  await tx.emit({
    type: 'release.started',
    subject: self,
    label: `release of ${endpoint}`,
    project,
    payload: { endpoint, revision: revision.id, version: version.id, steps: policy?.steps ?? [1], ...payload },
    edges: [{ from: self, to: { kind: 'endpoint-revision', id: revision.id }, relation: 'moves-to' }],
    occurredUs: nowUs,
  });
  return made.id;
}

/** Ends a release whose candidate a newer version replaces; a move of it that is on its way ends in nothing. */
async function supersede(tx: Ctx, release: Release, by: number): Promise<void> {
  const reason = `replaced by version ${by}`;
  const ended: Release = { ...release, state: 'aborted', move: null, waiting: null, reason, standing: reason, finishedMs: tx.clock.now() };
  if (!(await store.updateRelease(tx.db, tx.workspace, ended)))
    fail('release-under-way', { endpoint: release.endpoint, release: release.id });
  const actor = { kind: tx.actor.kind, id: tx.actor.id };
  await record(tx, release, ended, { actor, reason, figures: release.figures });
}
