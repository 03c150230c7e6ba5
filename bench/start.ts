// How long `gyre up` takes in an empty folder until it says that it is ready.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBuilt } from './built-server.ts';
import { ms, quantile, row, type Row } from './table.ts';

const ROUNDS = 7;

export async function start(): Promise<Row[]> {
  const times: number[] = [];
  for (let i = 0; i < ROUNDS; i++) {
    const dir = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
    const server = await startBuilt(dir);
    times.push(server.readyMs);
    await server.stop();
    rmSync(dir, { recursive: true });
  }
  return [
    row(`gyre up in an empty folder, median of ${ROUNDS}`, ms(quantile(times, 0.5)), '1 s'),
    row('  the quickest', ms(Math.min(...times))),
  ];
}
