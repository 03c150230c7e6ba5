// What a view's rows are, and how their types are called at the door. Pure.
import type { ColumnType } from './packed-values.ts';

export interface ViewColumn {
  readonly name: string;
  readonly type: ColumnType;
}

/** Our name for a DuckDB type; undefined for what cannot be a feature. */
export function featureType(duckdbType: string): ColumnType | undefined {
  if (/^(U?(TINY|SMALL)INT|U?INTEGER|BIGINT)$/.test(duckdbType)) return 'integer';
  // An unsigned integer of 64 bits may not fit a signed one.
  if (/^(FLOAT|DOUBLE|UBIGINT|HUGEINT|UHUGEINT)$/.test(duckdbType) || duckdbType.startsWith('DECIMAL')) return 'number';
  if (duckdbType === 'VARCHAR') return 'string';
  if (duckdbType === 'BOOLEAN') return 'boolean';
  return undefined;
}
