// Tracking beside the newest `mlflow server`, in one run, on one machine, under one durability: an acknowledged write
// survives power loss (SQLite's `synchronous = full`, PostgreSQL's `fsync`) on each side.
import { startPostgres } from '../../test/support/postgres.ts';
import { toRow, type Figure } from './figure.ts';
import { history, search } from './reads.ts';
import type { Side } from './servers.ts';
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

/** GYRE_BENCH_PARTS names some of the parts, with commas. `write` puts the table into docs/benchmarks.md. */
export async function tracking(write: boolean): Promise<Row[]> {
  const wanted = process.env.GYRE_BENCH_PARTS?.split(',') ?? Object.keys(parts);
  const figures: Figure[] = [];
  for (const name of wanted) {
    const found = await parts[name]!();
    for (const figure of found) console.log(`  ${figure.what}: ${toRow(figure).figure}`);
    figures.push(...found);
  }
  if (write) writeTable(figures);
  return figures.map(toRow);
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
