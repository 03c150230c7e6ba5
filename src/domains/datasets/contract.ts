// Data contracts as ODCS 3.1 (Bitol, Open Data Contract Standard): read, checked, written.
import type { Fault } from '../../kernel/errors.ts';
import { whenNeeded } from '../../kernel/process/when-needed.ts';
import { fail } from './errors.ts';
import type { Column } from './model.ts';

const yaml = whenNeeded<typeof import('yaml')>('yaml');

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
      | 'mustBeBetween'
      | 'mustNotBeBetween';
    readonly value: number | readonly [number, number];
  };
  readonly validValues?: readonly (string | number | boolean)[];
  /** Texts that mean "no value", besides NULL. */
  readonly missingValues?: readonly string[];
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
  readonly apiVersion: string;
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
  'mustNotBeBetween',
] as const;
const RULES = ['rowCount', 'nullValues', 'missingValues', 'invalidValues', 'duplicateValues'] as const;
type Json = Readonly<Record<string, unknown>>;

const isJson = (v: unknown): v is Json => typeof v === 'object' && v !== null && !Array.isArray(v);
const listOf = (v: unknown): unknown[] => (Array.isArray(v) ? v : []);

/** Raises `contract-invalid` with file, line and key of each fault. */
export function parseContract(text: string, file: string): Contract {
  const { isMap, isNode, isSeq, LineCounter, parseDocument } = yaml();
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
  let raw: unknown;
  try {
    raw = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return fail('contract-invalid', { file }, [{ pointer: at(0), detail: (error as Error).message }]);
  }
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
    apiVersion: String(raw.apiVersion),
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
  const range = op === 'mustBeBetween' || op === 'mustNotBeBetween';
  if (range ? !pair : typeof value !== 'number') return wrong([...path, op], range ? 'two numbers are needed' : 'a number is needed');
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
  const validValues = listOf(args.validValues ?? q.validValues).filter((v) => ['string', 'number', 'boolean'].includes(typeof v));
  const pattern = args.pattern ?? q.pattern;
  const columns = listOf(args.properties).map(String);
  const missingValues = listOf(args.missingValues).filter((v) => v !== null);
  if (rule === 'duplicateValues' && column === null && columns.length === 0)
    return wrong(path, 'duplicateValues of a table needs "arguments: { properties: [...] }"');
  if (!['rowCount', 'duplicateValues'].includes(rule) && column === null)
    return wrong(path, `${rule} belongs to a property, not to the table`);
  if (rule === 'invalidValues' && validValues.length === 0 && typeof pattern !== 'string')
    return wrong(path, 'invalidValues needs "arguments" with "validValues" or "pattern"');
  rules.push({
    rule,
    column,
    unit,
    bound,
    ...(validValues.length > 0 ? { validValues: validValues as (string | number | boolean)[] } : {}),
    ...(typeof pattern === 'string' ? { pattern } : {}),
    ...(missingValues.length > 0 ? { missingValues: missingValues.map(String) } : {}),
    ...(columns.length > 0 ? { columns } : {}),
  });
}

/** The contract as ODCS YAML, with everything that was read. */
export const writeContract = (contract: Contract): string => yaml().stringify(contract.raw);

/** A first contract for a table: its columns and types, nothing promised yet. */
export const contractFromColumns = (dataset: string, columns: readonly Column[]): string =>
  yaml().stringify({
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
