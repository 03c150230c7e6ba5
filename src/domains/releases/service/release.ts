// A release begins: from a passed decision to a revision that is to be served.
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel } from '../../../kernel/levels.ts';
import { newId } from '../../../kernel/ids.ts';
import { serviceForPlan } from '../../features/public.ts';
import { currentRevision, type ReleasePolicy, type Revision } from '../../projects/public.ts';
import { findVersion, getVersion, requirePassed, type ModelVersion } from '../../registry/public.ts';
import { fail } from '../errors.ts';
import { percent, splitBetween, type EndpointRevision, type Release, type Variant } from '../model.ts';
import * as endpoints from '../store/endpoints.ts';
import * as store from '../store/releases.ts';
import { requireNotFrozen } from './freeze.ts';
import { checkSignature, planColumns } from './publish.ts';
import { makeRevision } from './revisions.ts';
import { recoverLater, settle, settleSoon } from './settle.ts';
import { beginAbort } from './steer.ts';

/** So many promoted revisions can be gone back to without a new decision. */
const ROLLBACK_WINDOW = 10;

export interface NewRelease {
  readonly project: string;
  readonly endpoint: string;
  /** Number, alias or "latest". */
  readonly version: string;
  readonly reason: string;
  /** Skip the steps that the project declares. */
  readonly atOnce?: boolean;
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
  { project, endpoint, version: wanted, reason, atOnce = false }: NewRelease,
  also?: WithRelease,
): Promise<string> {
  const { applied, definition, fit } = await endpointOf(ctx, project, endpoint);
  return ctx.tx(async (tx) => {
    await requireNotFrozen(tx, { project, endpoint });
    const version = await findVersion(tx, definition.model, wanted);
    const decision = await requirePassed(tx, version, applied.definition.models[definition.model]?.gates ?? []);
    const stable = (await endpoints.findCurrent(tx.db, tx.workspace, project, endpoint))?.variants[0];
    const isStaged = !atOnce && stable !== undefined && stable.versionId !== version.id && (definition.release?.steps.length ?? 0) > 1;
    // Both are served by one endpoint, as the project defines it now.
    fit(isStaged ? [await getVersion(tx, stable.versionId), version] : [version]);
    const policy = isStaged ? definition.release : null;
    const id = await begin(tx, { applied, endpoint, version, decision: decision.id, reason, policy, payload: {} });
    if (also) {
      await settleSoon(tx, project, id);
      await also(tx, id);
    } else await recoverLater(tx, id);
    return id;
  });
}

/**
 * Moves an endpoint back to one of its last promoted revisions, on the decision that allowed it then. While a
 * staged release runs, back is what it runs beside: it is aborted.
 */
export async function beginRollback(ctx: Ctx, { project, endpoint, revision: wanted, reason }: NewRollback): Promise<string> {
  const { applied, fit } = await endpointOf(ctx, project, endpoint);
  return ctx.tx(async (tx) => {
    const refuse = (why: string): never => fail('rollback-not-possible', { endpoint, why });
    const current = (await endpoints.findCurrent(tx.db, tx.workspace, project, endpoint)) ?? refuse('it serves nothing yet.');
    const active = await store.findActive(tx.db, tx.workspace, endpoint);
    if (active?.policy && wanted === undefined) return beginAbort(tx, active, reason);
    const former = (await endpoints.listPromoted(tx.db, tx.workspace, endpoint, ROLLBACK_WINDOW)).filter((r) => r.id !== current.id);
    const target =
      (wanted === undefined
        ? former.find((r) => r.variants[0]!.versionId !== current.variants[0]!.versionId)
        : former.find((r) => r.number === wanted)) ??
      refuse(
        wanted === undefined
          ? 'no other version was served before.'
          : `revision ${wanted} is not among the last ${ROLLBACK_WINDOW} that were promoted (${former.map((r) => r.number).join(', ') || 'none'}).`,
      );
    const version = await getVersion(tx, target.variants[0]!.versionId);
    if (version.stage === 'Deleted_Internal') refuse(`version ${version.number}, which revision ${target.number} served, was deleted.`);
    fit([version]);
    const payload = { rollbackTo: target.number };
    const id = await begin(tx, { applied, endpoint, version, decision: target.decision, reason, policy: null, payload });
    await recoverLater(tx, id);
    return id;
  });
}

/** `beginRelease` and its first move. Raises what it raises, and `release-not-taken`. */
export const release = async (ctx: Ctx, input: NewRelease): Promise<Release> => taken(ctx, await beginRelease(ctx, input));

/** `beginRollback` and its move. Raises `rollback-not-possible`, `release-not-taken` and what a release raises. */
export const rollBack = async (ctx: Ctx, input: NewRollback): Promise<Release> => taken(ctx, await beginRollback(ctx, input));

async function taken(ctx: Ctx, id: string): Promise<Release> {
  const ended = await settle(ctx, id);
  if (ended.state === 'failed') return fail('release-not-taken', { endpoint: ended.endpoint, why: ended.reason });
  return ended;
}

async function begin(tx: Ctx, { applied, endpoint, version, decision, reason, policy, payload }: Candidate): Promise<string> {
  const { project } = applied;
  const owner = await endpoints.findOwner(tx.db, tx.workspace, endpoint);
  if (owner !== undefined && owner !== project) fail('endpoint-name-taken', { endpoint, project: owner });
  const underWay = await store.findActive(tx.db, tx.workspace, endpoint);
  if (underWay) fail('release-under-way', { endpoint, release: underWay.id });
  const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
  const previous = await endpoints.findCurrent(tx.db, tx.workspace, project, endpoint);
  if (previous?.trial) fail('endpoint-in-trial', { endpoint, trial: previous.trial });
  const candidate: Variant = { id: `v${version.number}`, versionId: version.id, model: version.model, number: version.number, weight: 1 };
  const revision: EndpointRevision = await makeRevision(tx, {
    project,
    endpoint,
    variants: policy ? splitBetween(previous!.variants[0]!, candidate, policy.steps[0]!) : [candidate],
    projectRevision: applied.id,
    decision,
  });
  const actor = { kind: tx.actor.kind, id: tx.actor.id };
  const first = policy ? `${percent(policy.steps[0]!)} of the traffic` : 'all traffic at once';
  const made: Release = {
    id: newId('rel', tx.ids),
    project,
    endpoint,
    revision: revision.id,
    previous: previous?.id ?? null,
    candidate,
    state: 'started',
    policy,
    step: -1,
    move: { to: policy ? 'canary' : 'promoted', step: policy ? 0 : -1, revision: revision.id, actor, reason, figures: null },
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
