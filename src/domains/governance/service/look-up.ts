// What is held of a subject, and who asked before.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { currentRevision } from '../../projects/public.ts';
import { hmacOf, listSuppressions, subjectKey } from '../../subjects/public.ts';
import type { PlaceCount } from '../model.ts';
import * as store from '../store.ts';
import { subjectIn } from './copies.ts';
import { countPlaces } from './erase.ts';
import { clearText } from './redact.ts';
import { recordAccess } from './request.ts';

export interface Lookup {
  readonly kind: string;
  readonly hmac: string;
  readonly suppressed: boolean;
  readonly places: readonly PlaceCount[];
  readonly accesses: readonly store.Access[];
}

/** Counts where rows of a subject are held; that somebody asked is written down, too. Raises `subject-invalid`. */
export async function lookUpSubject(ctx: Ctx, project: string, text: string, reason: string): Promise<Lookup> {
  const revision = await currentRevision(ctx, project);
  const subject = await subjectIn(ctx, revision, text);
  const hmac = hmacOf(subjectKey(ctx.settings.dir), subject.value);
  await ctx.tx((tx) => recordAccess(tx, project, hmac, 'looked-up', '', clearText(reason, [subject.value]) ?? reason));
  const places = await countPlaces(ctx, revision, subject, join(ctx.settings.dir, 'erasing', `look-up-${randomBytes(8).toString('hex')}`));
  return {
    kind: subject.kind,
    hmac,
    suppressed: (await listSuppressions(ctx.db, ctx.workspace, project)).some((s) => s.hmac === hmac),
    places,
    accesses: await store.listAccesses(ctx.db, ctx.workspace, project, hmac),
  };
}
