// A view over one dataset version as a Parquet file, made once and kept under the digest of all it depends on.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { sqlText } from '../../../kernel/compute/compute.ts';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { recordedMs } from '../../../kernel/recorded.ts';
import { stageVersion, type DatasetVersion } from '../../datasets/public.ts';
import { snapshotText, type FeatureViewDefinition, type ProjectDefinition } from '../../projects/public.ts';
import { fail } from '../errors.ts';
import { featureType, type ViewColumn } from '../model.ts';
import * as store from '../store.ts';
import type { ViewTable } from '../store.ts';
import { envelopeSql, viewSource } from '../view-sql.ts';

/** A file of our own for compute to write, removed when `use` has ended. */
export async function withTarget<T>(ctx: Ctx, use: (path: string) => Promise<T>): Promise<T> {
  const folder = join(ctx.settings.dir, 'compute', 'made');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${randomBytes(8).toString('hex')}.parquet`);
  try {
    return await use(path);
  } finally {
    await rm(path, { force: true });
  }
}

export interface ViewInputs {
  readonly definition: ProjectDefinition;
  readonly snapshot: string;
  readonly view: FeatureViewDefinition;
  readonly version: DatasetVersion;
}

/** Digest of everything a materialised view depends on. */
export async function viewKey(ctx: Ctx, { definition, snapshot, view, version }: ViewInputs): Promise<string> {
  const dataset = definition.datasets[view.dataset]!;
  const sql = view.sql === null ? null : (await snapshotText(ctx, snapshot, view.sql)).digest;
  // The TTL is applied by the join, so changing it does not make the table again.
  const { ttlUs: _, ...shape } = view;
  return createHash('sha256')
    .update(JSON.stringify(['2', shape, sql, dataset.occurredAt, dataset.knownAt, version.logicalDigest]))
    .digest('hex');
}

/** Raises `feature-view-invalid`, `compute-sql-*`. */
export async function materialiseView(ctx: Ctx, inputs: ViewInputs): Promise<ViewTable> {
  const { definition, snapshot, view, version } = inputs;
  const key = await viewKey(ctx, inputs);
  const found = await store.findViewTable(ctx.db, ctx.workspace, key);
  if (found) return found;
  const sql = view.sql === null ? null : (await snapshotText(ctx, snapshot, view.sql)).text;
  const userSql = viewSource(view, definition.datasets[view.dataset]!, sql);
  const what = view.sql ?? `feature view ${view.name}`;
  return withTarget(ctx, async (target) => {
    const tables = { [view.dataset]: { files: await stageVersion(ctx, version) } };
    const described = await ctx.compute.run(
      {
        what,
        tables,
        statements: [{ userSql, into: { table: 'source' }, where: 'false' }],
        rows: 'select column_name as name, column_type as type from (describe source)',
      },
      ctx.signal,
    );
    const types = new Map(described.rows.map((r) => [String(r.name), String(r.type)]));
    for (const column of [...view.entity, ...view.columns, 'occurred_at', 'known_at'])
      if (!types.has(column)) fail('feature-view-invalid', { view: view.name, why: `its SELECT has no column "${column}"` });
    const typed = (names: readonly string[]): ViewColumn[] =>
      names.map((name) => ({
        name,
        type:
          featureType(types.get(name)!) ??
          fail('feature-view-invalid', {
            view: view.name,
            why: `column "${name}" is ${types.get(name)}; a feature is a number, a text or a boolean. Cast it in the SQL.`,
          }),
      }));
    const [columns, entityColumns] = [typed(view.columns), typed(view.entity)];
    const made = await ctx.compute.run(
      {
        what,
        tables,
        writes: [target],
        statements: [
          { userSql, into: { table: 'source' } },
          { sql: `copy (${envelopeSql(view, types)}) to ${sqlText(target)} (format parquet, compression zstd)` },
        ],
        rows: `select count(*) as rows from read_parquet(${sqlText(target)})`,
      },
      ctx.signal,
    );
    const [stored] = await storeBlobs(ctx, [{ path: target }]);
    const table: ViewTable = {
      project: definition.project,
      view: view.name,
      key,
      digest: stored!.digest,
      rows: Number(made.rows[0]!.rows),
      columns,
      entityColumns,
      datasetVersion: version.id,
    };
    await ctx.tx((tx) => store.insertViewTable(tx.db, tx.workspace, table, recordedMs(tx)));
    return table;
  });
}
