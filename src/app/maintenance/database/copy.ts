// A whole database into an empty one, of the same kind or the other: table by table, compared afterwards.
import { dirname, join } from 'node:path';
import { fail } from '../errors.ts';
import { writerOf } from './running-server.ts';
import { openSnapshot, type Location } from './snapshot.ts';
import { openTarget, type TargetDatabase } from './target.ts';
import { NOT_KEPT, rowCodec, tableDigest, type TableDigest } from './tables.ts';

export interface CopiedTable extends TableDigest {
  readonly table: string;
}

export interface Copied {
  readonly schema: number;
  readonly tables: readonly CopiedTable[];
  readonly rows: number;
  readonly elapsedMs: number;
}

export interface CopyProgress {
  (table: string, rows: number, allRows: number): void;
}

/**
 * Copies what a consistent snapshot of `from` holds. Everything is one transaction of the target (one new file
 * there on SQLite): a copy that is killed leaves the target empty and is simply started again. A folder in which a
 * server runs is refused, because what it writes meanwhile would be left behind.
 * Raises `server-running`, `target-not-empty`, `copy-differs`, `database-missing`.
 */
export async function copyDatabase(from: Location, to: Location, progress: CopyProgress): Promise<Copied> {
  const began = performance.now();
  if (from.kind === 'sqlite') {
    const dir = dirname(from.file);
    const pid = writerOf(dir);
    if (pid !== undefined && from.file === join(dir, 'gyre.db')) fail('server-running', { dir, pid });
  }
  const snapshot = await openSnapshot(from);
  try {
    const target = await openTarget(to, snapshot.schema);
    try {
      const tables: CopiedTable[] = [];
      let all = 0;
      for (const table of target.tables) {
        if (NOT_KEPT.includes(table.name)) continue;
        const { encode } = rowCodec(table);
        const read = tableDigest();
        let rows = 0;
        for await (const batch of snapshot.rows(table)) {
          for (const row of batch) read.add(encode(row));
          await target.insert(table, batch);
          rows += batch.length;
          all += batch.length;
          progress(table.name, rows, all);
        }
        tables.push({ table: table.name, ...read.result() });
      }
      await compareCopy(target, tables);
      await target.commit();
      return { schema: snapshot.schema, tables, rows: all, elapsedMs: performance.now() - began };
    } catch (error) {
      await target.abort();
      throw error;
    }
  } finally {
    await snapshot.close();
  }
}

/** Reads back what was written. Raises `copy-differs`. */
export async function compareCopy(target: Pick<TargetDatabase, 'tables' | 'rows'>, copied: readonly CopiedTable[]): Promise<void> {
  const different: string[] = [];
  for (const expected of copied) {
    const table = target.tables.find((t) => t.name === expected.table)!;
    const { encode } = rowCodec(table);
    const written = tableDigest();
    for await (const batch of target.rows(table)) for (const row of batch) written.add(encode(row));
    const found = written.result();
    if (found.rows !== expected.rows || found.digest !== expected.digest) different.push(table.name);
  }
  if (different.length > 0) fail('copy-differs', { tables: different });
}
