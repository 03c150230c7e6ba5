// The filter language of our own interface: MLflow's comparisons (language.ts), and beyond them OR, NOT, parentheses, IN,
// BETWEEN and IS NULL for everything that can be asked of. What both have means the same. Parsed here, made into SQL in
// `expression-sql.ts`.
import { fail } from '../errors.ts';
import { LONGEST, MOST_CLAUSES, tokensOf, unquote, type Entity, type Language, type Token } from './language.ts';

export type Operator =
  | '='
  | '!='
  | '<'
  | '<='
  | '>'
  | '>='
  | 'LIKE'
  | 'NOT LIKE'
  | 'ILIKE'
  | 'NOT ILIKE'
  | 'IN'
  | 'NOT IN'
  | 'BETWEEN'
  | 'NOT BETWEEN'
  | 'IS NULL'
  | 'IS NOT NULL';

export interface Comparison {
  readonly kind: 'comparison';
  readonly entity: Entity;
  readonly key: string;
  readonly op: Operator;
  /** None for IS NULL, two for BETWEEN, some for IN, else one; numbers for what is a number. */
  readonly values: readonly (string | number)[];
}

export type Expression =
  | Comparison
  | { readonly kind: 'and' | 'or'; readonly of: readonly Expression[] }
  | { readonly kind: 'not'; readonly of: Expression };

const MOST_DEEP = 50;
/** Of all lists together; a statement takes some 32,000 binds. */
const MOST_VALUES = 10_000;
const NUMERIC = new Set(['=', '!=', '<', '<=', '>', '>=']);
const WORDS = new Set(['AND', 'OR', 'NOT', 'IN', 'BETWEEN', 'IS', 'NULL', 'LIKE', 'ILIKE']);

/** Everything matches an empty filter: undefined. Raises `filter-invalid` with the place and how to mend it. */
export function parseExpression(language: Language, filter: string): Expression | undefined {
  const refuse = (at: number, problem: string): never =>
    fail('filter-invalid', { column: at + 1, problem }, [{ pointer: '/filter', detail: `column ${at + 1}: ${problem}` }]);
  if (filter.length > LONGEST) refuse(LONGEST, `the filter is longer than ${LONGEST} characters; ask in parts`);
  const all = tokensOf(filter, (at) =>
    refuse(at + /^\s*/.exec(filter.slice(at))![0].length, 'a quote is opened here and never closed, or the character means nothing'),
  );
  let place = 0;
  let comparisons = 0;
  let listed = 0;
  const peek = (): Token | undefined => all[place];
  const at = (token = peek()): number => token?.at ?? filter.length;
  const isWord = (word: string, token = peek()): boolean => token?.kind === 'word' && token.text.toUpperCase() === word;
  const accept = (word: string): boolean => isWord(word) && ++place > 0;
  const found = (token = peek()): string => (token ? `"${token.text}"` : 'the end of the filter');

  const joined = (word: 'AND' | 'OR', part: (depth: number) => Expression, depth: number): Expression => {
    const of = [part(depth)];
    while (accept(word)) of.push(part(depth));
    return of.length === 1 ? of[0]! : { kind: word === 'AND' ? 'and' : 'or', of };
  };
  const either = (depth: number): Expression => joined('OR', (d) => joined('AND', negated, d), depth);
  const negated = (depth: number): Expression => {
    if (depth > MOST_DEEP) refuse(at(), `more than ${MOST_DEEP} parentheses or NOTs are open; take some away`);
    if (accept('NOT')) return { kind: 'not', of: negated(depth + 1) };
    if (peek()?.kind !== 'open') return comparison();
    const opened = all[place++]!;
    const inside = either(depth + 1);
    if (peek()?.kind !== 'close') refuse(at(), `")" is missing for the "(" of column ${opened.at + 1}, or AND or OR before ${found()}`);
    place++;
    return inside;
  };

  const comparison = (): Comparison => {
    if (++comparisons > MOST_CLAUSES) refuse(at(), `there are more than ${MOST_CLAUSES} comparisons; use IN for many values of one key`);
    const left = peek();
    if (left === undefined || !['word', 'quoted'].includes(left.kind) || left.text.startsWith("'") || WORDS.has(left.text.toUpperCase()))
      refuse(at(), `a name such as metrics.auc, params.depth, tags.team or status is expected, not ${found()}`);
    place++;
    const named = identifier(language, left!, refuse);
    const number = named.entity === 'metric' || (named.entity === 'attribute' && language.attributes[named.key]!.number === true);
    const operator = peek();
    const not = accept('NOT');
    if (accept('IN')) return { ...named, op: not ? 'NOT IN' : 'IN', values: list(number) };
    if (accept('BETWEEN')) {
      const low = value(number);
      if (!accept('AND')) refuse(at(), `BETWEEN takes two values, as in "BETWEEN 1 AND 2"; AND is expected, not ${found()}`);
      return { ...named, op: not ? 'NOT BETWEEN' : 'BETWEEN', values: [low, value(number)] };
    }
    for (const op of ['LIKE', 'ILIKE'] as const)
      if (accept(op)) {
        if (number)
          refuse(at(operator), `${op} compares text, and ${left!.text} is a number; use ${[...NUMERIC].join(' ')}, IN or BETWEEN`);
        return { ...named, op: not ? `NOT ${op}` : op, values: [value(false)] };
      }
    if (not)
      refuse(at(), `after NOT here comes IN, BETWEEN, LIKE or ILIKE, not ${found()}; put NOT before the comparison to turn it around`);
    if (accept('IS')) {
      const isNot = accept('NOT');
      if (!accept('NULL')) refuse(at(), `IS is followed by NULL or NOT NULL, not ${found()}`);
      return { ...named, op: isNot ? 'IS NOT NULL' : 'IS NULL', values: [] };
    }
    if (operator?.kind !== 'op')
      refuse(at(), `a comparison (= != < <= > >= LIKE ILIKE IN BETWEEN IS NULL) is expected after ${left!.text}, not ${found()}`);
    const op = operator!.text === '==' ? '=' : operator!.text === '<>' ? '!=' : operator!.text;
    place++;
    return { ...named, op: op as Operator, values: [value(number)] };
  };

  const value = (number: boolean): string | number => {
    const token = peek();
    place++;
    if (number) return token?.kind === 'number' ? Number(token.text) : refuse(at(token), `a number is expected, not ${found(token)}`);
    if (token?.kind === 'quoted') return unquote(token.text);
    return refuse(at(token), `text in quotes is expected, as in 'abc', not ${found(token)}`);
  };
  const list = (number: boolean): (string | number)[] => {
    if (peek()?.kind !== 'open') refuse(at(), `IN takes a list in parentheses, as in ${number ? '(1, 2)' : "('a', 'b')"}, not ${found()}`);
    place++;
    if (peek()?.kind === 'close') refuse(at(), 'the list is empty; name at least one value');
    const values = [value(number)];
    while (peek()?.kind === 'comma' && ++place > 0) values.push(value(number));
    if (peek()?.kind !== 'close') refuse(at(), `a comma or ")" is expected in the list, not ${found()}`);
    listed += values.length;
    if (listed > MOST_VALUES) refuse(at(), `the lists hold more than ${MOST_VALUES} values; ask in parts`);
    place++;
    return values;
  };

  if (all.length === 0) return undefined;
  const whole = either(0);
  if (place < all.length) refuse(at(), `AND or OR is expected, not ${found()}`);
  return whole;
}

type Named = Pick<Comparison, 'kind' | 'entity' | 'key'>;

function identifier(language: Language, token: Token, refuse: (at: number, problem: string) => never): Named {
  const bare = unquote(token.text);
  const dot = bare.indexOf('.');
  const prefix = dot < 0 ? 'attributes' : unquote(bare.slice(0, dot));
  const key = unquote(bare.slice(dot + 1));
  if (dot >= 0 && !Object.hasOwn(language.entities, prefix))
    refuse(
      token.at,
      `"${prefix}" is nothing that can be asked of; before the dot stands one of ${Object.keys(language.entities).join(', ')}`,
    );
  const entity = language.entities[prefix] ?? 'attribute';
  const known = entity === 'attribute' ? language.attributes : entity === 'dataset' ? (language.datasets ?? {}) : undefined;
  if (known && !Object.hasOwn(known, key))
    refuse(
      token.at,
      `"${key}" is not known of ${entity === 'dataset' ? 'datasets' : 'it'}; there are ${Object.keys(known).join(', ')}${entity === 'attribute' ? ', and metrics.<key>, params.<key>, tags.<key>' : ''}`,
    );
  if (key === '') refuse(token.at, `a key is missing after "${prefix}."`);
  return { kind: 'comparison', entity, key };
}
