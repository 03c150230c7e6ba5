// The shipped inference log: which files hold what, and how one is written. A file has the records of one
// workspace, project, endpoint and set of columns, in the order of their event times.
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import { sqlName, sqlText, type ComputeJob, type ComputeResult } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { parsePredictionId } from '../log/segment.ts';
import { sqlType, stagesType, type LoggedColumn } from '../model.ts';
import type { ColumnType } from '../schema.ts';
import * as store from '../store.ts';

export interface Span {
  readonly fromUs: number;
  readonly toUs: number;
}

/**
 * Files that may hold records of an endpoint between two event times, both included. Of a model served elsewhere
 * the endpoint is the monitor's name.
 *
 * Columns of a file: id, workspace, project, endpoint, revision, variant, model, "modelVersion", "modelDigest",
 * propensity, "eventTimeUs", "recordedMs", "latencyUs", "stagesUs" STRUCT, "assignmentKey", assignment, request STRUCT, inputs STRUCT,
 * features STRUCT(view, "knownAtUs", "occurredAtUs")[], score DOUBLE, error, "shadowOf". The structs have the columns that
 * `request` and `inputs` of the file name, typed by `sqlType`; one without columns is left out. Read together
 * (union_by_name) the structs of several files become one with all their columns, null where a file lacks one;
 * `columnsOf` says which there are. Filter by "eventTimeUs" still: a file is not cut at the ends of the span.
 */
export const inferenceFiles = (ctx: Ctx, { fromUs, toUs, ...of }: store.OfEndpoint & Span): Promise<store.InferenceFile[]> =>
  store.listFiles(ctx.db, ctx.workspace, of, fromUs, toUs);

/** Those that came since a moment of wall time, however old their records are. */
export const inferenceFilesSince = (ctx: Ctx, sinceMs: number, of: store.OfEndpoint): Promise<store.InferenceFile[]> =>
  store.listFilesSince(ctx.db, ctx.workspace, of, sinceMs);

/** undefined while no file has come. */
export const inferenceArrivals = (ctx: Ctx, of: store.OfEndpoint, untilUs: number): Promise<store.Arrivals | undefined> =>
  store.findArrivals(ctx.db, ctx.workspace, of, untilUs);

/** Columns of files read together; those of two types are text there, and integers beside numbers are numbers. */
export function columnsOf(files: readonly store.LoggedColumns[]): store.LoggedColumns {
  const join = (lists: readonly (readonly LoggedColumn[])[]): LoggedColumn[] => {
    // DuckDB tells names apart without regard to case.
    const found = new Map<string, LoggedColumn>();
    for (const column of lists.flat()) {
      const before = found.get(column.name.toLowerCase());
      found.set(column.name.toLowerCase(), before ? { name: before.name, type: joinedType(before.type, column.type) } : column);
    }
    return [...found.values()];
  };
  return { request: join(files.map((f) => f.request)), inputs: join(files.map((f) => f.inputs)) };
}

function joinedType(a: ColumnType, b: ColumnType): ColumnType {
  if (a === b) return a;
  const numbers: readonly ColumnType[] = ['number', 'integer'];
  return numbers.includes(a) && numbers.includes(b) ? 'number' : 'string';
}

/** The files with these predictions, found by their ids alone. Ids of models served elsewhere do not tell; see `inferenceFiles`. */
export async function filesOfPredictions(ctx: Ctx, ids: readonly string[]): Promise<store.InferenceFile[]> {
  const segments = new Map<string, Set<string>>();
  for (const id of ids) {
    const parts = parsePredictionId(id);
    if (!parts) continue;
    const own = segments.get(parts.replica);
    if (own) own.add(parts.segment);
    else segments.set(parts.replica, new Set([parts.segment]));
  }
  const found = await Promise.all(
    [...segments].map(([replica, names]) => store.listFilesOfSegment(ctx.db, ctx.workspace, replica, [...names])),
  );
  return found.flat();
}

/** Grows whenever a file of the endpoint is added: who has seen all up to this number has nothing to look for. */
export const inferenceFileCount = (ctx: Ctx, of: store.OfEndpoint): Promise<number> => store.countFiles(ctx.db, ctx.workspace, of);

/** DuckDB's type of a struct of these columns; undefined without any, for DuckDB has no empty struct. */
export const structType = (columns: readonly LoggedColumn[]): string | undefined =>
  columns.length === 0 ? undefined : `STRUCT(${columns.map((c) => `${sqlName(c.name)} ${sqlType[c.type]}`).join(', ')})`;

/** Tells files of one segment and endpoint apart by their columns. */
export const partOf = ({ request, inputs }: store.LoggedColumns): string =>
  createHash('sha256')
    .update(JSON.stringify([request, inputs]))
    .digest('hex')
    .slice(0, 16);

/** Columns of lines of records, as DuckDB reads them. */
export const lineColumns = ({ request, inputs }: store.LoggedColumns): Record<string, string> => {
  const structs = Object.entries({ request: structType(request), inputs: structType(inputs) });
  return {
    id: 'VARCHAR',
    workspace: 'VARCHAR',
    project: 'VARCHAR',
    endpoint: 'VARCHAR',
    revision: 'BIGINT',
    variant: 'VARCHAR',
    model: 'VARCHAR',
    modelVersion: 'VARCHAR',
    modelDigest: 'VARCHAR',
    propensity: 'DOUBLE',
    eventTimeUs: 'BIGINT',
    recordedMs: 'BIGINT',
    latencyUs: 'BIGINT',
    stagesUs: stagesType,
    assignmentKey: 'VARCHAR',
    assignment: 'VARCHAR',
    ...Object.fromEntries(structs.flatMap(([name, type]) => (type ? [[name, type] as const] : []))),
    features: 'STRUCT("view" VARCHAR, "knownAtUs" BIGINT, "occurredAtUs" BIGINT)[]',
    score: 'DOUBLE',
    error: 'VARCHAR',
    shadowOf: 'VARCHAR',
  };
};

/** Runs `work` with a folder of its own for what compute reads and writes, and removes it afterwards. */
export async function withWorkFolder<T>(ctx: Ctx, work: (folder: string) => Promise<T>): Promise<T> {
  const folder = join(ctx.settings.dir, 'compute', 'made', randomBytes(8).toString('hex'));
  await mkdir(folder, { recursive: true });
  try {
    return await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Stores what `query` answers as a file of the log; with the answer of the job's last query. */
export async function storeRecords(
  ctx: Ctx,
  folder: string,
  job: Omit<ComputeJob, 'writes'>,
  query: string,
): Promise<{ digest: string; rows: ComputeResult['rows'] }> {
  // A file of its own: DuckDB replaces one that is there through another path, which the job may not touch.
  const path = join(folder, `${randomBytes(4).toString('hex')}.parquet`);
  const { rows } = await ctx.compute.run(
    {
      ...job,
      writes: [path],
      statements: [
        ...job.statements,
        { sql: `copy (${query} order by "eventTimeUs", id) to ${sqlText(path)} (format parquet, compression zstd)` },
      ],
    },
    ctx.signal,
  );
  const [stored] = await storeBlobs(ctx, [{ path }]);
  return { digest: stored!.digest, rows };
}

/** Records a file once, and tells of it. False if it was there already. */
export const recordFile = (ctx: Ctx, file: Omit<store.ShippedFile, 'shippedMs'>): Promise<boolean> =>
  ctx.tx(async (tx) => {
    if (!(await store.insertFile(tx.db, { ...file, shippedMs: tx.clock.now() }))) return false;
    const { replica, segment, part, endpoint, digest, records, fromUs, toUs } = file;
    // Records are telemetry; that they are here, and which bytes they are, is an event.
    await tx.emit({
      type: 'inference-segment.shipped',
      subject: { kind: 'inference-segment', id: `${replica}.${segment}` },
      label: `${records} inference records`,
      project: file.project,
      payload: { replica, segment, part, endpoint, digest, records, fromUs, toUs },
      occurredUs: toUs,
    });
    return true;
  });
