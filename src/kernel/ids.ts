// Record ids: what others refer to. `<prefix>_<UUIDv7 in Crockford base32>` sorts by time of creation.
// MLflow's nouns keep MLflow's own forms ("0", 32 hex, "m-" + 32 hex) as their only ids.
import { createHash, randomBytes } from 'node:crypto';

const ALPHABET = '0123456789abcdefghjkmnpqrstvwxyz';

/** Where ids get time and randomness from; tests give a seeded one. */
export interface IdSource {
  readonly nowMs: () => number;
  readonly random: (bytes: number) => Uint8Array;
}

// Taken from the system by the page: every request and record asks for a few bytes.
const PAGE_BYTES = 4096;
let page = Buffer.alloc(0);
let used = 0;
function nextBytes(count: number): Uint8Array {
  if (count > PAGE_BYTES) return randomBytes(count);
  if (used + count > page.length) [page, used] = [randomBytes(PAGE_BYTES), 0];
  used += count;
  return page.subarray(used - count, used);
}

export const systemIds: IdSource = { nowMs: Date.now, random: nextBytes };

/** A source that repeats itself for the same seed: for tests, never for secrets. */
export function seededIds(seed: string, startMs = 1_700_000_000_000): IdSource {
  let count = 0;
  return {
    nowMs: () => startMs + count,
    random: (n) => createHash('sha256').update(`${seed}:${count++}`).digest().subarray(0, n),
  };
}

// Ids of one source made within one millisecond keep their order (RFC 9562, method 1: a counter in rand_a).
const lastOf = new WeakMap<IdSource, { ms: number; counter: number }>();

/** A UUID version 7 (RFC 9562): 48 bits of unix milliseconds, a 12-bit counter, then random bits. */
export function uuidv7(source: IdSource = systemIds): Uint8Array {
  const bytes = new Uint8Array(16);
  const last = lastOf.get(source);
  let ms = source.nowMs();
  let counter = 0;
  if (last && ms <= last.ms) {
    counter = last.counter + 1;
    ms = last.ms;
    // A full counter borrows from the next millisecond.
    if (counter > 0xfff) [ms, counter] = [ms + 1, 0];
  }
  if (last) [last.ms, last.counter] = [ms, counter];
  else lastOf.set(source, { ms, counter });
  const high = Math.floor(ms / 65_536);
  bytes[0] = high >>> 24;
  bytes[1] = high >>> 16;
  bytes[2] = high >>> 8;
  bytes[3] = high;
  bytes[4] = ms >>> 8;
  bytes[5] = ms;
  bytes.set(source.random(8), 8);
  bytes[6] = 0x70 | (counter >> 8);
  bytes[7] = counter & 0xff;
  bytes[8] = (bytes[8]! & 0x3f) | 0x80;
  return bytes;
}

/** 16 bytes as 26 characters of Crockford base32; the order of the text is the order of the bytes. */
export function base32(bytes: Uint8Array): string {
  let text = '';
  // Two zero bits come first, so that the last character ends with the last bit.
  let value = 0;
  let bits = 2;
  for (const byte of bytes) {
    value = (value << 8) | byte;
    for (bits += 8; bits >= 5; bits -= 5) text += ALPHABET[(value >> (bits - 5)) & 31]!;
    value &= 31;
  }
  return text;
}

export type Id<P extends string> = `${P}_${string}`;

/** A new record id with the given prefix, for example `newId('job')`. */
export const newId = <const P extends string>(prefix: P, source?: IdSource): Id<P> => `${prefix}_${base32(uuidv7(source))}`;

/** The same form in the order of time: rows of new runs lie together, and a write touches few pages however many runs there are. */
export const newRunId = (source: IdSource = systemIds): string => Buffer.from(uuidv7(source)).toString('hex');

/** 32 lowercase hexadecimal digits: the form of MLflow's ids. */
export const newHexId = (source: IdSource = systemIds): string => Buffer.from(source.random(16)).toString('hex');
