// What is kept of a subject that was erased: an HMAC of the identifier.
import { createHmac } from 'node:crypto';
import { join } from 'node:path';
import { folderKey } from '../../kernel/folder-key.ts';
import { canonical } from './forms.ts';

/** The key of subjects' HMACs; it lies in the data folder and never leaves it. */
export const subjectKey = (dir: string): Buffer => folderKey(join(dir, 'governance', 'subject.key'));

/** What is kept of an identifier. The same on every machine that has the key. */
export const hmacOf = (key: Buffer, value: unknown): string =>
  createHmac('sha256', key)
    .update(`subject:${canonical(value)}`)
    .digest('hex');
