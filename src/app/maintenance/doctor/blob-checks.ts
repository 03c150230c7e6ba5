import type { BlobEntry, BlobStore } from '../../../kernel/blobs/blob-store.ts';
import { count } from '../../../kernel/cli/terminal.ts';
import { Readable } from 'node:stream';
import { collect, type Snapshot } from '../database/snapshot.ts';
import { bytesText } from '../usage/bytes-text.ts';
import { fault, ok, warning, type DoctorOptions, type Finding } from './finding.ts';

const PROBE = 'gyre-doctor-probe';
const NAMED = 5;
const DAY_MS = 24 * 3_600_000;

export async function checkStore(store: BlobStore): Promise<Finding> {
  const mend = 'see who owns the folder and that its disk has room; of a bucket, its address, credentials and policy';
  const trouble = await store.findTrouble();
  if (trouble !== undefined) return fault('blob store', trouble, mend);
  try {
    const path = `${PROBE}-${process.pid}`;
    await store.paths.write(path, Readable.from(['probe']));
    await store.paths.remove(path);
    return ok('blob store', 'answers and takes bytes');
  } catch (error) {
    return fault('blob store', `takes no bytes: ${(error as Error).message}`, mend);
  }
}

/** Packs that records name, packs that nobody names, and with `deep` every byte. */
export async function* checkBlobs(
  snapshot: Snapshot,
  store: BlobStore,
  { deep = false, progress, nowMs = Date.now() }: DoctorOptions,
): AsyncGenerator<Finding> {
  const packs = new Map<string, number>();
  let [orphans, orphanBytes] = [0, 0];
  const named = new Set((await collect(snapshot.query<{ pack: string }>('select distinct pack from blobs'))).map((r) => r.pack));
  for await (const pack of store.packs()) {
    if (named.has(pack.pack)) packs.set(pack.pack, pack.sizeBytes);
    else if (nowMs - pack.modifiedMs > 2 * DAY_MS) [orphans, orphanBytes] = [orphans + 1, orphanBytes + pack.sizeBytes];
  }
  const lost = [...named].filter((pack) => !packs.has(pack));
  yield lost.length === 0
    ? ok('packs', `${count(named.size)} packs that records name are there`)
    : fault(
        'packs',
        `${count(lost.length)} of ${count(named.size)} packs are gone: ${lost.slice(0, NAMED).join(', ')}`,
        'bring them back from a backup of the folder or bucket, or restore a backup',
      );
  yield orphans === 0
    ? ok('orphans', 'no pack older than two days is without a record')
    : warning(
        'orphans',
        `${count(orphans)} packs (${bytesText(orphanBytes)}) older than two days are without a record`,
        'the daily sweep removes them; where it does not, see the jobs above',
      );
  if (!deep) return;
  const of = Number((await collect(snapshot.query<{ n: number }>('select count(*) as n from blobs')))[0]?.n ?? 0);
  const bad: string[] = [];
  let done = 0;
  for await (const batch of snapshot.query<Record<string, string | number>>(
    'select digest, size_bytes, pack, pack_offset, length from blobs order by pack, pack_offset',
  ))
    for (const r of batch) {
      const [offset, length] = [Number(r.pack_offset), Number(r.length)];
      const entry: BlobEntry = { digest: String(r.digest), sizeBytes: Number(r.size_bytes), pack: String(r.pack), offset, length };
      if (!(await store.verify(entry).catch(() => false))) bad.push(entry.digest);
      progress?.(++done, of);
    }
  yield bad.length === 0
    ? ok('digests', `${count(of)} blobs have the bytes that they are named after`)
    : fault(
        'digests',
        `${count(bad.length)} of ${count(of)} blobs have not: ${bad.slice(0, NAMED).join(', ')}`,
        'restore a backup that was made before; a disk that changes bytes wants replacing',
      );
}
