// Writes an archive: beside its name first, and under it only when all of it is there and durable.
import { createHash } from 'node:crypto';
import { createReadStream, createWriteStream, existsSync } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { once } from 'node:events';
import { Readable, Transform, type Writable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createZstdCompress } from 'node:zlib';
import { syncFolder } from '../../../kernel/blobs/sync-folder.ts';
import { fail as failAny, isDiskFull } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import { openEncryption } from './encryption.ts';
import { FOOTER_BYTES, skipHead, writeFooter, type ArchiveEntry, type ArchiveHead } from './format.ts';

export interface ArchiveWriter {
  /** Adds an entry; a source that has not exactly `sizeBytes` is a defect. Returns its SHA-256. */
  add(name: string, sizeBytes: number, source: AsyncIterable<Uint8Array> | Uint8Array): Promise<string>;
  readonly entries: number;
  readonly bytes: number;
  /** Writes the manifest; then the archive has its name. Returns its size. */
  finish(head: Omit<ArchiveHead, 'entries' | 'bytes'>): Promise<number>;
  abandon(): Promise<void>;
}

const zstd = () => createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 3, [constants.ZSTD_c_checksumFlag]: 1 } });

/** Raises `target-not-empty` where the file is there, `storage-full` when it has no room. */
export async function openArchiveWriter(file: string, passphrase: string | undefined, createdMs: number): Promise<ArchiveWriter> {
  if (existsSync(file)) fail('target-not-empty', { where: file, what: 'an earlier backup' });
  const { pack: openPack } = await import('tar-stream');
  const incoming = `${file}.incoming`;
  const names = `${file}.manifest`;
  const list = createWriteStream(names, { mode: 0o600 });
  const pack = openPack();
  const encrypt = passphrase === undefined ? undefined : openEncryption(passphrase);
  const stages = [zstd(), ...(encrypt ? [encrypt()] : []), createWriteStream(incoming, { mode: 0o600 })];
  let failure: unknown;
  // Whoever adds waits for room in a pipe that may have broken meanwhile.
  const broken = Promise.withResolvers<never>();
  broken.promise.catch(() => undefined);
  const note = (error: unknown): void => {
    failure ??= error;
    broken.reject(error);
  };
  const written = pipeline([Readable.from(pack as unknown as AsyncIterable<Buffer>), ...stages] as unknown as [Readable, Writable]);
  written.catch(note);
  list.on('error', note);
  let [entries, bytes] = [0, 0];

  const abandon = async (): Promise<void> => {
    pack.destroy(new Error('abandoned'));
    await written.catch(() => undefined);
    list.destroy();
    await rm(incoming, { force: true });
    await rm(names, { force: true });
  };
  const orFull = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      const cause = failure ?? error;
      if (isDiskFull(cause)) return failAny('storage-full', { what: `the backup ${file}` });
      throw cause;
    }
  };

  return {
    get entries() {
      return entries;
    },
    get bytes() {
      return bytes;
    },
    add: (name, sizeBytes, source) =>
      orFull(async () => {
        if (failure) throw failure;
        const hash = createHash('sha256');
        const ended = Promise.withResolvers<void>();
        const entry = pack.entry({ name, size: sizeBytes, mode: 0o600, mtime: new Date(createdMs), type: 'file' }, (error) =>
          error ? ended.reject(error) : ended.resolve(),
        );
        ended.promise.catch(() => undefined);
        let size = 0;
        for await (const chunk of source instanceof Uint8Array ? [source] : source) {
          hash.update(chunk);
          size += chunk.length;
          if (size > sizeBytes) break;
          if (!entry.write(chunk)) await Promise.race([once(entry as never, 'drain'), broken.promise, ended.promise]);
          if (failure) throw failure;
        }
        if (size !== sizeBytes) throw new Error(`${name} was said to have ${sizeBytes} bytes and has ${size}`);
        (entry as unknown as { end(): void }).end();
        await Promise.race([ended.promise, broken.promise]);
        const digest = hash.digest('hex');
        entries += 1;
        bytes += sizeBytes;
        if (!list.write(`${JSON.stringify([name, sizeBytes, digest] satisfies ArchiveEntry)}\n`))
          await Promise.race([once(list, 'drain'), broken.promise]);
        return digest;
      }),
    finish: (rest) =>
      orFull(async () => {
        pack.finalize();
        await written;
        list.end();
        await once(list, 'close');
        const tarBytes = (await stat(incoming)).size;
        const head: ArchiveHead = { ...rest, entries, bytes };
        const manifest = `${file}.manifest.zst`;
        await pipeline([
          Readable.from(linesOf(head, names)) as NodeJS.ReadableStream,
          zstd(),
          ...(encrypt ? [encrypt()] : []),
          createWriteStream(manifest, { mode: 0o600 }),
        ]);
        const manifestBytes = (await stat(manifest)).size;
        const skip = skipHead(manifestBytes + FOOTER_BYTES);
        const footer = writeFooter({ manifestAt: tarBytes + skip.length, manifestBytes });
        const tail = new Transform({
          construct(done) {
            this.push(skip);
            done();
          },
          transform: (chunk, _encoding, done) => done(null, chunk),
          flush: (done) => done(null, footer),
        });
        await pipeline(createReadStream(manifest), tail, createWriteStream(incoming, { flags: 'a' }));
        const handle = await open(incoming, 'r+');
        await handle.sync();
        await handle.close();
        await rename(incoming, file);
        await syncFolder(dirname(file));
        await rm(names, { force: true });
        await rm(manifest, { force: true });
        return (await stat(file)).size;
      }),
    abandon: async () => {
      await abandon();
      await rm(`${file}.manifest.zst`, { force: true });
    },
  };
}

async function* linesOf(head: ArchiveHead, names: string): AsyncGenerator<Buffer> {
  yield Buffer.from(`${JSON.stringify(head)}\n`);
  for await (const chunk of createReadStream(names)) yield chunk as Buffer;
}
