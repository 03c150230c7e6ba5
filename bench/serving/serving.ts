// Serving beside the limits of its protocols and beside the servers that others have, in one run on one machine.
import { figure, toRow, type Figure } from './figure.ts';
import { latency, log, overBinary, overGrpcBeside, overJson, peers, pythonModel } from './protocols.ts';
import { writeTable } from './report.ts';
import { prepare, stopAll } from './servers.ts';
import { idle, overload, shadow, start, swaps } from './under-load.ts';
import type { Row } from '../table.ts';

const parts: Readonly<Record<string, () => Promise<Figure[]>>> = {
  json: overJson,
  binary: overBinary,
  grpc: overGrpcBeside,
  peers,
  latency,
  python: pythonModel,
  overload,
  swaps,
  shadow,
  log,
  start,
  idle,
};

/** GYRE_BENCH_PARTS names some parts, with commas; GYRE_BENCH_SECONDS makes each measurement that short, to see that all run. */
export async function serving(write: boolean): Promise<Row[]> {
  const wanted = process.env.GYRE_BENCH_PARTS?.split(',') ?? Object.keys(parts);
  const unknown = wanted.filter((name) => !(name in parts));
  if (unknown.length > 0) throw new Error(`there is no part ${unknown.join(', ')}; there are ${Object.keys(parts).join(', ')}`);
  prepare();
  const figures: Figure[] = [];
  const failed: string[] = [];
  for (const name of wanted) {
    const began = performance.now();
    try {
      for (const found of await parts[name]!()) {
        console.log(`  ${found.what}: ${toRow(found).figure}`);
        figures.push(found);
      }
    } catch (error) {
      failed.push(name);
      console.error(`  ${name} failed: ${(error as Error).message}`);
      figures.push(figure(name, 'failed', '', '', false));
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
