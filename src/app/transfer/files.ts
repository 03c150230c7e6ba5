// Files of runs and logged models on their way.
import { createHash } from 'node:crypto';
import { isProblem } from '../../kernel/errors.ts';
import { filesOfDigest, type FileDigest } from '../../domains/transfers/public.ts';
import { collect } from './collect.ts';
import type { Owner, Source, SourceFile } from './source.ts';
import type { Counted, Files, State } from './tally.ts';
import type { Target } from './target.ts';

const AT_ONCE = 6;

/** undefined where they are out of reach, which is noted once for each store. */
export async function listFiles(source: Source, owner: Owner, state: State): Promise<SourceFile[] | undefined> {
  const files = await source.artifacts(owner);
  if (files !== undefined) return collect(files);
  const store = owner.of.artifactUri.split('/').slice(0, 3).join('/');
  state.notes.add(`files below ${store} are out of reach from here and were not copied; --artifacts says where a server keeps them`);
  return undefined;
}

/** Sends files, or only reads them where they are there already. */
export async function takeFiles(
  target: Target | undefined,
  kind: Owner['kind'],
  { sourceId, targetId }: Counted,
  listed: readonly SourceFile[],
  isSent: boolean,
  state: State,
): Promise<Files> {
  if (!target) return { files: listed.length, bytes: listed.reduce((sum, f) => sum + f.sizeBytes, 0), digest: '' };
  const digests: FileDigest[] = [];
  const queue = [...listed];
  const worker = async (): Promise<void> => {
    for (let file = queue.shift(); file; file = queue.shift())
      try {
        digests.push({ path: file.path, ...(isSent ? await target.file(kind, targetId, file) : await read(file)) });
      } catch (error) {
        if (!isProblem(error, 'path-invalid') && !isProblem(error, 'invalid-input')) throw error;
        state.differences.push(`file ${file.path} of ${kind} ${sourceId} cannot be kept: ${error.message}`);
      }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return filesOfDigest(digests);
}

async function read(file: SourceFile): Promise<{ sizeBytes: number; digest: string }> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of await file.open()) {
    hash.update(chunk as Buffer);
    sizeBytes += (chunk as Buffer).length;
  }
  return { sizeBytes, digest: hash.digest('hex') };
}
