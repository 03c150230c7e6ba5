// Parquet files without some of their rows. What stays is counted and hashed before and after, so that a
// rewriting that changed anything else cannot go unnoticed. Many small files go through one run: starting one takes
// longer than reading them.
import { randomBytes } from 'node:crypto';
import { statSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import { sqlName, sqlText, type ComputeTable } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { logicalDigest, type Column } from '../model.ts';
import { FILE, rowDigestsSql, sorted, SUMS_SQL } from './row-digests.ts';

/** Files of one run: so many, and together so large; a larger one has a run of its own. */
const FILES_AT_ONCE = 256;
const BYTES_AT_ONCE = 128 * 1024 * 1024;

/** Splits files into what one run takes at once. */
export function fileParts(paths: readonly string[], atOnce = FILES_AT_ONCE, bytesAtOnce = BYTES_AT_ONCE): string[][] {
  const all: string[][] = [];
  let bytes = Infinity;
  for (const path of paths) {
    const size = statSync(path, { throwIfNoEntry: false })?.size ?? 0;
    if (bytes + size > bytesAtOnce || all.at(-1)!.length >= atOnce) {
      all.push([]);
      bytes = 0;
    }
    all.at(-1)!.push(path);
    bytes += size;
  }
  return all;
}

/** What a footer says of each column, as far as DuckDB makes types of it. */
const SHAPE = [
  'name',
  'type',
  'type_length',
  'repetition_type',
  'num_children',
  'converted_type',
  'scale',
  'precision',
  'logical_type',
  'duckdb_type',
];
const listSql = (paths: readonly string[]): string => `[${paths.map(sqlText).join(', ')}]`;

/** Columns of each Parquet file by its path; a file that is none, or is broken, has no entry. */
export async function tableColumns(ctx: Ctx, paths: readonly string[]): Promise<Map<string, readonly Column[]>> {
  const found = new Map<string, readonly Column[]>();
  // Files with the same schema in their footers are the same table to DuckDB, so that one of them tells for all.
  const look = async (part: readonly string[]): Promise<void> => {
    try {
      const shapes = await shapesOf(ctx, part);
      const of = new Map<string, string[]>();
      for (const [path, shape] of shapes) of.set(shape, [...(of.get(shape) ?? []), path]);
      const alike = [...of.values()];
      const described = await describe(
        ctx,
        alike.map(([first]) => first!),
      );
      for (const [i, columns] of described) for (const path of alike[i]!) found.set(path, columns);
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
  for (let i = 0; i < paths.length; i += FILES_AT_ONCE) await look(paths.slice(i, i + FILES_AT_ONCE));
  return found;
}

async function shapesOf(ctx: Ctx, paths: readonly string[]): Promise<Map<string, string>> {
  if (paths.length === 1) return new Map([[paths[0]!, '']]);
  const { rows } = await ctx.compute.run(
    {
      what: 'the schemas of stored tables',
      reads: paths,
      statements: [],
      rows: `with s as (select file_name, column_id,
          to_json(struct_pack(${SHAPE.map((c) => `${sqlName(c)} := ${sqlName(c)}`).join(', ')}))::varchar as element from parquet_schema(${listSql(paths)}))
        select file_name as path, md5(string_agg(element, ',' order by column_id)) as shape from s group by file_name`,
    },
    ctx.signal,
  );
  return new Map((rows as unknown as { path: string; shape: string }[]).map((r) => [r.path, r.shape]));
}

async function describe(ctx: Ctx, paths: readonly string[]): Promise<Map<number, Column[]>> {
  const { rows } = await ctx.compute.run(
    {
      what: 'the columns of stored tables',
      tables: Object.fromEntries(paths.map((path, i) => [`t${i}`, { files: [path] }])),
      statements: [],
      rows: paths
        .map(
          (_, i) =>
            `select ${i} as i, (select list(struct_pack(name := column_name, type := column_type)) from (describe t${i})) as columns`,
        )
        .join(' union all '),
    },
    ctx.signal,
  );
  return new Map((rows as unknown as { i: number; columns: Column[] }[]).map((r) => [r.i, r.columns]));
}

export interface RowCount {
  readonly rows: number;
  readonly matching: number;
  /** Rows that do not match and for which the other condition is true. */
  readonly mentioning: number;
}

/** Tables that a condition reads, by name, each of one file. */
export type Beside = Readonly<Record<string, string>>;
const besides = (beside: Beside): Record<string, ComputeTable> =>
  Object.fromEntries(Object.entries(beside).map(([name, path]) => [name, { files: [path] }]));

/** A condition, and one that is true wherever it is and costs less to ask. */
export interface Mention {
  readonly condition: string;
  readonly may: string;
}

/** Rows, and rows for which each condition is true, of each of these files of one schema. */
export async function countMatching(
  ctx: Ctx,
  paths: readonly string[],
  condition: string,
  beside: Beside = {},
  mention?: Mention,
): Promise<Map<string, RowCount>> {
  const found = new Map<string, RowCount>(paths.map((path) => [path, { rows: 0, matching: 0, mentioning: 0 }]));
  const count = async (part: readonly string[], also: string): Promise<string[]> => {
    const { rows } = await ctx.compute.run(
      {
        what: 'rows of a subject',
        tables: { t: { files: part, fileColumn: FILE }, ...besides(beside) },
        statements: [],
        rows: `select ${FILE} as path, count(*) as rows, count(*) filter (where ${condition}) as matching,
          count(*) filter (where not (${condition}) and (${also})) as mentioning from t group by 1`,
      },
      ctx.signal,
    );
    const counts = rows as unknown as ({ path: string } & RowCount)[];
    for (const { path, rows: all, matching, mentioning } of counts) found.set(path, { rows: all, matching, mentioning });
    return counts.filter((c) => c.mentioning > 0).map((c) => c.path);
  };
  for (const part of fileParts([...new Set(paths)])) {
    const maybe = await count(part, mention?.may ?? 'false');
    if (mention && maybe.length > 0) await count(maybe, mention.condition);
  }
  return found;
}

export interface Rewritten {
  readonly digest: string;
  readonly sizeBytes: number;
  readonly rows: number;
  readonly removed: number;
  /** Logical digest of what was written. */
  readonly logicalDigest: string;
}

/** What columns of rows that stay become, in SQL, by their names; of the same types. */
export type ClearedColumns = Readonly<Record<string, string>>;

/** Stores a Parquet file anew without the rows for which the condition is true. Raises an Error if a row that stays changed. */
export async function rewriteWithout(
  ctx: Ctx,
  path: string,
  columns: readonly Column[],
  condition: string,
  beside: Beside = {},
  cleared: ClearedColumns = {},
): Promise<Rewritten> {
  const [made] = await rewriteAllWithout(ctx, [path], columns, condition, beside, cleared);
  return made!;
}

/** Rewriting is work, so that files are split into runs which can go side by side. */
const REWRITTEN_BYTES = 8 * 1024 * 1024;

/** Splits paths of one schema into what `rewriteAllWithout` takes at once. */
export const rewriteParts = (paths: readonly string[]): string[][] => fileParts(paths, 64, REWRITTEN_BYTES);

/** The same for many files of one schema, in one run; nothing is held in memory as a whole. */
export async function rewriteAllWithout(
  ctx: Ctx,
  paths: readonly string[],
  columns: readonly Column[],
  condition: string,
  beside: Beside = {},
  cleared: ClearedColumns = {},
): Promise<Rewritten[]> {
  const folder = join(ctx.settings.dir, 'compute', 'made');
  await mkdir(folder, { recursive: true });
  const targets = paths.map(() => join(folder, `${randomBytes(8).toString('hex')}.parquet`));
  const names = columns.map((c) => c.name);
  const kept = names.map((n) => (Object.hasOwn(cleared, n) ? `${cleared[n]} as ${sqlName(n)}` : sqlName(n))).join(', ');
  const one = (path: string): string => `(select ${names.map(sqlName).join(', ')} from read_parquet(${sqlText(path)}))`;
  const bytes = paths.reduce((sum, path) => sum + (statSync(path, { throwIfNoEntry: false })?.size ?? 0), 0);
  try {
    const { rows } = await ctx.compute.run(
      {
        what: 'tables without the rows of a subject',
        tables: { t: { files: paths, fileColumn: FILE }, ...besides(beside) },
        writes: targets,
        // Small ones leave room for others beside them.
        ...(bytes > REWRITTEN_BYTES ? { memoryMb: ctx.settings.computeMemoryMb } : {}),
        statements: [
          ...paths.map((path, i) => ({
            sql: `copy (select ${kept} from ${one(path)} t where not (${condition})) to ${sqlText(targets[i]!)} (format parquet, compression zstd)`,
          })),
          { sql: `create view made as select * from read_parquet(${listSql(targets)}, union_by_name = true, filename = ${sqlText(FILE)})` },
        ],
        rows: `select 0 as made, ${FILE} as path, ${columnsSql('t')} as columns, count(*) as before, count(*) filter (where ${KEPT}) as rows,
            (sum(${hashSql(names)}) filter (where ${KEPT}))::varchar as hashes, null as low, null as high
            from (select ${kept}, ${FILE}, not (${condition}) as ${KEPT} from t) group by 2
          union all select 1, path, ${columnsSql('made')}, 0, count(*), sum(h)::varchar, ${SUMS_SQL} from (${rowDigestsSql('made', names, hashSql(names))}) group by path`,
      },
      ctx.signal,
    );
    const found = new Map((rows as unknown as Hashed[]).map((r) => [r.path, r]));
    const own = (r: Hashed | undefined): Column[] | undefined => r && sorted(r.columns.filter((c) => c.name !== FILE));
    const checked = paths.map((path, i) => {
      const was = found.get(path);
      // A file all of whose rows went has no rows to group.
      const now = found.get(targets[i]!) ?? { rows: 0, hashes: null, low: '0', high: '0', columns: was?.columns ?? [...columns] };
      const kept = { rows: was?.rows ?? 0, hashes: was?.hashes ?? null, columns: own(was) ?? sorted(columns) };
      const written = { rows: now.rows, hashes: now.hashes, columns: sorted(now.columns.filter((c) => c.name !== FILE)) };
      if (JSON.stringify(kept) !== JSON.stringify(written))
        throw new Error(
          `of ${kept.rows} rows that were to stay, some came out of Parquet otherwise than they went in; nothing was replaced`,
        );
      return {
        rows: now.rows,
        removed: (was?.before ?? 0) - now.rows,
        logicalDigest: logicalDigest(written.columns, now.rows, now.low!, now.high!),
      };
    });
    const stored = await storeBlobs(
      ctx,
      targets.map((path) => ({ path })),
    );
    return checked.map((c, i) => ({ ...stored[i]!, ...c }));
  } finally {
    for (const target of targets) await rm(target, { force: true });
  }
}

interface Hashed {
  readonly path: string;
  readonly columns: Column[];
  readonly before: number;
  readonly rows: number;
  /** Sum of DuckDB's 64-bit hashes of the rows that stay. */
  readonly hashes: string | null;
  readonly low: string | null;
  readonly high: string | null;
}

const KEPT = '__gyre_kept';
const hashSql = (names: readonly string[]): string => `hash(${names.map(sqlName).join(', ')})`;
const columnsSql = (table: string): string =>
  `(select list(struct_pack(name := column_name, type := column_type)) from (describe ${table}))`;
