// Files of runs and logged models on their way in, and what lies there afterwards.
import { createHash } from 'node:crypto';
import { Transform, type Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PassThrough } from 'node:stream';
import type { Ctx } from '../../../kernel/ctx.ts';
import { takenPlace, type Place } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import { filesOfDigest, type FileDigest } from '../model.ts';
import { requireOwn, runningImport } from './imports.ts';

export interface Owner {
  readonly kind: 'run' | 'logged-model';
  readonly id: string;
}

async function placeOf(ctx: Ctx, importId: string, { kind, id }: Owner): Promise<Place> {
  const of = await runningImport(ctx, importId);
  await requireOwn(ctx, of, kind, [id]);
  const found = await takenPlace(ctx, kind, id);
  if (!found) return fail('import-foreign', { kind, id });
  return found.place ?? fail('import-artifacts-elsewhere', { uri: found.uri });
}

/** Raises `import-foreign`, `import-artifacts-elsewhere`, `path-invalid`, `storage-full`. */
export async function takeArtifact(
  ctx: Ctx,
  importId: string,
  owner: Owner,
  path: string,
  source: Readable,
): Promise<{ sizeBytes: number; digest: string }> {
  const place = await placeOf(ctx, importId, owner);
  const hash = createHash('sha256');
  const hashed = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      hash.update(chunk);
      done(null, chunk);
    },
  });
  const through = new PassThrough();
  const piped = pipeline(source, hashed, through);
  piped.catch(() => undefined);
  const { sizeBytes } = await place.zone.write([place.path, path].filter(Boolean).join('/'), through);
  await piped;
  return { sizeBytes, digest: hash.digest('hex') };
}

/** Reads all files of each anew. Raises what `takeArtifact` raises. */
export async function artifactDigests(ctx: Ctx, importId: string, owners: readonly Owner[]) {
  const found = [];
  for (const owner of owners) {
    const { zone, path } = await placeOf(ctx, importId, owner);
    const files: FileDigest[] = [];
    for await (const file of zone.walk(path)) {
      const { stream } = await zone.open([path, file.path].filter(Boolean).join('/'));
      const hash = createHash('sha256');
      for await (const chunk of stream) hash.update(chunk as Buffer);
      files.push({ ...file, digest: hash.digest('hex') });
    }
    found.push({ ...owner, ...filesOfDigest(files) });
  }
  return found;
}
