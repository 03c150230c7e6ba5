// Tracking writes over HTTP: MLflow's log-batch with ten metrics a call.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startBuilt } from './built-server.ts';
import { drive, post } from './load.ts';
import { ms, perSecond, quantile, row, type Row } from './table.ts';

const CALLS = 4000;
const METRICS = 10;

export async function tracking(durability: string): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const server = await startBuilt(dir, { GYRE_DURABILITY: durability });
  try {
    const rows: Row[] = [];
    for (const clients of [1, 8]) {
      const reply = await fetch(`${server.url}/api/2.0/mlflow/runs/create`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ experiment_id: '0', start_time: Date.now() }),
      });
      const { run } = (await reply.json()) as { run: { info: { run_id: string } } };
      const calls = Array.from({ length: CALLS }, (_, step) =>
        post('/api/2.0/mlflow/runs/log-batch', {
          run_id: run.info.run_id,
          metrics: Array.from({ length: METRICS }, (_, i) => ({
            key: `m${i}`,
            value: step + i,
            timestamp: 1_700_000_000_000 + step,
            step,
          })),
        }),
      );
      await drive(server.url, calls.slice(0, 200), clients);
      const load = await drive(server.url, calls, clients);
      if (load.refused > 0) throw new Error(`${load.refused} calls of log-batch were refused`);
      rows.push(
        row(`log-batch of ${METRICS} metrics, ${clients} ${clients === 1 ? 'client' : 'clients'}`, perSecond(CALLS, load.wallMs)),
        row('  p50, p99', `${ms(quantile(load.latencyMs, 0.5))}, ${ms(quantile(load.latencyMs, 0.99))}`),
      );
    }
    return rows;
  } finally {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
