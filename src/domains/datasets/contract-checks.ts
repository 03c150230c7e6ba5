// What a contract states, as SQL over the table; what was found, as violations.
import { sqlName, sqlText } from '../../kernel/compute/compute.ts';
import { logicalTypeOf, type Contract, type QualityRule } from './contract.ts';
import type { Column, Violation } from './model.ts';

/** A check as two questions: how many rows fail (or how many there are), and which, by key. */
export interface Check {
  readonly rule: QualityRule;
  readonly count: string;
  readonly failing: string | null;
  /** Written by the user: runs as user SQL. */
  readonly untrusted: boolean;
}

const none = { unit: 'rows', bound: { op: 'mustBe', value: 0 } } as const;

/**
 * SQL of every rule over a table called `t`: what the contract states, and that the dataset's key tells one
 * row from another, unless the contract itself says how many duplicates of it are allowed.
 */
export function checksOf(contract: Contract | null, key: readonly string[]): Check[] {
  const implied: QualityRule[] = (contract?.columns ?? []).flatMap((c): QualityRule[] => [
    ...(c.required ? [{ rule: 'nullValues' as const, column: c.name, ...none }] : []),
    ...(c.unique ? [{ rule: 'duplicateValues' as const, column: c.name, ...none }] : []),
  ]);
  const primary = (contract?.columns ?? []).filter((c) => c.primaryKey).map((c) => c.name);
  if (primary.length > 0) implied.push({ rule: 'duplicateValues', column: null, columns: primary, ...none });
  const stated = [...implied, ...(contract?.rules ?? [])];
  const sameColumns = (r: QualityRule): boolean =>
    r.rule === 'duplicateValues' && [...(r.columns ?? [r.column!])].sort().join('\0') === [...key].sort().join('\0');
  if (!stated.some(sameColumns)) stated.unshift({ rule: 'duplicateValues', column: null, columns: key, ...none });
  const shown = key.map((k) => `coalesce(${sqlName(k)}::varchar, 'null')`).join(` || ' ' || `) || `'row'`;
  return stated.map((rule): Check => {
    if (rule.rule === 'sql') return { rule, count: placeholders(rule), failing: null, untrusted: true };
    if (rule.rule === 'rowCount') return { rule, count: 'select count(*) as n from t', failing: null, untrusted: false };
    if (rule.rule === 'duplicateValues') {
      const columns = (rule.columns ?? [rule.column!]).map(sqlName).join(', ');
      return {
        rule,
        count: `select coalesce(sum(c - 1), 0) as n from (select count(*) as c from t group by ${columns} having count(*) > 1)`,
        failing: `select any_value(${shown}) as k from t group by ${columns} having count(*) > 1 order by 1 limit 5`,
        untrusted: false,
      };
    }
    const condition = failingCondition(rule, sqlName(rule.column!));
    return {
      rule,
      count: `select count(*) as n from t where ${condition}`,
      failing: `select ${shown} as k from t where ${condition} order by 1 limit 5`,
      untrusted: false,
    };
  });
}

/** ODCS names the table and the column of a query by placeholders, with or without a dollar sign. */
const placeholders = (rule: QualityRule): string =>
  rule
    .query!.replace(/\$?\{(object|table|model)\}/g, 't')
    .replace(/\$?\{(property|column|field)\}/g, (all) => (rule.column === null ? all : sqlName(rule.column)));

function failingCondition(rule: QualityRule, column: string): string {
  if (rule.rule === 'nullValues') return `${column} is null`;
  if (rule.rule === 'missingValues') {
    const texts = rule.missingValues ?? [];
    return texts.length === 0 ? `${column} is null` : `(${column} is null or ${column}::varchar in (${texts.map(sqlText).join(', ')}))`;
  }
  if (!rule.validValues) return `(${column} is not null and not regexp_matches(${column}::varchar, ${sqlText(rule.pattern!)}))`;
  // A number is compared as a number, so that 1 fits a column that holds 1.0.
  const numbers = rule.validValues.filter((v) => typeof v === 'number');
  const texts = rule.validValues.map((v) => sqlText(String(v))).join(', ');
  const asNumber = numbers.length > 0 ? ` and coalesce(try_cast(${column}::varchar as double) not in (${numbers.join(', ')}), true)` : '';
  return `(${column} is not null and ${column}::varchar not in (${texts})${asNumber})`;
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
    case 'mustNotBeBetween': {
      const [low, high] = bound.value as readonly [number, number];
      return n < low || n > high;
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
    found: Number.isNaN(n) ? 'no number' : String(n),
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
      // Before 3.1 a moment was called "date" too.
      (wanted === 'date' && is === 'timestamp' && /^v?3\.0/.test(contract.apiVersion)) ||
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
