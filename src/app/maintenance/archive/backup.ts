// A backup of a server that goes on working: one snapshot of the database, then the bytes that it refers to, which a
// hold keeps in place until they have been read.
import { randomBytes } from 'node:crypto';
import { constants, createReadStream, createWriteStream, existsSync, readdirSync } from 'node:fs';
import { open, rm } from 'node:fs/promises';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { BlobEntry, BlobStore } from '../../../kernel/blobs/blob-store.ts';
import { holdStorage } from '../../../kernel/blobs/hold.ts';
import type { Clock } from '../../../kernel/clock.ts';
import type { Database } from '../../../kernel/db/database.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { folderKey } from '../../../kernel/folder-key.ts';
import { programVersion } from '../../version.ts';
import { fail } from '../errors.ts';
import { collect, openSnapshot, type Location, type Snapshot } from '../database/snapshot.ts';
import { columnsOf, NOT_KEPT, PLACES, rowCodec, tableDigest } from '../database/tables.ts';
import { ABOUT, blobName, FORMAT, placeOfEntry, tableName, type ArchiveHead } from './format.ts';
import { openArchiveWriter, type ArchiveWriter } from './writer.ts';

const PART_BYTES = 4 * 1024 * 1024;
/** A blob up to this size is verified before it goes in; a larger one while it does. */
const WHOLE_BYTES = 8 * 1024 * 1024;

export interface BackupParts {
  readonly dir: string;
  readonly at: Location;
  /** Opened for the hold; whoever gave it closes it. */
  readonly database: Database;
  readonly clock: Clock;
  readonly blobs: BlobStore;
}

export interface BackupOptions {
  readonly file: string;
  readonly databaseOnly?: boolean;
  readonly passphrase?: string;
  /** Go on without blobs that the store does not have any more, and name them. */
  readonly skipUnreadable?: boolean;
  readonly progress?: (what: string, done: number, of?: number) => void;
}

export interface BackupResult {
  readonly file: string;
  readonly head: ArchiveHead;
  readonly fileBytes: number;
  readonly elapsedMs: number;
  /** The moment that it shows. */
  readonly snapshotAt: string;
}

/** Raises `target-not-empty`, `storage-full`, `blob-unreadable`, `database-missing`. */
export async function makeBackup(parts: BackupParts, options: BackupOptions): Promise<BackupResult> {
  const began = performance.now();
  const { file, databaseOnly = false, progress = () => undefined } = options;
  const hold = await holdStorage(parts.database, parts.clock, `backup ${randomBytes(8).toString('hex')}`, `the backup ${file}`);
  try {
    const writer = await openArchiveWriter(file, options.passphrase, parts.clock.now());
    const blobList = `${file}.blobs`;
    try {
      const createdAt = new Date(parts.clock.now()).toISOString();
      const about = { format: FORMAT, program: programVersion, createdAt, databaseOnly };
      await writer.add(...entryOf(ABOUT, Buffer.from(`${JSON.stringify(about)}\n`)));
      // What data planes have logged and nobody has shipped comes before the snapshot: shipped meanwhile it is in both,
      // and a segment that the records know already is not shipped again.
      if (!databaseOnly) {
        // The first erasure may come after this backup, and must find its key in it.
        folderKey(join(parts.dir, 'governance', 'subject.key'));
        await addFiles(writer, parts.dir, ownFiles(parts.dir));
      }
      const snapshotAt = new Date().toISOString();
      const snapshot = await openSnapshot(parts.at);
      let head: Pick<ArchiveHead, 'schema' | 'from' | 'tables' | 'events'>;
      let logs: string[] = [];
      try {
        head = await addTables(writer, snapshot, databaseOnly, progress);
        if (!databaseOnly) {
          await listBlobs(snapshot, blobList);
          logs = (await collect(snapshot.query<{ dir: string }>('select dir from attempts'))).map((a) => `${a.dir}/log.txt`);
        }
      } finally {
        await snapshot.close();
      }
      const none = { count: 0, bytes: 0 };
      const { blobs, unreadable } = databaseOnly ? { blobs: none, unreadable: [] } : await addBlobs(writer, parts.blobs, blobList, options);
      const paths = databaseOnly ? none : await addPaths(writer, parts.blobs, progress);
      if (!databaseOnly) await addFiles(writer, parts.dir, logs);
      const rest = { ...about, ...head, blobs, paths, unreadable };
      const [entries, bytes] = [writer.entries, writer.bytes];
      const fileBytes = await writer.finish(rest);
      return { file, head: { ...rest, entries, bytes }, fileBytes, elapsedMs: performance.now() - began, snapshotAt };
    } catch (error) {
      await writer.abandon();
      throw error;
    } finally {
      await rm(blobList, { force: true });
    }
  } finally {
    // A database that went away meanwhile ends the hold by itself.
    await hold.end().catch(() => undefined);
  }
}

const entryOf = (name: string, bytes: Buffer): [string, number, Buffer] => [name, bytes.length, bytes];

async function addTables(
  writer: ArchiveWriter,
  snapshot: Snapshot,
  databaseOnly: boolean,
  progress: (what: string, done: number) => void,
): Promise<Pick<ArchiveHead, 'schema' | 'from' | 'tables' | 'events'>> {
  const tables: ArchiveHead['tables'][number][] = [];
  let all = 0;
  for (const table of snapshot.tables) {
    if (NOT_KEPT.includes(table.name)) continue;
    const { encode } = rowCodec(table, databaseOnly ? [] : PLACES[table.name]);
    const digest = tableDigest();
    let [lines, bytes, part]: [string[], number, number] = [[], 0, 0];
    const write = async (): Promise<void> => {
      if (lines.length === 0) return;
      await writer.add(...entryOf(tableName(table.name, ++part), Buffer.from(`${lines.join('\n')}\n`)));
      [lines, bytes] = [[], 0];
    };
    for await (const batch of snapshot.rows(table)) {
      for (const row of batch) {
        const line = encode(row);
        digest.add(line);
        lines.push(line);
        bytes += line.length;
        if (bytes >= PART_BYTES) await write();
      }
      progress('rows', (all += batch.length));
    }
    await write();
    tables.push({ table: table.name, columns: columnsOf(table), ...digest.result() });
  }
  const [newest] = await collect(
    snapshot.query<{ seq: number; hash: string }>('select seq, hash from events where seq is not null order by seq desc limit 1'),
  );
  const events = newest ? { seq: Number(newest.seq), hash: newest.hash } : null;
  return { schema: snapshot.schema, from: snapshot.dialect.name, tables, events };
}

type ListedBlob = BlobEntry & { readonly workspace: string };

/** Where each blob lies, aside in a file: the snapshot need not stay open while they are read. */
async function listBlobs(snapshot: Snapshot, file: string): Promise<void> {
  const out = createWriteStream(file, { mode: 0o600 });
  const ended = once(out, 'close');
  // By workspace, because a pack is one workspace's; then in the order in which they lie.
  for await (const batch of snapshot.query<Record<string, string | number>>(
    'select workspace_id, digest, size_bytes, pack, pack_offset, length from blobs order by workspace_id, pack, pack_offset, digest',
  )) {
    const lines = batch.map((r) =>
      JSON.stringify({
        workspace: String(r.workspace_id),
        digest: String(r.digest),
        sizeBytes: Number(r.size_bytes),
        pack: String(r.pack),
        offset: Number(r.pack_offset),
        length: Number(r.length),
      } satisfies ListedBlob),
    );
    if (!out.write(`${lines.join('\n')}\n`)) await once(out, 'drain');
  }
  out.end();
  await ended;
}

async function addBlobs(
  writer: ArchiveWriter,
  store: BlobStore,
  list: string,
  { skipUnreadable = false, progress = () => undefined }: BackupOptions,
): Promise<Pick<ArchiveHead, 'blobs' | 'unreadable'>> {
  const unreadable: string[] = [];
  let [count, bytes] = [0, 0];
  for await (const line of createInterface({ input: createReadStream(list), crlfDelay: Infinity })) {
    const blob = JSON.parse(line) as ListedBlob;
    const name = blobName(blob.workspace, blob.digest);
    const give = (why: string): void => {
      if (!skipUnreadable) fail('blob-unreadable', { digest: blob.digest, why });
      unreadable.push(`${blob.workspace}/${blob.digest}`);
    };
    const whole = blob.sizeBytes <= WHOLE_BYTES ? await store.read(blob).catch((error: unknown) => (error as Error).message) : undefined;
    if (typeof whole === 'string') {
      give(whole);
      continue;
    }
    if (whole === undefined && !(await isThere(store, blob))) {
      give('it is not there');
      continue;
    }
    if (whole && whole.length !== blob.sizeBytes) {
      give('it has another size');
      continue;
    }
    const digest = await writer.add(name, blob.sizeBytes, whole ?? (store.open(blob) as AsyncIterable<Buffer>));
    if (digest !== blob.digest) give('it has other bytes');
    count += 1;
    bytes += blob.sizeBytes;
    progress('bytes of blobs', bytes);
  }
  return { blobs: { count, bytes }, unreadable };
}

async function isThere(store: BlobStore, blob: BlobEntry): Promise<boolean> {
  try {
    for await (const _ of store.open(blob, { start: blob.sizeBytes - 1, end: blob.sizeBytes })) return true;
  } catch {
    return false;
  }
  return false;
}

async function addPaths(
  writer: ArchiveWriter,
  store: BlobStore,
  progress: (what: string, done: number) => void,
): Promise<ArchiveHead['paths']> {
  let [count, bytes] = [0, 0];
  for await (const { path } of store.paths.walk('')) {
    if (!placeOfEntry(`paths/${path}`)) continue;
    let opened;
    try {
      opened = await store.paths.open(path);
    } catch (error) {
      // Somebody has removed it since it was listed.
      if (isProblem(error, 'path-not-found')) continue;
      throw error;
    }
    await writer.add(`paths/${path}`, opened.sizeBytes, limited(opened.stream, opened.sizeBytes));
    count += 1;
    bytes += opened.sizeBytes;
    progress('bytes of artifacts', bytes);
  }
  return { count, bytes };
}

/** A file that grows while it is read ends where it ended when it was opened. */
async function* limited(source: AsyncIterable<Buffer>, sizeBytes: number): AsyncGenerator<Buffer> {
  let left = sizeBytes;
  for await (const chunk of source) {
    yield chunk.length <= left ? chunk : chunk.subarray(0, left);
    left -= Math.min(left, chunk.length);
    if (left === 0) return;
  }
}

/** Keys, and segments of the inference log: what the folder alone holds. */
function ownFiles(dir: string): string[] {
  const folders = existsSync(dir) ? readdirSync(dir, { withFileTypes: true }).filter((e) => e.isDirectory()) : [];
  const keys = folders.flatMap((e) => readdirSync(join(dir, e.name)).flatMap((n) => (n.endsWith('.key') ? [`${e.name}/${n}`] : [])));
  const log = join(dir, 'serving', 'log');
  const segments = existsSync(log)
    ? readdirSync(log, { recursive: true, withFileTypes: true })
        .filter((e) => e.isFile())
        .map((e) => join(e.parentPath, e.name).slice(dir.length + 1))
    : [];
  return [...keys, ...segments].filter((path) => placeOfEntry(`files/${path}`)).sort();
}

async function addFiles(writer: ArchiveWriter, dir: string, paths: readonly string[]): Promise<void> {
  for (const path of paths) {
    const full = join(dir, path);
    if (!placeOfEntry(`files/${path}`)) continue;
    // Shipped segments and attempts of long ago may be gone by now. A link is nobody's log.
    const handle = await open(full, constants.O_RDONLY | constants.O_NOFOLLOW).catch(() => undefined);
    if (!handle) continue;
    try {
      const stats = await handle.stat();
      if (stats.isFile()) await writer.add(`files/${path}`, stats.size, limited(handle.createReadStream({ autoClose: false }), stats.size));
    } finally {
      await handle.close();
    }
  }
}
