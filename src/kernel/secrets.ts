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

/** Replaces each of the secrets, as they are and as JSON writes them, wherever they appear in a text. */
export function redactorOf(secrets: readonly string[]): (text: string) => string {
  const forms = secrets.flatMap((secret) => [secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]);
  // The longest first, so that no rest of one stays behind; a very short one would take out half of every text.
  const found = [...new Set(forms)].filter((form) => form.length >= 4).toSorted((a, b) => b.length - a.length);
  return (text) => found.reduce((rest, form) => rest.replaceAll(form, '(redacted)'), text);
}
