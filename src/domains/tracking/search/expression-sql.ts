// Expressions as SQL with binds. Each comparison is true or false, never unknown: whoever lacks the key does not fulfil it
// (not even `!=` or NOT IN), and NOT turns exactly that around.
import { sql, type RawBuilder } from 'kysely';
import type { Comparison, Expression } from './expression.ts';
import type { Clause, Language } from './language.ts';
import { compare, numeric, type DialectName, type Sources } from './sql.ts';

export interface Split {
  /** Comparisons that all have to hold and that a search can begin with. */
  readonly clauses: readonly Clause[];
  /** What has to hold besides. */
  readonly rest: readonly Expression[];
}

const PLAIN = new Set(['=', '!=', '<', '<=', '>', '>=', 'LIKE', 'ILIKE', 'IS NOT NULL']);

/** What of it is joined by AND at the outside and simple, so that the most selective of these can be found first. */
export function splitExpression(expression: Expression | undefined): Split {
  const clauses: Clause[] = [];
  const rest: Expression[] = [];
  const take = (e: Expression): void => {
    if (e.kind === 'and') return e.of.forEach(take);
    const indexed = e.kind === 'comparison' && ['metric', 'param', 'tag'].includes(e.entity);
    if (!indexed) return void rest.push(e);
    const { entity, key, op, values } = e;
    // There is one row of a key, so both ends may be asked for one by one.
    if (op === 'BETWEEN' && entity === 'metric')
      clauses.push({ entity, key, op: '>=', value: values[0]! }, { entity, key, op: '<=', value: values[1]! });
    else if (op === 'IN' && values.length === 1) clauses.push({ entity, key, op: '=', value: values[0]! });
    else if (PLAIN.has(op) && (entity === 'metric' || !/[<>]/.test(op))) clauses.push({ entity, key, op, value: values[0] ?? null });
    else rest.push(e);
  };
  if (expression) take(expression);
  return { clauses, rest };
}

/** A condition on a table called `r`. */
export function expressionSql(language: Language, sources: Sources, e: Expression, dialect: DialectName): RawBuilder<boolean> {
  const inner = (of: Expression): RawBuilder<boolean> => expressionSql(language, sources, of, dialect);
  switch (e.kind) {
    case 'not':
      return sql<boolean>`not ${inner(e.of)}`;
    case 'and':
    case 'or':
      return sql<boolean>`(${sql.join(e.of.map(inner), e.kind === 'and' ? sql` and ` : sql` or `)})`;
    case 'comparison':
      return comparisonSql(language, sources, e, dialect);
  }
}

function comparisonSql(language: Language, sources: Sources, c: Comparison, dialect: DialectName): RawBuilder<boolean> {
  if (c.entity === 'attribute') return sql<boolean>`(${valueIs(sql.raw(language.attributes[c.key]!.column), c, dialect)} is true)`;
  const isDataset = c.entity === 'dataset';
  const column = sql.raw(isDataset ? language.datasets![c.key]! : 'e.value');
  const has = (condition: RawBuilder<unknown>) =>
    sql<boolean>`exists (select 1 from ${sql.raw(sources[c.entity]!)} ${isDataset ? sql`` : sql`and e.key = ${c.key}`} ${condition})`;
  const some = isDataset ? sql`and ${column} is not null` : sql``;
  if (c.op === 'IS NOT NULL') return has(some);
  if (c.op === 'IS NULL') return sql<boolean>`not ${has(some)}`;
  return has(sql`and ${valueIs(column, c, dialect)}`);
}

function valueIs(column: RawBuilder<unknown>, { op, values }: Comparison, dialect: DialectName): RawBuilder<boolean> {
  const one = (operator: string, value = values[0]!): RawBuilder<boolean> => compare(column, operator, value, dialect);
  switch (op) {
    case 'IS NULL':
    case 'IS NOT NULL':
      return sql<boolean>`${column} ${sql.raw(op.toLowerCase())}`;
    case 'BETWEEN':
      return sql<boolean>`(${one('>=')} and ${one('<=', values[1])})`;
    case 'NOT BETWEEN':
      return sql<boolean>`(${one('<')} or ${one('>', values[1])})`;
    case 'NOT LIKE':
    case 'NOT ILIKE':
      return sql<boolean>`not (${one(op.slice(4))})`;
    case 'IN':
    case 'NOT IN':
      return sql<boolean>`${column} ${sql.raw(op.toLowerCase())} (${sql.join(values.map((v) => (typeof v === 'number' ? numeric(v) : sql`${v}`)))})`;
    default:
      return one(op);
  }
}
