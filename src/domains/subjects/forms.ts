// One identifier, however it is written: as a number, in other letters, with its accents apart, escaped in JSON. Pure.

const UUID = '[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}';
const MAIL = '[^[:space:]@]+@[^[:space:]@]+';
const anyCase = new RegExp(`^(${UUID}|${MAIL.replaceAll('[:space:]', '\\s')})$`);

/** A UUID or an e-mail address is the same whatever the case of its letters; other identifiers are told apart by it. */
export const isAnyCase = (value: string): boolean => anyCase.test(value);

/**
 * A value as text: whole numbers without a point, so that 42 and 42.0 are one customer; accents in one form (NFC);
 * small letters where case says nothing.
 */
export function canonical(value: unknown): string {
  if (typeof value === 'boolean' || typeof value === 'bigint') return String(value);
  const text = String(value as string | number)
    .normalize('NFC')
    .replace(/^(-?\d+)\.0+$/, '$1');
  return isAnyCase(text) ? text.toLowerCase() : text;
}

const trimmedSql = (text: string): string => `regexp_replace(${text}, '^(-?[0-9]+)\\.0+$', '\\1')`;

/** The same in DuckDB, of any expression. */
export function canonicalSql(expression: string): string {
  const text = `nfc_normalize((${expression})::varchar)`;
  return `case when regexp_full_match(${text}, '(${UUID}|${MAIL})') then lower(${text}) else ${trimmedSql(text)} end`;
}

/** What of an expression is compared with these values in canonical form: no more than they need is done to each row. */
export function comparedSql(expression: string, values: readonly string[]): string {
  const all = values.map(canonical);
  let text = `${expression}::varchar`;
  // oxlint-disable-next-line no-control-regex
  if (all.some((v) => /[^\x00-\x7f]/.test(v))) text = `nfc_normalize(${text})`;
  if (all.some(isAnyCase)) text = `case when regexp_full_match(${text}, '(${UUID}|${MAIL})') then lower(${text}) else ${text} end`;
  return all.some((v) => /^-?\d+$/.test(v)) ? trimmedSql(text) : text;
}

/** Ways in which a value stands in bytes of which nothing else is known. */
export function writtenForms(value: string): string[] {
  const cases = isAnyCase(canonical(value)) ? [value, value.toLowerCase(), value.toUpperCase()] : [value];
  return [...new Set(cases.flatMap((v) => [v, v.normalize('NFC'), v.normalize('NFD')]))];
}

const isPlainAscii = (c: string): boolean => c >= ' ' && c <= '~' && !`"\\/<>&'+`.includes(c);
const escapedUnits = (text: string): string =>
  text
    .split('')
    .map((unit) => `\\\\+u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
    .join('');
const literal = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

/** A regular expression (of RE2, and of JavaScript with `u`) for every way in which text and JSON write a value. */
export function valuePattern(value: string): string {
  const own = canonical(value);
  const parts = [...own].map((c) => {
    if (isPlainAscii(c)) return literal(c);
    if (c === '\\') return '\\\\+';
    const apart = c.normalize('NFD');
    const ways = [c === '"' || c === '/' ? `\\\\*${c}` : literal(c), `(?i:${escapedUnits(c)})`];
    if (apart !== c)
      ways.push(literal(apart), `${[...apart].map((p) => (isPlainAscii(p) ? literal(p) : `(?i:${escapedUnits(p)})`)).join('')}`);
    return `(?:${ways.join('|')})`;
  });
  return isAnyCase(own) ? `(?i:${parts.join('')})` : parts.join('');
}

/** The longest part of a value that is written in one way but for the case of its letters; '' if it has none. */
export function plainPart(value: string): string {
  let [best, part] = ['', ''];
  for (const c of canonical(value)) {
    part = isPlainAscii(c) ? part + c : '';
    if (part.length > best.length) best = part;
  }
  return best;
}

/** Texts one of which is in whatever holds the value, but for the case of their letters. */
export function needlesOf(value: string): string[] {
  const part = plainPart(value);
  if (part.length >= 4 || part === canonical(value)) return [part];
  const forms = writtenForms(value);
  const escaped = (text: string): string => text.replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return [...new Set(forms.flatMap((f) => [f, JSON.stringify(f).slice(1, -1), escaped(f)]))];
}

/** A value that can be nothing else wherever it stands: long enough, and no plain number. */
export const isDistinctive = (value: string): boolean => value.length >= 5 && !/^\d{1,6}$/.test(value);
