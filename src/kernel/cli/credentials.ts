// The tokens that "gyre login" got, by the address of their server, in a file that only its owner can read.
import { chmodSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';

export interface Credential {
  readonly user: string;
  readonly workspace: string;
  readonly tokenId: string;
  readonly token: string;
}

const fileIn = (home: string): string => join(home, '.config', 'gyre', 'credentials.json');
const keyOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : url);

function readAll(home: string): Record<string, Credential> {
  try {
    const all: unknown = JSON.parse(readFileSync(fileIn(home), 'utf8'));
    return typeof all === 'object' && all !== null ? (all as Record<string, Credential>) : {};
  } catch {
    // None yet, or one that is damaged: whoever logs in again mends it.
    return {};
  }
}

function writeAll(home: string, all: Record<string, Credential>): string {
  const file = fileIn(home);
  mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
  // Written under another name first, so that it is never half there, nor readable by others for a moment.
  const fresh = `${file}.${process.pid}`;
  writeFileSync(fresh, `${JSON.stringify(all, null, 2)}\n`, { mode: 0o600 });
  chmodSync(fresh, 0o600);
  renameSync(fresh, file);
  return file;
}

export const findCredential = (url: string, home = homedir()): Credential | undefined => readAll(home)[keyOf(url)];

/** Keeps a token for a server, and says in which file. */
export const keepCredential = (url: string, credential: Credential, home = homedir()): string =>
  writeAll(home, { ...readAll(home), [keyOf(url)]: credential });

export function forgetCredential(url: string, home = homedir()): void {
  const { [keyOf(url)]: _, ...rest } = readAll(home);
  writeAll(home, rest);
}
