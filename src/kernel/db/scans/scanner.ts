// Queries of a SQLite file on a thread, for what may look at very many rows: meanwhile everybody else is served. The
// thread starts with the first query.
import { extname, join } from 'node:path';
import { Worker } from 'node:worker_threads';
import type { QueryResult } from 'kysely';
import type { Connection } from '../database.ts';
import { named } from '../sqlite-statements.ts';

export interface Asked {
  readonly id: number;
  readonly sql: string;
  readonly binds: readonly unknown[];
}
export type Scanned =
  | { readonly id: number; readonly names: readonly string[]; readonly lists: readonly unknown[][] }
  | { readonly id: number; readonly error: unknown };

export function openScanner(path: string): Connection & { close(): Promise<void> } {
  const waiting = new Map<number, { resolve: (result: QueryResult<unknown>) => void; reject: (error: unknown) => void }>();
  let thread: Worker | undefined;
  let asked = 0;
  let closed = false;

  const start = (): Worker => {
    const started = new Worker(join(import.meta.dirname, `scan-thread${extname(import.meta.filename)}`), { workerData: path });
    started.on('message', (answer: Scanned) => {
      const { resolve, reject } = waiting.get(answer.id)!;
      waiting.delete(answer.id);
      // Only a query under way keeps the process alive.
      if (waiting.size === 0) started.unref();
      if ('error' in answer) reject(answer.error);
      else resolve({ rows: answer.lists.map((list) => named(answer.names, list)) });
    });
    let why: unknown = new Error('the database is closed');
    started.on('error', (error) => (why = error));
    started.on('exit', () => {
      thread = undefined;
      for (const { reject } of waiting.values()) reject(why);
      waiting.clear();
    });
    return started;
  };

  return {
    execute: (sql, binds) =>
      new Promise((resolve, reject) => {
        if (closed) return reject(new Error('the database is closed'));
        thread ??= start();
        const id = ++asked;
        waiting.set(id, { resolve, reject });
        thread.ref();
        thread.postMessage({ id, sql, binds } satisfies Asked);
      }),
    close: async () => {
      closed = true;
      await thread?.terminate();
    },
  };
}
