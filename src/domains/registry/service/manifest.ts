// What the MLmodel file of a sealed model says, as far as it is asked for.
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { whenNeeded } from '../../../kernel/process/when-needed.ts';
import type { Manifest } from '../model.ts';
import type { SealedFile } from './sealed-files.ts';

const yaml = whenNeeded<typeof import('yaml')>('yaml');
const LARGEST = 4 * 1024 * 1024;
const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): string | null => (typeof value === 'string' ? value : null);

/** The text of the MLmodel file; null without one. */
export async function readMlmodel(ctx: Ctx, files: readonly (SealedFile & { sizeBytes: number })[]): Promise<string | null> {
  const file = files.find((f) => f.path === 'MLmodel');
  if (!file || file.sizeBytes > LARGEST) return null;
  return (await ctx.blobs.read(await getBlob(ctx.db, ctx.workspace, file.digest))).toString('utf8');
}

/** Null without a file that can be read: it tells about the model, and the model does not need it. */
export async function readManifest(ctx: Ctx, files: readonly (SealedFile & { sizeBytes: number })[]): Promise<Manifest | null> {
  const mlmodel = await readMlmodel(ctx, files);
  if (mlmodel === null) return null;
  let read: unknown;
  try {
    read = yaml().parse(mlmodel, { maxAliasCount: 10 });
  } catch {
    return null;
  }
  if (!isRecord(read)) return null;
  const { signature } = read;
  const parts = (['inputs', 'outputs', 'params'] as const).flatMap((key) => {
    const found = isRecord(signature) ? text(signature[key]) : null;
    return found === null ? [] : [[key, found] as const];
  });
  return {
    flavors: isRecord(read.flavors) ? Object.keys(read.flavors).sort() : [],
    signature: parts.length > 0 ? Object.fromEntries(parts) : null,
    mlflowVersion: text(read.mlflow_version),
  };
}
