// Search among very many runs, and the history of a very long metric.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { quantile } from '../table.ts';
import { drive, post } from '../load.ts';
import { call, createRun, METRICS } from './calls.ts';
import { compare, type Figure } from './figure.ts';
import { loadRuns, RUNS } from './many-runs.ts';
import { sides, start, type Server, type Side } from './servers.ts';

const PAGES = [100, 1000] as const;
const ROUNDS = 60;
/** MLflow takes seconds for one. */
const PEER_ROUNDS = 3;

export async function search(database?: (side: Side) => Promise<string>): Promise<Figure[]> {
  const times = new Map<string, number[]>();
  // Both forms of MLflow answer from the same runs, which take it long to be given.
  const peers = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const peer = (await database?.('installed')) ?? '';
  try {
    for (const side of sides) {
      const isGyre = side === 'gyre';
      const postgres = isGyre ? ((await database?.(side)) ?? '') : peer;
      const server = await start(side, postgres, isGyre ? '' : peers);
      try {
        // The first run makes the experiment of all.
        await createRun(server.url);
        if (side !== 'lean') await loadRuns(side, server, postgres);
        // Loading took longer than a server keeps a connection that says nothing; the first call would still take it.
        await fetch(`${server.url}/health`).catch(() => undefined);
        for (const page of PAGES)
          times.set(`${side} ${page}`, await repeat(isGyre ? ROUNDS : PEER_ROUNDS, isGyre ? 2 : 1, (i) => searchOnce(server, page, i)));
      } finally {
        await server.stop();
      }
    }
  } finally {
    rmSync(peers, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }
  const store = database ? 'PostgreSQL' : 'SQLite';
  const of = (side: Side, page: number, share: number): number => quantile(times.get(`${side} ${page}`)!, share);
  return PAGES.flatMap((page) => [
    compare({
      what: `search of ${RUNS.toLocaleString('en-US')} runs, ${page} of them answered, p50, ${store}`,
      unit: ' ms',
      gyre: of('gyre', page, 0.5),
      installed: of('installed', page, 0.5),
      lean: of('lean', page, 0.5),
      ...(database ? {} : { atLeast: { installed: 20, lean: 20 } }),
    }),
    compare({ what: '  the same, p95', unit: ' ms', gyre: of('gyre', page, 0.95), atMost: 50 }),
  ]);
}

async function searchOnce(server: Server, page: number, i: number): Promise<void> {
  const found = await call<{ runs?: unknown[] }>(server.url, 'runs/search', {
    experiment_ids: ['0'],
    filter: `metrics.m0 > 0.5 and params.p1 = '${i % 10}'`,
    order_by: ['metrics.m2 DESC'],
    max_results: page,
  });
  if (found.runs?.length !== page) throw new Error(`the search found ${found.runs?.length} runs instead of ${page}`);
}

const POINTS = 1_000_000;

/** A chart's look at a metric of a million points, which each side is given over HTTP or, MLflow, in its table. */
export async function history(): Promise<Figure[]> {
  const server = await start('gyre');
  try {
    const run = await createRun(server.url);
    const logged = await drive(server.url, longMetric(run), 4);
    if (logged.refused > 0) throw new Error(`${logged.refused} batches were refused`);
    const times = await repeat(ROUNDS, 2, () => sample(server, run));
    return [
      compare({
        what: `history of ${POINTS.toLocaleString('en-US')} points sampled for a chart, p95`,
        unit: ' ms',
        gyre: quantile(times, 0.95),
        atMost: 30,
      }),
      compare({ what: '  the same, p50', unit: ' ms', gyre: quantile(times, 0.5) }),
    ];
  } finally {
    await server.stop();
  }
}

const longMetric = (run: string): Buffer[] =>
  Array.from({ length: POINTS / METRICS }, (_, b) =>
    post('/api/2.0/mlflow/runs/log-batch', {
      run_id: run,
      metrics: Array.from({ length: METRICS }, (__, i) => {
        const step = b * METRICS + i;
        return { key: 'loss', value: Math.sin(step), timestamp: 1_700_000_000_000 + step, step };
      }),
    }),
  );

async function sample(server: Server, run: string): Promise<void> {
  const query = `run_ids=${run}&metric_key=loss&max_results=2500`;
  const reply = await fetch(`${server.url}/ajax-api/2.0/mlflow/metrics/get-history-bulk-interval?${query}`);
  const { metrics } = (await reply.json()) as { metrics?: unknown[] };
  if (!reply.ok || metrics?.length !== 2500) throw new Error(`the history answered ${reply.status} and ${metrics?.length} points`);
}

/** The first ones, `warmUp` of them, do not count. */
async function repeat(rounds: number, warmUp: number, once: (i: number) => Promise<void>): Promise<number[]> {
  const times: number[] = [];
  for (let i = -warmUp; i < rounds; i++) {
    const began = performance.now();
    await once(Math.abs(i));
    if (i >= 0) times.push(performance.now() - began);
  }
  return times;
}
