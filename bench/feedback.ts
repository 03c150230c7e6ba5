// Labels over HTTP: batches as a caller sends them, and the join with their predictions at the next tick of event time.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runCli } from '../src/app/cli.ts';
import { openClient, path, request } from '../src/kernel/cli/client.ts';
import { startBuilt } from './built-server.ts';
import { perSecond, row, type Row } from './table.ts';

const LABELS = 200_000;
const BATCH = 20_000;
const FIRST_DAY = Date.parse('2026-03-01T00:00:00Z');
const DAY_MS = 86_400_000;

const TEXT = `project: bench
timeline: { mode: replay, start: 2026-03-01T00:00:00Z }
monitors:
  bench: { task: binary, window: 1d, labels: { within: 7d } }
`;

export async function feedback(durability: string): Promise<Row[]> {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const file = join(dir, 'gyre.yaml');
  writeFileSync(file, TEXT);
  const server = await startBuilt(join(dir, 'state'), { GYRE_DURABILITY: durability });
  const client = openClient({ url: server.url, token: '', workspace: 'default' });
  const send = async (what: 'records' | 'feedback', line: (i: number) => unknown): Promise<number> => {
    const bodies = Array.from({ length: LABELS / BATCH }, (_, b) =>
      Array.from({ length: BATCH }, (__, i) => `${JSON.stringify(line(b * BATCH + i))}\n`).join(''),
    );
    const from = performance.now();
    for (const body of bodies)
      await request(server.url, path`/api/gyre/v1/projects/bench/monitors/bench/${what}`, {
        method: 'POST',
        body,
        headers: { 'content-type': 'application/x-ndjson' },
      });
    return performance.now() - from;
  };
  const advance = async (days: number): Promise<number> => {
    const from = performance.now();
    await client.post(path`/projects/bench/timeline/advance`, { to: new Date(FIRST_DAY + days * DAY_MS).toISOString() });
    return performance.now() - from;
  };
  try {
    const silent = { out: () => undefined, say: () => undefined, draw: () => undefined, interactive: false, columns: 80 };
    const code = await runCli(['apply', '--no-data', '--file', file, '--url', server.url], silent);
    if (code !== 0) throw new Error(`apply ended with ${code}`);
    await send('records', (i) => ({
      id: `p-${i}`,
      at: new Date(FIRST_DAY + (i * DAY_MS) / LABELS).toISOString(),
      inputs: { x: i % 100 },
      score: ((i * 7919) % 1000) / 1000,
    }));
    // The windows of the records are closed before, so that what follows is the labels alone.
    await advance(2);
    const accepted = await send('feedback', (i) => ({ prediction_id: `p-${i}`, label: (i * 31) % 5 === 0 ? 1 : 0 }));
    const joined = await advance(3);
    return [
      row(`labels accepted in batches of ${BATCH}`, perSecond(LABELS, accepted)),
      row('labels joined at a tick, with all that the tick does', perSecond(LABELS, joined)),
      row('labels in and joined', perSecond(LABELS, accepted + joined), '>= 10,000/s'),
    ];
  } finally {
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
