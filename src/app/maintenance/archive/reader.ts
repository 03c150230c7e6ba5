// Reads an archive that may be damaged, cut off or made to do harm: nothing is handed out that the manifest does not
// name, in its order and with its size, and each digest is compared as soon as the bytes have passed.
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { pipeline, Readable, type Transform } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';
import { isProblem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import { isEncrypted, NotAuthentic, openDecryption } from './encryption.ts';
import {
  FOOTER_BYTES,
  FORMAT,
  placeOfEntry,
  readFooter,
  SKIP_HEAD_BYTES,
  type ArchiveEntry,
  type ArchiveHead,
  type Place,
} from './format.ts';

const HEAD_BYTES = 16 * 1024 * 1024;
/** Digests do not compress: a manifest that grows more than so many times holds something else. */
const GROWTH = 100;

export interface OpenedEntry {
  readonly name: string;
  readonly place: Place;
  readonly sizeBytes: number;
  readonly digest: string;
  /** To be read to its end; raises `archive-corrupt` there if it is not what the manifest says. */
  readonly bytes: AsyncIterable<Buffer>;
}

export interface Archive {
  readonly head: ArchiveHead;
  readonly fileBytes: number;
  readonly encrypted: boolean;
  /** Every entry in order. Raises `archive-corrupt`. */
  entries(): AsyncGenerator<OpenedEntry>;
  /** Reads the manifest to its end, where its checksum is. Raises `archive-corrupt`. */
  checkManifest(): Promise<void>;
}

/** Raises `archive-unusable`, `archive-passphrase`, `archive-corrupt`. */
export async function openArchive(file: string, passphrase: string | undefined): Promise<Archive> {
  if (!(await stat(file)).isFile()) return fail('archive-unusable', { file, why: 'it is no file.' });
  const handle = await open(file, 'r');
  const { size } = await handle.stat();
  const [first, last] = [Buffer.alloc(8), Buffer.alloc(FOOTER_BYTES)];
  try {
    await handle.read(first, 0, 8, 0);
    await handle.read(last, 0, FOOTER_BYTES, Math.max(0, size - FOOTER_BYTES));
  } finally {
    await handle.close();
  }
  const footer = readFooter(last, size);
  if (!footer)
    return fail('archive-unusable', { file, why: 'it does not end as a backup does: it is cut off, or no backup of this format.' });
  const encrypted = isEncrypted(first);
  if (encrypted && passphrase === undefined)
    return fail('archive-passphrase', { file, why: 'it is encrypted; name the file with its passphrase by --passphrase-file.' });

  const decrypt = openDecryption(passphrase ?? '');
  const opened = (start: number, end: number): Readable => {
    const stages: (Readable | Transform)[] = [createReadStream(file, { start, end: end - 1, highWaterMark: 256 * 1024 })];
    if (encrypted) stages.push(decrypt());
    stages.push(createZstdDecompress());
    return pipeline(stages as unknown as [Readable, Transform], () => undefined) as unknown as Readable;
  };
  const explain = (error: unknown, where: string): never => {
    if (isProblem(error)) throw error;
    if (error instanceof NotAuthentic && error.first)
      return fail('archive-passphrase', { file, why: 'the passphrase is another one, or the file was changed.' });
    return fail('archive-corrupt', { file, entry: where, why: `cannot be read (${(error as Error).message}).` });
  };
  const lines = (): AsyncGenerator<string> =>
    manifestLines(opened(footer.manifestAt, footer.manifestAt + footer.manifestBytes), footer.manifestBytes);

  const head = await readHead(lines()).catch((error: unknown) => explain(error, 'the manifest'));
  const isCount = (n: unknown): boolean => Number.isSafeInteger(n) && (n as number) >= 0;
  if (typeof head !== 'object' || head === null || !isCount(head.entries) || !isCount(head.bytes))
    return fail('archive-corrupt', { file, entry: 'the manifest', why: 'does not say how much there is.' });
  if (head.format !== FORMAT)
    return fail('archive-unusable', { file, why: `it has format ${head.format}, and this program reads format ${FORMAT}.` });

  async function* entries(): AsyncGenerator<OpenedEntry> {
    const { extract: openExtract } = await import('tar-stream');
    const extract = openExtract();
    let source: Readable | undefined;
    const manifest = lines();
    let where = 'the manifest';
    let [count, total] = [0, 0];
    try {
      await manifest.next();
      where = 'the first entry';
      source = opened(0, footer!.manifestAt - SKIP_HEAD_BYTES);
      source.on('error', (error) => extract.destroy(error));
      // An entry that comes before somebody listens is lost, so nothing is awaited between this and the loop.
      source.pipe(extract as unknown as NodeJS.WritableStream);
      for await (const entry of extract) {
        const next = await manifest.next();
        if (next.done) return fail('archive-corrupt', { file, entry: entry.header.name, why: 'is not in the manifest.' });
        const [name, sizeBytes, digest] = JSON.parse(next.value) as ArchiveEntry;
        where = name;
        const place = placeOfEntry(name);
        total += sizeBytes;
        if (count === head.entries)
          return fail('archive-corrupt', { file, entry: 'the tar', why: `has more than ${head.entries} entries.` });
        if (!place || entry.header.type !== 'file' || entry.header.name !== name || entry.header.size !== sizeBytes || total > head.bytes)
          return fail('archive-corrupt', {
            file,
            entry: entry.header.name,
            why: 'is not what the manifest says, or leads out of the folder.',
          });
        count += 1;
        let read = false;
        yield {
          name,
          place,
          sizeBytes,
          digest,
          bytes: checked(entry as AsyncIterable<Buffer>, name, sizeBytes, digest, () => (read = true)),
        };
        if (!read) for await (const _ of checked(entry as AsyncIterable<Buffer>, name, sizeBytes, digest, () => undefined));
        where = `the entry after ${name}`;
      }
      if (count !== head.entries || !(await manifest.next()).done)
        fail('archive-corrupt', { file, entry: 'the tar', why: `has ${count} entries and the manifest says ${head.entries}.` });
    } catch (error) {
      explain(error, where);
    } finally {
      source?.destroy();
      await manifest.return(undefined);
    }
  }

  async function* checked(
    source: AsyncIterable<Buffer>,
    name: string,
    sizeBytes: number,
    digest: string,
    ended: () => void,
  ): AsyncGenerator<Buffer> {
    const hash = createHash('sha256');
    let size = 0;
    try {
      for await (const chunk of source) {
        size += chunk.length;
        hash.update(chunk);
        yield chunk;
      }
    } catch (error) {
      explain(error, name);
    }
    ended();
    if (size !== sizeBytes || hash.digest('hex') !== digest)
      fail('archive-corrupt', { file, entry: name, why: 'has other bytes than when the backup was made.' });
  }

  const checkManifest = async (): Promise<void> => {
    try {
      for await (const _ of lines());
    } catch (error) {
      explain(error, 'the manifest');
    }
  };
  return { head, fileBytes: size, encrypted, entries, checkManifest };
}

async function readHead(lines: AsyncGenerator<string>): Promise<ArchiveHead> {
  const { value } = await lines.next();
  await lines.return(undefined);
  return JSON.parse(String(value)) as ArchiveHead;
}

async function* manifestLines(source: Readable, packedBytes: number): AsyncGenerator<string> {
  let held: string[] = [];
  let heldLength = 0;
  let bytes = 0;
  const decoder = new TextDecoder();
  try {
    for await (const chunk of source) {
      bytes += (chunk as Buffer).length;
      if (bytes > packedBytes * GROWTH + HEAD_BYTES) throw new Error('it grows without end');
      const parts = decoder.decode(chunk as Buffer, { stream: true }).split('\n');
      const last = parts.pop()!;
      if (parts.length > 0) {
        parts[0] = held.join('') + parts[0]!;
        [held, heldLength] = [[], 0];
        yield* parts;
      }
      held.push(last);
      heldLength += last.length;
      if (heldLength > HEAD_BYTES) throw new Error('a line has no end');
    }
  } finally {
    source.destroy();
  }
}
