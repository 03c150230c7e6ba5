// Rows of a dataset to be scored: as they are, or with features as they were known at each row's moment.
import type { Ctx } from '../../../kernel/ctx.ts';
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import { getVersion, type Column } from '../../datasets/public.ts';
import type { ProjectDefinition } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { joinSql } from '../view-sql.ts';
import { momentUs, viewsFor } from './training-table.ts';
import { withTarget } from './view-table.ts';

export interface ScoringTableInput {
  readonly definition: ProjectDefinition;
  readonly snapshot: string;
  /** Dataset name -> version id. */
  readonly datasets: Readonly<Record<string, string>>;
  readonly dataset: string;
  readonly key: readonly string[];
  readonly service: string | null;
  /** Expression; null = the rows have no moment. */
  readonly at: string | null;
  readonly where: string | null;
  readonly between: readonly [string, string] | null;
  /** Columns of the dataset that are wanted, besides the key. */
  readonly columns: readonly string[];
  /** What stands for a missing value of a column that a feature is looked up by. */
  readonly defaults: Readonly<Record<string, string | number | boolean>>;
}

export interface ScoringTable {
  /** n, row_key, at_us, then the columns; n counts from 1 by moment, then key. */
  readonly columns: readonly Column[];
  readonly rows: number;
  readonly datasetVersions: readonly string[];
}

/**
 * Hands the table's Parquet file to `use` before it is removed. Raises `scoring-rows-empty`, `scoring-moment-missing`,
 * `scoring-column-missing`, `feature-view-invalid`, `compute-sql-*`.
 */
export async function buildScoringTable<T>(
  ctx: Ctx,
  input: ScoringTableInput,
  use: (table: ScoringTable, path: string) => Promise<T>,
): Promise<T> {
  const { definition, dataset } = input;
  const service =
    input.service === null
      ? { name: '', views: [], request: [] }
      : (definition.services[input.service] ?? fail('feature-service-not-found', { project: definition.project, service: input.service }));
  const version = await getVersion(ctx, input.datasets[dataset]!);
  const plain = [...new Set([...input.key, ...service.request, ...input.columns])];
  const present = new Set(version.columns.map((c) => c.name));
  for (const column of plain) if (!present.has(column)) fail('scoring-column-missing', { rows: `dataset "${dataset}"`, column });
  const { views, tables, versions } = await viewsFor(ctx, input, service, version);
  const bounds = (input.between ?? []).map((b, i) => momentUs(`The ${i === 0 ? 'first' : 'second'} bound of "between"`, b));
  const within = bounds.length === 0 ? '' : ` and (at_us is null or (at_us >= ${bounds[0]} and at_us < ${bounds[1]}))`;
  const rowKey = `to_json([${input.key.map((k) => `${sqlName(k)}::varchar`).join(', ')}])::varchar`;
  const taken = plain.map((c) =>
    Object.hasOwn(input.defaults, c) ? `coalesce(${sqlName(c)}, ${literal(input.defaults[c]!)}) as ${sqlName(c)}` : sqlName(c),
  );
  return withTarget(ctx, async (target) => {
    const { rows } = await ctx.compute.run(
      {
        what: `the rows of "${dataset}" to score`,
        tables,
        writes: [target],
        memoryMb: ctx.settings.computeMemoryMb,
        statements: [
          {
            userSql: `select ${plain.map(sqlName).join(', ')}, ${input.at === null ? 'null::timestamp' : `(${input.at}\n)::timestamp`} as gyre_at from ${sqlName(dataset)}${input.where === null ? '' : ` where (${input.where}\n)`}`,
            into: { table: 'chosen' },
          },
          {
            sql: `create table spine as select * from (select ${rowKey} as row_key, epoch_us(gyre_at) as at_us, ${taken.join(', ')}, null::double as label from chosen) where true${within}`,
          },
          {
            sql: `create table joined as select row_number() over () as n, * exclude (label) from (${joinSql(plain, [], views)})`,
          },
          { sql: `copy (select * from joined order by n) to ${sqlText(target)} (format parquet, compression zstd)` },
        ],
        rows: `select count(*) as rows, count(*) filter (where at_us is null) as lost,
          (select list(struct_pack(name := column_name, type := column_type)) from (describe joined)) as columns from joined`,
      },
      ctx.signal,
    );
    const found = rows[0] as unknown as { rows: number; lost: number; columns: Column[] };
    if (found.rows === 0) return fail('scoring-rows-empty', { dataset, between: input.between });
    if (input.at !== null && found.lost > 0) return fail('scoring-moment-missing', { dataset, at: input.at, rows: found.lost });
    return use({ columns: found.columns, rows: found.rows, datasetVersions: [...versions] }, target);
  });
}

const literal = (value: string | number | boolean): string => (typeof value === 'string' ? sqlText(value) : String(value));
