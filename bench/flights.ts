// The flights example on the built server: the training table, the replay of March, predictions against the
// bare limit, and what the server takes when nothing happens.
import { fork } from 'node:child_process';
import { cpSync, globSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readFlights, type Flight } from '../scripts/demo/flights.ts';
import { runCli } from '../src/app/cli.ts';
import { openClient, path, type Client } from '../src/kernel/cli/client.ts';
import { startBuilt, usageOf } from './built-server.ts';
import { drive, post, type Load } from './load.ts';
import { ms, perSecond, quantile, row, type Row } from './table.ts';

const ENDPOINT = 'late-arrival';
const DAY_MS = 86_400_000;
const AT_ONCE = 16;
const QUIET_MS = 20_000;
/** Longer than the watch of the control process needs to see that it rests (src/app/rest.ts). */
const SETTLE_MS = 12_000;

interface Status {
  readonly control: { readonly pid: number };
  readonly dataPlane: { readonly url: string; readonly pid: number };
}
interface RunView {
  readonly state: string;
  readonly steps: readonly { readonly name: string; readonly wallMs: number }[];
}

/** The example with one pipeline more: the training table alone, over two whole months. */
function copyProject(to: string): void {
  const example = join(import.meta.dirname, '../examples/flights');
  cpSync(example, to, { recursive: true, filter: (file) => !/\/data\/flights|__pycache__/.test(file.slice(example.length)) });
  mkdirSync(join(to, 'data/flights'));
  for (const month of ['01', '02', '03'])
    cpSync(join(example, `data/flights/2013-${month}.parquet`), join(to, `data/flights/2013-${month}.parquet`));
  const file = join(to, 'gyre.yaml');
  const spine = `dataset: flights, at: sched_dep_utc - interval 2 hours, label: arr_delay >= 15, where: arr_delay is not null`;
  const table = `  table:\n    params: { from: 2013-01-01, to: 2013-03-01 }\n    steps:\n      rows: { features: late_arrival, spine: { ${spine}, between: [$from, $to] } }\n`;
  writeFileSync(file, readFileSync(file, 'utf8').replace('pipelines:\n', `pipelines:\n${table}`));
}

export async function flights(): Promise<Row[]> {
  const root = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const [project, state] = [join(root, 'flights'), join(root, 'state')];
  copyProject(project);
  const server = await startBuilt(state);
  const client = openClient({ url: server.url, token: '', workspace: 'default' });
  const gyre = async (...args: string[]): Promise<string> => {
    const [lines, told]: [string[], string[]] = [[], []];
    const code = await runCli([...args, '--json', '--file', join(project, 'gyre.yaml'), '--url', server.url], {
      out: (line) => void lines.push(line),
      say: (line) => void told.push(line),
      draw: () => undefined,
      interactive: false,
      columns: 80,
    });
    if (code !== 0) throw new Error(`"gyre ${args.join(' ')}" ended with ${code}: ${told.join('\n')}`);
    return lines.join('\n');
  };
  try {
    await gyre('apply', '--no-data');
    for (const dataset of ['airports', 'planes', 'weather']) await gyre('datasets', 'push', dataset);
    await gyre('datasets', 'push', 'flights_raw', '--files', 'data/flights/2013-0[12].parquet');
    await gyre('datasets', 'refresh');
    const tables = [await tableMs(client), await tableMs(client), await tableMs(client)];
    await gyre('run', 'train', '--no-data');
    await gyre('features', 'materialise');
    await gyre('release', ENDPOINT, 'latest');
    await gyre('datasets', 'push', 'flights_raw', '--files', 'data/flights/2013-0[123].parquet');
    await gyre('datasets', 'refresh');
    await gyre('features', 'materialise');
    const march = await readFlights(
      project,
      [join(project, 'data/flights/2013-03.parquet')],
      new Date('2013-03-01Z'),
      new Date('2013-04-01Z'),
    );
    const { control, dataPlane } = await client.get<Status>('/status');
    return [
      row('training table of two months, views made before', ms(Math.min(...tables.slice(1))), '2 s'),
      row('  with the views made on the way', ms(tables[0]!)),
      ...(await replayRows(client, dataPlane.url, march)),
      ...(await predictionRows(state, dataPlane.url, march)),
      ...(await restRows(control.pid, dataPlane.pid)),
    ];
  } finally {
    await server.stop();
    rmSync(root, { recursive: true, force: true });
  }
}

async function tableMs(client: Client): Promise<number> {
  const { id } = await client.post<{ id: string }>(path`/projects/flights/pipelines/table/runs`, { noCache: true });
  for (;;) {
    const run = await client.get<RunView>(path`/runs/${id}`);
    if (run.state === 'succeeded') return run.steps[0]!.wallMs;
    if (run.state !== 'running') throw new Error(`the training table ${run.state}`);
    await delay(20);
  }
}

const asRequest = ({ atUs, inputs }: Flight): Buffer =>
  post(`/endpoints/${ENDPOINT}/predict`, { inputs }, { 'gyre-event-time': String(atUs) });

function check(load: Load, what: string): Load {
  if (load.refused > 0) throw new Error(`${load.refused} of ${load.answered} requests were refused: ${what}`);
  return load;
}

/** Day by day with the barrier in between, as the demo does it. */
async function replayRows(client: Client, url: string, march: readonly Flight[]): Promise<Row[]> {
  const began = performance.now();
  const days: Load[] = [];
  for (let day = Date.parse('2013-03-01'); day < Date.parse('2013-04-01'); day += DAY_MS) {
    const today = march.filter((f) => f.atUs >= day * 1000 && f.atUs < (day + DAY_MS) * 1000);
    days.push(check(await drive(url, today.map(asRequest), AT_ONCE), 'the replay'));
    await client.post(path`/projects/flights/timeline/advance`, { to: new Date(day + DAY_MS).toISOString() });
  }
  const wallMs = performance.now() - began;
  const sending = days.reduce((sum, d) => sum + d.wallMs, 0);
  const clientMs = days.reduce((sum, d) => sum + d.clientCpuMs, 0);
  return [
    row(`replay of March, ${march.length.toLocaleString('en-US')} predictions`, perSecond(march.length, sending), '2,000/s'),
    row('  of one core, the client took', `${Math.round((clientMs / sending) * 100)} %`),
    row('  with the barrier after each day', perSecond(march.length, wallMs)),
  ];
}

async function predictionRows(state: string, url: string, march: readonly Flight[]): Promise<Row[]> {
  const some = march.slice(0, 8000);
  const bare = await startBare(globSync(join(state, '**/*.onnx'))[0]!);
  try {
    const vectors = some.map(({ inputs }) => post('/', { inputs: { ...inputs, ...vector } }));
    const limits: Load[] = [];
    const ours: Load[] = [];
    // In turns, so that whatever else the machine does hits both.
    for (let i = 0; i < 4; i++) {
      limits.push(check(await drive(bare.url, vectors, AT_ONCE), 'the bare server'));
      ours.push(check(await drive(url, some.map(asRequest), AT_ONCE), 'the endpoint'));
    }
    const rate = (loads: readonly Load[]): number => Math.max(...loads.map((l) => l.answered / l.wallMs)) * 1000;
    const best = (loads: readonly Load[], share: number): number => Math.min(...loads.slice(1).map((l) => quantile(l.latencyMs, share)));
    return [
      row('one-row prediction at concurrency 16, p99', ms(best(ours, 0.99)), '5 ms'),
      row('  p50', ms(best(ours, 0.5))),
      row('  predictions', `${Math.round(rate(ours)).toLocaleString('en-US')}/s`),
      row('  bare node:http + JSON + model: p99', ms(best(limits, 0.99))),
      row('  bare: p50', ms(best(limits, 0.5))),
      row('  bare: predictions', `${Math.round(rate(limits)).toLocaleString('en-US')}/s`),
      row('  share of the bare limit', `${Math.round((rate(ours) / rate(limits)) * 100)} %`, '70 %'),
    ];
  } finally {
    bare.stop();
  }
}

// Some feature values, so that the bare server's vector is as long as ours.
const vector = Object.fromEntries(
  [
    ...['temp', 'dewp', 'humid', 'wind_dir', 'wind_speed', 'precip', 'pressure', 'visib', 'carrier_late_6h', 'carrier_late_14d'],
    ...['dest_late_6h', 'dest_late_14d', 'origin_late_3h', 'origin_late_14d', 'origin_landed_3h', 'plane_year', 'seats', 'engines'],
  ].map((name, i) => [name, 0.25 * i]),
);

async function startBare(model: string): Promise<{ url: string; stop: () => void }> {
  const child = fork(join(import.meta.dirname, 'bare-server.ts'), [model], { execArgv: ['--no-warnings'] });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(Number(message)));
    child.once('exit', (code) => reject(new Error(`the bare server ended with ${code}`)));
  });
  return { url: `http://127.0.0.1:${port}`, stop: () => child.disconnect() };
}

/** After everything above: all is loaded, and nothing is asked for. */
async function restRows(control: number, serve: number): Promise<Row[]> {
  await delay(SETTLE_MS);
  const before = [usageOf(control), usageOf(serve)] as const;
  await delay(QUIET_MS);
  const after = [usageOf(control), usageOf(serve)] as const;
  const share = (i: 0 | 1): string => `${(((after[i].cpuMs - before[i].cpuMs) / QUIET_MS) * 100).toFixed(2)} %`;
  return [
    row('control process at rest: memory', `${Math.round(after[0].rssMb)} MB`, '150 MB'),
    row(`  of one core, over ${QUIET_MS / 1000} s`, share(0), '2 %'),
    row('data plane at rest: memory', `${Math.round(after[1].rssMb)} MB`),
    row('  of one core', share(1)),
  ];
}
