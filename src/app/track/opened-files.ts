// From files that were opened to the inputs of a run: what was read, with digests.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, realpath, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import type { DatasetRecord } from './tracking-server.ts';
import type { Opened } from './python-shim.ts';

export interface InputFile {
  /** Relative to the working folder where it lies below it. */
  readonly path: string;
  readonly sizeBytes: number | null;
  /** SHA-256 of the whole file; null if it is gone, or for the largest ones. */
  readonly sha256: string | null;
  /** For files beyond the limit: SHA-256 of size, time, first and last megabyte. */
  readonly partial?: string;
  /** It was written to after it was first read, so the digest may be of what came later. */
  readonly changed?: true;
  readonly seenBy: 'python' | 'proc';
}

const CODE = /\.(py|pyc|pyi|pyd|so|dylib|dll|pth)(\.\d+)*$/;
const NOT_DATA = new Set(['__pycache__', 'site-packages', 'dist-packages', 'node_modules', 'venv', 'mlruns', 'mlartifacts', 'wandb']);
/** Bytes that are read for digests in one run. */
const DIGEST_BYTES = 32 * 1024 ** 3;
const PIECE = 1024 * 1024;
/** A folder of which more files were read becomes one input. */
const FOLDER_FROM = 20;

/** Whether a file is data: no code, nothing hidden, nothing of an environment. `path` is relative to its root. */
export const isData = (path: string): boolean =>
  !CODE.test(path) && !path.split('/').some((part) => NOT_DATA.has(part) || (part.startsWith('.') && part !== '..' && part !== '.'));

/** Files that were read before anybody wrote them; and how many were written. */
export function readFirst(opened: readonly Opened[], roots: readonly string[]): { read: Opened[]; written: string[] } {
  const first = new Map<string, Opened>();
  const written = new Set<string>();
  for (const file of opened) {
    // A root that is a file is relative to its folder.
    const root = roots.find((r) => file.path === r || file.path.startsWith(`${r}/`));
    if (root === undefined || !isData(relative(root, file.path) || basename(root))) continue;
    if (file.how === 'w') written.add(file.path);
    if (!first.has(file.path)) first.set(file.path, file);
  }
  return { read: [...first.values()].filter((f) => f.how === 'r'), written: [...written] };
}

async function digestOf(path: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(path, { highWaterMark: PIECE })) hash.update(chunk as Buffer);
  return hash.digest('hex');
}

async function partialDigest(path: string, size: number, modifiedNs: bigint): Promise<string> {
  const hash = createHash('sha256').update(`${size} ${modifiedNs}`);
  const file = await open(path);
  try {
    for (const at of [0, Math.max(0, size - PIECE)]) {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(PIECE), 0, PIECE, at);
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
  return hash.digest('hex');
}

/** Digests of what was read; of one file under two names only one is kept. */
export async function inputFiles(read: readonly Opened[], cwd: string, signal: AbortSignal): Promise<InputFile[]> {
  const files: InputFile[] = [];
  const seen = new Set<string>();
  let budget = DIGEST_BYTES;
  for (const file of read) {
    const below = relative(cwd, file.path);
    const path = below.startsWith('../../../') ? file.path : below;
    const found = await stat(file.path, { bigint: true }).catch(() => undefined);
    if (found === undefined) {
      files.push({ path, sizeBytes: file.size, sha256: null, seenBy: file.seenBy });
      continue;
    }
    const real = await realpath(file.path);
    if (!found.isFile() || seen.has(real)) continue;
    seen.add(real);
    const size = Number(found.size);
    const changed = file.modifiedNs !== null && (file.modifiedNs !== found.mtimeNs || file.size !== size);
    const rest = { path, sizeBytes: size, ...(changed ? { changed: true as const } : {}), seenBy: file.seenBy };
    try {
      if (size > budget || signal.aborted)
        files.push({ ...rest, sha256: null, partial: await partialDigest(file.path, size, found.mtimeNs) });
      else {
        budget -= size;
        files.push({ ...rest, sha256: await digestOf(file.path) });
      }
    } catch {
      // It became unreadable.
      files.push({ ...rest, sha256: null });
    }
  }
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** MLflow's digests have at most 36 characters; the whole one is a tag. */
const shortDigest = (digest: string): string => digest.slice(0, 32);

/** Inputs as datasets of the run; a folder of many files is one. */
export function datasetsOf(files: readonly InputFile[], cwd: string): DatasetRecord[] {
  const known = files.flatMap((f) => ((f.sha256 ?? f.partial) === undefined ? [] : [{ ...f, digest: (f.sha256 ?? f.partial)! }]));
  const byFolder = Map.groupBy(known, (f) => dirname(f.path));
  return [...byFolder].flatMap(([folder, members]) => {
    const many = members.length > FOLDER_FROM;
    const records = many
      ? [
          {
            name: `${folder}/`,
            digest: createHash('sha256')
              .update(members.map((m) => `${m.digest}  ${basename(m.path)}\n`).join(''))
              .digest('hex'),
            tags: {
              'gyre.files': String(members.length),
              'gyre.size_bytes': String(members.reduce((sum, m) => sum + (m.sizeBytes ?? 0), 0)),
            },
          },
        ]
      : members.map((m) => ({
          name: m.path,
          digest: m.digest,
          tags: {
            'gyre.size_bytes': String(m.sizeBytes),
            'gyre.seen_by': m.seenBy,
            ...(m.changed ? { 'gyre.changed': 'true' } : {}),
            ...(m.partial ? { 'gyre.digest': 'partial' } : {}),
          },
        }));
    return records.map(({ name, digest, tags }) => ({
      name: name.slice(-500),
      digest: shortDigest(digest),
      source: JSON.stringify({ uri: join(name.startsWith('/') ? '' : cwd, name) }),
      tags: { 'mlflow.data.context': 'input', 'gyre.sha256': digest, ...tags },
    }));
  });
}
