// Records of models served elsewhere, as SQL: from lines of JSON or a Parquet file to a table of one shape, the
// faults in it, and the columns of its inputs. Pure.
import { sqlName, sqlText, type ComputeColumn, type Statement } from '../../../kernel/compute/compute.ts';
import type { LoggedColumn } from '../model.ts';
import type { ColumnType } from '../schema.ts';

/** Members of a record that are not inputs; the flat columns of a Parquet file that are. */
const RESERVED = ['id', 'at', 'inputs', 'request', 'score', 'model_version', 'variant', 'latency_us', 'error'] as const;
/** A moment before this (1973) is one in seconds or milliseconds. */
const LEAST_US = 1e14;
const GREATEST_US = 9e15;
export const MAX_FAULTS = 20;

const at = (member: string): string => `json_extract(j, '/${member}')`;
const textAt = (member: string): string => `json_extract_string(j, '/${member}')`;
const typeAt = (member: string): string => `coalesce(json_type(j, '/${member}'), 'NULL')`;
const oneOf = (member: string, ...types: string[]): string => `${typeAt(member)} in (${types.map(sqlText).join(', ')})`;

/** Table r(n, j, inputs, request) of lines: `t` has the number of each line and its text. The structs stay JSON. */
export const linesTable: readonly Statement[] = [
  { sql: `create table r as select n, try_cast(json as json) as j from t` },
  {
    sql: `create table u as select n, j, ${textAt('id')} as id,
      case when ${oneOf('at', 'UBIGINT')} then try_cast(${at('at')} as bigint)
        when regexp_matches(${textAt('at')}, '([zZ]|[+-]\\d{2}:?\\d{2})$') then epoch_us(try_cast(${textAt('at')} as timestamptz)) end as at_us,
      ${at('inputs')} as inputs, ${at('request')} as request from r`,
  },
];

/** The same of a Parquet file; its inputs and request are structs already. Columns that cannot be inputs are named. */
export function parquetTable(columns: readonly ComputeColumn[]): {
  readonly statements: readonly Statement[];
  readonly inputs: readonly LoggedColumn[];
  readonly request: readonly LoggedColumn[];
  readonly faults: readonly string[];
} {
  const faults: string[] = [];
  const found = new Map(columns.map((c) => [c.name, c.type]));
  const members = (name: 'inputs' | 'request') =>
    structMembers(found.get(name) ?? '').map((m) => ({ ...m, sql: `${name}.${sqlName(m.name)}` }));
  const flat = columns
    .filter((c) => !(RESERVED as readonly string[]).includes(c.name))
    .map(({ name, type }) => ({ name, type, sql: sqlName(name) }));
  const typed = (list: readonly { name: string; type: string; sql: string }[]) =>
    list.flatMap(({ name, type, sql }) => {
      const known = parquetType(type);
      if (!known) faults.push(`the column "${name}" is ${type}; an input is a number, a text or a boolean`);
      return known ? [{ name, type: known, sql: valueOf(known, sql) }] : [];
    });
  const [inputs, request] = [typed([...members('inputs'), ...flat]), typed(members('request'))];
  const atType = found.get('at') ?? '';
  const moment = /^TIMESTAMP/.test(atType)
    ? `epoch_us("at"::timestamptz)`
    : /INT/.test(atType)
      ? `try_cast("at" as bigint)`
      : `case when regexp_matches("at"::varchar, '([zZ]|[+-]\\d{2}:?\\d{2})$') then epoch_us(try_cast("at"::varchar as timestamptz)) end`;
  const fixed = RESERVED.filter((name) => found.has(name) && !['at', 'inputs', 'request'].includes(name));
  const pack = (list: readonly { name: string; sql: string }[]): string =>
    list.length === 0 ? 'null' : `struct_pack(${list.map((c) => `${sqlName(c.name)} := ${c.sql}`).join(', ')})`;
  return {
    statements: [
      {
        sql: `create table u as select gyre_n as n, json_object(${[
          ...fixed.map((name) => `${sqlText(name)}, ${name === 'id' ? `"id"::varchar` : sqlName(name)}`),
          `'at', ${found.has('at') ? '"at"::varchar' : 'null'}`,
          `'inputs', json_object(${inputs.length === 0 ? '' : `'n', ${inputs.length}`})`,
        ].join(
          ', ',
        )}) as j, ${found.has('id') ? '"id"::varchar' : 'null::varchar'} as id, ${found.has('at') ? moment : 'null::bigint'} as at_us,
        ${pack(inputs)} as inputs, ${pack(request)} as request from (select row_number() over () as gyre_n, * from t)`,
      },
    ],
    inputs: inputs.map(({ name, type }) => ({ name, type })),
    request: request.map(({ name, type }) => ({ name, type })),
    faults,
  };
}

function parquetType(type: string): ColumnType | undefined {
  if (type === 'BOOLEAN') return 'boolean';
  if (/^(TINYINT|SMALLINT|INTEGER|BIGINT|UTINYINT|USMALLINT|UINTEGER)$/.test(type)) return 'integer';
  if (/^(FLOAT|DOUBLE|DECIMAL.*|U?HUGEINT|UBIGINT)$/.test(type)) return 'number';
  return /^(VARCHAR|UUID|ENUM.*|DATE|TIME.*|"NULL")$/.test(type) ? 'string' : undefined;
}

/** Members of DuckDB's text for a flat struct, `STRUCT(a BIGINT, "b c" VARCHAR)`; none for anything else. */
function structMembers(type: string): { name: string; type: string }[] {
  const body = /^STRUCT\((.*)\)$/s.exec(type)?.[1];
  if (body === undefined) return [];
  const member = /\s*(?:"((?:[^"]|"")*)"|(\w+)) ([A-Z]\w*(?:\([^()]*\))?(?:\[\])?(?: WITH TIME ZONE)?)\s*(?:,|$)/gsy;
  return [...body.matchAll(member)].map((m) => ({ name: (m[1] ?? m[2]!).replaceAll('""', '"'), type: m[3]! }));
}

/** A value as a file of the log holds it; NaN is missing there. */
function valueOf(type: ColumnType, sql: string): string {
  if (type === 'number') return `(case when isnan(${sql}::double) then null else ${sql}::double end)`;
  return `${sql}::${type === 'integer' ? 'bigint' : type === 'boolean' ? 'boolean' : 'varchar'}`;
}

/** What may be wrong with a record: where it is, and in words. */
const checks: readonly { readonly member: string; readonly wrong: string; readonly detail: string }[] = [
  { member: '', wrong: `coalesce(json_type(j) <> 'OBJECT', true)`, detail: 'is not a JSON object' },
  {
    member: 'id',
    wrong: `not ${oneOf('id', 'VARCHAR', 'UBIGINT', 'BIGINT')} or length(id) not between 1 and 200`,
    detail: 'must be a text of 1 to 200 characters that names this prediction alone',
  },
  {
    member: 'at',
    wrong: `at_us is null or at_us not between ${LEAST_US} and ${GREATEST_US}`,
    detail: 'must be a moment after 1973: ISO 8601 with a zone (2026-03-01T12:00:00Z), or microseconds since 1970',
  },
  {
    member: 'inputs',
    wrong: `${typeAt('inputs')} <> 'OBJECT' or inputs = '{}'`,
    detail: 'must be an object with the inputs of the model',
  },
  { member: 'request', wrong: `not ${oneOf('request', 'OBJECT', 'NULL')}`, detail: 'must be an object of further columns' },
  {
    member: 'score',
    wrong: `not ${oneOf('score', 'DOUBLE', 'UBIGINT', 'BIGINT', 'NULL')} or not isfinite(coalesce(try_cast(${at('score')} as double), 0))`,
    detail: 'must be a finite number',
  },
  {
    member: 'score',
    wrong: `${oneOf('score', 'NULL')} and ${oneOf('error', 'NULL')}`,
    detail: 'is missing; a prediction that failed has an "error" instead',
  },
  {
    member: 'latency_us',
    wrong: `not ${oneOf('latency_us', 'UBIGINT', 'DOUBLE', 'NULL')} or try_cast(${at('latency_us')} as double) < 0`,
    detail: 'must be a number of microseconds',
  },
  { member: 'model_version', wrong: `not ${oneOf('model_version', 'VARCHAR', 'UBIGINT', 'NULL')}`, detail: 'must be a text' },
  { member: 'variant', wrong: `not ${oneOf('variant', 'VARCHAR', 'NULL')}`, detail: 'must be a text' },
  { member: 'error', wrong: `not ${oneOf('error', 'VARCHAR', 'NULL')}`, detail: 'must be a text' },
];

/** Table f(n, member, detail) of faults in `u`. */
export const faultsTable = (shape: 'lines' | 'parquet'): Statement => ({
  sql: `create table f as
    select n, struct_extract(x, 1) as member, struct_extract(x, 2) as detail from (select n, unnest(list_filter([${checks
      .map(({ member, wrong, detail }, i) => {
        // Of what is no object the rest need not be told, and inputs of a Parquet file are no JSON.
        const text = shape === 'parquet' ? wrong.replace(` or inputs = '{}'`, ` or ${at('inputs')} = '{}'`) : wrong;
        const condition = i === 0 ? text : `json_type(j) = 'OBJECT' and (${text})`;
        return `case when ${condition} then row(${sqlText(member)}, ${sqlText(detail)}) end`;
      })
      .join(', ')}], lambda x: x is not null)) as x from u)
    ${
      shape === 'parquet'
        ? ''
        : `union all select n, k, 'is not a member of a record; inputs of the model go into "inputs", other columns into "request"'
           from (select n, unnest(json_keys(j)) as k from u where json_type(j) = 'OBJECT') where k not in (${RESERVED.map(sqlText).join(', ')})`
    }`,
});

/** What a first pass answers: how many rows, the first faults, the span, and the structure of the JSON objects. */
export const firstLook = (
  shape: 'lines' | 'parquet',
): string => `select (select count(*) from u) as rows, (select count(*) from f) as faults,
  (select list(struct_pack(n := n, member := member, detail := detail) order by n, member) from (from f order by n, member limit ${MAX_FAULTS})) as first,
  (select min(at_us) from u) as "fromUs", (select max(at_us) from u) as "toUs",
  ${shape === 'lines' ? `(select json_group_structure(inputs)::varchar from u) as inputs, (select json_group_structure(request)::varchar from u) as request` : 'null as inputs, null as request'}`;

/** Columns of a JSON structure; those that hold values of several kinds are text, those without any value are left out. */
export function columnsOfStructure(structure: string | null): { columns: LoggedColumn[]; nested: string[]; clashing: string[] } {
  const found: unknown = structure === null ? {} : JSON.parse(structure);
  const columns: LoggedColumn[] = [];
  const [nested, clashing]: [string[], string[]] = [[], []];
  const seen = new Map<string, string>();
  for (const [name, type] of Object.entries(typeof found === 'object' && found !== null ? found : {})) {
    const known = typeof type === 'string' ? JSON_TYPES[type] : undefined;
    if (typeof type !== 'string') nested.push(name);
    if (seen.has(name.toLowerCase())) clashing.push(name);
    seen.set(name.toLowerCase(), name);
    if (known) columns.push({ name, type: known });
  }
  return { columns, nested, clashing };
}

const JSON_TYPES: Readonly<Record<string, ColumnType>> = {
  UBIGINT: 'integer',
  BIGINT: 'integer',
  HUGEINT: 'integer',
  DOUBLE: 'number',
  BOOLEAN: 'boolean',
  VARCHAR: 'string',
  JSON: 'string',
};

/** A struct out of JSON. */
export function structOf(json: string, columns: readonly LoggedColumn[]): string {
  const types = Object.fromEntries(
    columns.map((c) => [c.name, { number: 'DOUBLE', integer: 'BIGINT', string: 'VARCHAR', boolean: 'BOOLEAN' }[c.type]]),
  );
  return `from_json(${json}, ${sqlText(JSON.stringify(types))})`;
}

/** The same struct with missing values for NaN. */
export const withoutNaN = (struct: string, columns: readonly LoggedColumn[]): string =>
  `struct_pack(${columns.map((c) => `${sqlName(c.name)} := ${valueOf(c.type, `${struct}.${sqlName(c.name)}`)}`).join(', ')})`;
