// A sealed segment without some of its records: a frame of no content stands where each was, so that the other
// records keep their positions, and with them their ids.
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { failpoint } from '../../../kernel/failpoints.ts';
import { decodeBody, withNames, type InferenceRecord, type RecordDefinition } from './record.ts';
import { FRAME_HEAD, frameKinds, frames, idOf, putFrame, type SegmentHeader } from './segment.ts';

/** Ids of the records for which `isGone` is true. Nothing is changed. */
export const findInSegment = (path: string, isGone: (record: InferenceRecord) => boolean): string[] => scan(path, isGone).ids;

/** Replaces the file by one without these records. Returns their ids. */
export function eraseFromSegment(path: string, isGone: (record: InferenceRecord) => boolean): string[] {
  const { ids, parts } = scan(path, isGone);
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

function scan(path: string, isGone: (record: InferenceRecord) => boolean): { ids: string[]; parts: Buffer[] } {
  const bytes = readFileSync(path);
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
    if (kind === frameKinds.header) header = JSON.parse(text()) as SegmentHeader;
    if (kind === frameKinds.definition) definitions.push(JSON.parse(text()) as RecordDefinition);
    if (kind === frameKinds.erased) index++;
    if (kind === frameKinds.record && header) {
      const id = idOf(header.replica, header.segment, index++);
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
