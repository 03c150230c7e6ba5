// Data contracts as ODCS 3.1 (Bitol, Open Data Contract Standard): read, checked, written.
import { isMap, isNode, isSeq, LineCounter, parseDocument, stringify } from 'yaml';
import { sqlName, sqlText } from '../../kernel/compute/compute.ts';
import type { Fault } from '../../kernel/errors.ts';
import { fail } from './errors.ts';
import type { Column, Violation } from './model.ts';

export interface QualityRule {
  readonly rule: 'rowCount' | 'nullValues' | 'missingValues' | 'invalidValues' | 'duplicateValues' | 'sql';
  readonly column: string | null;
  readonly unit: 'rows' | 'percent';
  readonly bound: {
    readonly op:
      | 'mustBe'
      | 'mustNotBe'
      | 'mustBeGreaterThan'
      | 'mustBeGreaterOrEqualTo'
      | 'mustBeLessThan'
      | 'mustBeLessOrEqualTo'
      | 'mustBeBetween';
    readonly value: number | readonly [number, number];
  };
  readonly validValues?: readonly (string | number)[];
  readonly pattern?: string;
  readonly columns?: readonly string[];
  readonly query?: string;
}

export interface ContractColumn {
  readonly name: string;
  readonly logicalType: string | null;
  readonly required: boolean;
  readonly unique: boolean;
  readonly primaryKey: boolean;
  readonly classification: string | null;
}

export interface Contract {
  readonly id: string;
  readonly version: string;
  readonly status: string;
  readonly table: string;
  readonly columns: readonly ContractColumn[];
  readonly rules: readonly QualityRule[];
  /** Everything as it was read, so that what we do not use is written back. */
  readonly raw: Readonly<Record<string, unknown>>;
}

const OPS = [
  'mustBe',
  'mustNotBe',
  'mustBeGreaterThan',
  'mustBeGreaterOrEqualTo',
  'mustBeLessThan',
  'mustBeLessOrEqualTo',
  'mustBeBetween',
] as const;
const RULES = ['rowCount', 'nullValues', 'missingValues', 'invalidValues', 'duplicateValues'] as const;
type Json = Readonly<Record<string, unknown>>;

const isJson = (v: unknown): v is Json => typeof v === 'object' && v !== null && !Array.isArray(v);
const listOf = (v: unknown): unknown[] => (Array.isArray(v) ? v : []);

/** Raises `contract-invalid` with file, line and key of each fault. */
export function parseContract(text: string, file: string): Contract {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const at = (offset: number, path: readonly (string | number)[] = []): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col} ${path.join('.')}`.trim();
  };
  if (document.errors.length > 0)
    return fail(
      'contract-invalid',
      { file },
      document.errors.map((e) => ({ pointer: at(e.pos[0]), detail: e.message })),
    );
  const faults: Fault[] = [];
  const wrong = (path: readonly (string | number)[], detail: string): void => {
    let node: unknown = document.contents;
    let offset = 0;
    for (const part of path) {
      node = isMap(node) || isSeq(node) ? node.get(part, true) : undefined;
      if (isNode(node)) offset = node.range?.[0] ?? offset;
    }
    faults.push({ pointer: at(offset, path), detail });
  };
  const raw: unknown = document.toJS({ maxAliasCount: 100 });
  if (!isJson(raw))
    return fail('contract-invalid', { file }, [
      { pointer: at(0), detail: 'must be a mapping with apiVersion, kind, id, version, status and schema' },
    ]);
  for (const member of ['apiVersion', 'kind', 'id', 'version', 'status'])
    if (typeof raw[member] !== 'string') wrong([member], `"${member}" is needed, as text`);
  if (raw.kind !== undefined && raw.kind !== 'DataContract') wrong(['kind'], 'must be DataContract');
  if (typeof raw.apiVersion === 'string' && !/^v?3\./.test(raw.apiVersion))
    wrong(['apiVersion'], `version ${raw.apiVersion} is not known; 3.x is`);
  const tables = listOf(raw.schema);
  const table = tables[0];
  if (tables.length !== 1 || !isJson(table)) wrong(['schema'], 'one table is needed here');
  const columns: ContractColumn[] = [];
  const rules: QualityRule[] = [];
  if (isJson(table)) {
    listOf(table.quality).forEach((q, i) => readRule(q, null, ['schema', 0, 'quality', i], wrong, rules));
    listOf(table.properties).forEach((p, i) => {
      const path = ['schema', 0, 'properties', i];
      if (!isJson(p) || typeof p.name !== 'string') return wrong(path, 'a property needs a "name"');
      columns.push({
        name: p.name,
        logicalType: typeof p.logicalType === 'string' ? p.logicalType : null,
        required: p.required === true,
        unique: p.unique === true,
        primaryKey: p.primaryKey === true,
        classification: typeof p.classification === 'string' ? p.classification : null,
      });
      listOf(p.quality).forEach((q, j) => readRule(q, p.name as string, [...path, 'quality', j], wrong, rules));
    });
  }
  if (faults.length > 0) return fail('contract-invalid', { file }, faults);
  return {
    id: String(raw.id),
    version: String(raw.version),
    status: String(raw.status),
    table: String((table as Json).name ?? ''),
    columns,
    rules,
    raw,
  };
}

function readRule(
  q: unknown,
  column: string | null,
  path: readonly (string | number)[],
  wrong: (path: readonly (string | number)[], detail: string) => void,
  rules: QualityRule[],
): void {
  if (!isJson(q)) return wrong(path, 'a rule is a mapping');
  const type = q.type ?? 'library';
  if (type === 'text' || type === 'custom') return;
  const op = OPS.find((o) => q[o] !== undefined);
  if (!op) return wrong(path, `a rule needs one of ${OPS.join(', ')}`);
  const value = q[op];
  const pair = Array.isArray(value) && value.length === 2 && value.every((v) => typeof v === 'number');
  if (op === 'mustBeBetween' ? !pair : typeof value !== 'number')
    return wrong([...path, op], op === 'mustBeBetween' ? 'two numbers are needed' : 'a number is needed');
  const bound = { op, value: value as number } as QualityRule['bound'];
  const unit = q.unit === 'percent' ? 'percent' : 'rows';
  if (type === 'sql') {
    if (typeof q.query !== 'string') return wrong(path, 'a sql rule needs "query"');
    return void rules.push({ rule: 'sql', column, unit, bound, query: q.query });
  }
  const name = String(q.metric ?? q.rule);
  const rule = RULES.find((r) => r === name);
  if (!rule) return wrong(path, `"${name}" is not a rule of the library: ${RULES.join(', ')}`);
  const args = isJson(q.arguments) ? q.arguments : {};
  const validValues = listOf(args.validValues ?? q.validValues).filter(
    (v): v is string | number => typeof v === 'string' || typeof v === 'number',
  );
  const pattern = args.pattern ?? q.pattern;
  const columns = listOf(args.properties).map(String);
  rules.push({
    rule,
    column,
    unit,
    bound,
    ...(validValues.length > 0 ? { validValues } : {}),
    ...(typeof pattern === 'string' ? { pattern } : {}),
    ...(columns.length > 0 ? { columns } : {}),
  });
}

/** The contract as ODCS YAML, with everything that was read. */
export const writeContract = (contract: Contract): string => stringify(contract.raw);

/** A first contract for a table: its columns and types, nothing promised yet. */
export const contractFromColumns = (dataset: string, columns: readonly Column[]): string =>
  stringify({
    apiVersion: 'v3.1.0',
    kind: 'DataContract',
    id: dataset,
    version: '1.0.0',
    status: 'draft',
    schema: [
      { name: dataset, properties: columns.map((c) => ({ name: c.name, physicalType: c.type, logicalType: logicalTypeOf(c.type) })) },
    ],
  });

export function logicalTypeOf(type: string): string {
  if (/INT/.test(type)) return 'integer';
  if (/FLOAT|DOUBLE|DECIMAL/.test(type)) return 'number';
  if (/TIMESTAMP/.test(type)) return 'timestamp';
  if (type === 'DATE') return 'date';
  if (type === 'BOOLEAN') return 'boolean';
  return 'string';
}

/** A check as two questions: how many rows fail (or how many there are), and which, by key. */
export interface Check {
  readonly rule: QualityRule;
  readonly count: string;
  readonly failing: string | null;
  /** Written by the user: runs as user SQL. */
  readonly untrusted: boolean;
}

/** SQL of every rule over a table called `t`. */
export function checksOf(contract: Contract, key: readonly string[]): Check[] {
  const implied: QualityRule[] = contract.columns.flatMap((c): QualityRule[] => [
    ...(c.required
      ? [{ rule: 'nullValues' as const, column: c.name, unit: 'rows' as const, bound: { op: 'mustBe' as const, value: 0 } }]
      : []),
    ...(c.unique
      ? [{ rule: 'duplicateValues' as const, column: c.name, unit: 'rows' as const, bound: { op: 'mustBe' as const, value: 0 } }]
      : []),
  ]);
  const primary = contract.columns.filter((c) => c.primaryKey).map((c) => c.name);
  if (primary.length > 0)
    implied.push({ rule: 'duplicateValues', column: null, unit: 'rows', bound: { op: 'mustBe', value: 0 }, columns: primary });
  const shown = key.map((k) => `coalesce(${sqlName(k)}::varchar, 'null')`).join(` || ' ' || `) || `'row'`;
  return [...implied, ...contract.rules].map((rule): Check => {
    if (rule.rule === 'sql')
      return { rule, count: rule.query!.replaceAll('{object}', 't').replaceAll('${object}', 't'), failing: null, untrusted: true };
    if (rule.rule === 'rowCount') return { rule, count: 'select count(*) as n from t', failing: null, untrusted: false };
    if (rule.rule === 'duplicateValues') {
      const columns = (rule.columns ?? [rule.column!]).map(sqlName).join(', ');
      return {
        rule,
        count: `select coalesce(sum(c - 1), 0) as n from (select count(*) as c from t group by ${columns} having count(*) > 1)`,
        failing: `select any_value(${shown}) as k from t group by ${columns} having count(*) > 1 limit 5`,
        untrusted: false,
      };
    }
    const column = sqlName(rule.column!);
    const invalid = rule.validValues
      ? `${column} is not null and ${column}::varchar not in (${rule.validValues.map((v) => sqlText(String(v))).join(', ')})`
      : `${column} is not null and not regexp_matches(${column}::varchar, ${sqlText(rule.pattern ?? '.*')})`;
    const condition = rule.rule === 'invalidValues' ? invalid : `${column} is null`;
    return {
      rule,
      count: `select count(*) as n from t where ${condition}`,
      failing: `select ${shown} as k from t where ${condition} limit 5`,
      untrusted: false,
    };
  });
}

const holds = (bound: QualityRule['bound'], n: number): boolean => {
  const v = bound.value as number;
  switch (bound.op) {
    case 'mustBe':
      return n === v;
    case 'mustNotBe':
      return n !== v;
    case 'mustBeGreaterThan':
      return n > v;
    case 'mustBeGreaterOrEqualTo':
      return n >= v;
    case 'mustBeLessThan':
      return n < v;
    case 'mustBeLessOrEqualTo':
      return n <= v;
    case 'mustBeBetween': {
      const [low, high] = bound.value as readonly [number, number];
      return n >= low && n <= high;
    }
  }
};

/** The violation of one rule for a found number; undefined if the rule holds. */
export function judge(rule: QualityRule, found: number, rows: number, sampleRows: readonly string[]): Violation | undefined {
  const n = rule.unit === 'percent' ? (rows === 0 ? 0 : (100 * found) / rows) : found;
  if (holds(rule.bound, n)) return undefined;
  return {
    rule: rule.rule === 'sql' ? `sql: ${rule.query}` : rule.rule,
    column: rule.column ?? rule.columns?.join(', ') ?? null,
    expected: `${rule.bound.op} ${[rule.bound.value].flat().join(' and ')}${rule.unit === 'percent' ? ' percent' : ''}`,
    found: String(n),
    failingRows: rule.rule === 'rowCount' || rule.rule === 'sql' ? 0 : found,
    sampleRows,
  };
}

/** Columns that the contract names and the table lacks, or has with another type. */
export const schemaViolations = (contract: Contract, columns: readonly Column[]): Violation[] => {
  const types = new Map(columns.map((c) => [c.name, c.type]));
  const compatible = (wanted: string, type: string): boolean => {
    const is = logicalTypeOf(type);
    return (
      wanted === is ||
      (wanted === 'number' && is === 'integer') ||
      (wanted === 'timestamp' && is === 'date') ||
      ['object', 'array', 'time'].includes(wanted)
    );
  };
  return contract.columns.flatMap((c): Violation[] => {
    const type = types.get(c.name);
    if (type === undefined)
      return [{ rule: 'column', column: c.name, expected: 'a column of this name', found: 'none', failingRows: 0, sampleRows: [] }];
    if (c.logicalType !== null && !compatible(c.logicalType, type))
      return [{ rule: 'logicalType', column: c.name, expected: c.logicalType, found: type, failingRows: 0, sampleRows: [] }];
    return [];
  });
};
