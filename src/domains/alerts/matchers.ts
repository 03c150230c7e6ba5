// Matchers of silences, written as Alertmanager writes them: label=value, !=, =~ and !~ with an anchored expression.
import { fail } from './errors.ts';

export interface Matcher {
  readonly label: string;
  readonly negated: boolean;
  readonly matches: (value: string) => boolean;
}

const FORM = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*$/s;
/** Longer expressions, and ones that repeat what repeats, can take a very long time over a short text. */
const MAX_EXPRESSION = 200;
const REPEATED_REPETITION = /[*+}]\)?[*+{]|\([^)]*[*+|][^)]*\)[*+{]/;

/** Raises `silence-matcher-invalid`. */
export function parseMatcher(text: string): Matcher {
  const [, label, operator, written] =
    FORM.exec(text) ??
    fail('silence-matcher-invalid', {
      matcher: text,
      why: 'it is not of the form label=value, label!=value, label=~expression or label!~expression',
    });
  const value = /^".*"$/s.test(written!) ? written!.slice(1, -1) : written!;
  const negated = operator!.startsWith('!');
  if (operator === '=' || operator === '!=') return { label: label!, negated, matches: (v) => v === value };
  if (value.length > MAX_EXPRESSION)
    fail('silence-matcher-invalid', { matcher: text, why: `an expression has at most ${MAX_EXPRESSION} characters` });
  if (REPEATED_REPETITION.test(value))
    fail('silence-matcher-invalid', { matcher: text, why: 'a repetition inside a repetition is not allowed' });
  try {
    const expression = new RegExp(`^(?:${value})$`, 's');
    return { label: label!, negated, matches: (v) => expression.test(v) };
  } catch {
    return fail('silence-matcher-invalid', { matcher: text, why: 'its expression is not a regular expression' });
  }
}

/** Every matcher must agree; a label that an alert lacks counts as empty. */
export const matchesAll = (matchers: readonly string[], labels: Readonly<Record<string, string>>): boolean =>
  matchers.map(parseMatcher).every((m) => m.matches(labels[m.label] ?? '') !== m.negated);
