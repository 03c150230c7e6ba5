// A server of the demo's own: started in an empty folder, on free ports, stopped at the end.
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { checkoutEnvironment } from '../environment.ts';

export interface DemoServer {
  readonly url: string;
  /** Resolves when the server ended, whoever ended it. */
  readonly ended: Promise<void>;
  stop(): Promise<void>;
}

const main = join(import.meta.dirname, '../../src/app/main.ts');

export async function startServer(dir: string, env: NodeJS.ProcessEnv = {}): Promise<DemoServer> {
  const child = spawn(process.execPath, ['--no-warnings', main, 'up', '--dir', dir, '--port', '0'], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...checkoutEnvironment(), GYRE_LOG_LEVEL: 'warn', ...env },
    // Ctrl-C reaches the demo, which stops the server in good order.
    detached: true,
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const url = await new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', (line) => resolve(line.replace(/^.* at /, '')));
    child.once('exit', (code) => reject(new Error(`the server ended with code ${code} before it was ready`)));
  });
  return {
    url,
    ended,
    stop: async () => {
      child.kill('SIGTERM');
      await ended;
    },
  };
}
