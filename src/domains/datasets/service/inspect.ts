// What DuckDB tells of a table: schema, rows, logical digest, a profile per column.
import { sqlName, type ComputeTable } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { logicalDigest, profileQuantiles, type Column, type ColumnProfile } from '../model.ts';

export interface Inspection {
  readonly columns: readonly Column[];
  readonly rows: number;
  readonly digest: string;
}

/** Schema, row count and logical digest. Raises `compute-input-unreadable`. */
export async function inspectTable(ctx: Ctx, what: string, table: ComputeTable): Promise<Inspection> {
  const described = await ctx.compute.run(
    { what, tables: { t: table }, statements: [], rows: 'select column_name as name, column_type as type from (describe t)' },
    ctx.signal,
  );
  const columns = described.rows.map((r) => ({ name: String(r.name), type: String(r.type) }));
  // Each row is hashed as canonical JSON of its values in the order of names; sums do not depend on row order.
  const struct = columns
    .map((c) => c.name)
    .sort()
    .map((n) => `${sqlName(n)} := ${sqlName(n)}`)
    .join(', ');
  const summed = await ctx.compute.run(
    {
      what,
      tables: { t: table },
      statements: [],
      rows: `select count(*) as rows, coalesce(sum(md5_number_lower(j)::hugeint), 0)::varchar as low, coalesce(sum(md5_number_upper(j)::hugeint), 0)::varchar as high
             from (select to_json(struct_pack(${struct}))::varchar as j from t)`,
    },
    ctx.signal,
  );
  const { rows, low, high } = summed.rows[0] as { rows: number; low: string; high: string };
  const byName = [...columns].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { columns, rows, digest: logicalDigest(byName, rows, low, high) };
}

const numeric = (type: string): boolean => /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$/.test(type);

export async function profileTable(ctx: Ctx, what: string, table: ComputeTable, columns: readonly Column[]): Promise<ColumnProfile[]> {
  const parts = columns.map((c, i) => {
    const x = sqlName(c.name);
    const number = numeric(c.type);
    return `select ${i} as i, count(*) as rows, count(*) - count(${x}) as nulls, approx_count_distinct(${x}) as "approxDistinct", min(${x})::varchar as min, max(${x})::varchar as max,
      ${number ? `avg(${x})::double` : 'null::double'} as mean, ${number ? `stddev_samp(${x})::double` : 'null::double'} as std,
      ${number ? `quantile_cont(${x}::double, [${profileQuantiles.join(', ')}])` : 'null::double[]'} as quantiles,
      (select list(struct_pack(value := v, count := c) order by c desc, v) from (select ${x}::varchar as v, count(*) as c from t where ${x} is not null group by 1 order by 2 desc, 1 limit 10)) as top
      from t`;
  });
  const result = await ctx.compute.run(
    { what, tables: { t: table }, statements: [], rows: `${parts.join('\nunion all\n')}\norder by i` },
    ctx.signal,
  );
  return result.rows.map((r, i) => {
    const { i: _, ...rest } = r as unknown as Omit<ColumnProfile, 'name' | 'type'> & { i: number };
    return { name: columns[i]!.name, type: columns[i]!.type, ...rest, top: rest.top ?? [] };
  });
}
