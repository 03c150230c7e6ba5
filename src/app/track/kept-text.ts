// The beginning and the end of a stream, in bounded memory.
const HEAD = 1024 * 1024;
const TAIL = 3 * 1024 * 1024;

export class KeptText {
  readonly #head: Buffer[] = [];
  #headBytes = 0;
  #tail: Buffer[] = [];
  #tailBytes = 0;
  #left = 0;
  /** All bytes that came. */
  total = 0;

  add(chunk: Buffer): void {
    this.total += chunk.length;
    const first = chunk.subarray(0, HEAD - this.#headBytes);
    if (first.length > 0) this.#head.push(first);
    this.#headBytes += first.length;
    const rest = chunk.subarray(first.length);
    if (rest.length === 0) return;
    this.#tail.push(rest);
    this.#tailBytes += rest.length;
    while (this.#tailBytes - this.#tail[0]!.length >= TAIL) {
      const gone = this.#tail.shift()!.length;
      this.#tailBytes -= gone;
      this.#left += gone;
    }
    // Many small pieces cost more than their text.
    if (this.#tail.length > 4096) this.#tail = [Buffer.concat(this.#tail)];
  }

  /** What was kept; a line tells how many bytes between are not there. */
  text(): string {
    const between = this.#left > 0 ? [Buffer.from(`\n... ${this.#left} bytes were not kept ...\n`)] : [];
    return Buffer.concat([...this.#head, ...between, ...this.#tail]).toString('utf8');
  }
}
