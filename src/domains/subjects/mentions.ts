// Cells of a table that name a subject where no column says so: free text, lists, a column of another name. The row
// stays, for it may be another's; a mark takes the value's place. Only values that can be nothing else are looked for.
import { sqlName, sqlText } from '../../kernel/compute/compute.ts';
import { isDistinctive, valuePattern } from './forms.ts';
import { ERASED, mayContainSql, type TableColumn } from './model.ts';

export interface Mentions {
  /** True for rows with such a cell. */
  readonly condition: string;
  /** True for more rows than those, and found in a tenth of the time: where it is true for none, nothing else need be asked. */
  readonly may: string;
  /** What each such column becomes, by its name. */
  readonly cleared: Readonly<Record<string, string>>;
}

const TEXT = /^(VARCHAR|JSON)$/;
const NESTED = /(STRUCT|MAP|\[\]).*|\[\d+\]$/;

/** Undefined for a table without a column that could. */
export function mentionsOf(columns: readonly TableColumn[], values: readonly string[]): Mentions | undefined {
  const distinct = values.filter(isDistinctive);
  const own = columns.filter(({ type }) => TEXT.test(type) || (NESTED.test(type) && /VARCHAR|JSON|UUID/.test(type)));
  if (distinct.length === 0 || own.length === 0) return undefined;
  const conditions: string[] = [];
  const may: string[] = [];
  const cleared: Record<string, string> = {};
  for (const { name, type } of own) {
    const x = sqlName(name);
    const text = TEXT.test(type) ? `${x}::varchar` : `to_json(${x})::varchar`;
    // The engine looks neither back nor ahead, so what stands around the value is taken along and put back.
    const pattern = (v: string): string =>
      sqlText(`(^|[^\\p{L}\\p{N}]|\\\\[nrtbf]|\\\\u[0-9a-fA-F]{4})${valuePattern(v)}($|[^\\p{L}\\p{N}])`);
    const named = distinct.map((v) => `case when ${mayContainSql(text, v)} then regexp_matches(${text}, ${pattern(v)}) else false end`);
    const condition = `coalesce(${named.join(' or ')}, false)`;
    // Twice: of two values with one mark between them the first take has the mark.
    const without = [...distinct, ...distinct].reduce(
      (t, v) => `regexp_replace(${t}, ${pattern(v)}, ${sqlText(`\\1${ERASED}\\2`)}, 'g')`,
      text,
    );
    conditions.push(condition);
    may.push(...distinct.map((v) => mayContainSql(text, v)));
    cleared[name] = `case when ${condition} then (${without})${TEXT.test(type) ? '' : '::json'}::${type} else ${x} end`;
  }
  return { condition: conditions.join('\n or '), may: `coalesce(${may.join('\n or ')}, false)`, cleared };
}
