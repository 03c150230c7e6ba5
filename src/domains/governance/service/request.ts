// Asking for an erasure, and what is kept of the question.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import type { Job } from '../../../kernel/jobs/jobs.ts';
import { currentRevision } from '../../projects/public.ts';
import { hmacOf, hold, subjectKey, suppress, type Subject } from '../../subjects/public.ts';
import { fail } from '../errors.ts';
import type { Erasure } from '../model.ts';
import * as store from '../store.ts';
import { subjectIn } from './copies.ts';
import { clearText } from './redact.ts';

const sealingKey = (ctx: Ctx): Buffer => createHash('sha256').update(subjectKey(ctx.settings.dir)).update('sealed').digest();

/** The subject as it may lie in the database while the erasure is under way. */
export function sealSubject(ctx: Ctx, subject: Subject): string {
  const nonce = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', sealingKey(ctx), nonce);
  const body = Buffer.concat([cipher.update(JSON.stringify(subject), 'utf8'), cipher.final()]);
  return Buffer.concat([nonce, cipher.getAuthTag(), body]).toString('base64');
}

export function openSubject(ctx: Ctx, sealed: string): Subject {
  const bytes = Buffer.from(sealed, 'base64');
  const decipher = createDecipheriv('aes-256-gcm', sealingKey(ctx), bytes.subarray(0, 12));
  decipher.setAuthTag(bytes.subarray(12, 28));
  return JSON.parse(decipher.update(bytes.subarray(28), undefined, 'utf8') + decipher.final('utf8')) as Subject;
}

export interface RequestErasure {
  readonly project: string;
  readonly subject: string;
  readonly reason: string;
  readonly dryRun: boolean;
}

/**
 * Begins an erasure: from the commit on the subject is suppressed and the project is held. A dry run changes
 * nothing and counts. Raises `subject-invalid`, `erasure-running`, `project-not-found`.
 */
export async function requestErasure(ctx: Ctx, input: RequestErasure, job: Job<{ id: string }>): Promise<Erasure> {
  const subject = await subjectIn(ctx, await currentRevision(ctx, input.project), input.subject);
  const hmac = hmacOf(subjectKey(ctx.settings.dir), subject.value);
  return ctx.tx(async (tx) => {
    const erasure: Erasure = {
      id: newId('ers', tx.ids),
      project: input.project,
      subjectKind: subject.kind,
      subjectHmac: hmac,
      sealedSubject: sealSubject(tx, subject),
      // The words of whoever asks may name whom they ask about.
      reason: clearText(input.reason, [subject.value]) ?? input.reason,
      dryRun: input.dryRun,
      state: 'waiting',
      findings: {},
      certificate: null,
      error: null,
      actor: { kind: tx.actor.kind, id: tx.actor.id },
      createdMs: tx.clock.now(),
      finishedMs: null,
      version: 1,
    };
    if (!input.dryRun) {
      await hold(tx, input.project, erasure.id);
      await suppress(tx, input.project, subject, erasure.id);
    }
    await store.insertErasure(tx.db, tx.workspace, erasure);
    await recordAccess(tx, input.project, hmac, input.dryRun ? 'looked-up' : 'erased', erasure.id, erasure.reason);
    await tx.emit({
      type: 'erasure.requested',
      subject: { kind: 'erasure', id: erasure.id },
      label: `erasure of one ${subject.kind}`,
      project: input.project,
      payload: { subjectKind: subject.kind, subjectHmac: hmac, dryRun: input.dryRun },
    });
    await tx.enqueue({ job, payload: { id: erasure.id }, uniqueKey: erasure.id });
    return erasure;
  });
}

/** Writes down who asked about a subject. In a transaction. */
export async function recordAccess(
  tx: Ctx,
  project: string,
  subjectHmac: string,
  kind: store.Access['kind'],
  ref: string,
  reason: string,
): Promise<void> {
  const id = newId('sac', tx.ids);
  await store.insertAccess(tx.db, tx.workspace, {
    id,
    project,
    subjectHmac,
    kind,
    ref,
    reason,
    actor: { kind: tx.actor.kind, id: tx.actor.id },
    recordedMs: tx.clock.now(),
  });
  await tx.emit({
    type: 'subject.accessed',
    subject: { kind: 'data-subject', id: subjectHmac },
    label: 'a data subject',
    project,
    payload: { access: kind, ref },
  });
}

/** Raises `erasure-not-found`. */
export const getErasure = async (ctx: Ctx, project: string, id: string): Promise<Erasure> => {
  const found = await store.getErasure(ctx.db, ctx.workspace, id);
  return found?.project === project ? found : fail('erasure-not-found', { id });
};
