// A server for the time of one command.
import { spawn } from 'node:child_process';
import { extname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { defineErrors } from '../../kernel/errors.ts';

const { fail } = defineErrors({
  'own-server-failed': {
    status: 500,
    title: 'The server for this command did not start',
    detail: (p: { why: string }) => `The server that --start asks for did not start: ${p.why}`,
  },
});

/** Starts `gyre up` in the folder on a free port. Raises `own-server-failed`. */
export async function startOwnServer(
  dir: string,
  env: Readonly<Record<string, string | undefined>>,
): Promise<{ url: string; stop: () => Promise<void> }> {
  const main = join(import.meta.dirname, `../main${extname(import.meta.filename)}`);
  // A session of its own: Ctrl-C ends the command, and the server is needed to write that down.
  const child = spawn(process.execPath, ['--no-warnings', main, 'up', '--dir', dir, '--port', '0', '--no-data-plane'], {
    env: { GYRE_LOG_LEVEL: 'error', ...env },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let complaint = '';
  child.stderr.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000)));
  const url = await new Promise<string | undefined>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const ready = /ready at (http\S+)/.exec(line);
      if (ready) resolve(ready[1]);
    });
    void ended.then(() => resolve(undefined));
  });
  return url === undefined
    ? fail('own-server-failed', { why: complaint.trim() || 'it said nothing' })
    : {
        url,
        stop: async () => {
          child.kill('SIGTERM');
          await ended;
        },
      };
}
