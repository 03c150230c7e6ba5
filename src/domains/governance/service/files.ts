// Files outside of the immutable zone: artifacts by path, folders of attempts, what was staged and not cleaned up.
import { randomBytes } from 'node:crypto';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import type { Readable } from 'node:stream';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { getBlob } from '../../../kernel/blobs/blob-index.ts';
import { syncFolder } from '../../../kernel/blobs/sync-folder.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { countMatching, rewriteWithout, tableColumns, type Column } from '../../datasets/public.ts';
import { endedAttempts } from '../../pipelines/public.ts';
import { loggedValues } from '../../serving/public.ts';
import { mentionsOf, subjectSql, type Subject } from '../../subjects/public.ts';
import { artifactFolders } from '../../tracking/public.ts';
import { clearDocument, type Matcher } from './redact.ts';
import type { Links } from './links.ts';
import { DOCUMENT_BYTES, holdInPieces, lookIntoBytes, unpack } from './search.ts';

export interface ClearedFiles {
  readonly searched: number;
  readonly files: number;
  readonly rowsRemoved: number;
  /** Files that hold the subject and cannot be read as a table or a text. */
  readonly opaque: readonly string[];
}

/** A file outside of the immutable zone, wherever it lies. */
export interface LooseFile {
  /** As it is shown: relative to the server's folder, or to what holds artifacts. */
  readonly name: string;
  /** Undefined if it is gone. */
  readonly open: () => Promise<{ readonly stream: Readable; readonly sizeBytes: number } | undefined>;
  readonly withLocalFile: <T>(use: (path: string) => Promise<T>) => Promise<T>;
  /** Puts bytes in its place, durably. */
  readonly replace: (bytes: Buffer) => Promise<void>;
}

const orGone = async <T>(work: Promise<T>): Promise<T | undefined> =>
  work.catch((error: unknown) => {
    if (isProblem(error, 'path-not-found') || (error as { code?: string }).code === 'ENOENT') return undefined;
    throw error;
  });

/** Bytes without the subject, packed as they were; undefined if they do not hold it. */
export function clearBytes(bytes: Buffer, m: Matcher): { bytes: Buffer; removed: number } | undefined {
  const unpacked = unpack(bytes);
  const cleared = unpacked && clearDocument(unpacked.text, m);
  if (!cleared) return undefined;
  const plain = Buffer.from(cleared.text);
  const packed = unpacked.packed === 'gz' ? gzipSync(plain) : unpacked.packed === 'zst' ? zstdCompressSync(plain) : plain;
  return { bytes: packed, removed: cleared.removed };
}

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
export async function clearFiles(
  ctx: Ctx,
  loose: AsyncIterable<LooseFile> | Iterable<LooseFile>,
  subject: Subject,
  m: Matcher,
  links: Links,
  apply: boolean,
): Promise<ClearedFiles> {
  let [searched, files, rowsRemoved] = [0, 0, 0];
  const opaque: string[] = [];
  for await (const file of loose) {
    ctx.signal.throwIfAborted();
    searched += 1;
    const bytes = await bytesOf(file, m);
    if (bytes === undefined) continue;
    if (bytes === 'opaque') {
      opaque.push(file.name);
      continue;
    }
    if (bytes === 'table' || bytes.subarray(0, 4).toString('latin1') === 'PAR1') {
      const cleared = await orGone(file.withLocalFile((path) => clearTable(ctx, path, subject, links, apply)));
      if (!cleared) continue;
      files += 1;
      rowsRemoved += cleared.removed;
      if (cleared.bytes) await file.replace(cleared.bytes);
      continue;
    }
    const kind = lookIntoBytes(bytes, m);
    if (kind === 'opaque') opaque.push(file.name);
    if (kind !== 'document') continue;
    const cleared = clearBytes(bytes, m)!;
    files += 1;
    rowsRemoved += cleared.removed;
    if (apply) await file.replace(cleared.bytes);
  }
  return { searched, files, rowsRemoved, opaque: opaque.toSorted() };
}

/** All bytes of a file that fits into memory; of a larger one only what it is. Undefined: it is gone, or does not hold the subject. */
async function bytesOf(file: LooseFile, m: Matcher): Promise<Buffer | 'table' | 'opaque' | undefined> {
  const opened = await file.open();
  if (!opened) return undefined;
  if (opened.sizeBytes <= DOCUMENT_BYTES) return Buffer.concat(await opened.stream.toArray());
  const pieces = opened.stream[Symbol.asyncIterator]();
  const first = (await pieces.next()).value as Buffer | undefined;
  if (first?.subarray(0, 4).toString('latin1') === 'PAR1') {
    opened.stream.destroy();
    return 'table';
  }
  async function* all(): AsyncGenerator<Buffer> {
    if (first) yield first;
    yield* { [Symbol.asyncIterator]: () => pieces };
  }
  return (await holdInPieces(all(), m)) ? 'opaque' : undefined;
}

/** A table without the subject; undefined if it does not hold it, no bytes if it was only looked at. */
async function clearTable(
  ctx: Ctx,
  path: string,
  subject: Subject,
  links: Links,
  apply: boolean,
): Promise<{ removed: number; bytes?: Buffer } | undefined> {
  const columns = (await tableColumns(ctx, [path])).get(path);
  if (!columns) return undefined;
  const values = loggedValues(ctx, subject.value);
  const conditions = [subjectSql(columns, subject.columns, values), ...linkedSql(columns)].filter((c) => c !== undefined);
  const mentions = mentionsOf(columns, values);
  if (conditions.length === 0 && !mentions) return undefined;
  const condition = conditions.join('\n or ') || 'false';
  const beside = { gyre_links: links.path };
  const count = (await countMatching(ctx, [path], condition, beside, mentions)).get(path)!;
  if (count.matching + count.mentioning === 0) return undefined;
  if (!apply) return { removed: count.matching };
  const made = await rewriteWithout(ctx, path, columns, condition, beside, count.mentioning > 0 ? mentions?.cleared : undefined);
  return { removed: count.matching, bytes: await ctx.blobs.read(await getBlob(ctx.db, ctx.workspace, made.digest)) };
}

/** Rows of tables that nobody told of: by the key, or by the prediction, of a row that is the subject's. */
const linkedSql = (columns: readonly Column[]): string[] =>
  (
    [
      ['row_key', 'row'],
      ['prediction_id', 'prediction'],
    ] as const
  )
    .filter(([name]) => columns.some((c) => c.name === name))
    .map(([name, kind]) => `coalesce(${name}::varchar in (select key from gyre_links where kind = '${kind}'), false)`);

/** Artifacts in the mutable zone, but for those of another project's experiment. */
export async function* artifactFiles(ctx: Ctx, others: ReadonlySet<string>): AsyncGenerator<LooseFile> {
  const { paths } = ctx.blobs;
  const foreign = (await artifactFolders(ctx)).filter((f) => others.has(f.experiment)).map((f) => `${f.folder}/`);
  for await (const found of paths.walk(ctx.workspace)) {
    const path = `${ctx.workspace}/${found.path}`;
    if (foreign.some((f) => path.startsWith(f))) continue;
    yield {
      name: `paths/${path}`,
      open: () => orGone(paths.open(path)),
      withLocalFile: (use) => paths.withLocalFile(path, use),
      replace: async (bytes) => {
        failpoint('governance.before-file-replaced');
        await paths.replace(path, bytes);
      },
    };
  }
}

const localFile = (ctx: Ctx, path: string): LooseFile => ({
  name: relative(ctx.settings.dir, path),
  open: () => orGone(open(path).then(async (handle) => ({ sizeBytes: (await handle.stat()).size, stream: handle.createReadStream() }))),
  withLocalFile: (use) => use(path),
  replace: (bytes) => replaceFile(path, bytes),
});

/** Inputs and code that ended attempts left behind go; their logs are searched as texts are. Answers the logs. */
export async function pruneAttempts(ctx: Ctx, project: string, apply: boolean): Promise<LooseFile[]> {
  const logs: LooseFile[] = [];
  for (const dir of await endedAttempts(ctx, project)) {
    const folder = join(ctx.settings.dir, dir);
    if (!existsSync(folder)) continue;
    for (const name of readdirSync(folder)) {
      const path = join(folder, name);
      if (!lstatSync(path).isDirectory()) logs.push(localFile(ctx, path));
      else if (apply) await rm(path, { recursive: true, force: true });
    }
  }
  return logs;
}

/** Copies that processes made for themselves: of files that are gone, and of work that has ended. Returns how many went. */
export async function removeCopies(ctx: Ctx, digests: ReadonlySet<string>, modelFolders: readonly string[]): Promise<number> {
  let gone = await ctx.blobs.dropCopies(digests);
  const remove = async (path: string): Promise<void> => {
    if (!existsSync(path)) return;
    await rm(path, { recursive: true, force: true });
    gone += 1;
  };
  for (const folder of modelFolders) await remove(join(ctx.settings.dir, 'models', folder));
  const made = join(ctx.settings.dir, 'compute', 'made');
  // Nobody's work takes longer; what is younger is somebody's.
  for (const name of existsSync(made) ? readdirSync(made) : [])
    if (Date.now() - (lstatSync(join(made, name), { throwIfNoEntry: false })?.mtimeMs ?? Date.now()) > LEFT_MS)
      await remove(join(made, name));
  return gone;
}
const LEFT_MS = 60_000;
