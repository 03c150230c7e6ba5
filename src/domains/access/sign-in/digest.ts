// Secrets that people or programs carry are random and long, so one round of SHA-256 is enough to keep them.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

export const digestOf = (secret: string): string => createHash('sha256').update(secret).digest('hex');

/** 32 random bytes as text for headers and cookies. */
export const newSecret = (): string => randomBytes(32).toString('base64url');

/** A value that only who holds the secret can tell, one for each purpose; it says nothing of the secret. */
export const derived = (secret: string, purpose: string): string => createHmac('sha256', secret).update(purpose).digest('base64url');

/** Compares in a time that does not tell where two texts differ. */
export const sameText = (a: string, b: string): boolean =>
  timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest());
