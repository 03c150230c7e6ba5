// Secrets that have to be read again are kept encrypted: who has the database has not the key.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Settings } from './config/settings.ts';
import { folderKey } from './folder-key.ts';

/** The key of this installation: of the setting, which several servers of one database share, or of the folder. */
const keyOf = ({ secretsKey, dir }: Settings): Buffer =>
  secretsKey === '' ? folderKey(join(dir, 'run', 'secrets.key')) : createHash('sha256').update(`gyre secrets ${secretsKey}`).digest();

const FORM = 'v1';

/** Encrypts a text (AES-256-GCM); it can be opened only for the same `use`, for example the id of its row. */
export function sealText(settings: Settings, text: string, use: string): string {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', keyOf(settings), iv).setAAD(Buffer.from(use));
  const sealed = Buffer.concat([cipher.update(text, 'utf8'), cipher.final()]);
  return [FORM, iv.toString('base64url'), cipher.getAuthTag().toString('base64url'), sealed.toString('base64url')].join('.');
}

/** The text again; undefined if it was sealed by another key or for another use, or was changed. */
export function openText(settings: Settings, sealed: string, use: string): string | undefined {
  const [form, iv = '', tag = '', bytes = ''] = sealed.split('.');
  if (form !== FORM) return undefined;
  try {
    const cipher = createDecipheriv('aes-256-gcm', keyOf(settings), Buffer.from(iv, 'base64url'), { authTagLength: 16 });
    cipher.setAAD(Buffer.from(use)).setAuthTag(Buffer.from(tag, 'base64url'));
    return Buffer.concat([cipher.update(Buffer.from(bytes, 'base64url')), cipher.final()]).toString('utf8');
  } catch {
    return undefined;
  }
}
