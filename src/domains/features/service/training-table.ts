// The point-in-time join: for each row of the spine, the features as they were known at its moment.
import type { Ctx } from '../../../kernel/ctx.ts';
import {
  getVersion,
  inspectionOf,
  inspectionSql,
  stageFiles,
  stageVersion,
  type Column,
  type DatasetVersion,
} from '../../datasets/public.ts';
import type { FeatureServiceDefinition, ProjectDefinition, SpineDefinition } from '../../projects/public.ts';
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import { fail } from '../errors.ts';
import { featureType, type ViewColumn } from '../model.ts';
import { joinSql, type JoinedView } from '../view-sql.ts';
import { materialiseView, withTarget } from './view-table.ts';

export interface TrainingTableInput {
  readonly definition: ProjectDefinition;
  readonly snapshot: string;
  readonly service: string;
  /** With parameters put in place. */
  readonly spine: SpineDefinition;
  readonly slices: readonly string[];
  /** Dataset name -> version id. */
  readonly datasets: Readonly<Record<string, string>>;
}

export interface TrainingTable {
  readonly columns: readonly Column[];
  readonly rows: number;
  readonly digest: string;
  readonly fromUs: number;
  readonly toUs: number;
  /** Every label was known by this moment; null where that was not asked. */
  readonly knownByUs: number | null;
  readonly datasetVersions: readonly string[];
}

/** Unix microseconds of "2013-01-31" or an ISO time; UTC when no zone is written. Raises `moment-invalid`. */
export function momentUs(what: string, value: string): number {
  // Stricter than "Date.parse", which takes "12" for a year or a month.
  const [, day, time = '00:00:00', fraction = '', zone = 'Z'] =
    /^((?:\d{4}|[+-]\d{6})-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,6}))?(Z|[+-]\d{2}:?\d{2})?)?$/i.exec(value) ?? [];
  const ms = Date.parse(`${day}T${time}${zone.toUpperCase()}`);
  return Number.isNaN(ms) ? fail('moment-invalid', { what, value }) : ms * 1000 + Number(fraction.padEnd(6, '0'));
}

// The online store tells 1 from '1'; a join that does not would show training what serving never finds.
function checkKey(view: string, key: ViewColumn, dataset: string, columns: readonly Column[]): void {
  const kind = (type: string | undefined): string =>
    type === 'integer' || type === 'number' ? 'a number' : type === 'string' ? 'a text' : `a ${type}`;
  const found = featureType(columns.find((c) => c.name === key.name)?.type ?? '');
  if (kind(found) !== kind(key.type))
    fail('feature-view-invalid', {
      view,
      why: `its key "${key.name}" is ${kind(key.type)}, and in dataset "${dataset}" it is ${found ? kind(found) : 'of a type that cannot be a key'}. Cast one of them in SQL.`,
    });
}

/** The views of a service, made ready to be joined to rows of a dataset version, and the versions behind it all. */
export async function viewsFor(
  ctx: Ctx,
  input: Pick<TrainingTableInput, 'definition' | 'snapshot' | 'datasets'>,
  service: FeatureServiceDefinition,
  rows: DatasetVersion,
): Promise<{ views: JoinedView[]; tables: Record<string, { files: string[] }>; versions: Set<string> }> {
  const views: JoinedView[] = [];
  const tables: Record<string, { files: string[] }> = { [rows.dataset]: { files: await stageVersion(ctx, rows) } };
  const versions = new Set([rows.id]);
  for (const name of service.views) {
    const view = input.definition.views[name]!;
    const version = await getVersion(ctx, input.datasets[view.dataset]!);
    versions.add(version.id);
    const made = await materialiseView(ctx, { definition: input.definition, snapshot: input.snapshot, view, version });
    for (const column of made.entityColumns) checkKey(name, column, rows.dataset, rows.columns);
    tables[`view_${name}`] = { files: await stageFiles(ctx, [made.digest]) };
    views.push({ view, table: `view_${name}` });
  }
  return { views, tables, versions };
}

/**
 * Builds the table and hands its Parquet file to `use` before it is removed. Exactly one row per spine row
 * whose moment lies in `between` and whose label was known by the cut-off. Columns: row_key, at_us, request
 * columns, features, label. Raises `training-table-empty`, `feature-view-invalid`, `spine-column-missing`.
 */
export async function buildTrainingTable<T>(
  ctx: Ctx,
  input: TrainingTableInput,
  use: (table: TrainingTable, path: string) => Promise<T>,
): Promise<T> {
  const { definition, spine } = input;
  const service =
    definition.services[input.service] ?? fail('feature-service-not-found', { project: definition.project, service: input.service });
  const dataset = definition.datasets[spine.dataset]!;
  const [fromUs, toUs] = [
    momentUs('The first bound of "between"', spine.between[0]),
    momentUs('The second bound of "between"', spine.between[1]),
  ];
  const knownByUs = spine.knownBy === 'none' ? null : spine.knownBy === null ? toUs : momentUs('"known_by"', spine.knownBy);
  const spineVersion = await getVersion(ctx, input.datasets[spine.dataset]!);
  const present = new Set(spineVersion.columns.map((c) => c.name));
  for (const column of [...service.request, ...input.slices])
    if (!present.has(column)) fail('spine-column-missing', { dataset: spine.dataset, column, service: service.name });

  const { views, tables, versions } = await viewsFor(ctx, input, service, spineVersion);
  const keyText = dataset.key.map((k) => `${sqlName(k)}::varchar`).join(', ');
  const plain = [...new Set([...service.request, ...input.slices])];
  const taken = [...new Set([...dataset.key, ...plain])].map(sqlName).join(', ');
  const names = ['row_key', 'at_us', ...plain, ...views.flatMap(({ view }) => view.columns), 'label'];
  return withTarget(ctx, async (target) => {
    const { rows } = await ctx.compute.run(
      {
        what: `the training table of ${service.name}`,
        tables,
        writes: [target],
        memoryMb: ctx.settings.computeMemoryMb,
        statements: [
          {
            userSql: `select ${taken}, (${spine.at}\n)::timestamp as gyre_at, (${spine.label}\n) as gyre_label, (${dataset.knownAt ?? `timestamp '1900-01-01'`}\n)::timestamp as gyre_known from ${sqlName(spine.dataset)}${spine.where === null ? '' : ` where (${spine.where}\n)`}`,
            into: { table: 'chosen' },
            where: `epoch_us(gyre_at) >= ${fromUs} and epoch_us(gyre_at) < ${toUs} and gyre_label is not null${knownByUs === null ? '' : ` and epoch_us(gyre_known) <= ${knownByUs}`}`,
          },
          {
            sql: `create table spine as select to_json([${keyText}])::varchar as row_key, epoch_us(gyre_at) as at_us, ${plain.map(sqlName).join(', ')},
                  gyre_label::double as label from chosen`,
          },
          { sql: `create table training as ${joinSql(service.request, input.slices, views)}` },
          { sql: `copy training to ${sqlText(target)} (format parquet, compression zstd)` },
        ],
        rows: inspectionSql('training', names),
      },
      ctx.signal,
    );
    const found = inspectionOf(rows[0]!);
    if (found.rows === 0) return fail('training-table-empty', { dataset: spine.dataset, from: spine.between[0], to: spine.between[1] });
    return use(
      { columns: found.columns, rows: found.rows, digest: found.digest, fromUs, toUs, knownByUs, datasetVersions: [...versions] },
      target,
    );
  });
}
