// A Parquet file of records of a model served elsewhere, as SQL: its rows in the form of the log, and their faults. Pure.
import { sqlName, sqlText, type ComputeColumn } from '../../../kernel/compute/compute.ts';
import { EXTERNAL_MEMBERS, GREATEST_US, LEAST_US, memberFaults } from '../log/external-record.ts';
import { sqlType, stagesType, type LoggedColumn } from '../model.ts';
import type { ColumnType } from '../schema.ts';

export interface ParquetShape {
  /** Rows n, then the columns of the log. */
  readonly rows: string;
  /** Faults n, member, detail. */
  readonly faults: string;
  readonly inputs: readonly LoggedColumn[];
  readonly request: readonly LoggedColumn[];
  /** Columns that cannot be taken at all. */
  readonly unusable: readonly string[];
}

/** What is the same for all records of a batch. */
export interface BatchFacts {
  readonly workspace: string;
  readonly project: string;
  readonly endpoint: string;
  readonly recordedMs: number;
}

type Typed = LoggedColumn & { readonly sql: string };

/** Columns that are no members of a record are its inputs. */
export function parquetShape(columns: readonly ComputeColumn[], facts: BatchFacts): ParquetShape {
  const unusable: string[] = [];
  const types = new Map(columns.map((c) => [c.name, c.type]));
  const typed = (list: readonly { name: string; type: string; sql: string }[]): Typed[] =>
    list.flatMap(({ name, type, sql }) => {
      const known = typeOf(type);
      if (!known) unusable.push(`the column "${name}" is ${type}; ${memberFaults.value.replace('must be', 'an input is')}`);
      return known ? [{ name, type: known, sql: valueOf(known, sql) }] : [];
    });
  const members = (name: string) => structMembers(types.get(name) ?? '').map((m) => ({ ...m, sql: `${sqlName(name)}.${sqlName(m.name)}` }));
  const flat = columns
    .filter((c) => !(EXTERNAL_MEMBERS as readonly string[]).includes(c.name))
    .map(({ name, type }) => ({ name, type, sql: sqlName(name) }));
  const inputs = typed([...members('inputs'), ...flat]);
  const request = typed(members('request'));
  if (inputs.length === 0) unusable.push('there is no column that could be an input');
  const numeric = (name: string): boolean => /INT|FLOAT|DOUBLE|DECIMAL/.test(types.get(name) ?? '');
  const has = (name: string): boolean => types.has(name);
  const text = (name: string, without: string): string => (has(name) ? `coalesce(${sqlName(name)}::varchar, ${without})` : without);
  for (const name of ['score', 'latency_us'].filter((x) => has(x) && !numeric(x)))
    unusable.push(`the column "${name}" is ${types.get(name)}, no number`);
  for (const name of ['id', 'at'].filter((x) => !has(x))) unusable.push(`there is no column "${name}"`);
  if (!has('score') && !has('error')) unusable.push('there is no column "score"');
  const score = has('score') && numeric('score') ? '"score"::double' : 'null::double';
  const latency = has('latency_us') && numeric('latency_us') ? '"latency_us"::double' : 'null::double';
  const pack = (name: string, list: readonly Typed[]): string =>
    list.length === 0 ? '' : `, struct_pack(${list.map((c) => `${sqlName(c.name)} := ${c.sql}`).join(', ')}) as ${name}`;
  const rows = `select row_number() over () as n, ${has('id') ? '"id"::varchar' : 'null::varchar'} as id, ${sqlText(facts.workspace)} as workspace,
    ${sqlText(facts.project)} as project, ${sqlText(facts.endpoint)} as endpoint, 0::bigint as revision, ${text('variant', "''")} as variant, '' as model,
    ${text('model_version', "''")} as "modelVersion", '' as "modelDigest", null::double as propensity, ${momentOf(types.get('at'))} as "eventTimeUs", ${facts.recordedMs}::bigint as "recordedMs",
    ${latency}::bigint as "latencyUs", null::${stagesType} as "stagesUs", null::varchar as "assignmentKey", null::varchar as assignment${pack('request', request)}${pack('inputs', inputs)},
    []::STRUCT("view" VARCHAR, "knownAtUs" BIGINT, "occurredAtUs" BIGINT)[] as features, ${score} as score, ${text('error', 'null::varchar')} as error from t`;
  const checks: readonly (readonly [string, string, string])[] = [
    ['id', 'coalesce(length(id) not between 1 and 200, true)', memberFaults.id],
    ['at', `coalesce("eventTimeUs" not between ${LEAST_US} and ${GREATEST_US}, true)`, memberFaults.at],
    ['score', 'not isfinite(coalesce(score, 0))', memberFaults.score],
    ['score', 'score is null and error is null', memberFaults.noScore],
    ['latency_us', 'coalesce("latencyUs", 0) < 0', memberFaults.latency_us],
  ];
  const found = checks.map(
    ([member, wrong, detail]) => `case when ${wrong} then struct_pack(member := ${sqlText(member)}, detail := ${sqlText(detail)}) end`,
  );
  const faults = `select n, f.member as member, f.detail as detail from (select n, unnest(list_filter([${found.join(', ')}], lambda x: x is not null)) as f from records)`;
  const plain = (list: readonly Typed[]): LoggedColumn[] => list.map(({ name, type }) => ({ name, type }));
  return { rows, faults, inputs: plain(inputs), request: plain(request), unusable };
}

function momentOf(type: string | undefined): string {
  if (type === undefined) return 'null::bigint';
  if (/^TIMESTAMP/.test(type)) return `epoch_us("at"::timestamptz)`;
  if (/INT/.test(type)) return `try_cast("at" as bigint)`;
  // pandas makes floats of whole numbers where one is missing.
  if (type === 'DOUBLE') return `case when "at" = trunc("at") then try_cast("at" as bigint) end`;
  return `case when regexp_matches("at"::varchar, '([zZ]|[+-]\\d{2}:?\\d{2})$') then epoch_us(try_cast("at"::varchar as timestamptz)) end`;
}

function typeOf(type: string): ColumnType | undefined {
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
const valueOf = (type: ColumnType, sql: string): string =>
  type === 'number' ? `(case when isnan(${sql}::double) then null else ${sql}::double end)` : `${sql}::${sqlType[type]}`;
