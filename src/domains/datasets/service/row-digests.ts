// Logical digests file by file.
import { sqlName } from '../../../kernel/compute/compute.ts';
import type { Column } from '../model.ts';

/** A name that no table of anybody has. */
export const FILE = '__gyre_file';

export const sorted = (columns: readonly Column[]): Column[] =>
  columns.map(({ name, type }) => ({ name, type })).sort((a, b) => (a.name < b.name ? -1 : 1));

// As `inspectionSql`, file by file; a row is digested once for both halves.
export function rowDigestsSql(table: string, names: readonly string[], hash = 'null'): string {
  const struct = [...names]
    .sort()
    .map((n) => `${sqlName(n)} := ${sqlName(n)}`)
    .join(', ');
  return `select ${FILE} as path, ${hash} as h, md5_number(to_json(struct_pack(${struct}))::varchar) as d from ${table}`;
}
/** The sums `logicalDigest` takes, over rows of `rowDigestsSql`. */
export const SUMS_SQL = `coalesce(sum((d >> 64)::hugeint), 0)::varchar as low, coalesce(sum((d & 18446744073709551615::uhugeint)::hugeint), 0)::varchar as high`;
