// DuckDB's own syntax trees of SELECTs.
import { sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';

/** One tree for each text; a text that does not parse gives a tree that says so. Nothing is run. */
export async function serialiseSelects(ctx: Ctx, texts: readonly string[]): Promise<unknown[]> {
  if (texts.length === 0) return [];
  const { rows } = await ctx.compute.run(
    {
      what: 'the columns that SQL reads',
      statements: [],
      rows: texts
        .map((text, i) => `select ${i} as i, json_serialize_sql(${sqlText(text)}, skip_null := true, skip_empty := true)::varchar as tree`)
        .join(' union all ')
        .concat(' order by i'),
    },
    ctx.signal,
  );
  return rows.map((row) => JSON.parse(String(row.tree)) as unknown);
}
