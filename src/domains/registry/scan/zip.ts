// The entries of a zip archive by its central directory, as Python's zipfile finds them. Read in place; an entry
// that expands beyond a limit is not read on, whatever the archive says of its size.
import type { Readable } from 'node:stream';
import { createInflateRaw } from 'node:zlib';
import { Unreadable } from './byte-source.ts';

export interface ZipEntry {
  readonly name: string;
  readonly method: number;
  readonly compressed: number;
  readonly offset: number;
  readonly isEncrypted: boolean;
}

/** Bytes of a file from `start` to `end`. */
export type OpenRange = (start: number, end: number) => Readable;

const MOST_ENTRIES = 100_000;
const MOST_DIRECTORY = 32 * 1024 * 1024;

async function bytesOf(open: OpenRange, start: number, end: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of open(start, end)) parts.push(part as Buffer);
  const all = Buffer.concat(parts);
  if (all.length !== end - start) throw new Unreadable('the archive ends too early');
  return all;
}

/** Where the central directory is. */
async function directoryOf(open: OpenRange, size: number): Promise<{ start: number; bytes: number; base: number }> {
  const from = Math.max(0, size - 65_557);
  const tail = await bytesOf(open, from, size);
  const at = tail.lastIndexOf(Buffer.from('PK\x05\x06', 'latin1'));
  if (at < 0 || at + 22 > tail.length) throw new Unreadable('the archive has no directory');
  let [bytes, start, end] = [tail.readUInt32LE(at + 12), tail.readUInt32LE(at + 16), from + at];
  const locator = at - 20;
  if (locator >= 0 && tail.readUInt32LE(locator) === 0x07064b50) {
    const at64 = Number(tail.readBigUInt64LE(locator + 8));
    if (at64 + 56 > size) throw new Unreadable('the archive has a directory outside of it');
    const record = await bytesOf(open, at64, at64 + 56);
    bytes = Number(record.readBigUInt64LE(40));
    start = Number(record.readBigUInt64LE(48));
    end = at64;
  }
  // What stands before an archive moves everything in it, as zipfile allows.
  const base = end - bytes - start;
  if (bytes > MOST_DIRECTORY || base < 0 || base + start + bytes > size) throw new Unreadable('the archive has a directory that cannot be');
  return { start: base + start, bytes, base };
}

/** Raises `Unreadable`. */
export async function listEntries(open: OpenRange, size: number): Promise<ZipEntry[]> {
  const { start, bytes, base } = await directoryOf(open, size);
  const directory = bytes === 0 ? Buffer.alloc(0) : await bytesOf(open, start, start + bytes);
  const entries: ZipEntry[] = [];
  for (let at = 0; at + 46 <= directory.length && directory.readUInt32LE(at) === 0x02014b50;) {
    if (entries.length === MOST_ENTRIES) throw new Unreadable(`the archive has more than ${MOST_ENTRIES} entries`);
    const [nameBytes, extraBytes, commentBytes] = [28, 30, 32].map((i) => directory.readUInt16LE(at + i)) as [number, number, number];
    const name = directory.toString('utf8', at + 46, at + 46 + nameBytes);
    let [compressed, expanded, offset] = [20, 24, 42].map((i) => directory.readUInt32LE(at + i)) as [number, number, number];
    const extra = directory.subarray(at + 46 + nameBytes, at + 46 + nameBytes + extraBytes);
    for (let i = 0; i + 4 <= extra.length; i += 4 + extra.readUInt16LE(i + 2)) {
      if (extra.readUInt16LE(i) !== 1) continue;
      let next = i + 4;
      const wide = (): number => {
        if (next + 8 > extra.length) throw new Unreadable('the archive has an entry that cannot be');
        next += 8;
        return Number(extra.readBigUInt64LE(next - 8));
      };
      if (expanded === 0xffffffff) expanded = wide();
      if (compressed === 0xffffffff) compressed = wide();
      if (offset === 0xffffffff) offset = wide();
    }
    const isEncrypted = (directory.readUInt16LE(at + 8) & 1) === 1;
    entries.push({ name, method: directory.readUInt16LE(at + 10), compressed, offset: base + offset, isEncrypted });
    at += 46 + nameBytes + extraBytes + commentBytes;
  }
  return entries;
}

/** The bytes of an entry. Raises `Unreadable`. */
export async function openEntry(open: OpenRange, size: number, entry: ZipEntry): Promise<Readable> {
  if (entry.isEncrypted) throw new Unreadable('it is encrypted');
  if (entry.offset + 30 > size) throw new Unreadable('the archive ends too early');
  const head = await bytesOf(open, entry.offset, entry.offset + 30);
  const start = entry.offset + 30 + head.readUInt16LE(26) + head.readUInt16LE(28);
  if (head.readUInt32LE(0) !== 0x04034b50 || start + entry.compressed > size)
    throw new Unreadable('the archive has an entry that cannot be');
  const bytes = open(start, start + entry.compressed);
  if (entry.method === 0) return bytes;
  if (entry.method !== 8) throw new Unreadable(`it is packed by method ${entry.method}, which is not read here`);
  const inflate = createInflateRaw();
  bytes.on('error', (error) => inflate.destroy(error));
  inflate.on('close', () => bytes.destroy());
  return bytes.pipe(inflate);
}
