import { open, type FileHandle } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { bytesPassed } from './passing-bytes.ts';

const CHUNK_BYTES = 64 * 1024;

/** A part of a file (`end` exclusive), which is closed when the stream has ended or was destroyed. */
export class FileReader extends Readable {
  readonly #file: Promise<FileHandle>;
  readonly #end: number;
  #at: number;

  /** Of a file that is open already, or is opened now. */
  constructor(file: FileHandle | string, { start, end }: { readonly start: number; readonly end: number }) {
    super({ highWaterMark: CHUNK_BYTES });
    this.#file = typeof file === 'string' ? open(file) : Promise.resolve(file);
    this.#file.catch((error: Error) => this.destroy(error));
    this.#at = start;
    this.#end = end;
  }

  override _read(): void {
    const length = Math.min(CHUNK_BYTES, this.#end - this.#at);
    if (length <= 0) return void this.push(null);
    // Not from the pool, whose other parts would keep it.
    this.#file
      .then((file) => file.read(Buffer.allocUnsafeSlow(length), 0, length, this.#at))
      .then(
        ({ bytesRead, buffer }) => {
          this.#at += bytesRead;
          bytesPassed(bytesRead);
          this.push(bytesRead === 0 ? null : buffer.subarray(0, bytesRead));
        },
        (error: Error) => this.destroy(error),
      );
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#file
      .then((file) => file.close())
      .then(
        () => done(error),
        (other: Error) => done(error ?? other),
      );
  }
}
