// Files of the immutable zone, one after the other: what takes a file's place is stored before anything points
// at it, and each is written down, so that an erasure that was interrupted goes on with the next.
import { findBlobs, getBlob, storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import type { JobRun } from '../../../kernel/jobs/jobs.ts';
import { rewriteWithout } from '../../datasets/public.ts';
import type { Replaced, Replacement, Subject } from '../../subjects/public.ts';
import * as store from '../store.ts';
import { clearBytes } from './files.ts';
import { matcherOf, type FoundDocument, type FoundTable, type Links, type Search } from './search.ts';

export async function makeReplacements(
  ctx: Ctx,
  erasureId: string,
  subject: Subject,
  links: Links,
  search: Search,
  report: JobRun['report'],
): Promise<void> {
  const made = new Map((await store.listMade(ctx.db, ctx.workspace, erasureId)).map((f) => [f.digest, f]));
  const there = await findBlobs(
    ctx.db,
    ctx.workspace,
    [...made.values()].map((f) => f.newDigest),
  );
  const open = search.found.filter((f) => f.kind !== 'opaque' && !there.has(made.get(f.file.digest)?.newDigest ?? ''));
  for (const [i, found] of open.entries()) {
    ctx.signal.throwIfAborted();
    report({ what: 'rewriting files', done: i, total: open.length, unit: 'files' });
    failpoint('governance.before-file');
    const file = found.kind === 'table' ? await madeOfTable(ctx, found, links) : await madeOfDocument(ctx, found, subject, links);
    if (file) await ctx.tx((tx) => store.insertMade(tx.db, tx.workspace, erasureId, { ...file, place: found.file.place, applied: false }));
    failpoint('governance.after-file');
  }
}

type Made = Omit<store.MadeFile, 'place' | 'applied'>;

async function madeOfTable(ctx: Ctx, { file, path, columns, condition, rows }: FoundTable, links: Links): Promise<Made> {
  const made = await rewriteWithout(ctx, path, columns, condition, { gyre_links: links.path });
  return {
    digest: file.digest,
    newDigest: made.digest,
    sizeBytes: made.sizeBytes,
    rowsBefore: rows,
    rowsRemoved: made.removed,
    keptDigest: made.logicalDigest,
  };
}

async function madeOfDocument(ctx: Ctx, { file }: FoundDocument, subject: Subject, links: Links): Promise<Made | undefined> {
  const bytes = await ctx.blobs.read(await getBlob(ctx.db, ctx.workspace, file.digest));
  const cleared = clearBytes(bytes, matcherOf(ctx, subject, links, file));
  if (!cleared) return undefined;
  const [stored] = await storeBlobs(ctx, [cleared.bytes]);
  return {
    digest: file.digest,
    newDigest: stored!.digest,
    sizeBytes: stored!.sizeBytes,
    rowsBefore: null,
    rowsRemoved: cleared.removed,
    keptDigest: null,
  };
}

/** What was made, as the domains are told of it. */
export const replacedBy = (made: readonly store.MadeFile[]): Replaced =>
  new Map(
    made.map((f): [string, Replacement] => [
      f.digest,
      {
        digest: f.newDigest,
        sizeBytes: f.sizeBytes,
        rows: (f.rowsBefore ?? 0) - f.rowsRemoved,
        removed: f.rowsRemoved,
        logicalDigest: f.keptDigest,
      },
    ]),
  );
