import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import type { BlobSource } from '../blob-store.ts';

/** The bytes of a source, piece by piece. */
export async function* chunksOf(source: BlobSource): AsyncGenerator<Buffer> {
  if (source instanceof Uint8Array) yield Buffer.from(source.buffer, source.byteOffset, source.byteLength);
  else
    for await (const chunk of source instanceof Readable ? source : createReadStream(source.path, { highWaterMark: 1024 * 1024 }))
      yield chunk as Buffer;
}
