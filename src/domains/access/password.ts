// Passwords by scrypt (RFC 7914) with parameters stored beside the hash, so that they can be raised later.
import { createHmac, randomBytes, scrypt as scryptCallback, timingSafeEqual, type ScryptOptions } from 'node:crypto';
import { promisify } from 'node:util';

const scrypt = promisify<string, Buffer, number, ScryptOptions, Buffer>(scryptCallback);
const COST = 2 ** 15;
const BLOCK = 8;
const LENGTH = 32;

const derive = (password: string, salt: Buffer, cost: number): Promise<Buffer> =>
  scrypt(password.normalize('NFKC'), salt, LENGTH, { N: cost, r: BLOCK, p: 1, maxmem: 256 * cost * BLOCK });

export async function hashPassword(password: string): Promise<string> {
  const salt = randomBytes(16);
  const key = await derive(password, salt, COST);
  return `scrypt$${COST}$${salt.toString('base64')}$${key.toString('base64')}`;
}

// scrypt takes some 80 ms on purpose. A client that sends Basic with each request is recognised for a
// minute by an HMAC under a key that lives in this process only.
const REMEMBER_MS = 60_000;
const processKey = randomBytes(32);
const remembered = new Map<string, number>();

export async function verifyPassword(password: string, stored: string, nowMs: number): Promise<boolean> {
  const mark = createHmac('sha256', processKey).update(stored).update('\0').update(password).digest('base64');
  if ((remembered.get(mark) ?? 0) > nowMs) return true;
  const [, cost, salt, key] = stored.split('$');
  if (!cost || !salt || !key) return false;
  const expected = Buffer.from(key, 'base64');
  const found = await derive(password, Buffer.from(salt, 'base64'), Number(cost));
  if (found.length !== expected.length || !timingSafeEqual(found, expected)) return false;
  if (remembered.size > 1000) remembered.clear();
  remembered.set(mark, nowMs + REMEMBER_MS);
  return true;
}
