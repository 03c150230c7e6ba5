// What must not be kept: values of the environment that are secret by their name, and texts that look like one.
const SECRET_NAME =
  /(^|[_.-])(token|secret|passw(or)?d|pwd|passphrase|credentials?|api[_-]?key|access[_-]?key|private[_-]?key|auth)([_.-]|$)/i;
const REDACTED = '(redacted)';
const SHORTEST = 6;

/** Whether a variable, option or key with this name holds a secret. */
export const isSecretName = (name: string): boolean =>
  SECRET_NAME.test(name.replace(/([a-z0-9])([A-Z])/g, '$1_$2')) || /(token|secret|password|apikey)$/i.test(name);

const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [/\b(AKIA|ASIA)[A-Z0-9]{16}\b/g, REDACTED],
  [/\b(gh[pousr]_|github_pat_|glpat-|hf_|xox[abprs]-|sk-)[A-Za-z0-9_-]{16,}/g, REDACTED],
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/@:'"]*:[^\s/@'"]+@/gi, `$1${REDACTED}@`],
  // password = "..." and its kin, in code and in settings.
  [/((?:password|passwd|secret|token|api_?key|access_?key)["']?\s*[:=]\s*)(["'])(?!\2)[^"'\n]{4,}\2/gi, `$1$2${REDACTED}$2`],
];

const KEY_BLOCK = /-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----/g;

/** Line by line and with the signs of a diff, which would not apply otherwise. */
const hiddenBlock = (block: string): string =>
  block
    .split('\n')
    .map((line, i) => (i === 0 || line.startsWith('-----') ? '' : (/^[+ -]/.exec(line)?.[0] ?? '')) + REDACTED)
    .join('\n');

export type Redact = (text: string) => string;

/** Takes out the values of secret variables, `more` secrets, and what looks like a key. */
export function redactor(env: Readonly<Record<string, string | undefined>>, more: readonly string[] = []): Redact {
  const values = [...Object.entries(env).flatMap(([name, value]) => (value && isSecretName(name) ? [value] : [])), ...more]
    .filter((value) => value.length >= SHORTEST)
    .sort((a, b) => b.length - a.length);
  return (text) => {
    const known = values.reduce((t, value) => t.replaceAll(value, REDACTED), text).replace(KEY_BLOCK, hiddenBlock);
    return PATTERNS.reduce((t, [pattern, by]) => t.replace(pattern, by), known);
  };
}

/** The words of a command without the values of options such as --api-key. */
export function redactedWords(words: readonly string[], redact: Redact): string[] {
  let hidden = false;
  return words.map((word) => {
    const option = /^--?([A-Za-z][\w.-]*)(=?)/.exec(word);
    if (hidden && !option) {
      hidden = false;
      return REDACTED;
    }
    hidden = option !== null && isSecretName(option[1]!) && option[2] === '';
    const assigned = /^(-{0,2}[A-Za-z][\w.-]*)=/.exec(word);
    return assigned && isSecretName(assigned[1]!) ? `${assigned[1]}=${REDACTED}` : redact(word);
  });
}

/** Files that hold secrets by their name; they are never kept. */
export const isSecretFile = (name: string): boolean =>
  /^\.env($|\.)|\.(pem|key|p12|pfx|jks|keystore)$|^id_(rsa|dsa|ecdsa|ed25519)|^\.?(netrc|pgpass|pypirc|npmrc)$|^credentials|secrets?\.(ya?ml|json|toml|ini|env)$/i.test(
    name,
  );

/** A remote's address without what stands before the @. */
export const withoutCredentials = (url: string): string => url.replace(/^([a-z][a-z0-9+.-]*:\/\/)[^/@]*@/i, '$1');
