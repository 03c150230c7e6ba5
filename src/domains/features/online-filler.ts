// A process of its own that brings one view of the online store from one materialised table to the next.
// Both tables are files that Gyre made, so no user SQL runs here.
import { DuckDBInstance } from '@duckdb/node-api';
import type { ViewColumn } from './model.ts';
import { openOnlineWriter, type EntityKey, type FactRow, type FeatureValue } from './online-store.ts';

export interface FillRequest {
  readonly storePath: string;
  readonly view: string;
  readonly entity: readonly ViewColumn[];
  readonly columns: readonly ViewColumn[];
  readonly ttlUs: number | null;
  /** The table the store holds now, or null. */
  readonly before: string | null;
  readonly after: string;
  /** Facts that no read at or after this moment can return are removed; null keeps all. */
  readonly horizonUs: number | null;
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
    const names = [...request.entity.map((c) => c.name), ...request.columns.map((c) => c.name), 'occurred_us', 'known_us'];
    const rowsOf = (file: string): string => `select ${names.map(quoted).join(', ')} from read_parquet('${file.replaceAll("'", "''")}')`;
    let rebuilt = request.before === null;
    if (request.before !== null) {
      const gone = await connection.runAndReadAll(`select count(*) from (${rowsOf(request.before)} except all ${rowsOf(request.after)})`);
      // Facts that are no longer in the table must go from the store too; then the view is filled anew.
      rebuilt = Number(gone.getRows()[0]![0]) > 0;
    }
    if (rebuilt) writer.remove(request.view);
    writer.declare({ name: request.view, entity: request.entity.map((c) => c.name), columns: request.columns, ttlUs: request.ttlUs });
    const fresh = rebuilt ? rowsOf(request.after) : `${rowsOf(request.after)} except all ${rowsOf(request.before!)}`;
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
    return { kept, rebuilt };
  } finally {
    writer.close();
    connection.closeSync();
  }
}

// Integers within 2^53 as numbers; decimals as doubles.
function plain(value: unknown): FeatureValue {
  if (typeof value === 'bigint') return value <= 9_007_199_254_740_991n && value >= -9_007_199_254_740_991n ? Number(value) : value;
  if (value === null || typeof value === 'number' || typeof value === 'string' || typeof value === 'boolean') return value;
  return Number(String(value));
}
