// A stream under a passphrase: a key by scrypt, then pieces of 64 KiB, each sealed by AES-256-GCM with its number
// and whether it is the last in the nonce, so that none can be changed, moved, left out or cut off unseen (the STREAM
// construction of Hoang, Reyhanitabar, Rogaway and Vizár, as age uses it). No piece is let out before it is verified.
import { createCipheriv, createDecipheriv, randomBytes, scryptSync } from 'node:crypto';
import { Transform, type TransformCallback } from 'node:stream';

const MAGIC = Buffer.from('GYREENC1');
const PIECE = 64 * 1024;
const TAG = 16;
const [LOG_N, R, P] = [17, 8, 1];
const HEADER = MAGIC.length + 3 + 16 + 7;

export const isEncrypted = (head: Buffer): boolean => head.subarray(0, MAGIC.length).equals(MAGIC);

/** Raised by `decrypt`; `first` = at the first piece, where a wrong passphrase shows. */
export class NotAuthentic extends Error {
  readonly first: boolean;
  constructor(first: boolean) {
    super('a sealed piece does not open');
    this.first = first;
  }
}

const keyOf = (passphrase: string, salt: Buffer, logN: number, r: number, p: number): Buffer =>
  scryptSync(passphrase.normalize('NFC'), salt, 32, { N: 2 ** logN, r, p, maxmem: 512 * 1024 * 1024 });

type KeyOf = (salt: Buffer, logN: number, r: number, p: number) => Buffer;

function nonces(prefix: Buffer): (last: boolean) => Buffer {
  let number = 0;
  return (last) => {
    const nonce = Buffer.alloc(12);
    prefix.copy(nonce);
    nonce.writeUInt32BE(number++, 7);
    nonce[11] = last ? 1 : 0;
    return nonce;
  };
}

/** Cuts a stream into pieces of a size; `last` is true for the one at the end, which may be short or empty. */
abstract class Pieces extends Transform {
  #parts: Buffer[] = [];
  #held = 0;
  readonly #size: number;

  constructor(size: number) {
    super();
    this.#size = size;
  }

  protected abstract piece(bytes: Buffer, last: boolean): void;

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    try {
      this.#parts.push(chunk);
      this.#held += chunk.length;
      // A full piece waits for the byte after it: it may be the last.
      if (this.#held > this.#size) {
        let rest = Buffer.concat(this.#parts);
        for (; rest.length > this.#size; rest = rest.subarray(this.#size)) this.piece(rest.subarray(0, this.#size), false);
        this.#parts = [rest];
        this.#held = rest.length;
      }
      done();
    } catch (error) {
      done(error as Error);
    }
  }

  override _flush(done: TransformCallback): void {
    try {
      this.piece(Buffer.concat(this.#parts), true);
      done();
    } catch (error) {
      done(error as Error);
    }
  }
}

class Encrypt extends Pieces {
  readonly #key: Buffer;
  readonly #nonce: (last: boolean) => Buffer;

  constructor(key: Buffer, salt: Buffer) {
    super(PIECE);
    const prefix = randomBytes(7);
    this.#key = key;
    this.#nonce = nonces(prefix);
    this.push(Buffer.concat([MAGIC, Buffer.from([LOG_N, R, P]), salt, prefix]));
  }

  protected piece(bytes: Buffer, last: boolean): void {
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nonce(last));
    this.push(Buffer.concat([cipher.update(bytes), cipher.final(), cipher.getAuthTag()]));
  }
}

class Decrypt extends Pieces {
  readonly #keyOf: KeyOf;
  #header = Buffer.alloc(0);
  #key: Buffer | undefined;
  #nonce: (last: boolean) => Buffer = () => Buffer.alloc(12);
  #opened = 0;

  constructor(derive: KeyOf) {
    super(PIECE + TAG);
    this.#keyOf = derive;
  }

  override _transform(chunk: Buffer, encoding: string, done: TransformCallback): void {
    if (this.#key) return super._transform(chunk, encoding, done);
    this.#header = Buffer.concat([this.#header, chunk]);
    if (this.#header.length < HEADER) return done();
    const header = this.#header;
    const [logN = 0, r = 0, p = 0] = header.subarray(MAGIC.length);
    // The costs come from the file: what would take all memory or for ever is no archive of ours.
    if (!isEncrypted(header) || logN > 20 || r > 16 || p > 4 || logN === 0 || r === 0 || p === 0) return done(new NotAuthentic(false));
    const at = MAGIC.length + 3;
    this.#key = this.#keyOf(header.subarray(at, at + 16), logN, r, p);
    this.#nonce = nonces(header.subarray(at + 16, HEADER));
    this.#header = Buffer.alloc(0);
    super._transform(header.subarray(HEADER), encoding, done);
  }

  protected piece(bytes: Buffer, last: boolean): void {
    if (!this.#key || bytes.length < TAG) throw new NotAuthentic(false);
    const decipher = createDecipheriv('aes-256-gcm', this.#key, this.#nonce(last));
    decipher.setAuthTag(bytes.subarray(-TAG));
    try {
      this.push(Buffer.concat([decipher.update(bytes.subarray(0, -TAG)), decipher.final()]));
    } catch {
      throw new NotAuthentic(this.#opened === 0);
    }
    this.#opened += 1;
  }
}

/** Streams of one archive share a key, which costs half a second to make, and differ in their nonces. */
export function openEncryption(passphrase: string): () => Transform {
  const salt = randomBytes(16);
  const key = keyOf(passphrase, salt, LOG_N, R, P);
  return () => new Encrypt(key, salt);
}

export function openDecryption(passphrase: string): () => Transform {
  const keys = new Map<string, Buffer>();
  const derive: KeyOf = (salt, logN, r, p) => {
    const name = `${salt.toString('hex')} ${logN} ${r} ${p}`;
    const key = keys.get(name) ?? keyOf(passphrase, salt, logN, r, p);
    keys.set(name, key);
    return key;
  };
  return () => new Decrypt(derive);
}
