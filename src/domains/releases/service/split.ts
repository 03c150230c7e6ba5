// An endpoint whose traffic a trial splits, and the way back. A trial makes revisions here and nowhere else, so that an
// endpoint has one writer; what the trial finds gets to all traffic by a release like any other.
import type { Ctx } from '../../../kernel/ctx.ts';
import { serviceForPlan, type ServiceForPlan } from '../../features/public.ts';
import { currentRevision, type Revision } from '../../projects/public.ts';
import { findVersion, getVersion, keepVersions, requirePassed, type ModelVersion } from '../../registry/public.ts';
import { fail } from '../errors.ts';
import type { EndpointRevision, Variant } from '../model.ts';
import * as endpoints from '../store/endpoints.ts';
import * as store from '../store/releases.ts';
import { requireEndpoint, requireNotFrozen } from './freeze.ts';
import { checkSignature, planColumns } from './publish.ts';
import { makeRevision } from './revisions.ts';

export interface ArmOfSplit {
  readonly name: string;
  /** Number, alias or "latest"; null = what is served now. */
  readonly version: string | null;
  readonly weight: number;
}

export interface NewSplit {
  readonly project: string;
  readonly endpoint: string;
  readonly trial: string;
  /** The control first; weights sum to 1. */
  readonly arms: readonly ArmOfSplit[];
  /** Draws an arm for each request, instead of once for each key. */
  readonly perRequest?: boolean;
  readonly ready: ReadySplit;
}

/** What a split is checked against. */
export interface ReadySplit {
  readonly applied: Revision;
  readonly service: ServiceForPlan | null;
}

/** Before the transaction of a split: its features may have to be made, which takes more than the database. Raises `endpoint-not-found`. */
export async function readySplit(ctx: Ctx, { project, endpoint }: { project: string; endpoint: string }): Promise<ReadySplit> {
  const applied = await currentRevision(ctx, project);
  const definition = applied.definition.endpoints[endpoint] ?? fail('endpoint-not-found', { project, endpoint });
  return { applied, service: definition.service === null ? null : await serviceForPlan(ctx, applied, definition.service) };
}

export interface Split {
  readonly revision: EndpointRevision;
  /** What was served alone until now. */
  readonly before: EndpointRevision;
  /** Decisions that let the arms in. */
  readonly decisions: readonly string[];
}

/**
 * Splits the traffic between what is served now and versions whose recorded decisions hold at this moment. Inside a
 * transaction; who calls publishes the plan. Raises `endpoint-not-found`, `endpoint-frozen`, `release-under-way`,
 * `endpoint-in-trial`, `trial-arm-unusable`, `gate-not-passed`, `model-version-not-found`, `endpoint-signature-mismatch`.
 */
export async function beginSplit(tx: Ctx, { project, endpoint, trial, arms, ready, perRequest = false }: NewSplit): Promise<Split> {
  await requireEndpoint(tx, { project, endpoint }, 'EDIT');
  await requireNotFrozen(tx, { project, endpoint });
  const underWay = await store.findActive(tx.db, tx.workspace, endpoint);
  if (underWay) fail('release-under-way', { endpoint, release: underWay.id });
  const current =
    (await endpoints.findCurrent(tx.db, tx.workspace, project, endpoint)) ??
    fail('trial-arm-unusable', { endpoint, why: 'it serves nothing yet, so that there is no control.' });
  if (current.trial !== null) fail('endpoint-in-trial', { endpoint, trial: current.trial });
  const { applied, service } = ready;
  const definition = applied.definition.endpoints[endpoint]!;
  const gates = applied.definition.models[definition.model]?.gates ?? [];
  const stable = current.variants[0]!;
  const versions: ModelVersion[] = [];
  const decisions: string[] = [];
  for (const { version } of arms) {
    const found = version === null ? await getVersion(tx, stable.versionId) : await findVersion(tx, definition.model, version);
    // What is served was let in when it was released.
    if (found.id !== stable.versionId) decisions.push((await requirePassed(tx, found, gates)).id);
    versions.push(found);
  }
  const { provided } = planColumns(definition, versions, service);
  for (const version of versions) checkSignature(endpoint, version, provided);
  const variants = arms.map(({ name, weight }, i): Variant => {
    const { id, model, number } = versions[i]!;
    return { id: name, versionId: id, model, number, weight };
  });
  const decision = decisions.at(-1) ?? current.decision;
  const revision = await makeRevision(tx, { project, endpoint, variants, projectRevision: applied.id, decision, trial, perRequest });
  return { revision, before: current, decisions };
}

/**
 * New weights for the arms of the trial that splits the traffic; undefined if it no longer does. Inside a transaction; who calls
 * publishes the plan.
 */
export async function moveSplit(
  tx: Ctx,
  { project, endpoint, trial }: Omit<NewSplit, 'arms' | 'perRequest' | 'ready'>,
  weights: readonly number[],
): Promise<{ readonly revision: EndpointRevision; readonly before: EndpointRevision } | undefined> {
  const before = await endpoints.findCurrent(tx.db, tx.workspace, project, endpoint);
  if (before?.trial !== trial) return undefined;
  const variants = before.variants.map((v, i): Variant => ({ ...v, weight: weights[i]! }));
  const { projectRevision, decision, perRequest } = before;
  return { revision: await makeRevision(tx, { project, endpoint, variants, projectRevision, decision, trial, perRequest }), before };
}

/** All traffic to the control again, as it was served before. Inside a transaction; who calls publishes the plan. */
export async function endSplit(
  tx: Ctx,
  { project, endpoint, trial }: Omit<NewSplit, 'arms' | 'perRequest' | 'ready'>,
  before: string,
): Promise<void> {
  const current = await endpoints.findCurrent(tx.db, tx.workspace, project, endpoint);
  if (current?.trial !== trial) return;
  const { variants, projectRevision, decision } = await endpoints.getRevision(tx.db, tx.workspace, before);
  const stable = { ...variants[0]!, weight: 1 };
  await makeRevision(tx, { project, endpoint, variants: [stable], projectRevision, decision });
  await keepVersions(tx, endpoint, [stable.versionId]);
}

/** A split that no data plane could take: what was served before stays in place. Inside a transaction. */
export async function giveUpSplit(tx: Ctx, { endpoint }: { endpoint: string }, revision: string, before: string): Promise<void> {
  await endpoints.replaceCurrent(tx.db, tx.workspace, endpoint, revision, before);
  const { variants } = await endpoints.getRevision(tx.db, tx.workspace, before);
  await keepVersions(
    tx,
    endpoint,
    variants.map((v) => v.versionId),
  );
}
