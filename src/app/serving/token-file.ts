// Who may ask a data plane that has no control plane: a file with a token on each line, and behind it the names it may ask, if not
// all. The tokens are hashed as soon as they are read.
import { hash } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { fail } from './errors.ts';

/** As the serving plan has them. */
export interface ServingToken {
  readonly digest: string;
  readonly workspace: string;
  readonly endpoints: '*' | string[];
  readonly expiresMs: null;
}

const SHORTEST = 16;

/** Raises `token-file-invalid`; the sentence never shows a token. */
export function readTokenFile(path: string): ServingToken[] {
  const invalid = (why: string): never => fail('token-file-invalid', { path, why });
  const stat = statSync(path);
  if (!stat.isFile()) return invalid('it is no file');
  if ((stat.mode & 0o027) !== 0)
    return invalid(
      `its mode is ${(stat.mode & 0o777).toString(8).padStart(4, '0')}, so that others may read or change it; "chmod 600" keeps them out`,
    );
  const tokens: ServingToken[] = [];
  for (const [i, line] of readFileSync(path, 'utf8').split(/\r?\n/).entries()) {
    const [token = '', names, ...more] = line.trim().split(/\s+/);
    if (token === '' || token.startsWith('#')) continue;
    if (more.length > 0) return invalid(`line ${i + 1} has more than a token and the names it may ask, which are separated by commas`);
    if (token.length < SHORTEST)
      return invalid(`the token on line ${i + 1} has fewer than ${SHORTEST} characters; "openssl rand -hex 32" makes a good one`);
    if (!/^[\x21-\x7e]+$/.test(token)) return invalid(`the token on line ${i + 1} has characters that no header can carry`);
    const digest = hash('sha256', token, 'hex');
    if (tokens.some((t) => t.digest === digest)) return invalid(`the token on line ${i + 1} was there before`);
    tokens.push({
      digest,
      workspace: 'default',
      endpoints: names === undefined || names === '*' ? '*' : names.split(',').filter((name) => name !== ''),
      expiresMs: null,
    });
  }
  return tokens.length > 0 ? tokens : invalid('there is no token in it');
}
