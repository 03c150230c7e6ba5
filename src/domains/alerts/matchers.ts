// Matchers of silences, written as Alertmanager writes them: label=value, !=, =~ and !~ with an anchored expression.
import { createContext, Script } from 'node:vm';
import { fail } from './errors.ts';

export interface Matcher {
  readonly label: string;
  readonly negated: boolean;
  /** undefined where the expression takes too long to tell. */
  readonly matches: (value: string) => boolean | undefined;
}

const FORM = /^\s*([A-Za-z_][A-Za-z0-9_]*)\s*(=~|!~|!=|=)\s*(.*?)\s*$/s;
/** Longer expressions, and ones that repeat what repeats, can take a very long time over a short text. */
const MAX_EXPRESSION = 200;
const REPEATED_REPETITION = /[*+}]\)?[*+{]|\([^)]*[*+|][^)]*\)[*+{]/;

// No pattern of patterns finds every expression that backtracks for hours, so each look has a limit of time.
// It is wall time: short enough that one hostile expression holds up the server once, long enough for a busy machine.
const PATIENCE_MS = 1000;
/** Expressions that ran out of time before: they are not tried again. */
const endless = new Set<string>();
const world = createContext({ expression: /x/, value: '' }) as { expression: RegExp; value: string };
const look = new Script('expression.test(value)');
function testWithin(expression: RegExp, value: string): boolean | undefined {
  if (endless.has(expression.source)) return undefined;
  Object.assign(world, { expression, value });
  try {
    return look.runInContext(world, { timeout: PATIENCE_MS }) as boolean;
  } catch (error) {
    if ((error as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw error;
    if (endless.size >= 1000) endless.clear();
    endless.add(expression.source);
    return undefined;
  }
}

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
    // By itself first: "a)|(b" would slip out of the group that anchors it.
    const expression = new RegExp(`^(?:${new RegExp(value, 's').source})$`, 's');
    return { label: label!, negated, matches: (v) => testWithin(expression, v) };
  } catch {
    return fail('silence-matcher-invalid', { matcher: text, why: 'its expression is not a regular expression' });
  }
}

/** Every matcher must agree; a label that an alert lacks counts as empty. What cannot be told in time silences nothing. */
export const matchesAll = (matchers: readonly string[], labels: Readonly<Record<string, string>>): boolean =>
  matchers.map(parseMatcher).every((m) => {
    const found = m.matches(labels[m.label] ?? '');
    return found !== undefined && found !== m.negated;
  });
