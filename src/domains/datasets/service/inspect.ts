// What DuckDB tells of a table: schema, rows, logical digest, a profile per column.
import { sqlName, sqlText, type ComputeTable } from '../../../kernel/compute/compute.ts';
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
    { what, tables: { t: table }, statements: [], rows: 'select column_name as name from (describe t)' },
    ctx.signal,
  );
  const names = described.rows.map((r) => String(r.name));
  const { rows } = await ctx.compute.run({ what, tables: { t: table }, statements: [], rows: inspectionSql('t', names) }, ctx.signal);
  return inspectionOf(rows[0]!);
}

/** A query over a table of these columns whose one row `inspectionOf` reads: for a job that has the table at hand. */
export function inspectionSql(table: string, names: readonly string[]): string {
  // Each row is hashed as canonical JSON of its values in the order of names; sums do not depend on row order.
  const struct = [...names]
    .sort()
    .map((n) => `${sqlName(n)} := ${sqlName(n)}`)
    .join(', ');
  return `select (select list(struct_pack(name := column_name, type := column_type)) from (describe ${sqlName(table)})) as columns,
      count(*) as rows, coalesce(sum(md5_number_lower(j)::hugeint), 0)::varchar as low, coalesce(sum(md5_number_upper(j)::hugeint), 0)::varchar as high
    from (select to_json(struct_pack(${struct}))::varchar as j from ${sqlName(table)})`;
}

export function inspectionOf(row: Readonly<Record<string, unknown>>): Inspection {
  const { columns, rows, low, high } = row as unknown as { columns: Column[]; rows: number; low: string; high: string };
  const byName = [...columns].sort((a, b) => (a.name < b.name ? -1 : 1));
  return { columns, rows, digest: logicalDigest(byName, rows, low, high) };
}

export interface FileFaults {
  /** Files without a row. */
  readonly empty: readonly string[];
  /** Columns of the table that a file lacks; read together with others they would be NULL there, silently. */
  readonly lacking: readonly { readonly column: string; readonly file: string }[];
}

/** Looks at each Parquet file by itself, by its footer. */
export async function inspectFiles(ctx: Ctx, what: string, files: readonly string[], columns: readonly Column[]): Promise<FileFaults> {
  const list = `[${files.map(sqlText).join(', ')}]`;
  const names = `[${columns.map((c) => sqlText(c.name)).join(', ')}]`;
  const { rows } = await ctx.compute.run(
    {
      what,
      tables: { t: { files } },
      statements: [],
      rows: `with stored as (select distinct file_name, lower(name) as name from parquet_schema(${list})),
          wanted as (select unnest(${names}) as name), files as (select file_name, num_rows from parquet_file_metadata(${list}))
        select file_name as file, null as lacks from files where num_rows = 0
        union all
        select min(file_name), wanted.name from files, wanted
          where not exists (from stored s where s.file_name = files.file_name and s.name = lower(wanted.name)) group by wanted.name`,
    },
    ctx.signal,
  );
  const found = rows as { file: string; lacks: string | null }[];
  return {
    empty: found.filter((r) => r.lacks === null).map((r) => r.file),
    lacking: found.filter((r) => r.lacks !== null).map((r) => ({ column: r.lacks!, file: r.file })),
  };
}

const numeric = (type: string): boolean => /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL.*)$/.test(type);

// The square of a value beyond 1e150 is no double any more, and DuckDB ends the query over it; then there is no figure.
const stdSql = (x: string, finite: string): string =>
  finite === ''
    ? `stddev_samp(${x}::double)`
    : `case when max(abs(${x}))${finite} < 1e150 then stddev_samp(${x}::double) filter (where isfinite(${x}) and abs(${x}) < 1e150) end`;

export async function profileTable(ctx: Ctx, what: string, table: ComputeTable, columns: readonly Column[]): Promise<ColumnProfile[]> {
  const parts = columns.map((c, i) => {
    const x = sqlName(c.name);
    const number = numeric(c.type);
    // Infinity and NaN have no place in a mean or a quantile; they are counted instead.
    const finite = /^(FLOAT|DOUBLE)$/.test(c.type) ? ` filter (where isfinite(${x}))` : '';
    return `select ${i} as i, count(*) as rows, count(*) - count(${x}) as nulls, ${finite ? `count(${x}) - count(${x})${finite}` : '0'} as "notFinite", approx_count_distinct(${x}) as "approxDistinct", min(${x})::varchar as min, max(${x})::varchar as max,
      ${number ? `avg(${x})${finite}::double` : 'null::double'} as mean, ${number ? stdSql(x, finite) : 'null::double'} as std,
      ${number ? `quantile_cont(${x}::double, [${profileQuantiles.join(', ')}])${finite}` : 'null::double[]'} as quantiles,
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
