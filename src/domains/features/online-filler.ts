// A process of its own that brings one view of the online store from one materialised table to the next.
// Both tables are files that Gyre made, so no user SQL runs here.
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import type { ViewColumn } from './model.ts';
import { openOnlineWriter, type EntityKey, type FactRow, type FeatureValue, type OnlineWriter } from './online-store.ts';

export interface FillRequest {
  readonly storePath: string;
  readonly view: string;
  readonly entity: readonly ViewColumn[];
  readonly columns: readonly ViewColumn[];
  readonly ttlUs: number | null;
  /** The table that the store is thought to hold, with its mark; or null. */
  readonly before: MarkedTable | null;
  readonly after: MarkedTable;
  /** Facts that no read at or after this moment can return are removed; null keeps all. */
  readonly horizonUs: number | null;
}
/** A Parquet file, and what the store says of itself once it holds it. */
export interface MarkedTable {
  readonly file: string;
  readonly mark: string;
}
export interface FillReply {
  readonly kept: number;
  readonly rebuilt: boolean;
}

const BATCH = 20_000;
const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

process.on('disconnect', () => process.exit(0));
process.on('message', (request: FillRequest) => {
  fill(request).then(
    (reply) => process.send?.(reply, () => process.exit(0)),
    (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }, () => process.exit(1)),
  );
});

async function fill(request: FillRequest): Promise<FillReply> {
  const instance = await DuckDBInstance.create(':memory:', { memory_limit: '1GB', threads: '2' });
  const connection = await instance.connect();
  const writer = openOnlineWriter(request.storePath);
  try {
    return await writer.atomically(() => fillFrom(connection, writer, request));
  } finally {
    writer.close();
    connection.closeSync();
  }
}

async function fillFrom(connection: DuckDBConnection, writer: OnlineWriter, request: FillRequest): Promise<FillReply> {
  const names = [...request.entity.map((c) => c.name), ...request.columns.map((c) => c.name), 'occurred_us', 'known_us'];
  const rowsOf = (file: string): string => `select ${names.map(quoted).join(', ')} from read_parquet('${file.replaceAll("'", "''")}')`;
  const { after } = request;
  // What the store says of itself counts: whoever filled it last may have died before it could tell anybody.
  const before = request.before !== null && writer.held(request.view) === request.before.mark ? request.before : null;
  let rebuilt = before === null;
  if (before !== null) {
    const gone = await connection.runAndReadAll(`select count(*) from (${rowsOf(before.file)} except all ${rowsOf(after.file)})`);
    // Facts that are no longer in the table must go from the store too; then the view is filled anew.
    rebuilt = Number(gone.getRows()[0]![0]) > 0;
  }
  if (rebuilt) writer.remove(request.view);
  writer.declare({ name: request.view, entity: request.entity.map((c) => c.name), columns: request.columns, ttlUs: request.ttlUs });
  const fresh = rebuilt ? rowsOf(after.file) : `${rowsOf(after.file)} except all ${rowsOf(before!.file)}`;
  const result = await connection.stream(`select * from (${fresh}) order by known_us`);
  const width = request.entity.length;
  let batch: FactRow[] = [];
  let kept = 0;
  const flush = (): void => {
    kept += writer.append(request.view, batch).kept;
    batch = [];
  };
  for (let chunk = await result.fetchChunk(); chunk && chunk.rowCount > 0; chunk = await result.fetchChunk()) {
    for (const row of chunk.getRows()) {
      const values = row.map(plain);
      batch.push({
        entity: values.slice(0, width) as unknown as EntityKey,
        values: values.slice(width, -2),
        occurredAtUs: Number(values.at(-2)),
        knownAtUs: Number(values.at(-1)),
      });
    }
    if (batch.length >= BATCH) flush();
  }
  flush();
  if (request.horizonUs !== null) writer.prune(request.view, request.horizonUs);
  writer.mark(request.view, after.mark);
  return { kept, rebuilt };
}

// Integers within 2^53 as numbers; decimals as doubles.
function plain(value: unknown): FeatureValue {
  if (typeof value === 'bigint') return value <= 9_007_199_254_740_991n && value >= -9_007_199_254_740_991n ? Number(value) : value;
  if (value === null || typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
  return Number(String(value));
}
