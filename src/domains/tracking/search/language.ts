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
  /** Keys after `dataset.`, by their column. */
  readonly datasets?: Readonly<Record<string, string>>;
}

export const invalid = (message: string): never => fail('tracking-invalid', { message });

interface Token {
  readonly kind: 'word' | 'quoted' | 'number' | 'op' | 'open' | 'close' | 'comma' | 'end';
  readonly text: string;
}

const TOKEN =
  /\s*(?:('[^']*'|"[^"]*")|(!=|<=|>=|=|<|>)|(\()|(\))|(,)|(;)|(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|((?:[^\s=!<>(),;'"`]|`[^`]*`|(?<=\.)(?:"[^"]*"|'[^']*'))+))/y;
const KINDS = ['quoted', 'op', 'open', 'close', 'comma', 'end', 'number', 'word'] as const;

// SQLite refuses longer patterns, PostgreSQL plans five times as many comparisons for a minute, and nobody types them.
const LONGEST = 50_000;
const MOST_CLAUSES = 100;

function tokens(filter: string): Token[] {
  if (filter.length > LONGEST) return invalid(`Invalid filter string: it is longer than ${LONGEST} characters`);
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (filter.slice(TOKEN.lastIndex).trim() !== '') {
    const at = TOKEN.lastIndex;
    const match = TOKEN.exec(filter);
    if (!match) return invalid(`Invalid clause(s) in filter string: ${filter.slice(at).trim()}`);
    const kind = KINDS.findIndex((_, i) => match[i + 1] !== undefined);
    found.push({ kind: KINDS[kind]!, text: match[kind + 1]! });
  }
  while (found.at(-1)?.kind === 'end') found.pop();
  if (found.some((t) => t.kind === 'end'))
    return invalid(`Search filter contained multiple expression '${filter}'. Provide AND-ed expression list.`);
  return found;
}

const unquote = (text: string): string => (/^(['"`])[^]*\1$/.test(text) && text.length > 1 ? text.slice(1, -1) : text);

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
    if (left?.kind !== 'word' && left?.kind !== 'quoted') return broken();
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
      clauses.push(checkClause(language, { entity, key, op: `${op} NULL`, value: null }, ''));
      continue;
    }
    const next = all[at];
    const value = next?.kind === 'open' ? readList(take, broken) : readScalar(take(), broken);
    clauses.push(checkClause(language, { entity, key, op, value: value.value }, value.text));
  }
  return clauses;
}

interface Read {
  readonly value: Clause['value'];
  /** As it was written, for messages; unquoted words have no value. */
  readonly text: string;
}

function readList(take: () => Token | undefined, broken: () => never): Read {
  take();
  const items: string[] = [];
  for (let next = take(); next?.kind !== 'close'; next = take()) {
    if (next === undefined) return broken();
    if (next.kind === 'comma') continue;
    if (next.kind !== 'quoted')
      return invalid(
        `While parsing a list in the query, expected string value, punctuation, or whitespace, but got different type in list: (${next.text})`,
      );
    items.push(unquote(next.text));
  }
  return { value: items, text: `(${items.map((i) => `'${i}'`).join(', ')})` };
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
  const prefix = bare.slice(0, dot);
  const entity = Object.hasOwn(language.entities, prefix)
    ? language.entities[prefix]!
    : invalid(`Invalid entity type '${prefix}'. Valid values are ${Object.keys(language.entities).join(', ')}`);
  const key = unquote(bare.slice(dot + 1));
  if (entity === 'dataset' && !Object.hasOwn(language.datasets ?? {}, key))
    return invalid(`Invalid dataset key '${key}' specified. Valid keys are '${Object.keys(language.datasets ?? {}).join(', ')}'`);
  return { entity, key: entity === 'attribute' ? attributeKey(language, key) : key };
}

const attributeKey = (language: Language, key: string): string =>
  Object.hasOwn(language.attributes, key)
    ? key
    : invalid(`Invalid attribute key '${key}' specified. Valid keys are '${Object.keys(language.attributes).join(', ')}'`);

const NUMERIC = ['=', '!=', '<', '<=', '>', '>='];
export const TEXT = ['=', '!=', 'LIKE', 'ILIKE'];
const LISTS = ['IN', 'NOT IN'];

const NAMES: Readonly<Record<Entity, string>> = {
  attribute: 'attributes',
  metric: 'metric',
  param: 'param',
  tag: 'tag',
  dataset: 'dataset attributes',
};

function checkClause(language: Language, c: Clause, written: string): Clause {
  const attribute = c.entity === 'attribute' ? language.attributes[c.key]! : undefined;
  const number = c.entity === 'metric' || attribute?.number === true;
  if (c.op.startsWith('IS') && !language.tagOperators.includes(c.op))
    return invalid(`Invalid comparator '${c.op}' not one of '${language.tagOperators.join(', ')}'`);
  if (c.op.startsWith('IS') && c.entity !== 'tag' && c.entity !== 'param')
    return invalid(`IS NULL / IS NOT NULL is only supported for tags and params, not for '${c.entity}' '${c.key}'`);
  const ops = number ? NUMERIC : c.entity === 'tag' || c.entity === 'param' ? language.tagOperators : [...TEXT, ...LISTS];
  if (!ops.includes(c.op)) return invalid(`Invalid comparator '${c.op}' not one of '${ops.join(', ')}'`);
  if (c.op.startsWith('IS')) return c;
  if (number)
    return typeof c.value === 'number'
      ? c
      : invalid(`Expected numeric value type for ${attribute ? `numeric attribute: ${c.key}` : 'metric'}. Found ${written}`);
  if (Array.isArray(c.value)) {
    if (attribute && !attribute.lists) {
      const keys = Object.entries(language.attributes).flatMap(([key, a]) => (a.lists ? [key] : []));
      return invalid(`Only [${keys.map((k) => `'${k}'`).join(', ')}] attributes support comparison with a list of quoted string values.`);
    }
    if (LISTS.includes(c.op)) return c;
  } else if (typeof c.value === 'string' && !LISTS.includes(c.op)) return c;
  return invalid(`Expected a quoted string value for ${NAMES[c.entity]} (e.g. 'my-value'). Got value ${written}`);
}
