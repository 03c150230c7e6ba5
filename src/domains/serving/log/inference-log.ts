// The inference log of one data plane process. The records of one event-loop turn are appended with one
// write before that turn's replies go out, without fsync: they survive kill -9, not power loss. Nothing
// here waits. A write that fails or takes long switches to drop-and-count; after `retryMs` the next turn
// tries again with a new segment.
import { closeSync, fdatasync, ftruncateSync, mkdirSync, renameSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { failpoint } from '../../../kernel/failpoints.ts';
import type { Log } from '../../../kernel/log.ts';
import { encodeBody, type RecordBody, type RecordDefinition } from './record.ts';
import {
  createSegmentFile,
  discardSegmentFile,
  frameKinds,
  idOf,
  openName,
  putFrame,
  recoverOpenSegments,
  sealedName,
  sealedSegments,
  type SegmentHeader,
} from './segment.ts';

export interface InferenceLogOptions {
  /** Folder of this replica; its name is the replica. */
  readonly folder: string;
  readonly replica: string;
  readonly log: Log;
  /** A segment is sealed at this size (default 16 MiB) … */
  readonly maxBytes?: number;
  /** … or this age (default 60 s). */
  readonly maxAgeMs?: number;
  /** A write slower than this counts as a failing disk (default 250 ms). */
  readonly slowWriteMs?: number;
  /** How long records are dropped before the disk is tried again (default 1 s). */
  readonly retryMs?: number;
  readonly now?: () => number;
  /** For tests: what stands in for a full or slow disk. */
  readonly write?: (fd: number, bytes: Buffer, offset: number, length: number, position: number) => number;
}

export interface Entry {
  readonly definition: RecordDefinition;
  readonly body: RecordBody;
}

export interface SealedSegment {
  readonly segment: string;
  readonly path: string;
  readonly sizeBytes: number;
}

export interface InferenceLog {
  /** Appends the records of one turn and returns their prediction ids, in order. Never throws, never waits. */
  append(entries: readonly Entry[]): string[];
  /** An id for a prediction that is not to be written down. */
  unrecorded(why: 'suppressed' | 'sampled'): string;
  /** Seals the open segment, if it has records; answers every sealed segment of this replica. */
  seal(): Promise<SealedSegment[]>;
  readonly state: () => { readonly dropped: number; readonly dropping: 'no' | 'failed' | 'slow'; readonly written: number };
  close(): Promise<void>;
}

interface OpenSegment {
  readonly fd: number;
  readonly segment: string;
  readonly openedMs: number;
  readonly definitions: Map<RecordDefinition, number>;
  bytes: number;
  records: number;
}

const datasync = promisify(fdatasync);

export function openInferenceLog(options: InferenceLogOptions): InferenceLog {
  const {
    folder,
    replica,
    log,
    maxBytes = 16 << 20,
    maxAgeMs = 60_000,
    slowWriteMs = 250,
    retryMs = 1000,
    now = Date.now,
    write = writeSync,
  } = options;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const recovered = recoverOpenSegments(folder);
  if (recovered.sealed.length > 0)
    log.info({ event: 'serving.log.recovered', segments: recovered.sealed.length, cutBytes: recovered.cutBytes });

  let buffer = Buffer.allocUnsafe(256 * 1024);
  let open: OpenSegment | undefined;
  let lastMs = Math.max(0, ...sealedSegments(folder).map((path) => statSegmentMs(path)));
  let dropped = 0;
  let unrecorded = 0;
  let written = 0;
  let dropping: 'no' | 'failed' | 'slow' = 'no';
  let retryAtMs = 0;
  const sealing = new Set<Promise<void>>();

  const begin = (): OpenSegment => {
    const { fd, segment, ms } = createSegmentFile(folder, now(), lastMs);
    lastMs = ms;
    return { fd, segment, openedMs: now(), definitions: new Map(), bytes: 0, records: 0 };
  };

  const room = (at: number, characters: number): void => {
    const needed = at + 9 + characters * 3;
    if (needed <= buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(needed, buffer.length * 2));
    buffer.copy(larger, 0, 0, at);
    buffer = larger;
  };

  const put = (at: number, kind: number, payload: string): number => {
    room(at, payload.length);
    return putFrame(buffer, at, kind, payload);
  };

  const finish = (segment: OpenSegment): void => {
    const done = (async () => {
      // Sealed segments are what others copy and delete by, so these do reach the disk; nobody waits for it.
      await datasync(segment.fd).catch(() => undefined);
      closeSync(segment.fd);
      failpoint('serving.log.before-seal');
      renameSync(join(folder, openName(segment.segment)), join(folder, sealedName(segment.segment)));
      failpoint('serving.log.after-seal');
    })().catch((error: unknown) => log.warn({ event: 'serving.log.seal-failed', segment: segment.segment, error }));
    sealing.add(done);
    void done.finally(() => sealing.delete(done));
  };

  const sealOpen = (): void => {
    const segment = open;
    open = undefined;
    if (!segment) return;
    if (segment.records === 0) discardSegmentFile(segment.fd, folder, segment.segment);
    else finish(segment);
  };

  // Appends or throws; on return every byte is in the file.
  const tryAppend = (entries: readonly Entry[]): string[] => {
    failpoint('serving.log.append');
    if (open && (open.bytes >= maxBytes || now() - open.openedMs >= maxAgeMs)) sealOpen();
    const segment = (open ??= begin());
    const fresh: RecordDefinition[] = [];
    let at = 0;
    if (segment.bytes === 0)
      at = put(
        at,
        frameKinds.header,
        JSON.stringify({ format: 1, replica, segment: segment.segment, openedMs: segment.openedMs } satisfies SegmentHeader),
      );
    try {
      for (const { definition, body } of entries) {
        let number = segment.definitions.get(definition);
        if (number === undefined) {
          number = segment.definitions.size;
          segment.definitions.set(definition, number);
          fresh.push(definition);
          at = put(at, frameKinds.definition, JSON.stringify(definition));
        }
        at = put(at, frameKinds.record, encodeBody(number, definition, body));
      }
      for (let done = 0; done < at;) done += write(segment.fd, buffer, done, at - done, segment.bytes + done);
    } catch (error) {
      for (const definition of fresh) segment.definitions.delete(definition);
      throw error;
    }
    const first = segment.records;
    segment.bytes += at;
    segment.records += entries.length;
    written += entries.length;
    return entries.map((_, i) => idOf(replica, segment.segment, first + i));
  };

  const drop = (count: number): string[] => Array.from({ length: count }, () => idOf(replica, 'dropped', dropped++));

  const startDropping = (why: 'failed' | 'slow', detail: object): void => {
    if (dropping === 'no') log.warn({ event: 'serving.log.dropping', why, ...detail });
    dropping = why;
    retryAtMs = now() + retryMs;
  };

  const append = (entries: readonly Entry[]): string[] => {
    if (dropping !== 'no' && now() < retryAtMs) return drop(entries.length);
    const began = performance.now();
    try {
      const ids = tryAppend(entries);
      const tookMs = performance.now() - began;
      if (tookMs > slowWriteMs) startDropping('slow', { tookMs });
      else if (dropping !== 'no') {
        log.info({ event: 'serving.log.healed', dropped });
        dropping = 'no';
      }
      return ids;
    } catch (error) {
      // Whatever part was written is cut off again, and the next try takes a new file.
      abandon();
      startDropping('failed', { error });
      return drop(entries.length);
    }
  };

  const abandon = (): void => {
    const segment = open;
    if (!segment) return;
    try {
      ftruncateSync(segment.fd, segment.bytes);
      sealOpen();
    } catch (error) {
      // The file's tail is torn, which its reader expects.
      log.warn({ event: 'serving.log.abandoned', segment: segment.segment, error });
      open = undefined;
    }
  };

  // Sealing by age must not need another prediction.
  const tick = setInterval(() => open && now() - open.openedMs >= maxAgeMs && sealOpen(), Math.min(maxAgeMs, 1000));
  tick.unref();

  const seal = async (): Promise<SealedSegment[]> => {
    sealOpen();
    await Promise.all(sealing);
    return sealedSegments(folder).map((path) => ({ segment: path.slice(folder.length + 1, -4), path, sizeBytes: statSync(path).size }));
  };

  return {
    append: (entries) => (entries.length === 0 ? [] : append(entries)),
    unrecorded: (why) => idOf(replica, why, unrecorded++),
    seal,
    state: () => ({ dropped, dropping, written }),
    close: async () => {
      clearInterval(tick);
      sealOpen();
      await Promise.all(sealing);
    },
  };
}

const statSegmentMs = (path: string): number => Number.parseInt(path.slice(path.lastIndexOf('/') + 1, -4), 36) || 0;
