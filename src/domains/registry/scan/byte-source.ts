// Bytes in order, a chunk at a time: what is read ahead is one chunk, whatever the file's size.

/** A file ended within something, or is larger than anybody reads. */
export class Unreadable extends Error {}

export class ByteSource {
  readonly #chunks: AsyncIterator<Uint8Array>;
  #chunk: Buffer = Buffer.alloc(0);
  #at = 0;
  #left: number;
  /** Bytes taken so far. */
  position = 0;

  /** `most` bytes are read at the most; `Unreadable` after that. */
  constructor(chunks: AsyncIterable<Uint8Array>, most: number) {
    this.#chunks = chunks[Symbol.asyncIterator]();
    this.#left = most;
  }

  /** Bytes that can be taken without waiting. */
  get ready(): number {
    return this.#chunk.length - this.#at;
  }

  /** Waits until `count` bytes are ready; false if the file ends before. */
  async fill(count: number): Promise<boolean> {
    while (this.ready < count) {
      const { value, done } = await this.#chunks.next();
      if (done) return false;
      this.#left -= value.length;
      if (this.#left < 0) throw new Unreadable('it is larger than what is read');
      const next = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      this.#chunk = this.ready === 0 ? next : Buffer.concat([this.#chunk.subarray(this.#at), next]);
      this.#at = 0;
    }
    return true;
  }

  byte(): number {
    this.position++;
    return this.#chunk[this.#at++]!;
  }

  peek(offset = 0): number | undefined {
    return this.#chunk[this.#at + offset];
  }

  /** `count` bytes that are ready. */
  take(count: number): Buffer {
    const taken = this.#chunk.subarray(this.#at, this.#at + count);
    this.#at += count;
    this.position += count;
    return taken;
  }

  async skip(count: number): Promise<void> {
    let left = count;
    while (left > 0) {
      if (this.ready === 0 && !(await this.fill(1))) throw new Unreadable('it ends too early');
      const some = Math.min(left, this.ready);
      this.take(some);
      left -= some;
    }
  }

  /** The text up to the next line feed, of which at most `keep` characters are kept. */
  async line(keep: number): Promise<string> {
    let text = '';
    for (;;) {
      if (this.ready === 0 && !(await this.fill(1))) throw new Unreadable('it ends too early');
      const end = this.#chunk.indexOf(10, this.#at);
      const part = this.take((end < 0 ? this.#chunk.length : end) - this.#at);
      if (text.length < keep) text += part.toString('utf8', 0, Math.min(part.length, keep * 4));
      if (end >= 0) {
        this.take(1);
        return text.slice(0, keep);
      }
    }
  }

  /** Lets go of what it reads from. */
  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}
