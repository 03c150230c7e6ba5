// A release begins: from a passed decision to a revision that is to be served.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { serviceForPlan } from '../../features/public.ts';
import { currentRevision } from '../../projects/public.ts';
import { findVersion, requirePassed } from '../../registry/public.ts';
import { fail } from '../errors.ts';
import { settleRelease } from '../jobs.ts';
import type { EndpointRevision, Release } from '../model.ts';
import * as store from '../store.ts';
import { checkSignature, planColumns } from './publish.ts';
import { settle } from './settle.ts';

/** A release whose server died in the middle is taken up again so long after it began. */
const RECOVER_MS = 3000;

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

  const id = await ctx.tx(async (tx) => {
    const now = tx.clock.now();
    const previous = await store.findCurrent(tx.db, tx.workspace, input.project, input.endpoint);
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
    await tx.enqueue({ job: settleRelease, payload: { releaseId: made.id }, uniqueKey: made.id, runAtMs: now + RECOVER_MS });
    return made.id;
  });

  const ended = await settle(ctx, id);
  if (ended.state === 'failed') return fail('release-not-taken', { endpoint: input.endpoint, why: ended.reason });
  return ended;
}
