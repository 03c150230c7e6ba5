// A new revision of an endpoint: immutable, and what the next plan says.
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { holdVersions } from '../../registry/public.ts';
import type { EndpointRevision } from '../model.ts';
import * as store from '../store/endpoints.ts';

/** Makes the revision the endpoint's current one. Inside a transaction. */
export async function makeRevision(
  tx: Ctx,
  of: Pick<EndpointRevision, 'project' | 'endpoint' | 'variants' | 'projectRevision' | 'decision'> & {
    readonly trial?: string | null;
    readonly perRequest?: boolean;
  },
): Promise<EndpointRevision> {
  const { project, endpoint, variants, projectRevision, decision } = of;
  const revision: EndpointRevision = {
    ...{ project, endpoint, variants, projectRevision, decision, trial: of.trial ?? null, perRequest: of.perRequest ?? false },
    id: newId('epr', tx.ids),
    number: await store.takeNumber(tx.db, tx.workspace, project, endpoint),
    createdMs: tx.clock.now(),
  };
  await store.insertRevision(tx.db, tx.workspace, revision);
  await store.setCurrent(tx.db, tx.workspace, endpoint, revision.id);
  // What was served until now stays held until the move has ended, for it may come back.
  await holdVersions(
    tx,
    endpoint,
    variants.map((v) => v.versionId),
  );
  const self = { kind: 'endpoint-revision', id: revision.id };
  const refs = variants.map((v) => ({ ref: { kind: 'variant', id: `${revision.id}/${v.id}` }, version: v.versionId }));
  await tx.emit({
    type: 'endpoint-revision.created',
    subject: self,
    label: `${endpoint} revision ${revision.number}`,
    project,
    payload: {
      number: revision.number,
      version: variants.findLast((v) => v.weight > 0)!.versionId,
      variants: variants.map((v) => ({ version: v.versionId, weight: v.weight })),
    },
    edges: [
      { from: self, to: { kind: 'endpoint', id: endpoint }, relation: 'revision-of' },
      ...refs.map(({ ref }) => ({ from: self, to: ref, relation: 'variant' })),
      ...refs.map(({ ref, version }) => ({ from: ref, to: { kind: 'model-version', id: version }, relation: 'serves' })),
      { from: self, to: { kind: 'decision', id: decision }, relation: 'allowed-by' },
      { from: self, to: { kind: 'project-revision', id: projectRevision }, relation: 'definition' },
    ],
  });
  return revision;
}
