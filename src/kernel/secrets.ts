// Secrets enter as references only and are resolved by the process that uses them at the last moment.
import { readFileSync } from 'node:fs';

/** The value behind `env:NAME` or `file:PATH`; undefined if there is none. */
export function resolveSecret(reference: string, env: Readonly<Record<string, string | undefined>> = process.env): string | undefined {
  const [scheme, ...rest] = reference.split(':');
  const name = rest.join(':');
  if (scheme === 'env') return env[name];
  if (scheme !== 'file') return undefined;
  try {
    return readFileSync(name, 'utf8').trimEnd();
  } catch {
    return undefined;
  }
}
