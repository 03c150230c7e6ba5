// The servers of the bench, each on one core and each in a process of its own: Gyre as it is built, the bare programs, the peers.
import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';
import { checkoutEnvironment } from '../../scripts/environment.ts';

const repository = join(import.meta.dirname, '../..');
const cache = join(repository, '.cache');
const environment = join(cache, 'bench-serving');
const here = join(import.meta.dirname, 'python');
export const models = join(cache, 'bench-serving-models');
export const python = join(environment, 'bin/python');

/** The environment of the peers from its lock, and the models, once. */
export function prepare(): void {
  const options = { env: checkoutEnvironment(), stdio: 'inherit' } as const;
  if (!existsSync(python)) {
    execFileSync('uv', ['venv', '--quiet', '--python', '3.11', environment], options);
    const lock = ['--require-hashes', '--only-binary', ':all:', join(here, 'requirements.lock')];
    execFileSync('uv', ['pip', 'sync', '--quiet', '--python', python, ...lock], options);
  }
  if (!existsSync(join(models, 'mlflow/MLmodel'))) execFileSync(python, [join(here, 'make_models.py'), models], options);
  // The server has the first core, the load the last one.
  if (isLinux) execFileSync('taskset', ['-a', '-cp', String(availableParallelism() - 1), String(process.pid)], { stdio: 'ignore' });
}

const isLinux = process.platform === 'linux';
const onFirstCore = (command: readonly string[]): [string, string[]] =>
  isLinux ? ['taskset', ['-c', '0', ...command]] : [command[0]!, command.slice(1)];

export interface Server {
  readonly url: string;
  readonly grpc: string;
  readonly pid: number;
  readonly readyMs: number;
  readonly dir: string;
  stop(): Promise<void>;
}

const running = new Set<() => Promise<void>>();
/** Ends whatever a part that failed left running. */
export async function stopAll(): Promise<void> {
  for (const stop of running) await stop();
}

function watch(child: ChildProcess, dir: string): Pick<Server, 'dir' | 'pid' | 'stop'> {
  const kill = (signal: NodeJS.Signals): void => {
    try {
      // Workers of a peer belong to its group.
      process.kill(-child.pid!, signal);
    } catch {
      // Nobody of the group is left.
    }
  };
  const atExit = (): void => kill('SIGKILL');
  process.once('exit', atExit);
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const stop = async (): Promise<void> => {
    if (!running.delete(stop)) return;
    kill('SIGTERM');
    await Promise.race([ended, delay(4000)]);
    kill('SIGKILL');
    process.off('exit', atExit);
    rmSync(dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  };
  running.add(stop);
  return { dir, pid: child.pid!, stop };
}

const folder = (): string => mkdtempSync(join(tmpdir(), 'gyre-bench-'));
const failed = (what: string, log: string): Error =>
  new Error(`${what} ended before it was ready:\n${readFileSync(log, 'utf8').slice(-2000)}`);

/** `gyre serve`, built. `fill` may write a plan into the folder first. */
export async function startGyre(args: readonly string[], fill?: (dir: string) => void): Promise<Server> {
  const dir = folder();
  fill?.(dir);
  const log = join(dir, 'stderr.log');
  const began = performance.now();
  const program = [
    process.execPath,
    '--no-warnings',
    join(repository, 'dist/app/main.js'),
    'serve',
    '--json',
    '--port',
    '0',
    '--grpc-port',
    '0',
  ];
  const [command, rest] = onFirstCore([...program, ...args, ...(fill ? ['--dir', dir] : [])]);
  const env = { ...process.env, GYRE_LOG_LEVEL: 'warn', NODE_COMPILE_CACHE: join(cache, 'compiled') } as Record<string, string>;
  for (const name of Object.keys(env)) if (name.startsWith('GYRE_BENCH_')) delete env[name];
  const child = spawn(command, rest, { detached: true, stdio: ['ignore', 'pipe', openSync(log, 'w')], env });
  const { url, grpc } = await new Promise<{ url: string; grpc: string }>((resolve, reject) => {
    // A refusal is printed over several lines.
    const said: string[] = [];
    createInterface({ input: child.stdout! }).on('line', (line) => {
      said.push(line);
      if (said.length === 1 && line.startsWith('{"url"')) resolve(JSON.parse(line) as { url: string; grpc: string });
    });
    child.once('close', () =>
      reject(new Error(`gyre serve ended before it was ready: ${said.join(' ')} ${readFileSync(log, 'utf8').slice(-2000)}`)),
    );
  });
  return { ...watch(child, dir), url, grpc, readyMs: performance.now() - began };
}

export async function startBare(kind: 'json' | 'binary' | 'grpc', model: string): Promise<Server> {
  const dir = folder();
  const began = performance.now();
  const [command, rest] = onFirstCore([process.execPath, '--no-warnings', join(import.meta.dirname, 'bare.ts'), kind, model]);
  const child = spawn(command, rest, { detached: true, stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message) => resolve(message as number));
    child.once('exit', (code) => reject(new Error(`the bare program ended with ${code}`)));
  });
  return { ...watch(child, dir), url: `http://127.0.0.1:${port}`, grpc: `127.0.0.1:${port}`, readyMs: performance.now() - began };
}

export type Peer = 'fastapi' | 'mlserver' | 'mlserver-inline' | 'mlflow';

export async function startPeer(peer: Peer): Promise<Server> {
  const dir = folder();
  const [port, grpcPort, metrics] = [await freePort(), await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const model = join(models, 'forest.onnx');
  let program = [python, join(here, 'fastapi_server.py')];
  let health = '/health';
  if (peer.startsWith('mlserver')) {
    mkdirSync(join(dir, 'm'));
    copyFileSync(join(here, 'mlserver/onnx_runtime.py'), join(dir, 'm/onnx_runtime.py'));
    const workers = peer === 'mlserver' ? {} : { parallel_workers: 0 };
    const settings = { host: '127.0.0.1', http_port: port, grpc_port: grpcPort, metrics_port: metrics, ...workers };
    writeFileSync(join(dir, 'settings.json'), JSON.stringify(settings));
    writeFileSync(
      join(dir, 'm/model-settings.json'),
      JSON.stringify({ name: 'm', implementation: 'onnx_runtime.OnnxModel', parameters: { uri: model } }),
    );
    program = [join(environment, 'bin/mlserver'), 'start', dir];
    health = '/v2/models/m/ready';
  } else if (peer === 'mlflow') {
    const where = ['--host', '127.0.0.1', '--port', String(port), '--env-manager', 'local'];
    program = [join(environment, 'bin/mlflow'), 'models', 'serve', '--model-uri', join(models, 'mlflow'), ...where];
    health = '/ping';
  }
  const log = join(dir, 'server.log');
  const out = openSync(log, 'w');
  const began = performance.now();
  const [command, rest] = onFirstCore(program);
  const child = spawn(command, rest, {
    cwd: dir,
    detached: true,
    stdio: ['ignore', out, out],
    env: {
      ...process.env,
      PATH: `${join(environment, 'bin')}:${process.env.PATH}`,
      PYTHONPATH: join(dir, 'm'),
      MODEL: model,
      PORT: String(port),
      MLFLOW_DISABLE_TELEMETRY: 'true',
    },
  });
  const server = watch(child, dir);
  while (
    !(await fetch(url + health).then(
      (r) => r.ok,
      () => false,
    ))
  ) {
    if (child.exitCode !== null || performance.now() - began > 60_000) throw failed(peer, log);
    await delay(50);
  }
  return { ...server, url, grpc: `127.0.0.1:${grpcPort}`, readyMs: performance.now() - began };
}

const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer();
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
