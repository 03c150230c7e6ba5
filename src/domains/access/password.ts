// Passwords by scrypt (RFC 7914), with its parameters beside the hash, so that they can be raised later.
import { createHmac, randomBytes, scrypt as scryptCallback, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';

const scrypt = promisify<string, Buffer, number, ScryptOptions, Buffer>(scryptCallback);

/** N, r, p as OWASP's password storage sheet recommends them for 32 MiB (2024). */
const COST = { N: 2 ** 15, r: 8, p: 3 } as const;
const LENGTH = 32;

interface Stored {
  readonly N: number;
  readonly r: number;
  readonly p: number;
  readonly salt: Buffer;
  readonly key: Buffer;
}

// scrypt runs on the threads that files are read with; more of it at a time would hold up everybody.
const AT_ONCE = 2;
const waiting: (() => void)[] = [];
let running = 0;

async function derive(password: string, { N, r, p, salt }: Omit<Stored, 'key'>): Promise<Buffer> {
  if (running >= AT_ONCE) await new Promise<void>((resolve) => waiting.push(resolve));
  else running++;
  try {
    return await scrypt(password.normalize('NFKC'), salt, LENGTH, { N, r, p, maxmem: 256 * N * r });
  } finally {
    const next = waiting.shift();
    if (next) next();
    else running--;
  }
}

const format = ({ N, r, p, salt, key }: Stored): string => ['scrypt', N, r, p, salt.toString('base64'), key.toString('base64')].join('$');

function parse(stored: string): Stored | undefined {
  const [kind, N, r, p, salt, key] = stored.split('$');
  if (kind !== 'scrypt' || !N || !r || !p || !salt || !key) return undefined;
  return { N: Number(N), r: Number(r), p: Number(p), salt: Buffer.from(salt, 'base64'), key: Buffer.from(key, 'base64') };
}

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  return format({ ...COST, salt, key: await derive(password, { ...COST, salt }) });
}

/** A hash that no password has: an unknown name costs as much time as a wrong password. */
export const nobodysHash = format({ ...COST, salt: Buffer.alloc(16), key: Buffer.alloc(LENGTH) });

// scrypt takes long on purpose. A client that sends Basic with each request is recognised for a minute by
// an HMAC under a key that lives in this process only.
const REMEMBER_MS = 60_000;
const processKey = randomBytes(32);
const remembered = new Map<string, number>();

// Requests that come together with the same password are answered by one derivation.
const deriving = new Map<string, Promise<boolean>>();

/** Stands for a password, the hash it is compared with and the place it comes from; means nothing outside of this process. */
export const markOf = (password: string, stored: string, place: string): string =>
  createHmac('sha256', processKey).update(stored).update('\0').update(place).update('\0').update(password).digest('base64');

/** Whether this password was found right for this very hash a moment ago. A changed password has another hash. */
export const isRemembered = (mark: string, nowMs: number): boolean => (remembered.get(mark) ?? 0) > nowMs;

/** How many passwords wait to be derived. */
export const waitingPasswords = (): number => waiting.length;

/** `place` is where it comes from: nobody elsewhere can try without waiting whether a password is a remembered one. */
export async function verifyPassword(password: string, stored: string, nowMs: number, place = ''): Promise<boolean> {
  const mark = markOf(password, stored, place);
  if ((remembered.get(mark) ?? 0) > nowMs) return true;
  const under = deriving.get(mark);
  if (under) return under;
  const answer = compare(password, stored);
  deriving.set(mark, answer);
  try {
    const right = await answer;
    if (right) {
      if (remembered.size > 1000) remembered.clear();
      remembered.set(mark, nowMs + REMEMBER_MS);
    }
    return right;
  } finally {
    deriving.delete(mark);
  }
}

async function compare(password: string, stored: string): Promise<boolean> {
  const expected = parse(stored);
  if (!expected) return false;
  const found = await derive(password, expected);
  return found.length === expected.key.length && timingSafeEqual(found, expected.key);
}
