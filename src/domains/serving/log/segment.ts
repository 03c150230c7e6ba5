// A segment file: frames of {u32 length, u32 CRC-32C, kind byte, payload}, little-endian; length and
// checksum cover kind and payload. The first frame is the header. A frame that is cut off or does not match
// its checksum ends the file: what follows a torn write was never acknowledged.
import { closeSync, existsSync, openSync, readdirSync, readFileSync, renameSync, rmSync, statSync, truncateSync } from 'node:fs';
import { basename, join } from 'node:path';
import { crc32c } from './crc32c.ts';
import { decodeBody, withNames, type InferenceRecord, type RecordBody, type RecordDefinition } from './record.ts';

export const FRAME_HEAD = 8;
/** An `erased` frame stands where a record was, so that the others keep their places and their ids. */
export const frameKinds = { header: 0, record: 1, definition: 2, erased: 3 } as const;

export interface SegmentHeader {
  readonly format: 1;
  readonly replica: string;
  readonly segment: string;
  readonly openedMs: number;
}

export interface SegmentContents {
  readonly header: SegmentHeader;
  readonly records: readonly InferenceRecord[];
  /** Bytes up to the end of the last whole frame. */
  readonly validBytes: number;
  /** There are bytes behind the last whole frame: the process died in a write. */
  readonly torn: boolean;
}

/** Puts one frame into `into` at `at` (there must be room for 9 + 3 x characters); returns the offset behind it. */
export function putFrame(into: Buffer, at: number, kind: number, payload: string): number {
  const start = at + FRAME_HEAD;
  into[start] = kind;
  const end = start + 1 + into.write(payload, start + 1, 'utf8');
  into.writeUInt32LE(end - start, at);
  into.writeUInt32LE(crc32c(into, start, end), at + 4);
  return end;
}

/** Whole frames of a segment's bytes, in order, with the offset behind each. */
export function* frames(bytes: Buffer): Generator<{ kind: number; start: number; end: number }> {
  let at = 0;
  while (at + FRAME_HEAD + 1 <= bytes.length) {
    const start = at + FRAME_HEAD;
    const end = start + bytes.readUInt32LE(at);
    if (end <= start || end > bytes.length || crc32c(bytes, start, end) !== bytes.readUInt32LE(at + 4)) return;
    yield { kind: bytes[start]!, start: start + 1, end };
    at = end;
  }
}

/** Reads a segment, open or sealed. Raises an Error if not even its header is whole. */
export function readSegment(path: string): SegmentContents {
  const contents = tryRead(path, () => true);
  if (!contents) throw new Error(`${path} is not an inference log segment: it has no whole header`);
  return contents;
}

function tryRead(path: string, wanted: (index: number) => boolean): SegmentContents | undefined {
  const bytes = readFileSync(path);
  const definitions: RecordDefinition[] = [];
  const records: InferenceRecord[] = [];
  let header: SegmentHeader | undefined;
  let validBytes = 0;
  let index = 0;
  for (const { kind, start, end } of frames(bytes)) {
    if (kind === frameKinds.header) header = JSON.parse(bytes.toString('utf8', start, end)) as SegmentHeader;
    if (!header) return undefined;
    if (kind === frameKinds.definition) definitions.push(JSON.parse(bytes.toString('utf8', start, end)) as RecordDefinition);
    if (kind === frameKinds.erased) index++;
    if (kind === frameKinds.record) {
      if (wanted(index)) {
        const id = idOf(header.replica, header.segment, index);
        const { definition, body } = decodeBody(bytes.toString('utf8', start, end), definitions, id);
        records.push(withNames(id, definition, body));
      }
      index++;
    }
    validBytes = end;
  }
  return header && { header, records, validBytes, torn: validBytes < bytes.length };
}

/** The records of a segment by position, one after the other. Raises an Error if not even its header is whole. */
export function* readEntries(path: string): Generator<{ id: string; definition: RecordDefinition; body: RecordBody }> {
  const bytes = readFileSync(path);
  const definitions: RecordDefinition[] = [];
  let header: SegmentHeader | undefined;
  let index = 0;
  for (const { kind, start, end } of frames(bytes)) {
    const text = bytes.toString('utf8', start, end);
    if (kind === frameKinds.header) header = JSON.parse(text) as SegmentHeader;
    if (kind === frameKinds.definition) definitions.push(JSON.parse(text) as RecordDefinition);
    if (kind === frameKinds.erased) index++;
    if (kind !== frameKinds.record || !header) continue;
    const id = idOf(header.replica, header.segment, index++);
    yield { id, ...decodeBody(text, definitions, id) };
  }
  if (!header) throw new Error(`${path} is not an inference log segment: it has no whole header`);
}

export const idOf = (replica: string, segment: string, index: number): string => `${replica}.${segment}.${index}`;

/** The parts of a prediction id, or undefined if it is not one. A dropped record's id has the segment "dropped". */
export function parsePredictionId(id: string): { replica: string; segment: string; index: number } | undefined {
  const match = /^([a-z0-9][a-z0-9-]{0,62})\.([0-9a-z]{1,20})\.(\d{1,10})$/.exec(id);
  return match ? { replica: match[1]!, segment: match[2]!, index: Number(match[3]) } : undefined;
}

export const sealedName = (segment: string): string => `${segment}.seg`;
export const openName = (segment: string): string => `${segment}.open`;

/** Finds one prediction by its id under the folder of all replicas' logs; no index is needed. */
export function findPrediction(dir: string, id: string): InferenceRecord | undefined {
  const parts = parsePredictionId(id);
  if (!parts) return undefined;
  const path = [sealedName, openName].map((name) => join(dir, parts.replica, name(parts.segment))).find((p) => existsSync(p));
  return path === undefined ? undefined : tryRead(path, (index) => index === parts.index)?.records[0];
}

/** Sealed segments of one replica's folder, oldest first. */
export const sealedSegments = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder)
        .filter((name) => name.endsWith('.seg'))
        .sort()
        .map((name) => join(folder, name))
    : [];

/** Seals what a killed process left open: cuts the torn tail, drops files without a record. */
export function recoverOpenSegments(folder: string): { sealed: string[]; cutBytes: number } {
  const sealed: string[] = [];
  let cutBytes = 0;
  for (const name of readdirSync(folder).filter((n) => n.endsWith('.open'))) {
    const path = join(folder, name);
    const contents = tryRead(path, (index) => index === 0);
    if (!contents || contents.records.length === 0) {
      rmSync(path);
      continue;
    }
    if (contents.torn) {
      cutBytes += statSync(path).size - contents.validBytes;
      truncateSync(path, contents.validBytes);
    }
    const target = join(folder, sealedName(basename(name, '.open')));
    renameSync(path, target);
    sealed.push(target);
  }
  return { sealed, cutBytes };
}

/** A new segment's name: base 36 milliseconds, larger than every name in the folder, so that ids are never reused. */
export function createSegmentFile(folder: string, nowMs: number, lastMs: number): { fd: number; segment: string; ms: number } {
  for (let ms = Math.max(nowMs, lastMs + 1); ; ms++) {
    const segment = ms.toString(36).padStart(9, '0');
    if (existsSync(join(folder, sealedName(segment)))) continue;
    try {
      return { fd: openSync(join(folder, openName(segment)), 'wx', 0o600), segment, ms };
    } catch (error) {
      if ((error as { code?: string }).code !== 'EEXIST') throw error;
    }
  }
}

export function discardSegmentFile(fd: number, folder: string, segment: string): void {
  closeSync(fd);
  rmSync(join(folder, openName(segment)), { force: true });
}
