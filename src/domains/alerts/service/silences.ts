import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { usToIso } from '../../../kernel/timeline/timeline.ts';
import { currentRevision } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { parseMatcher } from '../matchers.ts';
import type { Silence } from '../model.ts';
import { endSilence, insertSilence } from '../store/alerts.ts';
import { catchUp, catchUpJob } from './catch-up.ts';

export interface NewSilence {
  readonly matchers: readonly string[];
  readonly startsUs?: number | undefined;
  readonly endsUs: number;
  readonly comment: string;
}

/** Raises `project-not-found`, `silence-matcher-invalid`, `silence-span-invalid`. */
export async function createSilence(ctx: Ctx, project: string, input: NewSilence): Promise<Silence> {
  await currentRevision(ctx, project);
  input.matchers.forEach(parseMatcher);
  return ctx.tx(async (tx) => {
    const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
    const startsUs = input.startsUs ?? nowUs;
    const endsAt = usToIso(input.endsUs);
    if (input.endsUs <= nowUs) fail('silence-span-invalid', { endsAt, why: `it is ${usToIso(nowUs)} now` });
    if (input.endsUs <= startsUs) fail('silence-span-invalid', { endsAt, why: `it begins at ${usToIso(startsUs)}` });
    const silence: Silence = {
      id: newId('sil', tx.ids),
      project,
      matchers: input.matchers,
      startsUs,
      endsUs: input.endsUs,
      author: tx.actor.id,
      comment: input.comment,
      recordedMs: tx.clock.now(),
    };
    await insertSilence(tx.db, tx.workspace, silence);
    await tx.emit({
      type: 'silence.created',
      subject: { kind: 'silence', id: silence.id },
      project,
      payload: { matchers: silence.matchers, startsUs, endsUs: silence.endsUs },
    });
    // What it holds back and still fires is told when it ends.
    await tx.enqueue({ job: catchUpJob, payload: { project }, project, dueUs: silence.endsUs, uniqueKey: silence.id });
    return silence;
  });
}

/** Ends a silence now; what it held back and still fires is told. Raises `silence-not-found`. */
export async function removeSilence(ctx: Ctx, project: string, id: string): Promise<void> {
  await ctx.tx(async (tx) => {
    const { nowUs } = await tx.timeline.read(tx.db, tx.workspace, project);
    if (!(await endSilence(tx.db, tx.workspace, project, id, nowUs))) fail('silence-not-found', { id });
    await tx.emit({ type: 'silence.ended', subject: { kind: 'silence', id }, project, payload: { endsUs: nowUs } });
    await catchUp(tx, project);
  });
}
