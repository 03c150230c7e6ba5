// A release: from a passed decision to traffic, acknowledged by the data planes.
import { readdirSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { newId } from '../../../kernel/ids.ts';
import { serviceForPlan } from '../../features/public.ts';
import { currentRevision } from '../../projects/public.ts';
import { championAlias, findVersion, requirePassed, setAlias } from '../../registry/public.ts';
import { readAck, servingPaths, type PlanAck } from '../../serving/public.ts';
import { fail } from '../errors.ts';
import type { EndpointRevision, Release } from '../model.ts';
import * as store from '../store.ts';
import { checkSignature, planColumns, publishPlan } from './publish.ts';

const ACK_MS = 15_000;

export interface NewRelease {
  readonly project: string;
  readonly endpoint: string;
  /** Number, alias or "latest". */
  readonly version: string;
  readonly reason: string;
}

/** Raises `endpoint-not-found`, `gate-not-passed`, `endpoint-signature-mismatch`, `release-not-taken`, `model-version-not-found`. */
export async function release(ctx: Ctx, input: NewRelease): Promise<Release> {
  const applied = await currentRevision(ctx, input.project);
  const definition =
    applied.definition.endpoints[input.endpoint] ?? fail('endpoint-not-found', { project: input.project, endpoint: input.endpoint });
  const version = await findVersion(ctx, definition.model, input.version);
  const decision = await requirePassed(ctx, version, applied.definition.models[definition.model]?.gates ?? []);
  const service = definition.service === null ? null : await serviceForPlan(ctx, input.project, definition.service);
  checkSignature(input.endpoint, version, planColumns(definition, version, service).provided);

  const previous = await store.findCurrent(ctx.db, ctx.workspace, input.project, input.endpoint);
  const started = await ctx.tx(async (tx) => {
    const now = tx.clock.now();
    const revision: EndpointRevision = {
      id: newId('epr', tx.ids),
      project: input.project,
      endpoint: input.endpoint,
      number: await store.takeNumber(tx.db, tx.workspace, input.project, input.endpoint),
      variants: [{ id: `v${version.number}`, versionId: version.id, model: version.model, number: version.number, weight: 1 }],
      projectRevision: applied.id,
      decision: decision.id,
      createdMs: now,
    };
    const made: Release = {
      id: newId('rel', tx.ids),
      project: input.project,
      endpoint: input.endpoint,
      revision: revision.id,
      previous: previous?.id ?? null,
      state: 'started',
      reason: input.reason,
      planNumber: 0,
      createdMs: now,
      finishedMs: null,
    };
    await store.insertRevision(tx.db, tx.workspace, revision);
    await store.setCurrent(tx.db, tx.workspace, input.endpoint, revision.id);
    await store.insertRelease(tx.db, tx.workspace, made);
    const self = { kind: 'endpoint-revision', id: revision.id };
    const variants = revision.variants.map((v) => ({ kind: 'variant', id: `${revision.id}/${v.id}` }));
    await tx.emit({
      type: 'endpoint-revision.created',
      subject: self,
      label: `${input.endpoint} revision ${revision.number}`,
      project: input.project,
      payload: { number: revision.number, version: version.id },
      edges: [
        { from: self, to: { kind: 'endpoint', id: input.endpoint }, relation: 'revision-of' },
        ...variants.map((v) => ({ from: self, to: v, relation: 'variant' })),
        ...variants.map((v) => ({ from: v, to: { kind: 'model-version', id: version.id }, relation: 'serves' })),
        { from: self, to: { kind: 'decision', id: decision.id }, relation: 'allowed-by' },
        { from: self, to: { kind: 'project-revision', id: applied.id }, relation: 'definition' },
      ],
    });
    await tx.emit({
      type: 'release.started',
      subject: { kind: 'release', id: made.id },
      label: `release of ${input.endpoint}`,
      project: input.project,
      payload: { revision: revision.id },
      edges: [{ from: { kind: 'release', id: made.id }, to: self, relation: 'moves-to' }],
    });
    return { release: made, revision };
  });

  failpoint('releases.before-plan');
  const number = await publishPlan(ctx);
  failpoint('releases.after-plan');
  const refusal = await acknowledged(ctx, number, started.revision);
  if (refusal !== undefined) {
    await settle(ctx, started.release, 'failed', refusal, previous?.id ?? null);
    await publishPlan(ctx);
    return fail('release-not-taken', { endpoint: input.endpoint, why: refusal });
  }
  await setAlias(ctx, version.model, championAlias, version.number);
  failpoint('releases.before-settle');
  await settle(ctx, started.release, 'promoted', input.reason, started.revision.id);
  failpoint('releases.after-settle');
  return { ...started.release, state: 'promoted', planNumber: number, finishedMs: ctx.clock.now() };
}

const settle = (
  ctx: Ctx,
  { id, endpoint, project }: Release,
  state: 'promoted' | 'failed',
  reason: string,
  current: string | null,
): Promise<void> =>
  ctx.tx(async (tx) => {
    if (!(await store.finishRelease(tx.db, tx.workspace, id, state, reason, tx.clock.now()))) return;
    if (state === 'failed') await store.setCurrent(tx.db, tx.workspace, endpoint, current);
    await tx.emit({ type: `release.${state}`, subject: { kind: 'release', id }, project, payload: { reason } });
  });

/** Acknowledgements of data planes that are alive. */
export function liveAcks(ctx: Ctx): PlanAck[] {
  const { acks } = servingPaths(ctx.settings.dir);
  let names: string[];
  try {
    names = readdirSync(acks);
  } catch {
    return [];
  }
  return names
    .filter((n) => n.endsWith('.json'))
    .map((n) => readAck(ctx.settings.dir, n.replace(/\.json$/, '')))
    .filter((ack): ack is PlanAck => ack !== undefined && isAlive(ack.pid));
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as { code?: string }).code === 'EPERM';
  }
}

/** Waits until every live data plane serves the revision; answers why it is not, if it is not. */
async function acknowledged(ctx: Ctx, number: number, revision: EndpointRevision): Promise<string | undefined> {
  const deadline = performance.now() + ACK_MS;
  for (;;) {
    const acks = liveAcks(ctx);
    const failure = acks
      .flatMap((a) => (a.number >= number ? a.failures : []))
      .find((f) => f.workspace === ctx.workspace && f.endpoint === revision.endpoint && f.revision === revision.number);
    if (failure) return failure.why;
    if (acks.length > 0 && acks.every((a) => a.number >= number)) return undefined;
    if (performance.now() > deadline)
      return acks.length === 0 ? 'no data plane is running' : 'a data plane did not acknowledge the plan in time';
    await delay(25);
  }
}
