// The system under test: `gyre up` in a folder of its own, whose processes can be killed and armed.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as delay } from 'node:timers/promises';

const main = join(import.meta.dirname, '../../src/app/main.ts');
const compiled = join(import.meta.dirname, '../../.cache/compiled');

export type Victim = 'control' | 'serve' | 'compute' | 'runner' | 'supervisor' | 'everything';
export const victims: readonly Victim[] = ['control', 'serve', 'compute', 'runner', 'supervisor', 'everything'];

export interface SystemOptions {
  /** Added to the server's environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** A folder of a stopped server, whose state this one begins with; with records in PostgreSQL those of a copy are in `env`. */
  readonly stateOf?: string;
}

export class System {
  readonly root = mkdtempSync(join(tmpdir(), 'gyre-crash-'));
  readonly dir = join(this.root, 'gyre');
  /** Steps append here, outside of everything the server knows. */
  readonly counter = join(this.root, 'counter.txt');
  readonly #rules = join(this.root, 'failpoints');
  readonly #log: string[] = [];
  #ports = { control: '0', serve: '0' };
  #up: ChildProcess | undefined;
  url = '';
  serveUrl = '';
  readonly #env: Readonly<Record<string, string>>;

  constructor({ env = {}, stateOf }: SystemOptions = {}) {
    this.#env = env;
    if (stateOf !== undefined) cpSync(stateOf, this.dir, { recursive: true });
  }

  async start(): Promise<void> {
    const up = spawn(
      process.execPath,
      ['--no-warnings', main, 'up', '--dir', this.dir, '--port', this.#ports.control, '--serve-port', this.#ports.serve],
      {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          PATH: process.env.PATH,
          HOME: process.env.HOME,
          GYRE_LOG_LEVEL: 'error',
          GYRE_DURABILITY: 'process',
          // As bin/gyre.js has it: half of what a start costs is compiling, and here is little but starts.
          NODE_COMPILE_CACHE: compiled,
          GYRE_FAILPOINTS: `file:${this.#rules}`,
          ...this.#env,
        },
      },
    );
    this.#up = up;
    up.stderr.setEncoding('utf8').on('data', (text: string) => this.#log.push(text));
    const ended = once(up, 'exit').then(([code]) => {
      throw new Error(`the server ended with ${code} before it was ready: ${this.log()}`);
    });
    const [line] = (await Promise.race([once(createInterface({ input: up.stdout }), 'line'), ended])) as [string];
    ended.catch(() => undefined);
    this.url = line.replace(/^.* at /, '');
    this.serveUrl = this.#processes().serve!.url;
    // From now on the addresses stay, so that the client finds the next server.
    this.#ports = { control: new URL(this.url).port, serve: new URL(this.serveUrl).port };
  }

  log = (): string => this.#log.join('').slice(-6000);

  #processes(): Record<string, { pid: number; url: string }> {
    return JSON.parse(readFileSync(join(this.dir, 'run/processes.json'), 'utf8')) as Record<string, { pid: number; url: string }>;
  }

  /** Kills at once; answers whether there was somebody to kill. After the supervisor's death the next one is started. */
  async kill(victim: Victim): Promise<boolean> {
    const { control, serve } = this.#processes();
    const supervisor = this.#up!.pid!;
    const groups = victim === 'runner' ? this.#launched() : [];
    const pids = {
      control: [control?.pid],
      serve: [serve?.pid],
      compute: children(control?.pid).filter((pid) => /compute\/worker/.test(commandOf(pid))),
      runner: groups.map((pid) => -pid),
      supervisor: [supervisor],
      everything: [supervisor, control?.pid, serve?.pid],
    }[victim];
    const hit = pids.filter((pid) => pid !== undefined && killed(pid)).length > 0;
    if (victim === 'supervisor' || victim === 'everything') {
      await gone(this.#up!);
      await this.start();
    }
    return hit;
  }

  /** Leaders of the process groups of attempts that run now. */
  #launched(): number[] {
    const attempts = join(this.dir, 'attempts');
    try {
      return readdirSync(attempts, { recursive: true, encoding: 'utf8' })
        .filter((name) => name.endsWith('pid.json'))
        .map((name) => (JSON.parse(readFileSync(join(attempts, name), 'utf8')) as { pid: number }).pid)
        .filter((pid) => /launcher/.test(commandOf(pid)));
    } catch {
      return [];
    }
  }

  /** Lets the process die that comes by this place as the n-th. */
  arm(name: string, pass = 1): void {
    writeFileSync(this.#rules, `${name}=kill@${pass}`);
  }
  /** Waits until somebody died there; false if nobody came by in time, or before it was over. Disarms in any case. */
  async struck(withinMs: number, over?: AbortSignal): Promise<boolean> {
    const deadline = performance.now() + withinMs;
    for (;;) {
      if (readFileSync(this.#rules, 'utf8') === '') return true;
      if (performance.now() > deadline || over?.aborted) break;
      await delay(10);
    }
    writeFileSync(this.#rules, '');
    return false;
  }

  async stop(): Promise<number | null> {
    this.#up!.kill('SIGTERM');
    await gone(this.#up!);
    return this.#up!.exitCode;
  }

  remove(): void {
    this.#up?.kill('SIGKILL');
    rmSync(this.root, { recursive: true, force: true });
  }
}

async function gone(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
}

function killed(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

function commandOf(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8');
  } catch {
    return '';
  }
}

function children(pid: number | undefined): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}
