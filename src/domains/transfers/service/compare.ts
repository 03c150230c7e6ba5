// Digests of what arrived, for comparison with the source.
import type { Ctx } from '../../../kernel/ctx.ts';
import { takenLoggedModel, takenPoints, takenRuns } from '../../tracking/public.ts';
import { takenModel } from '../../registry/public.ts';
import { hashPoints, loggedModelDigest, metricsDigest, modelDigest, runDigest, type PointsHash } from '../model.ts';
import { requireOwn, runningImport } from './imports.ts';

export interface Compared {
  readonly id: string;
  readonly record: string;
  readonly params: number;
  readonly tags: number;
  readonly points: number;
  readonly metrics: string;
}

/** Raises `import-foreign`. */
export async function digestsOf(
  ctx: Ctx,
  importId: string,
  kind: 'run' | 'logged-model' | 'model',
  ids: readonly string[],
): Promise<Compared[]> {
  await requireOwn(ctx, await runningImport(ctx, importId), kind, ids);
  if (kind === 'run') return ofRuns(ctx, ids);
  const found: Compared[] = [];
  for (const id of ids) {
    const one = kind === 'model' ? await takenModel(ctx, id) : await takenLoggedModel(ctx, id);
    if (!one) continue;
    const isModel = 'versions' in one;
    found.push({
      id,
      record: isModel ? modelDigest(one) : loggedModelDigest(one),
      params: isModel ? one.versions.length : one.params.length,
      tags: one.tags.length,
      points: isModel ? one.aliases.length : one.metrics.length,
      metrics: '',
    });
  }
  return found;
}

async function ofRuns(ctx: Ctx, ids: readonly string[]): Promise<Compared[]> {
  const found: Compared[] = [];
  for (const run of await takenRuns(ctx, ids)) {
    const hashes = new Map<string, PointsHash>();
    for await (const { key, points } of takenPoints(ctx, run.id)) {
      const hash = hashes.get(key) ?? hashPoints();
      hashes.set(key, hash);
      hash.add(points);
    }
    const metrics = metricsDigest(new Map([...hashes].map(([key, hash]) => [key, hash.end()])));
    found.push({
      id: run.id,
      record: runDigest(run),
      params: run.params.length,
      tags: run.tags.length,
      points: metrics.count,
      metrics: metrics.digest,
    });
  }
  return found;
}
