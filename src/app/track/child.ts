// Runs the command: its streams pass through unchanged and are kept, signals go on to everything it started.
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, constants, fstatSync, openSync, rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { KeptText } from './kept-text.ts';
import { childrenCpuS } from './process-group.ts';

/** Output that a process left behind by the command may still write. */
const LATE_OUTPUT_MS = 1000;
const ENDING = ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT'] as const;
const PASSED = ['SIGUSR1', 'SIGUSR2', 'SIGWINCH'] as const;

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The first signal to us that asked for an end. */
  readonly asked: NodeJS.Signals | null;
  readonly wallMs: number;
  readonly cpuS: number | null;
}

export interface RunningCommand {
  readonly pid: number;
  readonly kept: { readonly stdout: KeptText; readonly stderr: KeptText };
  readonly ended: Promise<Ended>;
}

interface Pipe {
  readonly read: number;
  readonly write: number;
}

/** Real pipes: what Node gives a child are sockets, and these cannot be opened as /dev/stdout. */
function openPipes(dir: string): readonly [Pipe, Pipe] | undefined {
  const paths = [join(dir, 'stdout'), join(dir, 'stderr')] as const;
  try {
    execFileSync('mkfifo', ['-m', '600', ...paths], { stdio: 'ignore' });
    const pipes = paths.map((path) => ({
      read: openSync(path, constants.O_RDONLY | constants.O_NONBLOCK),
      write: openSync(path, constants.O_WRONLY),
    }));
    for (const path of paths) rmSync(path);
    return [pipes[0]!, pipes[1]!];
  } catch {
    return undefined;
  }
}

/** The pipes a command will write to, made before it so that its environment can name them. */
export function openStreams(dir: string): { readonly pipes: readonly [Pipe, Pipe] | undefined; readonly stdoutInode: string | null } {
  const pipes = openPipes(dir);
  // On a terminal Python writes each line at once; for a pipe it would not, and nothing would be seen for long.
  const lines = pipes !== undefined && process.stdout.isTTY === true;
  return { pipes, stdoutInode: lines ? String(fstatSync(pipes[0].write).ino) : null };
}

type Reader = NodeJS.ReadableStream & { destroy: () => unknown };

function pass(from: Reader, to: NodeJS.WriteStream, kept: KeptText): Promise<void> {
  // A reader that went away (`| head`) is the command's affair: it hears of it when it writes on.
  to.removeAllListeners('error');
  to.on('error', () => from.destroy());
  from.on('data', (chunk: Buffer) => {
    kept.add(chunk);
    if (to.write(chunk)) return;
    from.pause();
    to.once('drain', () => from.resume());
  });
  return new Promise((resolve) => {
    from.once('error', () => resolve());
    from.once('close', () => resolve());
  });
}

/** Starts the command. Raises what spawning raises. */
export async function startCommand(
  program: string,
  words: readonly string[],
  { cwd, env, pipes }: { cwd: string; env: Record<string, string | undefined>; pipes: readonly [Pipe, Pipe] | undefined },
): Promise<RunningCommand> {
  const cpuBefore = childrenCpuS();
  const began = performance.now();
  const child = spawn(program, words.slice(1), {
    cwd,
    env,
    argv0: words[0]!,
    // A session of its own, so that a signal reaches all that the command starts, and each once.
    detached: true,
    stdio: pipes ? ['inherit', pipes[0].write, pipes[1].write] : ['inherit', 'pipe', 'pipe'],
  });
  const exited = new Promise<{ code: number | null; signal: NodeJS.Signals | null; wallMs: number; cpuS: number | null }>((resolve) => {
    child.once('exit', (code, signal) => {
      const after = childrenCpuS();
      resolve({
        code,
        signal,
        wallMs: performance.now() - began,
        cpuS: cpuBefore === null || after === null ? null : after - cpuBefore,
      });
    });
  });
  for (const { write } of pipes ?? []) closeSync(write);
  const kept = { stdout: new KeptText(), stderr: new KeptText() };
  const readers: readonly [Reader, Reader] = pipes
    ? [
        new Socket({ fd: pipes[0].read, readable: true, writable: false }),
        new Socket({ fd: pipes[1].read, readable: true, writable: false }),
      ]
    : [child.stdout!, child.stderr!];
  const passed = Promise.all([pass(readers[0], process.stdout, kept.stdout), pass(readers[1], process.stderr, kept.stderr)]);
  await new Promise<void>((resolve, reject) => {
    child.once('spawn', resolve);
    child.once('error', (error) => {
      for (const reader of readers) reader.destroy();
      reject(error);
    });
  });
  const pid = child.pid!;
  const signals = passSignals(pid);
  return {
    pid,
    kept,
    ended: exited.then(async (end) => {
      const late = setTimeout(() => readers.forEach((r) => r.destroy()), LATE_OUTPUT_MS);
      await passed;
      clearTimeout(late);
      return { ...end, asked: signals.stop() };
    }),
  };
}

function passSignals(leader: number): { stop: () => NodeJS.Signals | null } {
  let asked: NodeJS.Signals | null = null;
  const tell = (signal: NodeJS.Signals): void => {
    try {
      process.kill(-leader, signal);
    } catch {
      // All have ended.
    }
  };
  const end = (signal: NodeJS.Signals): void => {
    // Who asks twice has waited long enough.
    tell(asked === null ? signal : 'SIGKILL');
    asked ??= signal;
  };
  // A session without a terminal is not stopped by one; it is stopped here, and we with it.
  const suspend = (): void => {
    tell('SIGSTOP');
    process.kill(process.pid, 'SIGSTOP');
  };
  const goOn = (): void => tell('SIGCONT');
  for (const signal of ENDING) process.on(signal, end);
  for (const signal of PASSED) process.on(signal, tell);
  process.on('SIGTSTP', suspend);
  process.on('SIGCONT', goOn);
  return {
    stop: () => {
      for (const signal of ENDING) process.off(signal, end);
      for (const signal of PASSED) process.off(signal, tell);
      process.off('SIGTSTP', suspend);
      process.off('SIGCONT', goOn);
      return asked;
    },
  };
}
