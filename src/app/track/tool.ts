// Small programs whose answer is wanted, and whose absence is no failure.
import { spawn } from 'node:child_process';
import { setPriority } from 'node:os';

export interface Answer {
  readonly code: number | null;
  readonly out: Buffer;
  /** More came than was wanted. */
  readonly cut: boolean;
}

/** Runs a program without a shell; undefined if there is none or it takes too long. */
export function ask(
  program: string,
  args: readonly string[],
  {
    cwd,
    env,
    mostBytes = 1024 * 1024,
    timeoutMs = 20_000,
  }: { cwd: string; env?: Record<string, string | undefined>; mostBytes?: number; timeoutMs?: number },
): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    // A session of its own: Ctrl-C is the command's, not theirs.
    const child = spawn(program, args, { cwd, env, stdio: ['ignore', 'pipe', 'ignore'], detached: true });
    const pieces: Buffer[] = [];
    let bytes = 0;
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      resolve(undefined);
    }, timeoutMs);
    child.once('spawn', () => {
      try {
        setPriority(child.pid!, 10);
      } catch {
        // It has ended already.
      }
    });
    child.stdout.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes <= mostBytes) pieces.push(chunk);
      else child.kill('SIGKILL');
    });
    child.once('error', () => {
      clearTimeout(late);
      resolve(undefined);
    });
    child.once('close', (code) => {
      clearTimeout(late);
      resolve({ code, out: Buffer.concat(pieces), cut: bytes > mostBytes });
    });
  });
}

/** The text of a program's answer, without its last line end; undefined unless it ended well. */
export async function askText(program: string, args: readonly string[], options: Parameters<typeof ask>[2]): Promise<string | undefined> {
  const answer = await ask(program, args, options);
  return answer?.code === 0 && !answer.cut ? answer.out.toString('utf8').trimEnd() : undefined;
}
