// Files outside of the immutable zone: artifacts by path, folders of attempts, what was staged and not cleaned up.
import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { open, readFile, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import { syncFolder } from '../../../kernel/blobs/sync-folder.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { countMatching, rewriteWithout, tableColumns } from '../../datasets/public.ts';
import { endedAttempts } from '../../pipelines/public.ts';
import { loggedValues } from '../../serving/public.ts';
import { subjectSql, type Subject } from '../../subjects/public.ts';
import { artifactFolders } from '../../tracking/public.ts';
import { clearDocument, type Matcher } from './redact.ts';
import { lookIntoBytes, unpack } from './search.ts';

export interface ClearedFiles {
  readonly searched: number;
  readonly files: number;
  readonly rowsRemoved: number;
  /** Files that hold the subject and cannot be read as a table or a text. */
  readonly opaque: readonly string[];
}

const filesUnder = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile())
        .map((e) => join(e.parentPath, e.name))
        .sort()
    : [];

/** Bytes without the subject, packed as they were; undefined if they do not hold it. */
export function clearBytes(bytes: Buffer, m: Matcher): { bytes: Buffer; removed: number } | undefined {
  const unpacked = unpack(bytes);
  const cleared = unpacked && clearDocument(unpacked.text, m);
  if (!cleared) return undefined;
  const plain = Buffer.from(cleared.text);
  const packed = unpacked.packed === 'gz' ? gzipSync(plain) : unpacked.packed === 'zst' ? zstdCompressSync(plain) : plain;
  return { bytes: packed, removed: cleared.removed };
}

/** Puts bytes in place of a file's, durably. */
async function replaceFile(path: string, bytes: Buffer): Promise<void> {
  const fresh = join(dirname(path), `.incoming-${randomBytes(8).toString('hex')}`);
  const handle = await open(fresh, 'wx', 0o600);
  try {
    await handle.writeFile(bytes);
    await handle.sync();
  } finally {
    await handle.close();
  }
  failpoint('governance.before-file-replaced');
  await rename(fresh, path);
  await syncFolder(dirname(path));
}

/** Takes the subject out of these files. `apply` false only looks. */
export async function clearFiles(ctx: Ctx, paths: readonly string[], subject: Subject, m: Matcher, apply: boolean): Promise<ClearedFiles> {
  let [files, rowsRemoved] = [0, 0];
  const opaque: string[] = [];
  const named = (path: string): string => relative(ctx.settings.dir, path);
  for (const path of paths) {
    ctx.signal.throwIfAborted();
    const bytes = await readFile(path).catch(() => undefined);
    if (!bytes) continue;
    if (bytes.subarray(0, 4).toString('latin1') === 'PAR1') {
      const columns = (await tableColumns(ctx, [path])).get(path);
      const condition = columns && subjectSql(columns, subject.columns, loggedValues(ctx, subject.value));
      const count = condition ? (await countMatching(ctx, [path], condition)).get(path)! : undefined;
      if (!count || count.matching === 0) continue;
      files += 1;
      rowsRemoved += count.matching;
      if (!apply) continue;
      const made = await rewriteWithout(ctx, path, columns!, condition!);
      await replaceFile(path, await ctx.blobs.read(await getBlob(ctx.db, ctx.workspace, made.digest)));
      continue;
    }
    const kind = lookIntoBytes(bytes, m);
    if (kind === 'opaque') opaque.push(named(path));
    if (kind !== 'document') continue;
    const cleared = clearBytes(bytes, m)!;
    files += 1;
    rowsRemoved += cleared.removed;
    if (apply) await replaceFile(path, cleared.bytes);
  }
  return { searched: paths.length, files, rowsRemoved, opaque };
}

/** Artifacts in the mutable zone, but for those of another project's experiment. */
export async function artifactFiles(ctx: Ctx, others: ReadonlySet<string>): Promise<string[]> {
  const foreign = (await artifactFolders(ctx)).filter((f) => others.has(f.experiment)).map((f) => `${ctx.blobs.paths.resolve(f.folder)}/`);
  return filesUnder(ctx.blobs.paths.resolve(ctx.workspace)).filter((path) => !foreign.some((f) => path.startsWith(f)));
}

/** Inputs and code that ended attempts left behind go; their logs are searched as texts are. Answers the logs. */
export async function pruneAttempts(ctx: Ctx, project: string, apply: boolean): Promise<string[]> {
  const logs: string[] = [];
  for (const dir of await endedAttempts(ctx, project)) {
    const folder = join(ctx.settings.dir, dir);
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (!lstatSync(path).isDirectory()) logs.push(path);
      else if (apply) await rm(path, { recursive: true, force: true });
    }
  }
  return logs;
}

/** Copies that processes made for themselves: of files that are gone, and of work that has ended. Returns how many went. */
export async function removeCopies(ctx: Ctx, digests: ReadonlySet<string>, modelFolders: readonly string[]): Promise<number> {
  let gone = 0;
  const remove = async (path: string): Promise<void> => {
    if (!existsSync(path)) return;
    await rm(path, { recursive: true, force: true });
    gone += 1;
  };
  for (const digest of digests) await remove(join(ctx.settings.dir, 'staged', digest));
  for (const folder of modelFolders) await remove(join(ctx.settings.dir, 'models', folder));
  const made = join(ctx.settings.dir, 'compute', 'made');
  // Nobody's work takes longer; what is younger is somebody's.
  for (const name of existsSync(made) ? readdirSync(made) : [])
    if (Date.now() - (lstatSync(join(made, name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > LEFT_MS)
      await remove(join(made, name));
  return gone;
}
const LEFT_MS = 60_000;
