// The command line as a test drives it: in this process for what it says, as a process for how it ends.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { runCli } from '../../src/app/cli.ts';
import type { Terminal } from '../../src/kernel/cli/terminal.ts';

export const main = join(import.meta.dirname, '../../src/app/main.ts');

export interface Ran {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** Runs a command in this process. */
export async function gyre(...args: string[]): Promise<Ran> {
  const [out, err]: [string[], string[]] = [[], []];
  const terminal: Terminal = {
    out: (line) => void out.push(`${line}\n`),
    say: (line) => void err.push(`${line}\n`),
    draw: () => undefined,
    interactive: false,
    columns: 80,
  };
  return { code: await runCli(args, terminal), out: out.join(''), err: err.join('') };
}

export interface Started {
  readonly child: ChildProcess;
  readonly ended: Promise<Ran>;
  /** What it has written so far. */
  readonly so: { out: string; err: string };
}

/** Starts a command as a process of its own, with nothing of our environment but the path. */
export function start(args: readonly string[], { cwd, env = {} }: { cwd: string; env?: Record<string, string> }): Started {
  const child = spawn(process.execPath, ['--no-warnings', main, ...args], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd, TMPDIR: cwd, GYRE_LOG_LEVEL: 'error', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const so = { out: '', err: '' };
  child.stdout.setEncoding('utf8').on('data', (text: string) => (so.out += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (so.err += text));
  return { child, so, ended: once(child, 'close').then(([code]) => ({ code: code as number | null, ...so })) };
}

/** Waits until a process has written what the pattern looks for. */
export async function written({ child, so, ended }: Started, pattern: RegExp): Promise<RegExpExecArray> {
  for (;;) {
    const found = pattern.exec(so.out) ?? pattern.exec(so.err);
    if (found) return found;
    const more = await Promise.race([once(child.stdout!, 'data'), once(child.stderr!, 'data'), ended]);
    if (!Array.isArray(more)) throw new Error(`it ended before it wrote ${pattern}: ${so.out}${so.err}`);
  }
}

/** A folder that is removed at the end, whatever runs in it. */
export function folder(after: (remove: () => void) => void): string {
  const path = mkdtempSync(join(tmpdir(), 'gyre-cli-'));
  after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

export function writeFiles(root: string, files: Readonly<Record<string, Buffer | string>>): void {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), content);
  }
}
