// Erasure in the inference log: the raw segments on the data planes' disk, and the files they were shipped as.
import { existsSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Ctx } from '../../../kernel/ctx.ts';
import { canonical, holds, isAnyCase, writtenForms, type HeldFile, type Replaced, type Subject } from '../../subjects/public.ts';
import { eraseFromSegment, findInSegment, type Marks } from '../log/erase-segment.ts';
import type { InferenceRecord } from '../log/record.ts';
import { sealedSegments } from '../log/segment.ts';
import { pseudonym, servingKey, servingPaths } from '../plan.ts';
import * as store from '../store.ts';

export const shippedFiles = async (ctx: Ctx): Promise<HeldFile[]> =>
  (await store.listAllFiles(ctx.db, ctx.workspace)).map((f) => ({
    digest: f.digest,
    place: 'inference log (shipped)',
    project: f.project,
    predictions: true,
  }));

export async function repointShipped(tx: Ctx, project: string, replaced: Replaced): Promise<void> {
  for (const [digest, by] of replaced)
    await store.replaceFile(tx.db, tx.workspace, project, digest, { digest: by.digest, records: by.rows });
}

/** What stands for a value in the log: itself, or its pseudonym where the column is personal. */
export function loggedValues(ctx: Ctx, value: string): string[] {
  const key = servingKey(ctx.settings.dir);
  return [value, ...new Set([...writtenForms(value), canonical(value)].map((v) => pseudonym(key, v)))];
}

const isSubjects = (ctx: Ctx, project: string, subject: Subject, predictions: ReadonlySet<string>) => {
  const values = new Set(loggedValues(ctx, subject.value).map(canonical));
  const held = (name: string, value: unknown): boolean =>
    value !== null && value !== undefined && values.has(canonical(value)) && subject.columns.some((c) => holds(name, c));
  return (r: InferenceRecord): boolean =>
    r.workspace === ctx.workspace &&
    r.project === project &&
    (predictions.has(r.id) ||
      [r.request, r.inputs, ...r.features.map((f) => f.fact?.values ?? {})].some((named) =>
        Object.entries(named).some(([name, value]) => held(name, value)),
      ));
};

// Numbers and texts are in a record as JSON writes them, and a whole number as its digits. A value that may be written
// in more ways than that is looked for in every record.
function marksOf(ctx: Ctx, subject: Subject, ids: ReadonlySet<string>): Marks | undefined {
  const own = canonical(subject.value);
  // oxlint-disable-next-line no-control-regex
  if (isAnyCase(own) || /[^\x00-\x7f]/.test(own)) return undefined;
  return { texts: [own, ...loggedValues(ctx, own)].map((v) => JSON.stringify(v).slice(1, -1)), ids };
}

const segments = (ctx: Ctx): string[] => {
  const { log } = servingPaths(ctx.settings.dir);
  return existsSync(log) ? readdirSync(log).flatMap((replica) => sealedSegments(join(log, replica))) : [];
};

/** Ids of predictions about a subject in the sealed segments. */
export function predictionsAbout(ctx: Ctx, project: string, subject: Subject): string[] {
  const isAbout = isSubjects(ctx, project, subject, new Set());
  const marks = marksOf(ctx, subject, new Set());
  return segments(ctx).flatMap((path) => findInSegment(path, isAbout, marks));
}

/** Takes records about a subject, and those of these predictions, out of every sealed segment. Returns how many segments there are, and records. */
export function eraseFromSegments(
  ctx: Ctx,
  project: string,
  subject: Subject,
  predictions: ReadonlySet<string>,
): { searched: number; records: number } {
  let records = 0;
  const { log } = servingPaths(ctx.settings.dir);
  if (existsSync(log))
    for (const replica of readdirSync(log))
      // What a process that died in the middle of this left behind.
      for (const name of readdirSync(join(log, replica)).filter((n) => n.endsWith('.new')))
        rmSync(join(log, replica, name), { force: true });
  const isGone = isSubjects(ctx, project, subject, predictions);
  const marks = marksOf(ctx, subject, predictions);
  const paths = segments(ctx);
  for (const path of paths) records += eraseFromSegment(path, isGone, marks).length;
  return { searched: paths.length, records };
}

/** Takes records of an endpoint that are older than a moment out of every sealed segment; `dryRun` counts them. */
export function eraseOldFromSegments(
  ctx: Ctx,
  project: string,
  endpoint: string,
  beforeUs: number,
  dryRun: boolean,
): { files: number; records: number } {
  let [files, records] = [0, 0];
  const isGone = (r: InferenceRecord): boolean =>
    r.workspace === ctx.workspace && r.project === project && r.endpoint === endpoint && r.eventTimeUs < beforeUs;
  for (const path of segments(ctx)) {
    const gone = (dryRun ? findInSegment(path, isGone) : eraseFromSegment(path, isGone)).length;
    if (gone > 0) files += 1;
    records += gone;
  }
  return { files, records };
}
