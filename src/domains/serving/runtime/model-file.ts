// The files of a model: the one that the runtime reads, and whether all are as they were sealed.
import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fail } from '../errors.ts';
import { replaceZipMaps } from './zip-map.ts';

/** The ONNX file of a sealed folder: `model.onnx`, where MLflow's onnx flavour puts it. */
export const modelFile = (path: string): string =>
  statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, 'model.onnx') : path;

export const loadModelBytes = (path: string): Uint8Array => replaceZipMaps(readFileSync(modelFile(path)));

/** Python leaves compiled code beside the code that it imports. */
const LEFT_BY_PYTHON = '__pycache__';

/**
 * Whether a folder still holds what was sealed; its digest is that of its files' paths and digests. A digest that is none is
 * not checked. Raises `model-files-changed`.
 */
export async function requireDigest(folder: string, digest: string): Promise<void> {
  if (!/^[0-9a-f]{64}$/.test(digest) || !statSync(folder, { throwIfNoEntry: false })?.isDirectory()) return;
  const files: [string, string][] = [];
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/');
    if (entry.isDirectory() || path.split('/').includes(LEFT_BY_PYTHON)) continue;
    const hash = createHash('sha256');
    await pipeline(createReadStream(join(folder, path), { highWaterMark: 1 << 20 }), hash);
    files.push([path, hash.digest('hex')]);
  }
  files.sort(([a], [b]) => (a < b ? -1 : 1));
  const found = createHash('sha256').update(JSON.stringify(files)).digest('hex');
  if (found !== digest) fail('model-files-changed', { digest, found });
}
