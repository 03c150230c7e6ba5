// Clauses and orders as SQL with binds, the same meaning on both databases.
import { sql, type RawBuilder } from 'kysely';
import { fail } from '../errors.ts';
import { pythonText } from '../model.ts';
import { invalid, parseIdentifier, type Clause, type Entity, type Language } from './language.ts';

export type DialectName = 'sqlite' | 'postgres';

/** Where the rows of an entity are, as "<table> e where <joins to r>", with columns `key` and `value`. */
export type Sources = Readonly<Partial<Record<Entity, string>>>;

// A whole number too large for an integer column, or a fraction, is compared as a double.
export const numeric = (value: number): RawBuilder<unknown> =>
  Number.isSafeInteger(value) ? sql`${value}` : sql`cast(${value} as double precision)`;

// `escape ''`: PostgreSQL would take a backslash as an escape, and MLflow has none.
function like(column: RawBuilder<unknown>, pattern: string, dialect: DialectName): RawBuilder<boolean> {
  return dialect === 'sqlite'
    ? sql<boolean>`${column} glob ${pattern.replace(/[*?[]/g, '[$&]').replaceAll('%', '*').replaceAll('_', '?')}`
    : sql<boolean>`${column} like ${pattern} escape ''`;
}

/** `column op value`, with LIKE case-sensitive and ILIKE not. */
export function compare(column: RawBuilder<unknown>, op: string, value: Clause['value'], dialect: DialectName): RawBuilder<boolean> {
  if (op === 'IN' || op === 'NOT IN') {
    const items = value as readonly string[];
    if (items.length === 0) return op === 'IN' ? sql<boolean>`1 = 0` : sql<boolean>`1 = 1`;
    return sql<boolean>`${column} ${sql.raw(op.toLowerCase())} (${sql.join(items.map((i) => sql`${i}`))})`;
  }
  if (op === 'LIKE') return like(column, String(value), dialect);
  // Only the letters A to Z fold, so that both databases agree.
  if (op === 'ILIKE')
    return like(
      sql`lower(${column})`,
      String(value).replace(/[A-Z]/g, (c) => c.toLowerCase()),
      dialect,
    );
  return sql<boolean>`${column} ${sql.raw(op)} ${typeof value === 'number' ? numeric(value) : sql`${value}`}`;
}

/**
 * The clause as SQL over a table called `r`. A key that a row lacks never matches, not even `!=`;
 * `narrow` is one more condition on the rows of metrics.
 */
export function clauseSql(
  language: Language,
  sources: Sources,
  c: Clause,
  dialect: DialectName,
  narrow: RawBuilder<unknown> = sql``,
): RawBuilder<boolean> {
  if (c.entity === 'attribute') return compare(sql.raw(language.attributes[c.key]!.column), c.op, c.value, dialect);
  const from = sql.raw(sources[c.entity]!);
  if (c.entity === 'dataset')
    return sql<boolean>`exists (select 1 from ${from} and ${compare(sql.raw(language.datasets![c.key]!), c.op, c.value, dialect)})`;
  const has = (condition: RawBuilder<unknown>) =>
    sql<boolean>`exists (select 1 from ${from} and e.key = ${c.key} ${c.entity === 'metric' ? narrow : sql``} ${condition})`;
  if (c.op === 'IS NOT NULL') return has(sql``);
  if (c.op === 'IS NULL') return sql<boolean>`not ${has(sql``)}`;
  return has(sql`and ${compare(sql.raw('e.value'), c.op, c.value, dialect)}`);
}

export interface OrderItem {
  readonly entity: Entity;
  readonly key: string;
  readonly descending: boolean;
}

// What one query takes: a value of a list is a bind, and an item of an order up to three terms with binds of their own.
const MOST_EXPERIMENTS = 10_000;
const MOST_ORDER_ITEMS = 100;

/** The condition that a row is of one of these experiments; of none if the list is empty. Raises `tracking-invalid`. */
export function inExperiments(ids: readonly string[]): RawBuilder<boolean> {
  if (ids.length > MOST_EXPERIMENTS)
    return invalid(`Invalid value for parameter 'experiment_ids' supplied: at most ${MOST_EXPERIMENTS} are searched at once.`);
  return ids.length === 0 ? sql<boolean>`1 = 0` : sql<boolean>`r.experiment_id in (${sql.join(ids.map((id) => sql`${id}`))})`;
}

/** Raises `tracking-invalid`. */
export function checkOrder(items: readonly unknown[]): void {
  if (items.length > MOST_ORDER_ITEMS)
    invalid(`Invalid value for parameter 'order_by' supplied: it has more than ${MOST_ORDER_ITEMS} items.`);
}

/** `<identifier> [ASC|DESC]`, at most two words. Raises `tracking-invalid`, `order-repeated`. */
export function parseOrder(language: Language, items: readonly string[]): OrderItem[] {
  checkOrder(items);
  const seen = new Set<string>();
  return items.map((item) => {
    const [, name, word] =
      /^\s*((?:[^\s`",]|`[^`]*`|"[^"]*")+)(?:\s+(\w+))?\s*$/.exec(item) ??
      invalid(`Invalid order_by clause '${item}'. Could not be parsed.`);
    if (/^(-|(asc|desc)$)/i.test(name!)) return invalid(`Invalid order_by clause '${item}'. Could not be parsed.`);
    if (!/^(asc|desc)$/i.test(word ?? 'asc')) return invalid(`Invalid ordering key in order_by clause '${item}'.`);
    const { entity, key } = parseIdentifier(language, name!);
    const column = entity === 'attribute' ? language.attributes[key]!.column : `${entity}.${key}`;
    if (seen.has(column)) return fail('order-repeated', { items: `[${items.map(pythonText).join(', ')}]` });
    seen.add(column);
    return { entity, key, descending: word?.toLowerCase() === 'desc' };
  });
}

/** As the index of runs has it on both databases; no time is as early as that of runs without one. */
export const NEWEST_FIRST = 'coalesce(r.start_ms, -9007199254740992) desc';

/** NULL last in both directions. To SQLite NULL is less than anything, so that an index serves the descending order as it is. */
export const nullsLast = (value: RawBuilder<unknown>, descending: boolean, dialect?: DialectName): RawBuilder<unknown>[] => [
  ...(dialect === 'sqlite' && descending ? [] : [sql`case when ${value} is null then 1 else 0 end`]),
  sql`${value} ${sql.raw(descending ? 'desc' : 'asc')}`,
];

/** ORDER BY terms of one item; a metric's NaN comes after its values and before rows without it. */
export function orderTerms(language: Language, sources: Sources, item: OrderItem, dialect?: DialectName): RawBuilder<unknown>[] {
  if (item.entity === 'attribute') return nullsLast(sql.raw(language.attributes[item.key]!.column), item.descending, dialect);
  const from = sources[item.entity];
  if (from === undefined || item.entity === 'dataset') return invalid(`Invalid identifier type '${item.entity}'`);
  return orderByRow(sql`${sql.raw(from)} and e.key = ${item.key}`, item.entity === 'metric', item.descending);
}

/** The same for the one row that `from` finds. */
export function orderByRow(from: RawBuilder<unknown>, isMetric: boolean, descending: boolean): RawBuilder<unknown>[] {
  const pick = (column: string) => sql`(select ${sql.raw(column)} from ${from})`;
  return [
    sql`case when ${pick('e.value')} is null then 2 ${isMetric ? sql`when ${pick('e.is_nan')} = 1 then 1` : sql``} else 0 end`,
    sql`${pick('e.value')} ${sql.raw(descending ? 'desc' : 'asc')}`,
  ];
}

/** Raises `tracking-invalid` unless 1 <= limit <= most. */
export function checkPage(limit: number, most: number): void {
  if (limit < 1) invalid(`Invalid value ${limit} for parameter 'max_results' supplied. It must be a positive integer`);
  if (limit > most) invalid(`Invalid value ${limit} for parameter 'max_results' supplied. It must be at most ${most}`);
}
