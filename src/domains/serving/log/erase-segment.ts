// A sealed segment without some of its records: a frame of no content stands where each was, so that the other
// records keep their positions, and with them their ids.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { failpoint } from '../../../kernel/failpoints.ts';
import { decodeBody, withNames, type InferenceRecord, type RecordDefinition } from './record.ts';
import { FRAME_HEAD, frameKinds, frames, idOf, putFrame, type SegmentHeader } from './segment.ts';

/** What a record has that is looked for: one of these texts as JSON writes them, or one of these ids. All others are not read. */
export interface Marks {
  readonly texts: readonly string[];
  readonly ids: ReadonlySet<string>;
}

/** Ids of the records for which `isGone` is true. Nothing is changed. */
export const findInSegment = (path: string, isGone: (record: InferenceRecord) => boolean, marks?: Marks): string[] =>
  scan(path, isGone, marks).ids;

/** Replaces the file by one without these records. Returns their ids. */
export function eraseFromSegment(path: string, isGone: (record: InferenceRecord) => boolean, marks?: Marks): string[] {
  const { ids, parts } = scan(path, isGone, marks);
  if (ids.length === 0) return ids;
  const fresh = `${path}.${process.pid}.new`;
  const fd = openSync(fresh, 'w', 0o600);
  try {
    for (const part of parts) for (let done = 0; done < part.length;) done += writeSync(fd, part, done);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
  failpoint('serving.before-segment-erased');
  renameSync(fresh, path);
  failpoint('serving.after-segment-erased');
  return ids;
}

function scan(path: string, isGone: (record: InferenceRecord) => boolean, marks?: Marks): { ids: string[]; parts: Buffer[] } {
  const bytes = readFileSync(path);
  const places = marks && placesOf(bytes, marks.texts);
  let next = 0;
  const isMarked = (start: number, end: number, id: string): boolean => {
    if (!places) return true;
    while (next < places.length && places[next]! < start) next++;
    return (next < places.length && places[next]! < end) || marks!.ids.has(id);
  };
  const definitions: RecordDefinition[] = [];
  const empty = Buffer.alloc(FRAME_HEAD + 9);
  const erased = empty.subarray(0, putFrame(empty, 0, frameKinds.erased, ''));
  const ids: string[] = [];
  const parts: Buffer[] = [];
  let header: SegmentHeader | undefined;
  let index = 0;
  let from = 0;
  let at = 0;
  for (const { kind, start, end } of frames(bytes)) {
    const text = (): string => bytes.toString('utf8', start, end);
    if (kind === frameKinds.header) {
      header = JSON.parse(text()) as SegmentHeader;
      const own = idOf(header.replica, header.segment, 0).slice(0, -1);
      if (places?.length === 0 && !marks!.ids.values().some((id) => id.startsWith(own))) return { ids: [], parts: [] };
    }
    if (kind === frameKinds.definition) definitions.push(JSON.parse(text()) as RecordDefinition);
    if (kind === frameKinds.erased) index++;
    if (kind === frameKinds.record && header) {
      const id = idOf(header.replica, header.segment, index++);
      if (!isMarked(start, end, id)) {
        at = end;
        continue;
      }
      const { definition, body } = decodeBody(text(), definitions, id);
      if (isGone(withNames(id, definition, body))) {
        ids.push(id);
        parts.push(bytes.subarray(from, at), erased);
        from = end;
      }
    }
    at = end;
  }
  parts.push(bytes.subarray(from));
  return { ids, parts };
}

/** Where any of these texts begins, in order. */
function placesOf(bytes: Buffer, texts: readonly string[]): number[] {
  const places = texts.flatMap((text) => {
    const found: number[] = [];
    for (let at = bytes.indexOf(text); at >= 0; at = bytes.indexOf(text, at + 1)) found.push(at);
    return found;
  });
  return places.sort((a, b) => a - b);
}
