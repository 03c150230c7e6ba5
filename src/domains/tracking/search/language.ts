// MLflow's filter language: comparisons joined by AND, the same grammar for every noun. What differs (which
// prefixes, attributes and operators there are) is a `Language`, as data. Parsed here, made into SQL with
// binds in `sql.ts`.
import { fail } from '../errors.ts';

export type Entity = 'attribute' | 'metric' | 'param' | 'tag' | 'dataset';

export interface Clause {
  readonly entity: Entity;
  readonly key: string;
  readonly op: string;
  readonly value: string | number | readonly string[] | null;
}

export interface Attribute {
  /** Column of the searched table, which is always called `r`. */
  readonly column: string;
  readonly number?: true;
  /** Takes IN and NOT IN. */
  readonly lists?: true;
}

export interface Language {
  /** What may stand before the first dot. */
  readonly entities: Readonly<Record<string, Entity>>;
  readonly attributes: Readonly<Record<string, Attribute>>;
  /** Operators of params and tags; text attributes and metrics are the same everywhere. */
  readonly tagOperators: readonly string[];
  /** What to say of a prefix that there is not, where it is not the usual list. */
  readonly entitiesAre?: string;
  /** A text need not be quoted: `params.lr = 0.1` is the text "0.1". */
  readonly unquotedTexts?: true;
  /** Keys after `dataset.`, by their column. */
  readonly datasets?: Readonly<Record<string, string>>;
}

export const invalid = (message: string): never => fail('tracking-invalid', { message });

export interface Token {
  readonly kind: 'word' | 'quoted' | 'number' | 'op' | 'open' | 'close' | 'comma' | 'end';
  readonly text: string;
  /** Where it begins in the filter, from 0. */
  readonly at: number;
}

// Strings end as in SQL: a doubled quote or one after a backslash is part of them, and stays as it is written.
const TOKEN =
  /\s*(?:('(?:''|\\'|[^'])*'|"(?:""|\\"|[^"])*")|(!=|<>|<=|>=|==|=|<|>)|(\()|(\))|(,)|(;)|(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|((?:[^\s=!<>(),;'"`]|`[^`]*`|(?<=\.)(?:"[^"]*"|'[^']*'))+))/y;
const KINDS = ['quoted', 'op', 'open', 'close', 'comma', 'end', 'number', 'word'] as const;

// SQLite refuses longer patterns, PostgreSQL plans five times as many comparisons for a minute, and nobody types them.
export const LONGEST = 50_000;
export const MOST_CLAUSES = 100;

function tokens(filter: string): Token[] {
  if (filter.length > LONGEST) return invalid(`Invalid filter string: it is longer than ${LONGEST} characters`);
  const found = tokensOf(filter, (at) => invalid(`Invalid clause(s) in filter string: ${filter.slice(at).trim()}`));
  while (found.at(-1)?.kind === 'end') found.pop();
  if (found.some((t) => t.kind === 'end'))
    return invalid(`Search filter contained multiple expression '${filter}'. Provide AND-ed expression list.`);
  return found;
}

/** The words of a filter; `unreadable` raises for what is none, from there on. */
export function tokensOf(filter: string, unreadable: (at: number) => never): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (filter.slice(TOKEN.lastIndex).trim() !== '') {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(filter);
    if (!match) return unreadable(at);
    const kind = KINDS.findIndex((_, i) => match[i + 1] !== undefined);
    const text = match[kind + 1]!;
    found.push({ kind: KINDS[kind]!, text, at: at + match[0].indexOf(text) });
  }
  return found;
}

export const unquote = (text: string): string => (/^(['"`])[^]*\1$/.test(text) && text.length > 1 ? text.slice(1, -1) : text);

/** Raises `tracking-invalid` with the words MLflow's clients match on. */
export function parseFilter(language: Language, filter: string): Clause[] {
  const all = tokens(filter);
  const clauses: Clause[] = [];
  let at = 0;
  const take = (): Token | undefined => all[at++];
  const word = (): string | undefined => (all[at]?.kind === 'word' ? all[at]!.text.toUpperCase() : undefined);
  const broken = (): never => invalid(`Invalid clause(s) in filter string: ${filter.trim()}`);
  while (at < all.length) {
    if (clauses.length === MOST_CLAUSES) return invalid(`Invalid filter string: it has more than ${MOST_CLAUSES} comparisons`);
    if (clauses.length > 0) {
      if (word() !== 'AND') return broken();
      at++;
    }
    const left = take();
    if (left?.kind === 'number' || left?.text.startsWith("'"))
      return invalid(`Invalid comparison clause. Expected 'Identifier' found '${left.text}'`);
    if ((left?.kind !== 'word' && left?.kind !== 'quoted') || RESERVED.has(left.text.toUpperCase())) return broken();
    const { entity, key } = parseIdentifier(language, left.text);
    const first = take();
    if (first?.kind !== 'op' && first?.kind !== 'word') return broken();
    let op = first.text.toUpperCase();
    if (op === 'NOT' && (word() === 'IN' || word() === 'LIKE' || word() === 'ILIKE')) op = `NOT ${take()!.text.toUpperCase()}`;
    if (op === 'IS') {
      if (word() === 'NOT') {
        op = 'IS NOT';
        at++;
      }
      if (word() !== 'NULL') return broken();
      at++;
      clauses.push(checkClause(language, { entity, key, op: `${op} NULL`, value: null }, { text: '', value: null }));
      continue;
    }
    const next = all[at];
    const read = next?.kind === 'open' ? readList(take, broken) : readScalar(take(), broken);
    const isText = entity !== 'metric' && !(entity === 'attribute' && language.attributes[key]!.number);
    const value =
      language.unquotedTexts && isText && !Array.isArray(read.value) && !RESERVED.has(read.text.toUpperCase())
        ? { ...read, value: unquote(read.text) }
        : read;
    clauses.push(checkClause(language, { entity, key, op, value: value.value }, value));
  }
  return clauses;
}

const RESERVED = new Set(['AND', 'OR', 'NOT']);

interface Read {
  readonly value: Clause['value'];
  /** As it was written, for messages; unquoted words have no value. */
  readonly text: string;
  /** Why it is no list of texts. */
  readonly fault?: string;
}

function readList(take: () => Token | undefined, broken: () => never): Read {
  take();
  const items: Token[] = [];
  for (let next = take(); next?.kind !== 'close'; next = take()) {
    if (next === undefined) return broken();
    if (next.kind !== 'comma') items.push(next);
  }
  const written = items.map((t) => t.text).join(', ');
  const text = `(${written})`;
  if (items.length === 0) return { value: [], text, fault: 'expected a non-empty list of string values, but got empty list' };
  if (items.every((t) => t.kind === 'quoted')) return { value: items.map((t) => unquote(t.text)), text };
  const tuple = items.length === 1 ? `(${written},)` : text;
  return {
    value: [],
    text,
    fault: `expected string value, punctuation, or whitespace, but got different type in list: ${tuple}`,
  };
}

function readScalar(token: Token | undefined, broken: () => never): Read {
  if (token === undefined) return broken();
  if (token.kind === 'number') return { value: Number(token.text), text: token.text };
  if (token.kind === 'quoted') return { value: unquote(token.text), text: token.text };
  return token.kind === 'word' ? { value: null, text: token.text } : broken();
}

/** `<entity>.<key>`, split at the first dot only; without a known prefix it is an attribute. */
export function parseIdentifier(language: Language, text: string): { entity: Entity; key: string } {
  const bare = unquote(text);
  const dot = bare.indexOf('.');
  if (dot < 0) return { entity: 'attribute', key: attributeKey(language, bare) };
  const prefix = unquote(bare.slice(0, dot));
  const entity = Object.hasOwn(language.entities, prefix)
    ? language.entities[prefix]!
    : invalid(
        `Invalid entity type '${prefix}'. ${language.entitiesAre ?? `Valid values are ${names([...new Set(Object.values(language.entities))].map((e) => (e === 'param' ? 'parameter' : e)))}`}`,
      );
  const key = unquote(bare.slice(dot + 1));
  if (entity === 'dataset' && !Object.hasOwn(language.datasets ?? {}, key))
    return invalid(`Invalid dataset key '${key}' specified. Valid keys are '${set(Object.keys(language.datasets ?? {}))}'`);
  return { entity, key: entity === 'attribute' ? attributeKey(language, key) : key };
}

// Lists and sets in messages, as Python writes them.
const names = (words: readonly string[]): string => `[${words.map((w) => `'${w}'`).join(', ')}]`;
const set = (words: readonly string[]): string => `{${words.map((w) => `'${w}'`).join(', ')}}`;

const attributeKey = (language: Language, key: string): string =>
  Object.hasOwn(language.attributes, key)
    ? key
    : invalid(`Invalid attribute key '${key}' specified. Valid keys are '${set(Object.keys(language.attributes))}'`);

const NUMERIC = ['=', '!=', '<', '<=', '>', '>='];
export const TEXT = ['=', '!=', 'LIKE', 'ILIKE'];
const LISTS = ['IN', 'NOT IN'];

const WORDS: Readonly<Record<Entity, string>> = {
  attribute: 'attributes',
  metric: 'metric',
  param: "parameter (e.g. 'my-value')",
  tag: "tag (e.g. 'my-value')",
  dataset: 'dataset attributes',
};

/** The value is looked at first, then what compares it, as MLflow does. */
function checkClause(language: Language, c: Clause, read: Read): Clause {
  const attribute = c.entity === 'attribute' ? language.attributes[c.key]! : undefined;
  const number = c.entity === 'metric' || attribute?.number === true;
  const isNull = c.op.startsWith('IS');
  if (isNull && c.entity !== 'tag' && c.entity !== 'param')
    return invalid(`IS NULL / IS NOT NULL is only supported for tags and params, not for '${c.entity}' '${c.key}'`);
  if (!isNull) checkValue(language, c, attribute, number, read);
  const ops = number ? NUMERIC : c.entity === 'tag' || c.entity === 'param' ? language.tagOperators : [...TEXT, ...LISTS];
  if (!ops.includes(c.op)) return invalid(`Invalid comparator '${c.op}' not one of '${set(ops)}'`);
  if (!isNull && !number && Array.isArray(c.value) !== LISTS.includes(c.op))
    return invalid(`Expected a quoted string value for ${WORDS[c.entity]}. Got value ${read.text}`);
  return c;
}

function checkValue(language: Language, c: Clause, attribute: Attribute | undefined, number: boolean, read: Read): void {
  if (number) {
    if (typeof c.value !== 'number')
      invalid(`Expected numeric value type for ${attribute ? `numeric attribute: ${c.key}` : 'metric'}. Found ${read.text}`);
    return;
  }
  if (c.value === null)
    invalid(
      `Parameter value is either not quoted or unidentified quote types used for string value ${read.text}. Use either single or double quotes.`,
    );
  if (Array.isArray(c.value)) {
    if (attribute && !attribute.lists) {
      const keys = Object.entries(language.attributes).flatMap(([key, a]) => (a.lists ? [key] : []));
      invalid(`Only ${names(keys)} attributes support comparison with a list of quoted string values.`);
    }
    if (read.fault && (attribute || c.entity === 'dataset' || language.tagOperators.includes('IN')))
      invalid(`While parsing a list in the query, ${read.fault}`);
    if (attribute || c.entity === 'dataset' || language.tagOperators.includes('IN')) return;
  }
  if (typeof c.value !== 'string') invalid(`Expected a quoted string value for ${WORDS[c.entity]}. Got value ${read.text}`);
}
