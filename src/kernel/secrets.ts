// Secrets enter as references only, are resolved by the process that uses them at the last moment, and are
// redacted by value wherever that process's output goes, across the borders of chunks.
import { readFileSync } from 'node:fs';
import { Transform } from 'node:stream';

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

export const REDACTED = '(redacted)';

/** Passes text through without the given values, even where one is cut by a chunk's border. */
export function redactingStream(values: readonly string[]): Transform {
  // Bytes as latin-1 characters: a secret in UTF-8 is found whatever way its bytes are cut.
  const secrets = values.filter((v) => v.length > 0).map((v) => Buffer.from(v, 'utf8').toString('latin1')).sort((a, b) => b.length - a.length);
  const longest = Math.max(0, ...secrets.map((s) => s.length));
  let held = '';
  const clean = (text: string): string => secrets.reduce((t, s) => t.replaceAll(s, REDACTED), text);
  return new Transform({
    decodeStrings: true,
    transform(chunk: Buffer, _encoding, next) {
      held = clean(held + chunk.toString('latin1'));
      // What may be the beginning of a secret waits for the rest of it.
      const keep = Math.min(held.length, Math.max(0, longest - 1));
      const out = held.slice(0, held.length - keep);
      held = held.slice(held.length - keep);
      next(null, Buffer.from(out, 'latin1'));
    },
    flush(next) {
      next(null, Buffer.from(clean(held), 'latin1'));
    },
  });
}
