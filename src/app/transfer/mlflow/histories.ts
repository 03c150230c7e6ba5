// Points of metrics, of many runs by one question where the server takes it: there are as many metrics as runs times keys.
import type { Point } from '../../../domains/transfers/public.ts';
import { ahead } from './ahead.ts';
import type { Server } from './server.ts';
import { text } from './words.ts';

type Row = Readonly<Record<string, unknown>>;
/** The most that a server gives; an answer with as many may lack some. */
const MOST = 25_000;

export type Histories = Map<string, Map<string, Point[]>>;

const pointOf = (m: Row): Point => [Number(m.timestamp ?? 0), Number(m.step ?? 0), Number(m.value ?? 0)];

/** What could be had so, by run and key. What is not among it is asked for one by one. */
export async function shortHistories(server: Server, keysOf: ReadonlyMap<string, readonly string[]>): Promise<Histories> {
  const found: Histories = new Map([...keysOf.keys()].map((id) => [id, new Map<string, Point[]>()]));
  const keys = [...new Set([...keysOf.values()].flat())];
  const ask = async (key: string): Promise<{ key: string; rows: readonly Row[] }> => {
    const runs = [...keysOf].filter(([, own]) => own.includes(key)).map(([id]) => id);
    try {
      const reply = await server.get<{ metrics?: Row[] }>('/ajax-api/2.0/mlflow/metrics/get-history-bulk', {
        run_id: runs,
        metric_key: key,
        max_results: String(MOST),
      });
      return { key, rows: reply.metrics ?? [] };
    } catch {
      // An older server, or a NaN, which MLflow writes here as no JSON has it.
      return { key, rows: [] };
    }
  };
  for await (const { key, rows } of ahead(keys, ask)) {
    if (rows.length >= MOST) continue;
    for (const [run, own] of Map.groupBy(rows, (r) => text(r.run_id))) found.get(run)?.set(key, own.map(pointOf));
  }
  return found;
}

/** All points of one metric, page by page. */
export async function wholeHistory(server: Server, run: string, key: string): Promise<Point[]> {
  const points: Point[] = [];
  for (let token = ''; ;) {
    const page = await server.get<{ metrics?: Row[]; next_page_token?: string }>('metrics/get-history', {
      run_id: run,
      metric_key: key,
      max_results: String(MOST),
      ...(token === '' ? {} : { page_token: token }),
    });
    points.push(...(page.metrics ?? []).map(pointOf));
    token = text(page.next_page_token);
    if (token === '') return points;
  }
}
