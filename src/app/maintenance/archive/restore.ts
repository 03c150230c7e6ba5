// A backup into a new folder and an empty database. Everything is made beside its place and compared with the
// manifest; only then it gets its name, so a restore that was cut short leaves nothing that looks whole.
import { createWriteStream } from 'node:fs';
import { mkdir, readdir, rename, rm, statfs } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { BlobBatch, BlobStore } from '../../../kernel/blobs/blob-store.ts';
import { syncFolder, syncTree } from '../../../kernel/blobs/sync-folder.ts';
import { verifyChain } from '../../../kernel/events/sequencer.ts';
import { isDiskFull, fail as failAny } from '../../../kernel/errors.ts';
import { migrations } from '../../migrations/migrations.ts';
import type { Location } from '../database/snapshot.ts';
import { columnsOf, PLACES, rowCodec, tableDigest, tablesOf, type Row } from '../database/tables.ts';
import { openTarget, type TargetDatabase } from '../database/target.ts';
import { fail } from '../errors.ts';
import type { ArchiveHead } from './format.ts';
import { openArchive, type Archive, type OpenedEntry } from './reader.ts';
import { openRestoredStore, type RestoredStore } from './restored-store.ts';

/** Blobs of one batch are durable together. */
const BATCH_BYTES = 256 * 1024 * 1024;
const BATCH_BLOBS = 5000;
const ROWS = 1000;
/** What one part of a table may have; ours end soon after 4 MiB. */
const PART_BYTES = 256 * 1024 * 1024;

export interface RestoreOptions {
  readonly file: string;
  readonly dir: string;
  /** PostgreSQL instead of a file in the folder. */
  readonly databaseUrl?: string;
  readonly passphrase?: string;
  readonly acceptAuditFaults?: boolean;
  readonly openBlobs: (dir: string) => Promise<BlobStore>;
  readonly progress?: (what: string, done: number, of?: number) => void;
}

export interface RestoreResult {
  readonly head: ArchiveHead;
  readonly dir: string;
  readonly rows: number;
  readonly events: number;
  readonly auditFaults: readonly { readonly seq: number; readonly what: string }[];
  readonly fileBytes: number;
  readonly elapsedMs: number;
}

/** Reads a whole archive and compares every digest; writes nothing. Raises what `openArchive` and its entries raise. */
export async function checkArchive(
  file: string,
  passphrase?: string,
  progress: RestoreOptions['progress'] = () => undefined,
): Promise<ArchiveHead> {
  const archive = await openArchive(file, passphrase);
  let bytes = 0;
  for await (const entry of archive.entries()) {
    for await (const chunk of entry.bytes) bytes += chunk.length;
    progress('bytes', bytes, archive.head.bytes);
  }
  return archive.head;
}

/** Raises `target-not-empty`, `archive-unusable`, `archive-passphrase`, `archive-corrupt`, `schema-differs`, `no-room`, `storage-full`, `restore-unfinished`. */
export async function restoreBackup(options: RestoreOptions): Promise<RestoreResult> {
  const began = performance.now();
  const dir = resolve(options.dir);
  const there = await readdir(dir).catch((error: { code?: string }) =>
    error.code === 'ENOENT' ? undefined : Promise.reject(error as Error),
  );
  if (there && there.length > 0) fail('target-not-empty', { where: dir, what: `${there.length} files or folders` });
  const archive = await openArchive(options.file, options.passphrase);
  await checkTables(archive, options.file);
  await mkdir(dirname(dir), { recursive: true });
  const { bavail, bsize } = await statfs(dirname(dir));
  if (archive.head.bytes > bavail * bsize)
    fail('no-room', { where: dirname(dir), neededBytes: archive.head.bytes, freeBytes: bavail * bsize });
  const fresh = `${dir}.restoring`;
  await rm(fresh, { recursive: true, force: true });
  await mkdir(fresh, { mode: 0o700 });
  const at: Location = options.databaseUrl
    ? { kind: 'postgres', url: options.databaseUrl }
    : { kind: 'sqlite', file: join(fresh, 'gyre.db') };
  let target: TargetDatabase | undefined;
  let bytes: RestoredStore | undefined;
  try {
    target = await openTarget(at, archive.head.schema);
    bytes = archive.head.databaseOnly ? undefined : await openRestoredStore(await options.openBlobs(fresh));
    const rows = await takeOut(archive, target, bytes, fresh, options);
    await compareTables(options.file, archive.head, target);
    const chain = await verifyChain(target.db, archive.head.events ?? undefined);
    if (!chain.ok && !options.acceptAuditFaults)
      fail('archive-corrupt', {
        file: options.file,
        entry: 'the chain of events',
        why: `is broken at event ${chain.faults[0]!.seq} (${chain.faults[0]!.what}), as it was in the server, or the archive was changed; --accept-audit-faults restores it all the same.`,
      });
    await bytes?.keep();
    await syncTree(fresh);
    await target.commit();
    await bytes?.close();
    if (there) await rm(dir, { recursive: true });
    await rename(fresh, dir);
    await syncFolder(dirname(dir));
    return {
      head: archive.head,
      dir,
      rows,
      events: chain.events,
      auditFaults: chain.faults,
      fileBytes: archive.fileBytes,
      elapsedMs: performance.now() - began,
    };
  } catch (error) {
    await target?.abort();
    const left = await bytes?.undo();
    await bytes?.close();
    await rm(fresh, { recursive: true, force: true });
    if (left !== undefined) return fail('restore-unfinished', { why: (error as Error).message, left });
    if (isDiskFull(error)) return failAny('storage-full', { what: dir });
    throw error;
  }
}

/** Raises `schema-differs` where the archive has other tables or columns than this program. */
async function checkTables(archive: Archive, file: string): Promise<void> {
  try {
    compareColumns(file, archive.head);
  } catch (problem) {
    // Names that nobody knows may be those of a damaged manifest.
    await archive.checkManifest();
    throw problem;
  }
}

function compareColumns(file: string, head: ArchiveHead): void {
  const known = Math.max(...migrations.map((m) => m.number));
  if (head.schema > known) fail('schema-differs', { what: `${file} has schema ${head.schema}, and this program knows up to ${known}.` });
  const tables = new Map(tablesOf(head.schema).map((t) => [t.name, t]));
  for (const { table, columns } of head.tables) {
    const own = tables.get(table);
    if (!own || columnsOf(own).join() !== columns.join())
      fail('schema-differs', { what: `The table ${table} of ${file}, made by Gyre ${head.program}, has other columns than here.` });
  }
}

async function takeOut(
  archive: Archive,
  target: TargetDatabase,
  into: RestoredStore | undefined,
  dir: string,
  options: RestoreOptions,
): Promise<number> {
  const { head } = archive;
  const { progress = () => undefined } = options;
  const blobs = into && openBlobWriter(into, target, new Set(head.unreadable));
  let [rows, bytes] = [0, 0];
  try {
    for await (const entry of archive.entries()) {
      const { place } = entry;
      if (place.kind === 'table') rows += await takeRows(options.file, target, place.table, entry);
      else if (place.kind === 'blob' && blobs) await blobs.add(options.file, place.workspace, place.digest, entry);
      else if (place.kind === 'path' && into) await into.store.paths.write(place.path, Readable.from(entry.bytes));
      else if (place.kind === 'file' && !head.databaseOnly) await takeFile(join(dir, place.path), entry);
      progress('bytes', (bytes += entry.sizeBytes), head.bytes);
    }
    await blobs?.end(head);
  } finally {
    await blobs?.abandon();
  }
  return rows;
}

async function takeFile(path: string, entry: OpenedEntry): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  await pipeline(entry.bytes, createWriteStream(path, { flags: 'wx', mode: 0o600 }));
}

async function takeRows(file: string, target: TargetDatabase, name: string, entry: OpenedEntry): Promise<number> {
  const table = target.tables.find((t) => t.name === name);
  const broken = (why: string): never => fail('archive-corrupt', { file, entry: entry.name, why });
  if (!table || entry.sizeBytes > PART_BYTES) return broken('is no part of a table that is known here.');
  const chunks: Buffer[] = [];
  for await (const chunk of entry.bytes) chunks.push(chunk);
  const lines = Buffer.concat(chunks).toString('utf8').split('\n').slice(0, -1);
  const { decode } = rowCodec(table);
  for (let i = 0; i < lines.length; i += ROWS) {
    const part = lines.slice(i, i + ROWS);
    let batch: Row[];
    try {
      batch = part.map(decode);
    } catch (error) {
      return broken(`holds a row that cannot be read (${(error as Error).message}).`);
    }
    await target.insert(table, batch);
  }
  return lines.length;
}

/** Every row of every table, as it is in the target, against what the manifest says. */
async function compareTables(file: string, head: ArchiveHead, target: TargetDatabase): Promise<void> {
  for (const expected of head.tables) {
    const table = target.tables.find((t) => t.name === expected.table)!;
    const { encode } = rowCodec(table, head.databaseOnly ? [] : PLACES[table.name]);
    const digest = tableDigest();
    for await (const batch of target.rows(table)) for (const row of batch) digest.add(encode(row));
    const found = digest.result();
    if (found.rows !== expected.rows || found.digest !== expected.digest)
      fail('archive-corrupt', {
        file,
        entry: `table ${expected.table}`,
        why: `has ${found.rows} rows with another digest than the ${expected.rows} of the server.`,
      });
  }
}

/** Stores blobs in batches, one workspace at a time, and tells the index where they lie now. */
function openBlobWriter({ store, add }: RestoredStore, target: TargetDatabase, unreadable: ReadonlySet<string>) {
  const table = target.tables.find((t) => t.name === 'blobs')!;
  let batch: BlobBatch | undefined;
  let [workspace, bytes, count, stored] = ['', 0, 0, 0];
  const flush = async (): Promise<void> => {
    if (!batch) return;
    const entries = await batch.commit();
    batch = undefined;
    add(entries.map((e) => e.pack));
    const rows = entries.map((e): Row => [workspace, e.digest, e.pack, e.offset, e.length]);
    for (let i = 0; i < rows.length; i += ROWS)
      await target.update(table, ['workspace_id', 'digest'], ['pack', 'pack_offset', 'length'], rows.slice(i, i + ROWS));
    [bytes, count] = [0, 0];
  };
  return {
    add: async (file: string, of: string, digest: string, entry: OpenedEntry): Promise<void> => {
      if (unreadable.has(`${of}/${digest}`)) return;
      if (batch && (of !== workspace || bytes >= BATCH_BYTES || count >= BATCH_BLOBS)) await flush();
      workspace = of;
      batch ??= await store.begin();
      const made = await batch.add(Readable.from(entry.bytes));
      if (made.digest !== digest) fail('archive-corrupt', { file, entry: entry.name, why: 'has other bytes than its name says.' });
      bytes += entry.sizeBytes;
      count += 1;
      stored += 1;
    },
    end: async (head: ArchiveHead): Promise<void> => {
      await flush();
      const lost = head.blobs.count - stored;
      if (lost > head.unreadable.length) throw new Error(`${lost} blobs of the manifest were not stored`);
    },
    abandon: async () => {
      await batch?.abandon();
    },
  };
}
