// A release begins: from a passed decision to a revision that is to be served.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { serviceForPlan } from '../../features/public.ts';
import { currentRevision, type Revision } from '../../projects/public.ts';
import { findVersion, getVersion, requirePassed, type ModelVersion } from '../../registry/public.ts';
import { fail } from '../errors.ts';
import { settleRelease } from '../jobs.ts';
import type { EndpointRevision, Release } from '../model.ts';
import * as store from '../store.ts';
import { requireNotFrozen } from './freeze.ts';
import { checkSignature, planColumns } from './publish.ts';
import { settle } from './settle.ts';

/** A release whose server died in the middle is taken up again so long after it began. */
const RECOVER_MS = 3000;
/** So many promoted revisions can be gone back to without a new decision. */
const ROLLBACK_WINDOW = 10;

export interface NewRelease {
  readonly project: string;
  readonly endpoint: string;
  /** Number, alias or "latest". */
  readonly version: string;
  readonly reason: string;
}

export interface NewRollback {
  readonly project: string;
  readonly endpoint: string;
  /** Number of the endpoint's revision; absent = the last one that served another version. */
  readonly revision?: number | undefined;
  readonly reason: string;
}

/** What a new revision is made of. */
interface Candidate {
  readonly applied: Revision;
  readonly endpoint: string;
  readonly version: ModelVersion;
  readonly decision: string;
  readonly reason: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** The endpoint's definition with what it takes to check a model against it. */
async function endpointOf(ctx: Ctx, project: string, endpoint: string) {
  const applied = await currentRevision(ctx, project);
  if (!Object.hasOwn(applied.definition.endpoints, endpoint)) fail('endpoint-not-found', { project, endpoint });
  const definition = applied.definition.endpoints[endpoint]!;
  const service = definition.service === null ? null : await serviceForPlan(ctx, applied, definition.service);
  const fits = (version: ModelVersion): void => checkSignature(endpoint, version, planColumns(definition, version, service).provided);
  return { applied, definition, fits };
}

/** What else is written in the transaction that begins a release. */
export type WithRelease = (tx: Ctx, releaseId: string) => Promise<void>;

/**
 * Moves an endpoint to a version whose recorded decision holds at that moment; `settle` brings it to its end.
 * Returns the release's id. Raises `endpoint-not-found`, `gate-not-passed`, `endpoint-signature-mismatch`,
 * `model-version-not-found`, `release-under-way`, `endpoint-frozen`, `endpoint-name-taken`.
 */
export async function beginRelease(
  ctx: Ctx,
  { project, endpoint, version: wanted, reason }: NewRelease,
  also?: WithRelease,
): Promise<string> {
  const { applied, definition, fits } = await endpointOf(ctx, project, endpoint);
  return ctx.tx(async (tx) => {
    await requireNotFrozen(tx, { project, endpoint });
    const version = await findVersion(tx, definition.model, wanted);
    const decision = await requirePassed(tx, version, applied.definition.models[definition.model]?.gates ?? []);
    fits(version);
    const id = await begin(tx, { applied, endpoint, version, decision: decision.id, reason, payload: {} });
    await also?.(tx, id);
    return id;
  });
}

/** Moves an endpoint back to one of its last promoted revisions, on the decision that allowed it then. */
export async function beginRollback(ctx: Ctx, { project, endpoint, revision: wanted, reason }: NewRollback): Promise<string> {
  const { applied, fits } = await endpointOf(ctx, project, endpoint);
  return ctx.tx(async (tx) => {
    const refuse = (why: string): never => fail('rollback-not-possible', { endpoint, why });
    const current = (await store.findCurrent(tx.db, tx.workspace, project, endpoint)) ?? refuse('it serves nothing yet.');
    const former = (await store.listPromoted(tx.db, tx.workspace, endpoint, ROLLBACK_WINDOW)).filter((r) => r.id !== current.id);
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
    fits(version);
    return begin(tx, { applied, endpoint, version, decision: target.decision, reason, payload: { rollbackTo: target.number } });
  });
}

/** Raises what `beginRelease` raises, and `release-not-taken`. */
export const release = async (ctx: Ctx, input: NewRelease): Promise<Release> => taken(ctx, await beginRelease(ctx, input));

/** Raises what `beginRollback` raises, and `release-not-taken`. */
export const rollBack = async (ctx: Ctx, input: NewRollback): Promise<Release> => taken(ctx, await beginRollback(ctx, input));

async function taken(ctx: Ctx, id: string): Promise<Release> {
  const ended = await settle(ctx, id);
  if (ended.state === 'failed') return fail('release-not-taken', { endpoint: ended.endpoint, why: ended.reason });
  return ended;
}

async function begin(tx: Ctx, { applied, endpoint, version, decision, reason, payload }: Candidate): Promise<string> {
  const { project } = applied;
  const owner = await store.findOwner(tx.db, tx.workspace, endpoint);
  if (owner !== undefined && owner !== project) fail('endpoint-name-taken', { endpoint, project: owner });
  const underWay = await store.findStarted(tx.db, tx.workspace, endpoint);
  if (underWay) fail('release-under-way', { endpoint, release: underWay });
  const now = tx.clock.now();
  const previous = await store.findCurrent(tx.db, tx.workspace, project, endpoint);
  const revision: EndpointRevision = {
    id: newId('epr', tx.ids),
    project,
    endpoint,
    number: await store.takeNumber(tx.db, tx.workspace, project, endpoint),
    variants: [{ id: `v${version.number}`, versionId: version.id, model: version.model, number: version.number, weight: 1 }],
    projectRevision: applied.id,
    decision,
    createdMs: now,
  };
  const made: Release = {
    id: newId('rel', tx.ids),
    project,
    endpoint,
    revision: revision.id,
    previous: previous?.id ?? null,
    state: 'started',
    reason,
    planNumber: 0,
    createdMs: now,
    finishedMs: null,
  };
  await store.insertRevision(tx.db, tx.workspace, revision);
  await store.setCurrent(tx.db, tx.workspace, endpoint, revision.id);
  await store.insertRelease(tx.db, tx.workspace, made);
  const self = { kind: 'endpoint-revision', id: revision.id };
  const variants = revision.variants.map((v) => ({ kind: 'variant', id: `${revision.id}/${v.id}` }));
  await tx.emit({
    type: 'endpoint-revision.created',
    subject: self,
    label: `${endpoint} revision ${revision.number}`,
    project,
    payload: { number: revision.number, version: version.id },
    edges: [
      { from: self, to: { kind: 'endpoint', id: endpoint }, relation: 'revision-of' },
      ...variants.map((v) => ({ from: self, to: v, relation: 'variant' })),
      ...variants.map((v) => ({ from: v, to: { kind: 'model-version', id: version.id }, relation: 'serves' })),
      { from: self, to: { kind: 'decision', id: decision }, relation: 'allowed-by' },
      { from: self, to: { kind: 'project-revision', id: applied.id }, relation: 'definition' },
    ],
  });
  await tx.emit({
    type: 'release.started',
    subject: { kind: 'release', id: made.id },
    label: `release of ${endpoint}`,
    project,
    payload: { revision: revision.id, ...payload },
    edges: [{ from: { kind: 'release', id: made.id }, to: self, relation: 'moves-to' }],
  });
  await tx.enqueue({ job: settleRelease, payload: { releaseId: made.id }, uniqueKey: made.id, runAtMs: now + RECOVER_MS });
  return made.id;
}
