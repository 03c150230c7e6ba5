// Small Parquet files for tests, written by DuckDB itself.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';

let shared: Promise<DuckDBInstance> | undefined;

/** The rows of a query as the bytes of a Parquet file. `options` are DuckDB's, for example "row_group_size 2048". */
export async function parquet(sql: string, options = 'compression zstd'): Promise<Buffer> {
  const connection = await (await (shared ??= DuckDBInstance.create(':memory:'))).connect();
  const folder = mkdtempSync(join(tmpdir(), 'gyre-parquet-'));
  try {
    const path = join(folder, 'made.parquet');
    await connection.run(`copy (${sql}) to '${path}' (format parquet, ${options})`);
    return readFileSync(path);
  } finally {
    connection.closeSync();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** The answer of a query, for tests that compute a figure another way. */
export async function duckdb(sql: string): Promise<Record<string, unknown>[]> {
  const connection = await (await (shared ??= DuckDBInstance.create(':memory:'))).connect();
  try {
    return (await connection.runAndReadAll(sql)).getRowObjectsJson();
  } finally {
    connection.closeSync();
  }
}
