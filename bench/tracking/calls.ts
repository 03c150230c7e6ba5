// What clients send, as bytes, and the ids they need for it.
import { post } from '../load.ts';

const at = 1_700_000_000_000;

export async function call<T>(url: string, path: string, body: unknown): Promise<T> {
  const reply = await fetch(`${url}/api/2.0/mlflow/${path}`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  if (!reply.ok) throw new Error(`${path} answered ${reply.status}: ${await reply.text()}`);
  return (await reply.json()) as T;
}

export const createRun = async (url: string): Promise<string> =>
  (await call<{ run: { info: { run_id: string } } }>(url, 'runs/create', { experiment_id: '0', start_time: at })).run.info.run_id;

const many = <T>(n: number, make: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => make(i));

export const METRICS = 1000;

/** `n` requests of a kind; `from` keeps those of several calls apart. */
export const requests: Readonly<Record<'log-metric' | 'log-batch' | 'create-run', (n: number, run: string, from: number) => Buffer[]>> = {
  'log-metric': (n, run, from) =>
    many(n, (i) =>
      post('/api/2.0/mlflow/runs/log-metric', { run_id: run, key: 'loss', value: 1 / (i + 1), timestamp: at + from + i, step: from + i }),
    ),
  // Ten metrics, a hundred steps of each.
  'log-batch': (n, run, from) =>
    many(n, (i) =>
      post('/api/2.0/mlflow/runs/log-batch', {
        run_id: run,
        metrics: many(METRICS, (m) => {
          const step = (from + i) * 100 + Math.floor(m / 10);
          return { key: `m${m % 10}`, value: 1 / (m + 1), timestamp: at + step, step };
        }),
      }),
    ),
  'create-run': (n) =>
    many(n, (i) =>
      post('/api/2.0/mlflow/runs/create', {
        experiment_id: '0',
        user_id: 'ada',
        start_time: at + i,
        tags: [
          { key: 'mlflow.user', value: 'ada' },
          { key: 'mlflow.source.name', value: 'train.py' },
          { key: 'mlflow.source.type', value: 'LOCAL' },
        ],
      }),
    ),
};
