// Requests per second of the three writes that training does most.
import { fork } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { drive } from '../load.ts';
import { createRun, requests } from './calls.ts';
import { compare, type Figure } from './figure.ts';
import { sides, start, type Side } from './servers.ts';

const SECONDS = Number(process.env.GYRE_BENCH_SECONDS ?? 2.5);
const kinds = ['log-metric', 'log-batch', 'create-run'] as const;
const clientCounts = [1, 8] as const;

/** `database` gives each side its own empty PostgreSQL database; without it everybody uses SQLite. */
export async function writes(database?: (side: Side) => Promise<string>): Promise<Figure[]> {
  const rates = new Map<string, number>();
  for (const side of sides) {
    const server = await start(side, await database?.(side));
    try {
      for (const clients of clientCounts)
        for (const kind of kinds) rates.set(`${side} ${kind} ${clients}`, await rateOf(server.url, kind, clients));
    } finally {
      await server.stop();
    }
  }
  const figures = kinds.flatMap((kind) =>
    clientCounts.map((clients) => {
      const rate = (side: Side): number => rates.get(`${side} ${kind} ${clients}`)!;
      const [installed, lean] = database ? [10, 10] : clients === 1 ? [50, 25] : [20, 20];
      return compare({
        what: `${kind}${kind === 'log-batch' ? ' of 1,000 metrics' : ''}, ${clients} ${clients === 1 ? 'client' : 'clients'}, ${database ? 'PostgreSQL' : 'SQLite'}`,
        unit: '/s',
        more: true,
        gyre: rate('gyre'),
        installed: rate('installed'),
        lean: rate('lean'),
        atLeast: { installed, lean },
      });
    }),
  );
  return database ? figures : [...figures, await bareInsert()];
}

/** What the disk and the HTTP server of the runtime allow with one client. */
async function bareInsert(): Promise<Figure> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const bare = fork(join(import.meta.dirname, 'bare-insert.ts'), [folder], { execArgv: ['--no-warnings'] });
  try {
    const port = await new Promise<number>((resolve) => bare.once('message', (p) => resolve(p as number)));
    const rate = await rateOf(`http://127.0.0.1:${port}`, 'log-metric', 1, 'bare');
    return compare({
      what: '  for comparison: one row and one commit by a bare node:http program, 1 client',
      unit: '/s',
      more: true,
      gyre: rate,
    });
  } finally {
    bare.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function rateOf(url: string, kind: (typeof kinds)[number], clients: number, known?: string): Promise<number> {
  const run = known ?? (await createRun(url));
  // A first load warms up and says how many requests fill the time.
  let from = 0;
  const load = async (n: number): Promise<number> => {
    const { refused, wallMs } = await drive(url, requests[kind](n, run, from), clients);
    if (refused > 0) throw new Error(`${refused} calls of ${kind} were refused`);
    from += n;
    return (n / wallMs) * 1000;
  };
  await load(2 * clients);
  const warm = await load(5 * clients);
  const again = await load(Math.ceil(warm));
  return load(Math.ceil(again * SECONDS));
}
