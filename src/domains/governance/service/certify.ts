// The certificate: what was rewritten, what was searched and is clean, and what is not covered.
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Edge } from '../../../kernel/events/events.ts';
import { newestEventOf } from '../../../kernel/events/events.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { endHold } from '../../subjects/public.ts';
import { fail } from '../errors.ts';
import type { Certificate, Erasure, NotCovered } from '../model.ts';
import * as store from '../store.ts';

const always: readonly NotCovered[] = [
  {
    what: 'exports and copies outside of the data folder',
    refs: [],
    why: 'they are out of reach: what the command line downloaded, what other systems fetched',
    action: 'erase them where they are',
  },
  {
    what: 'backups',
    refs: [],
    why: 'they are not rewritten',
    action: 'let them expire; after a restore run the erasures again before anything is served',
  },
];

/** Writes the certificate and ends the erasure. */
export async function completeErasure(ctx: Ctx, id: string): Promise<void> {
  failpoint('governance.before-completed');
  const made = await store.listMade(ctx.db, ctx.workspace, id);
  await ctx.tx(async (tx) => {
    const erasure = await store.getErasure(tx.db, tx.workspace, id);
    if (!erasure || erasure.state === 'completed') return;
    const { findings } = erasure;
    const models = findings.models ?? [];
    const rewritten = made
      .filter((f) => f.applied)
      .map((f) => ({
        place: f.place,
        digest: f.digest,
        newDigest: f.newDigest,
        rowsBefore: f.rowsBefore,
        rowsRemoved: f.rowsRemoved,
        rowsCleared: f.rowsCleared,
        keptDigest: f.keptDigest,
      }));
    const places = (findings.places ?? []).map((p) => ({
      ...p,
      rowsRemoved: p.rowsRemoved + rewritten.reduce((sum, f) => sum + (f.place === p.place ? f.rowsRemoved : 0), 0),
    }));
    const notCovered: NotCovered[] = [
      ...(models.length > 0
        ? [
            {
              what: 'trained models that saw rows of the subject',
              refs: models.map((m) => m.loggedModel),
              why: 'what a model learnt is not undone by removing rows',
              action: 'train again on the cleared data and replace them; by when is the controller’s to decide and to record',
            },
          ]
        : []),
      ...(findings.notCovered ?? []),
      {
        what: 'figures made before the erasure',
        refs: findings.evaluations ?? [],
        why: 'metrics, windows and aggregated features count the subject among many rows and name nobody',
        action: 'none; evaluations keep their figures and say that they were made before',
      },
      ...always,
    ];
    const head = await newestEventOf(tx.db);
    const certificate: Certificate = {
      format: 1,
      erasure: id,
      workspace: tx.workspace,
      project: erasure.project,
      subject: { kind: erasure.subjectKind, hmac: erasure.subjectHmac },
      actor: erasure.actor,
      reason: erasure.reason,
      requestedAt: new Date(erasure.createdMs).toISOString(),
      completedAt: new Date(tx.clock.now()).toISOString(),
      rewritten,
      versions: findings.versions ?? [],
      places,
      modelsAffected: models,
      evaluationsMadeBefore: findings.evaluations ?? [],
      cacheEntriesDropped: findings.cacheEntries ?? 0,
      notCovered,
      rowsRemoved: places.reduce((sum, p) => sum + p.rowsRemoved, 0),
      head,
    };
    await store.updateErasure(tx.db, tx.workspace, id, ['verifying'], {
      state: 'completed',
      certificate,
      error: null,
      sealedSubject: null,
      finishedMs: tx.clock.now(),
    });
    await endHold(tx, erasure.project, id);
    const self = { kind: 'erasure', id };
    const edges: Edge[] = [
      ...certificate.versions.map((v): Edge => ({ from: self, to: { kind: 'dataset-version', id: v.id }, relation: 'rewrites' })),
      ...models.map((m): Edge => ({ from: self, to: { kind: 'logged-model', id: m.loggedModel }, relation: 'affects' })),
    ];
    await tx.emit({
      type: 'erasure.completed',
      subject: self,
      label: `erasure of one ${erasure.subjectKind}`,
      project: erasure.project,
      payload: {
        subjectKind: erasure.subjectKind,
        subjectHmac: erasure.subjectHmac,
        rowsRemoved: certificate.rowsRemoved,
        files: rewritten.map((f) => ({ digest: f.digest, newDigest: f.newDigest, rowsRemoved: f.rowsRemoved })),
        models: models.map((m) => m.loggedModel),
      },
      edges,
    });
  });
}

/** Ends an erasure that could not be done, so that others may go on; the subject stays suppressed. */
export const failErasure = (ctx: Ctx, id: string, why: string): Promise<void> =>
  ctx.tx(async (tx) => {
    const erasure = await store.getErasure(tx.db, tx.workspace, id);
    if (!erasure || erasure.state === 'completed') return;
    await store.updateErasure(tx.db, tx.workspace, id, [erasure.state], { state: 'failed', error: why, finishedMs: tx.clock.now() });
    await endHold(tx, erasure.project, id);
    await tx.emit({
      type: 'erasure.failed',
      subject: { kind: 'erasure', id },
      label: `erasure of one ${erasure.subjectKind}`,
      project: erasure.project,
      payload: { state: erasure.state },
    });
  });

/** Raises `erasure-not-ended`. */
export const certificateOf = (erasure: Erasure): Certificate =>
  erasure.certificate ?? fail('erasure-not-ended', { id: erasure.id, state: erasure.state });
