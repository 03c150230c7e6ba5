// Files on their way in, without the rows of subjects that were erased before.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { findBlobs } from '../../../kernel/blobs/blob-index.ts';
import { purgePacks, replaceBlobs } from '../../../kernel/blobs/erase-blobs.ts';
import { findTombstones } from '../../../kernel/blobs/tombstones.ts';
import { sqlName } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { canonicalSql, holds, mentionsOf, subjectSql, suppressedIn } from '../../subjects/public.ts';
import * as store from '../store.ts';
import { countMatching, rewriteWithout, tableColumns } from './rewrite.ts';
import { stageFiles } from './stage.ts';

export interface Admitted {
  /** Digest as it was sent -> digest of what may come in. */
  readonly digests: ReadonlyMap<string, string>;
  /** Rows of suppressed subjects that were left out. */
  readonly leftOut: number;
  /** The newest suppression that was applied. */
  readonly number: number;
}

/** What of these blobs may come into a project: erased ones are what is left of them, others lose the rows of suppressed subjects. */
export async function admitFiles(ctx: Ctx, project: string, sent: readonly string[]): Promise<Admitted> {
  const tombstones = await findTombstones(ctx.db, ctx.workspace, sent);
  const suppressed = await suppressedIn(ctx, project);
  const digests = new Map(sent.map((d) => [d, tombstones.get(d)?.newDigest ?? d]));
  let leftOut = [...tombstones.values()].reduce((sum, t) => sum + t.rowsRemoved, 0);
  if (suppressed.number === 0) return { digests, leftOut, number: 0 };
  const fresh = [...new Set([...digests.values()])].filter((d) => ![...tombstones.values()].some((t) => t.newDigest === d));
  const known = await store.heldDigests(ctx.db, ctx.workspace, project, fresh);
  const open = fresh.filter((d) => !known.has(d));
  const paths = await stageFiles(ctx, open);
  const columns = await tableColumns(ctx, paths);
  const packOf = await findBlobs(ctx.db, ctx.workspace, open);
  const packs = new Set<string>();
  for (const [i, path] of paths.entries()) {
    const own = columns.get(path) ?? [];
    const identifiers = own.filter((c) => suppressed.columns.some((id) => holds(c.name, id)));
    if (identifiers.length === 0) continue;
    const values = new Set<string>();
    for (const { name } of identifiers) {
      const { rows } = await ctx.compute.run(
        {
          what: 'identifiers on their way in',
          tables: { t: { files: [path] } },
          statements: [],
          rows: `select distinct ${canonicalSql('v')} as v from (select distinct ${sqlName(name)} as v from t where ${sqlName(name)} is not null)`,
        },
        ctx.signal,
      );
      for (const { v } of rows) if (suppressed.has(name, v)) values.add(String(v));
    }
    if (values.size === 0) continue;
    const condition = subjectSql(
      identifiers,
      identifiers.map((c) => c.name),
      [...values],
    )!;
    if ((await countMatching(ctx, [path], condition)).get(path)?.matching === 0) continue;
    const made = await rewriteWithout(ctx, path, own, condition, {}, mentionsOf(own, [...values])?.cleared);
    leftOut += made.removed;
    const digest = open[i]!;
    // What was sent is not kept; the same bytes are known by what is left of them from now on.
    await ctx.tx((tx) => replaceBlobs(tx, [{ digest, newDigest: made.digest, rowsRemoved: made.removed, reason: 'suppressed' }]));
    for (const [from, to] of digests) if (to === digest) digests.set(from, made.digest);
    await rm(join(ctx.settings.dir, 'staged', digest), { force: true });
    packs.add(packOf.get(digest)!.pack);
  }
  await purgePacks(ctx, packs);
  return { digests, leftOut, number: suppressed.number };
}
