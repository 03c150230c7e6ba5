// Start, rest, a script by the real client, and artifacts of a gigabyte.
import { execFile, fork } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { openClient, path } from '../../src/kernel/cli/client.ts';
import { usageOf } from '../built-server.ts';
import { quantile } from '../table.ts';
import { compare, type Figure } from './figure.ts';
import { fromMemory } from './from-memory.ts';
import { mlflowExecutable, sides, start, type Side } from './servers.ts';

/** Longer than the watch of the control process needs to see that it rests (src/app/rest.ts). */
const SETTLE_MS = 12_000;

const median = (values: readonly number[]): number => quantile(values, 0.5);

export async function starts(): Promise<Figure[]> {
  const times: Record<Side, number[]> = { gyre: [], installed: [], lean: [] };
  let restMb = 0;
  for (const side of sides)
    for (let round = 0; round < (side === 'gyre' ? 5 : 2); round++) {
      const server = await start(side);
      times[side].push(server.readyMs);
      if (side === 'gyre' && round === 0) {
        await delay(SETTLE_MS);
        restMb = usageOf(await controlPid(server.url)).rssMb;
      }
      await server.stop();
    }
  const [gyre, installed, lean] = [median(times.gyre), median(times.installed), median(times.lean)];
  return [
    compare({
      what: 'start to ready, empty folder',
      unit: ' ms',
      gyre,
      installed,
      lean,
      atLeast: { installed: 10, lean: 0 },
      atMost: 1000,
    }),
    compare({ what: 'resident memory of the control process, idle', unit: ' MB', gyre: restMb, atMost: 150 }),
  ];
}

async function controlPid(url: string): Promise<number> {
  const status = await openClient({ url, token: '', workspace: 'default' }).get<{ control: { pid: number } }>(path`/status`);
  return status.control.pid;
}

export async function script(): Promise<Figure[]> {
  const seconds = {} as Record<Side, number>;
  for (const side of sides) seconds[side] = await withServer(side, runScript);
  const client = await withServer('gyre', async (url) => {
    const memory = await fromMemory(url);
    try {
      await runScript(memory.url);
      memory.replay();
      return await runScript(memory.url);
    } finally {
      memory.close();
    }
  });
  return [
    compare({
      what: 'script: 20 params, 500 single metrics, log_model, register, load back',
      unit: ' s',
      gyre: seconds.gyre,
      installed: seconds.installed,
      lean: seconds.lean,
      atMost: 2,
    }),
    compare({ what: '  the same script, answered from memory: the time of the client alone', unit: ' s', gyre: client }),
  ];
}

async function withServer<T>(side: Side, use: (url: string) => Promise<T>): Promise<T> {
  const server = await start(side);
  try {
    return await use(server.url);
  } finally {
    await server.stop();
  }
}

async function runScript(url: string): Promise<number> {
  const cwd = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  try {
    const { stdout } = await promisify(execFile)(join(dirname(mlflowExecutable()), 'python'), [join(import.meta.dirname, 'script.py')], {
      cwd,
      timeout: 120_000,
      env: { ...process.env, MLFLOW_TRACKING_URI: url, MLFLOW_DISABLE_TELEMETRY: 'true' },
    });
    return Number(stdout.trim().split('\n').at(-1));
  } finally {
    rmSync(cwd, { recursive: true, force: true });
  }
}

const GIB = 1024 ** 3;
const CHUNK = 1024 ** 2;
/** No zeros: what compresses or is a hole in a file would flatter. */
const chunk = createHash('shake256', { outputLength: CHUNK }).update('gyre').digest();

export async function artifacts(): Promise<Figure[]> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-bench-'));
  const bare = fork(join(import.meta.dirname, 'bare-copy.ts'), [folder], { execArgv: ['--no-warnings'] });
  const port = await new Promise<number>((resolve) => bare.once('message', (p) => resolve(p as number)));
  const server = await start('gyre');
  try {
    const pid = await controlPid(server.url);
    const target = `${server.url}/api/2.0/mlflow-artifacts/artifacts/0/bench/artifacts/large.bin`;
    const limit = `http://127.0.0.1:${port}/large.bin`;
    const before = usageOf(pid).rssMb;
    let peak = before;
    const watch = setInterval(() => (peak = Math.max(peak, usageOf(pid).rssMb)), 50);
    const rates: Record<'up' | 'down' | 'bareUp' | 'bareDown', number[]> = { up: [], down: [], bareUp: [], bareDown: [] };
    for (let round = 0; round < 3; round++) {
      rates.bareUp.push(await rate(() => put(limit)));
      rates.up.push(await rate(() => put(target)));
      rates.bareDown.push(await rate(() => get(limit)));
      rates.down.push(await rate(() => get(target)));
    }
    clearInterval(watch);
    const side = (what: string, ours: readonly number[], bound: readonly number[]): Figure[] => {
      const share = median(ours) / median(bound);
      const figure = compare({ what: `artifact of 1 GiB ${what}`, unit: ' MB/s', more: true, gyre: median(ours) });
      return [
        {
          ...figure,
          ratio: `${Math.round(share * 100)} % of a bare program`,
          target: '>= 80 % of a bare node:http program',
          met: share >= 0.8,
        },
      ];
    };
    return [
      ...side('up', rates.up, rates.bareUp),
      ...side('down', rates.down, rates.bareDown),
      compare({ what: '  memory grows by', unit: ' MB', gyre: peak - before, atMost: 64 }),
    ];
  } finally {
    bare.kill();
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function rate(transfer: () => Promise<void>): Promise<number> {
  const began = performance.now();
  await transfer();
  return GIB / 1e6 / ((performance.now() - began) / 1000);
}

const put = (url: string): Promise<void> =>
  new Promise((resolve, reject) => {
    const sending = request(url, { method: 'PUT', headers: { 'content-length': GIB, 'content-type': 'application/octet-stream' } });
    sending.once('response', (reply) => {
      reply.resume().once('end', () => (reply.statusCode === 200 ? resolve() : reject(new Error(`PUT answered ${reply.statusCode}`))));
    });
    sending.once('error', reject);
    Readable.from(
      (function* () {
        for (let sent = 0; sent < GIB; sent += CHUNK) yield chunk;
      })(),
    ).pipe(sending);
  });

const get = (url: string): Promise<void> =>
  new Promise((resolve, reject) => {
    request(url, (reply) => {
      let size = 0;
      reply.on('data', (bytes: Buffer) => (size += bytes.length));
      reply.once('end', () => (size === GIB ? resolve() : reject(new Error(`GET answered ${reply.statusCode} and ${size} bytes`))));
    })
      .once('error', reject)
      .end();
  });
