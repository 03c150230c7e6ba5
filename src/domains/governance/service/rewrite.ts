// Files of the immutable zone, some at a time: what takes a file's place is stored before anything points at it, and
// is written down, so that an erasure that was interrupted goes on with the next.
import { findBlobs, getBlob, storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import type { JobRun } from '../../../kernel/jobs/jobs.ts';
import { rewriteAllWithout, rewriteParts } from '../../datasets/public.ts';
import type { Replaced, Replacement, Subject } from '../../subjects/public.ts';
import * as store from '../store.ts';
import { clearBytes } from './files.ts';
import type { Links } from './links.ts';
import { alike, inPairs, matcherOf, type FoundDocument, type FoundTable, type Search } from './search.ts';

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
  let done = 0;
  const write = async (files: readonly (FoundTable | FoundDocument)[], make: () => Promise<(Made | undefined)[]>): Promise<void> => {
    ctx.signal.throwIfAborted();
    report({ what: 'rewriting files', done, total: open.length, unit: 'files' });
    failpoint('governance.before-file');
    const all = await make();
    await ctx.tx(async (tx) => {
      for (const [i, file] of all.entries())
        if (file) await store.insertMade(tx.db, tx.workspace, erasureId, { ...file, place: files[i]!.file.place, applied: false });
    });
    done += files.length;
    failpoint('governance.after-file');
  };
  const parts = alike(open.filter((f) => f.kind === 'table')).flatMap((of) => {
    const byPath = new Map(of.map((t) => [t.path, t]));
    return rewriteParts([...byPath.keys()]).map((part) => part.map((path) => byPath.get(path)!));
  });
  // While one run writes, the files of another are stored.
  await inPairs(parts, (files) => write(files, () => madeOfTables(ctx, files, links)));
  for (const found of open.filter((f): f is FoundDocument => f.kind !== 'table'))
    await write([found], async () => [await madeOfDocument(ctx, found, subject, links)]);
}

type Made = Omit<store.MadeFile, 'place' | 'applied'>;

/** Tables that are alike. */
async function madeOfTables(ctx: Ctx, files: readonly FoundTable[], links: Links): Promise<Made[]> {
  const { columns, condition, mentions, mentioning } = files[0]!;
  // Where nothing is cleared, no cell is looked at for it: that would take longer than everything else.
  const cleared = mentioning > 0 ? mentions?.cleared : undefined;
  const paths = files.map((f) => f.path);
  const made = await rewriteAllWithout(ctx, paths, columns, condition, { gyre_links: links.path }, cleared);
  return made.map((m, i) => ({
    digest: files[i]!.file.digest,
    newDigest: m.digest,
    sizeBytes: m.sizeBytes,
    rowsBefore: files[i]!.rows,
    rowsRemoved: m.removed,
    rowsCleared: files[i]!.mentioning,
    keptDigest: m.logicalDigest,
  }));
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
    rowsCleared: cleared.removed === 0 ? 1 : 0,
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
