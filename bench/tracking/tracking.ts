// Tracking beside the newest `mlflow server`, in one run, on one machine, under one durability: an acknowledged write
// survives power loss (SQLite's `synchronous = full`, PostgreSQL's `fsync`) on each side.
import { startPostgres } from '../../test/support/postgres.ts';
import { toRow, type Figure } from './figure.ts';
import { history, search } from './reads.ts';
import { stopAll, type Side } from './servers.ts';
import { artifacts, script, starts } from './single.ts';
import { writes } from './writes.ts';
import type { Row } from '../table.ts';
import { writeTable } from './report.ts';

const parts: Readonly<Record<string, () => Promise<Figure[]>>> = {
  start: starts,
  script,
  writes: () => writes(),
  'writes-postgres': () => onPostgres(writes),
  search: () => search(),
  'search-postgres': () => onPostgres(search),
  history,
  artifacts,
};

/** A part that takes longer has hung; the others still get their turn. */
const LIMIT_MS = Number(process.env.GYRE_BENCH_LIMIT_S ?? 180) * 1000;

/** GYRE_BENCH_PARTS names some of the parts, with commas. `write` puts the table into docs/benchmarks.md. */
export async function tracking(write: boolean): Promise<Row[]> {
  const wanted = process.env.GYRE_BENCH_PARTS?.split(',') ?? Object.keys(parts);
  const unknown = wanted.filter((name) => !(name in parts));
  if (unknown.length > 0) throw new Error(`there is no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);
  const figures: Figure[] = [];
  const failed: string[] = [];
  for (const name of wanted) {
    const began = performance.now();
    try {
      const found = await withinLimit(parts[name]!());
      for (const figure of found) console.log(`  ${figure.what}: ${toRow(figure).figure}`);
      figures.push(...found);
    } catch (error) {
      failed.push(name);
      console.error(`  ${name} failed: ${(error as Error).message}`);
      // What a part leaves behind would slow the next one down.
      await stopAll();
    }
    console.log(`  (${name} took ${Math.round((performance.now() - began) / 1000)} s)`);
  }
  if (failed.length > 0) process.exitCode = 1;
  if (write && failed.length > 0) console.error(`  the table is not written: it would lack ${failed.join(', ')}`);
  else if (write) writeTable(figures);
  return figures.map(toRow);
}

async function withinLimit<T>(part: Promise<T>): Promise<T> {
  const { promise, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`it did not end within ${LIMIT_MS / 1000} s`)), LIMIT_MS);
  try {
    return await Promise.race([part, promise]);
  } finally {
    clearTimeout(timer);
    part.catch(() => undefined);
  }
}

async function onPostgres(part: (database: (side: Side) => Promise<string>) => Promise<Figure[]>): Promise<Figure[]> {
  const server = await startPostgres({ durable: true });
  const { default: pg } = await import('pg');
  try {
    return await part(async (side) => {
      const client = new pg.Client({ connectionString: server.url });
      await client.connect();
      await client.query(`create database bench_${side}`);
      await client.end();
      return server.url.replace(/[^/]*$/, `bench_${side}`);
    });
  } finally {
    server.stop();
  }
}
