// An object that is written as it comes, whatever its length: one put while it fits into a part, parts of one
// size from then on. At most two parts are under way while the next one fills, so memory is bounded.
import { randomBytes } from 'node:crypto';
import { fail } from './errors.ts';
import type { ObjectStore, Upload, UploadedPart } from './object-store.ts';

const UNDER_WAY = 2;
/** Up to here the chunks are kept as they came; most files end before. */
const LOOSE_BYTES = 1024 * 1024;

export class ObjectWriter {
  readonly key: string;
  sizeBytes = 0;
  readonly #objects: ObjectStore;
  readonly #mark = randomBytes(12).toString('hex');
  readonly #abort = new AbortController();
  readonly #uploaded: UploadedPart[] = [];
  readonly #underWay = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;
  #upload: Upload | undefined;
  #loose: Buffer[] = [];
  #part: Buffer | undefined;
  /** Parts that have been sent, to be filled again: garbage of this size is collected late. */
  readonly #empty: Buffer[] = [];
  #filled = 0;
  #nextPart = 1;

  constructor(objects: ObjectStore, key: string) {
    this.#objects = objects;
    this.key = key;
  }

  /** Nothing of it has been sent: it is kept in memory, and will be one put. */
  get isWhole(): boolean {
    return this.#upload === undefined;
  }

  async write(chunk: Buffer): Promise<void> {
    const { partBytes } = this.#objects.capabilities;
    for (let at = 0; at < chunk.length;) {
      const take = Math.min(chunk.length - at, partBytes - this.#filled);
      const piece = chunk.subarray(at, at + take);
      at += take;
      if (!this.#part && this.#filled + take <= LOOSE_BYTES) this.#loose.push(Buffer.from(piece));
      else {
        this.#gather();
        piece.copy(this.#part!, this.#filled);
      }
      this.#filled += take;
      this.sizeBytes += take;
      if (this.#filled === partBytes) await this.#ship();
    }
  }

  /** Sends all that is kept, so that nothing stays in memory; no more may be written. */
  async shipAll(): Promise<void> {
    // Only the last part of an object may be of another size.
    if (this.#filled > 0) await this.#ship();
    await Promise.all(this.#underWay);
    this.#raiseFailure();
  }

  async #ship(): Promise<void> {
    const { maxParts, partBytes } = this.#objects.capabilities;
    if (this.#nextPart > maxParts) fail('blob-too-large', { limitBytes: maxParts * partBytes });
    this.#upload ??= await this.#objects.createUpload(this.key, this.#mark);
    while (this.#underWay.size >= UNDER_WAY) await Promise.race(this.#underWay);
    this.#raiseFailure();
    const part = this.#part;
    const bytes = this.#take();
    const sending = this.#objects.uploadPart(this.#upload, this.#nextPart++, bytes, this.#abort.signal).then(
      (part) => void this.#uploaded.push(part),
      (error: unknown) => void (this.#failure ??= { error }),
    );
    const tracked: Promise<void> = sending.then(() => {
      this.#underWay.delete(tracked);
      if (part) this.#empty.push(part);
    });
    this.#underWay.add(tracked);
  }

  /** Makes it readable, whole. `once` = there must be no object of that name, for the name is a fresh one. */
  async finish(once: boolean): Promise<void> {
    if (!this.#upload) {
      const bytes = this.#take();
      if (!once) return this.#objects.put(this.key, bytes);
      // An attempt whose answer was lost may have written it.
      if (await this.#objects.putIfAbsent(this.key, bytes, this.#mark)) return;
      return this.#checkWritten();
    }
    if (this.#filled > 0) await this.#ship();
    await Promise.all(this.#underWay);
    this.#raiseFailure();
    this.#uploaded.sort((a, b) => a.partNumber - b.partNumber);
    try {
      await this.#objects.completeUpload(this.#upload, this.#uploaded);
    } catch (error) {
      // Completed by an attempt whose answer was lost, an upload is not found any more.
      if ((error as { code?: string }).code !== 'upload-not-found') throw error;
      await this.#checkWritten();
    }
    this.#upload = undefined;
  }

  /** Forgets it; nothing of it is left in the store. */
  async abort(): Promise<void> {
    this.#abort.abort();
    this.#loose = [];
    this.#part = undefined;
    this.#filled = 0;
    await Promise.all(this.#underWay);
    const upload = this.#upload;
    this.#upload = undefined;
    // What cannot be told to the store now is swept later.
    if (upload) await this.#objects.abortUpload(upload).catch(() => undefined);
  }

  async #checkWritten(): Promise<void> {
    const written = await this.#objects.head(this.key);
    if (written?.mark !== this.#mark) throw new Error(`the object ${this.key} is not the one that was written`);
  }

  #gather(): void {
    if (this.#part) return;
    this.#part = this.#empty.pop() ?? Buffer.allocUnsafeSlow(this.#objects.capabilities.partBytes);
    let at = 0;
    for (const piece of this.#loose) at += piece.copy(this.#part, at);
    this.#loose = [];
  }

  #take(): Buffer {
    const bytes = this.#part ? this.#part.subarray(0, this.#filled) : Buffer.concat(this.#loose);
    this.#loose = [];
    this.#part = undefined;
    this.#filled = 0;
    return bytes;
  }

  #raiseFailure(): void {
    if (this.#failure) throw this.#failure.error;
  }
}
