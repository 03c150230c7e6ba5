// MLflow's filter language for runs: comparisons joined by AND. Parsed here, turned into SQL with binds.
import { sql, type RawBuilder } from 'kysely';
import { fail } from './errors.ts';

type Entity = 'attribute' | 'metric' | 'param' | 'tag' | 'dataset';
export interface Clause {
  readonly entity: Entity;
  readonly key: string;
  readonly op: string;
  readonly value: string | number | readonly string[] | null;
}

const invalid = (message: string): never => fail('tracking-invalid', { message });
const ENTITIES: Readonly<Record<string, Entity>> = {
  metric: 'metric',
  metrics: 'metric',
  param: 'param',
  params: 'param',
  parameter: 'param',
  parameters: 'param',
  tag: 'tag',
  tags: 'tag',
  attribute: 'attribute',
  attributes: 'attribute',
  attr: 'attribute',
  run: 'attribute',
  dataset: 'dataset',
  datasets: 'dataset',
};
const ATTRIBUTES: Readonly<Record<string, { column: string; number: boolean }>> = {
  run_id: { column: 'r.id', number: false },
  run_name: { column: 'r.name', number: false },
  'run name': { column: 'r.name', number: false },
  'Run Name': { column: 'r.name', number: false },
  user_id: { column: 'r.user_id', number: false },
  status: { column: 'r.status', number: false },
  artifact_uri: { column: 'r.artifact_uri', number: false },
  start_time: { column: 'r.start_ms', number: true },
  created: { column: 'r.start_ms', number: true },
  Created: { column: 'r.start_ms', number: true },
  end_time: { column: 'r.end_ms', number: true },
};

interface Token {
  readonly kind: 'word' | 'quoted' | 'number' | 'op' | 'open' | 'close' | 'comma';
  readonly text: string;
}

const TOKEN =
  /\s*(?:('(?:[^'])*'|"(?:[^"])*")|(!=|<=|>=|=|<|>)|(\()|(\))|(,)|(-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)(?![\w.])|((?:[^\s=!<>(),'"`]|`[^`]*`|"[^"]*")+))/y;

function tokens(filter: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (filter.slice(TOKEN.lastIndex).trim() !== '') {
    const at = TOKEN.lastIndex;
    const m = TOKEN.exec(filter);
    if (!m) return invalid(`Invalid clause(s) in filter string: '${filter.slice(at)}'`);
    const [, quoted, op, open, close, comma, number, word] = m;
    // `metrics."a b"`: a word may go on in quotes after its dot.
    const next = filter.slice(TOKEN.lastIndex);
    if (word?.endsWith('.')) {
      const rest = /^("[^"]*"|'[^']*')/.exec(next)?.[0];
      if (rest) {
        TOKEN.lastIndex += rest.length;
        found.push({ kind: 'word', text: word + rest });
        continue;
      }
    }
    if (quoted !== undefined) found.push({ kind: 'quoted', text: quoted });
    else if (op !== undefined) found.push({ kind: 'op', text: op });
    else if (open !== undefined) found.push({ kind: 'open', text: open });
    else if (close !== undefined) found.push({ kind: 'close', text: close });
    else if (comma !== undefined) found.push({ kind: 'comma', text: comma });
    else if (number !== undefined) found.push({ kind: 'number', text: number });
    else found.push({ kind: 'word', text: word! });
  }
  return found;
}

const unquote = (text: string): string => (/^(['"`]).*\1$/s.test(text) ? text.slice(1, -1) : text);

/** Raises `tracking-invalid` with the words MLflow's clients match on. */
export function parseFilter(filter: string): Clause[] {
  const all = tokens(filter);
  const clauses: Clause[] = [];
  let at = 0;
  const take = (): Token | undefined => all[at++];
  while (at < all.length) {
    if (clauses.length > 0) {
      const and = take();
      if (and?.kind !== 'word' || and.text.toUpperCase() !== 'AND')
        return invalid(`Invalid clause(s) in filter string: expected AND before '${and?.text}'`);
    }
    const left = take();
    if (!left || (left.kind !== 'word' && left.kind !== 'quoted')) return invalid(`Invalid clause(s) in filter string: '${filter}'`);
    const { entity, key } = identifier(left.text);
    let op = take()?.text.toUpperCase();
    const following = (): string | undefined => all[at]?.text.toUpperCase();
    if (op === 'NOT' && (following() === 'IN' || following() === 'LIKE')) op = `NOT ${take()!.text.toUpperCase()}`;
    if (op === 'IS') {
      op = following() === 'NOT' ? (take(), 'IS NOT NULL') : 'IS NULL';
      if (take()?.text.toUpperCase() !== 'NULL') return invalid(`Invalid clause(s) in filter string: '${filter}'`);
      clauses.push(checkClause({ entity, key, op, value: null }));
      continue;
    }
    if (op === undefined) return invalid(`Invalid clause(s) in filter string: '${filter}'`);
    clauses.push(checkClause({ entity, key, op, value: readValue(op, take, filter) }));
  }
  return clauses;
}

function readValue(op: string, take: () => Token | undefined, filter: string): Clause['value'] {
  const token = take();
  if (op === 'IN' || op === 'NOT IN') {
    if (token?.kind !== 'open') return invalid(`Invalid clause(s) in filter string: '${filter}'`);
    const items: string[] = [];
    for (let next = take(); next?.kind !== 'close'; next = take()) {
      if (next === undefined) return invalid(`Invalid clause(s) in filter string: '${filter}'`);
      if (next.kind === 'comma') continue;
      if (next.kind !== 'quoted') return invalid(`Expected a quoted string value for a list, got '${next.text}'`);
      items.push(unquote(next.text));
    }
    return items;
  }
  if (token === undefined) return invalid(`Invalid clause(s) in filter string: '${filter}'`);
  return token.kind === 'number'
    ? Number(token.text)
    : token.kind === 'quoted'
      ? unquote(token.text)
      : invalid(`Expected a quoted string value for a comparison, got '${token.text}'`);
}

function identifier(text: string): { entity: Entity; key: string } {
  const bare = unquote(text);
  const dot = bare.indexOf('.');
  if (dot < 0) return { entity: 'attribute', key: bare };
  const prefix = bare.slice(0, dot);
  const entity = ENTITIES[prefix] ?? invalid(`Invalid entity type '${prefix}'. Valid values are: ${Object.keys(ENTITIES).join(', ')}`);
  return { entity, key: unquote(bare.slice(dot + 1)) };
}

const NUMERIC = ['=', '!=', '<', '<=', '>', '>='];
const TEXT = ['=', '!=', 'LIKE', 'ILIKE'];

function checkClause(c: Clause): Clause {
  if (c.entity === 'attribute') {
    const attribute =
      ATTRIBUTES[c.key] ?? invalid(`Invalid attribute key '${c.key}' specified. Valid keys are: ${Object.keys(ATTRIBUTES).join(', ')}`);
    const ops = attribute.number ? NUMERIC : [...TEXT, 'IN', 'NOT IN'];
    if (!ops.includes(c.op)) return invalid(`Invalid comparator '${c.op}' not one of '${ops.join(', ')}`);
    if (Array.isArray(c.value) && c.key !== 'run_id')
      return invalid(`Only the 'run_id' attribute supports comparison with a list of quoted string values.`);
    if (attribute.number && typeof c.value !== 'number') return invalid(`Expected a numeric value for attribute '${c.key}'`);
    if (!attribute.number && typeof c.value === 'number')
      return invalid(`Expected a quoted string value for attribute '${c.key}'. Got value ${c.value}`);
  } else if (c.entity === 'metric') {
    if (!NUMERIC.includes(c.op)) return invalid(`Invalid comparator '${c.op}' not one of '${NUMERIC.join(', ')}`);
    if (typeof c.value !== 'number') return invalid(`Expected numeric value type for metric. Found ${String(c.value)}`);
  } else {
    const ops = c.entity === 'dataset' ? [...TEXT, 'IN', 'NOT IN'] : [...TEXT, 'IS NULL', 'IS NOT NULL'];
    if (!ops.includes(c.op)) return invalid(`Invalid comparator '${c.op}' not one of '${ops.join(', ')}`);
    if (typeof c.value === 'number') return invalid(`Expected a quoted string value for ${c.entity} '${c.key}'. Got value ${c.value}`);
    if (c.entity === 'dataset' && !['name', 'digest', 'context'].includes(c.key))
      return invalid(`Invalid dataset key '${c.key}'. Valid keys are: name, digest, context`);
  }
  return c;
}

const quotedColumns = new Set(Object.values(ATTRIBUTES).map((a) => a.column));

/** `column op value`, with LIKE case-sensitive and ILIKE not, on both databases. */
function compare(column: RawBuilder<unknown>, op: string, value: Clause['value'], dialect: 'sqlite' | 'postgres'): RawBuilder<boolean> {
  if (op === 'IN' || op === 'NOT IN') {
    const items = value as readonly string[];
    if (items.length === 0) return op === 'IN' ? sql<boolean>`1 = 0` : sql<boolean>`1 = 1`;
    return sql<boolean>`${column} ${sql.raw(op === 'IN' ? 'in' : 'not in')} (${sql.join(items.map((i) => sql`${i}`))})`;
  }
  if (op === 'LIKE' && dialect === 'sqlite')
    return sql<boolean>`${column} glob ${String(value).replace(/[*?[]/g, '[$&]').replaceAll('%', '*').replaceAll('_', '?')}`;
  if (op === 'ILIKE') return sql<boolean>`lower(${column}) like ${String(value).toLowerCase()}`;
  return sql<boolean>`${column} ${sql.raw(op.toLowerCase())} ${value}`;
}

/** The clause as SQL over `tracking_runs r`. A key that a run lacks never matches, not even `!=`. */
export function clauseSql(c: Clause, workspace: string, dialect: 'sqlite' | 'postgres'): RawBuilder<boolean> {
  if (c.entity === 'attribute') {
    const column = ATTRIBUTES[c.key]!.column;
    if (!quotedColumns.has(column)) return invalid(`Invalid attribute key '${c.key}'`);
    return compare(sql.raw(column), c.op, c.value, dialect);
  }
  if (c.entity === 'dataset') {
    const column = c.key === 'context' ? sql`i.tags` : sql.raw(`i.${c.key}`);
    const condition =
      c.key === 'context'
        ? sql<boolean>`i.tags like ${`%"mlflow.data.context","value":"${String(c.value)}"%`}`
        : compare(column, c.op, c.value, dialect);
    return sql<boolean>`exists (select 1 from tracking_inputs i where i.workspace_id = ${workspace} and i.run_id = r.id and ${condition})`;
  }
  const table = sql.raw({ metric: 'latest_metrics', param: 'tracking_params', tag: 'tracking_tags' }[c.entity]);
  const has = (condition: RawBuilder<unknown>) =>
    sql<boolean>`exists (select 1 from ${table} e where e.workspace_id = ${workspace} and e.run_id = r.id and e.key = ${c.key} ${condition})`;
  if (c.op === 'IS NOT NULL') return has(sql``);
  if (c.op === 'IS NULL') return sql<boolean>`not ${has(sql``)}`;
  return has(sql`and ${compare(sql.raw('e.value'), c.op, c.value, dialect)}`);
}

/** ORDER BY terms: NULL last in both directions; a metric's NaN after its values. */
export function orderSql(items: readonly string[], workspace: string): RawBuilder<unknown>[] {
  const terms: RawBuilder<unknown>[] = [];
  const seen = new Set<string>();
  for (const item of items) {
    const parsed = /^\s*((?:[^\s`"]|`[^`]*`|"[^"]*")+)(?:\s+(asc|desc))?\s*$/i.exec(item) ?? invalid(`Invalid order_by clause '${item}'.`);
    const { entity, key } = identifier(parsed[1]!);
    const direction = sql.raw(parsed[2]?.toLowerCase() === 'desc' ? 'desc' : 'asc');
    if (seen.has(`${entity}.${key}`)) return invalid(`\`order_by\` contains duplicate fields: ${items.join(', ')}`);
    seen.add(`${entity}.${key}`);
    if (entity === 'attribute') {
      const column = sql.raw((ATTRIBUTES[key] ?? invalid(`Invalid attribute key '${key}' specified.`)).column);
      terms.push(sql`case when ${column} is null then 1 else 0 end`, sql`${column} ${direction}`);
    } else if (entity === 'dataset') return invalid(`Invalid order_by clause '${item}'.`);
    else {
      const table = sql.raw({ metric: 'latest_metrics', param: 'tracking_params', tag: 'tracking_tags' }[entity]);
      const pick = (column: string) =>
        sql`(select ${sql.raw(column)} from ${table} e where e.workspace_id = ${workspace} and e.run_id = r.id and e.key = ${key})`;
      terms.push(
        sql`case when ${pick('e.value')} is null then 2 ${entity === 'metric' ? sql`when ${pick('e.is_nan')} = 1 then 1` : sql``} else 0 end`,
        sql`${pick('e.value')} ${direction}`,
      );
    }
  }
  if (!seen.has('attribute.start_time')) terms.push(sql`case when r.start_ms is null then 1 else 0 end`, sql`r.start_ms desc`);
  terms.push(sql`r.id asc`);
  return terms;
}
