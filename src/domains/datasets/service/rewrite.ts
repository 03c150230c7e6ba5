// Parquet files without some of their rows. What stays is counted and digested before and after, so that a
// rewriting that changed anything else cannot go unnoticed.
import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import { sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Column } from '../model.ts';
import { inspectionOf, inspectionSql } from './inspect.ts';

const AT_ONCE = 64;

/** Columns of each Parquet file by its path; a file that is none, or is broken, has no entry. */
export async function tableColumns(ctx: Ctx, paths: readonly string[]): Promise<Map<string, readonly Column[]>> {
  const found = new Map<string, readonly Column[]>();
  const look = async (part: readonly string[]): Promise<void> => {
    try {
      const { rows } = await ctx.compute.run(
        {
          what: 'the columns of stored tables',
          tables: Object.fromEntries(part.map((path, i) => [`t${i}`, { files: [path] }])),
          statements: [],
          rows: part
            .map(
              (_, i) =>
                `select ${i} as i, (select list(struct_pack(name := column_name, type := column_type)) from (describe t${i})) as columns`,
            )
            .join(' union all '),
        },
        ctx.signal,
      );
      for (const { i, columns } of rows as unknown as { i: number; columns: Column[] }[]) found.set(part[i]!, columns);
    } catch (error) {
      ctx.signal.throwIfAborted();
      if (part.length === 1) return;
      // One file that is no table must not hide the others.
      const half = Math.ceil(part.length / 2);
      await look(part.slice(0, half));
      await look(part.slice(half));
      void error;
    }
  };
  for (let i = 0; i < paths.length; i += AT_ONCE) await look(paths.slice(i, i + AT_ONCE));
  return found;
}

export interface RowCount {
  readonly rows: number;
  readonly matching: number;
}

/** Rows, and rows for which the condition is true, of each of these files of one schema. `beside` are tables that the condition reads. */
export async function countMatching(
  ctx: Ctx,
  paths: readonly string[],
  condition: string,
  beside: Readonly<Record<string, string>> = {},
): Promise<Map<string, RowCount>> {
  const found = new Map<string, RowCount>();
  for (let i = 0; i < paths.length; i += AT_ONCE) {
    const part = paths.slice(i, i + AT_ONCE);
    const tables = Object.fromEntries(part.map((path, n) => [`t${n}`, { files: [path] }]));
    const { rows } = await ctx.compute.run(
      {
        what: 'rows of a subject',
        tables: { ...tables, ...Object.fromEntries(Object.entries(beside).map(([name, path]) => [name, { files: [path] }])) },
        statements: [],
        rows: part
          .map((_, n) => `select ${n} as i, count(*) as rows, count(*) filter (where ${condition}) as matching from t${n}`)
          .join(' union all '),
      },
      ctx.signal,
    );
    for (const { i: n, rows: all, matching } of rows as unknown as { i: number; rows: number; matching: number }[])
      found.set(part[n]!, { rows: all, matching });
  }
  return found;
}

export interface Rewritten {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly rows: number;
  readonly removed: number;
  /** Logical digest of the rows that stayed, equal before and after. */
  readonly logicalDigest: string;
}

/** Stores a Parquet file anew without the rows for which the condition is true. Raises an Error if a row that stays changed. */
export async function rewriteWithout(
  ctx: Ctx,
  path: string,
  columns: readonly Column[],
  condition: string,
  beside: Readonly<Record<string, string>> = {},
): Promise<Rewritten> {
  const folder = join(ctx.settings.dir, 'compute', 'made');
  await mkdir(folder, { recursive: true });
  const target = join(folder, `${randomBytes(8).toString('hex')}.parquet`);
  const names = columns.map((c) => c.name);
  try {
    const { rows } = await ctx.compute.run(
      {
        what: 'a table without the rows of a subject',
        tables: { t: { files: [path] }, ...Object.fromEntries(Object.entries(beside).map(([name, file]) => [name, { files: [file] }])) },
        writes: [target],
        memoryMb: ctx.settings.computeMemoryMb,
        statements: [
          { sql: `create table kept as select * from t where not (${condition})` },
          { sql: `copy kept to ${sqlText(target)} (format parquet, compression zstd)` },
          { sql: `create view made as select * from read_parquet(${sqlText(target)})` },
        ],
        rows: `select 0 as i, (select count(*) from t) as before, * from (${inspectionSql('kept', names)}) union all select 1 as i, 0 as before, * from (${inspectionSql('made', names)}) order by i`,
      },
      ctx.signal,
    );
    const [kept, made] = [inspectionOf(rows[0]!), inspectionOf(rows[1]!)];
    if (kept.digest !== made.digest || kept.rows !== made.rows)
      throw new Error(`of ${kept.rows} rows that were to stay, some came out of Parquet otherwise than they went in; nothing was replaced`);
    const [stored] = await storeBlobs(ctx, [{ path: target }]);
    return { ...stored!, rows: made.rows, removed: Number(rows[0]!.before) - made.rows, logicalDigest: made.digest };
  } finally {
    await rm(target, { force: true });
  }
}
