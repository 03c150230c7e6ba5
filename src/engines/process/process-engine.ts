// Stager, launcher and collector for steps that run as processes here.
import { spawn } from 'node:child_process';
import { existsSync, watch } from 'node:fs';
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { BlobStore } from '../../kernel/blobs/blob-store.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import type { Writable } from 'node:stream';
import type { AttemptOutcome, AttemptRequest, StepEngine, StoredFile } from '../../domains/pipelines/public.ts';

interface Manifest {
  readonly fence: number;
  readonly outcome: AttemptOutcome;
}

// Output goes through sed, which takes secrets out line by line; it is a process of the step's own group, so
// the log goes on when this server is gone. Its script comes over descriptor 3 and is never written down; that
// is a socket, which cannot be opened by name, so `cat` makes a pipe of it.
const LAUNCHER = `dir=$1; command=$2; limit=$3; cd "$dir/work" || exit 1
rm -f "$dir/out"; mkfifo "$dir/out"
cat <&3 | sed -u -f /dev/stdin "$dir/out" >> "$dir/log.txt" 2>&1 & reader=$!
exec 3<&-
( sleep "$limit"; : > "$dir/timed-out"; kill -KILL -"$$" ) > /dev/null 2>&1 < /dev/null & watch=$!
/bin/sh -c "$command" > "$dir/out" 2>&1 < /dev/null
code=$?
kill "$watch" 2> /dev/null
( sleep 2; kill "$reader" ) > /dev/null 2>&1 < /dev/null & late=$!
wait "$reader" 2> /dev/null
kill "$late" 2> /dev/null
printf '{"exitCode":%d}' "$code" > "$dir/exit.json.new" && mv "$dir/exit.json.new" "$dir/exit.json"`;

/** sed commands that replace each line of each secret. */
const redaction = (secrets: readonly string[]): string =>
  secrets
    .flatMap((secret) => secret.split('\n'))
    .filter((line) => line.length >= 4)
    .map((line) => `s/${line.replace(/[\]\\/$*.^[]/g, '\\$&')}/(redacted)/g\n`)
    .join('');

/** Starts, adopts and ends attempts; `blobs` is where code and inputs come from and outputs go. */
export function openProcessEngine(blobs: BlobStore): StepEngine {
  const stage = async (request: AttemptRequest): Promise<string> => {
    const work = join(request.dir, 'work');
    await rm(work, { recursive: true, force: true });
    await mkdir(join(work, 'out'), { recursive: true });
    // A copy: what a step does to its inputs never reaches the store.
    for (const file of request.files) await blobs.materialise(file.entry, join(work, file.path));
    return work;
  };

  const launch = async (request: AttemptRequest): Promise<void> => {
    await stage(request);
    const work = join(request.dir, 'work');
    const child = spawn(
      '/bin/sh',
      ['-c', LAUNCHER, 'launcher', request.dir, request.command, String(Math.ceil(request.timeoutMs / 1000))],
      {
        cwd: work,
        detached: true,
        // What is not declared is not there, so a missing declaration fails instead of giving a stale hit.
        env: {
          PATH: [request.bin, process.env.PATH].filter(Boolean).join(':'),
          HOME: work,
          LANG: 'C.UTF-8',
          TZ: 'UTC',
          PYTHONUNBUFFERED: '1',
          PYTHONHASHSEED: '0',
          ...request.variables,
          ...request.secrets,
        },
        stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
      },
    );
    const script = child.stdio[3] as Writable;
    script.on('error', () => undefined);
    script.end(redaction(Object.values(request.secrets)));
    await new Promise<void>((resolve, reject) => {
      child.once('spawn', resolve);
      child.once('error', reject);
    });
    await writeWhole(join(request.dir, 'pid.json'), { pid: child.pid, began: await startOf(child.pid!) });
    child.unref();
  };

  return {
    name: 'process',
    stage,
    run: async (request, signal) => {
      await mkdir(request.dir, { recursive: true });
      const earlier = await readJson<Manifest>(join(request.dir, 'manifest.json'));
      if (earlier) return earlier.outcome;
      const began = performance.now();
      const started = await readJson<{ pid: number; began: string }>(join(request.dir, 'pid.json'));
      if (!started && !existsSync(join(request.dir, 'exit.json'))) await launch(request);
      const ended = await untilEnded(request.dir, signal);
      failpoint('engine.after-exit');
      const outcome = await judge(blobs, request, ended, performance.now() - began);
      // The whole group goes: a step leaves nothing running behind.
      const known = await readJson<{ pid: number; began: string }>(join(request.dir, 'pid.json'));
      if (known) killGroup(known.pid);
      if (outcome.ok || outcome.reason !== 'cancelled') {
        failpoint('engine.before-manifest');
        await writeWhole(join(request.dir, 'manifest.json'), { fence: request.fence, outcome } satisfies Manifest);
        failpoint('engine.after-manifest');
      }
      if (outcome.ok) await rm(join(request.dir, 'work'), { recursive: true, force: true });
      return outcome;
    },
  };
}

type Ended = { kind: 'exit'; exitCode: number } | { kind: 'timed-out' } | { kind: 'cancelled' } | { kind: 'gone' };

/** Waits for exit.json, for the process to vanish without it, or for the signal. */
function untilEnded(dir: string, signal: AbortSignal): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const watcher = watch(dir);
    let busy = false;
    const finish = (ended: Ended): void => {
      watcher.close();
      clearInterval(timer);
      signal.removeEventListener('abort', cancel);
      resolve(ended);
    };
    const look = async (): Promise<void> => {
      if (busy) return;
      busy = true;
      try {
        const exit = await readJson<{ exitCode: number }>(join(dir, 'exit.json'));
        if (exit) return finish({ kind: 'exit', exitCode: exit.exitCode });
        const known = await readJson<{ pid: number; began: string }>(join(dir, 'pid.json'));
        if (known && (await startOf(known.pid)) !== known.began) {
          // It may have written exit.json between the two looks.
          const late = await readJson<{ exitCode: number }>(join(dir, 'exit.json'));
          return finish(
            late
              ? { kind: 'exit', exitCode: late.exitCode }
              : existsSync(join(dir, 'timed-out'))
                ? { kind: 'timed-out' }
                : { kind: 'gone' },
          );
        }
      } catch (error) {
        reject(error as Error);
      } finally {
        busy = false;
      }
    };
    const cancel = async (): Promise<void> => {
      const known = await readJson<{ pid: number }>(join(dir, 'pid.json'));
      if (known) killGroup(known.pid);
      finish({ kind: 'cancelled' });
    };
    // The watch tells at once; the timer finds a process that was killed and wrote nothing.
    const timer = setInterval(() => void look(), 500);
    watcher.on('change', (_event, name) => String(name) === 'exit.json' && void look());
    watcher.on('error', () => undefined);
    signal.addEventListener('abort', () => void cancel(), { once: true });
    if (signal.aborted) void cancel();
    else void look();
  });
}

async function judge(blobs: BlobStore, request: AttemptRequest, ended: Ended, wallMs: number): Promise<AttemptOutcome> {
  const tail = await lastLines(join(request.dir, 'log.txt'));
  const because = (text: string): string => [text, tail].filter(Boolean).join('\n');
  if (ended.kind === 'cancelled') return { ok: false, reason: 'cancelled', detail: 'it was cancelled', exitCode: null };
  if (ended.kind === 'timed-out')
    return { ok: false, reason: 'timed-out', detail: because(`it took longer than ${request.timeoutMs / 1000} s`), exitCode: null };
  if (ended.kind === 'gone')
    return { ok: false, reason: 'lost', detail: because('its process vanished (killed, or out of memory)'), exitCode: null };
  if (ended.exitCode > 128)
    return {
      ok: false,
      reason: 'killed',
      detail: because(`it was ended by signal ${ended.exitCode - 128}${ended.exitCode === 137 ? ' (out of memory?)' : ''}`),
      exitCode: ended.exitCode,
    };
  if (ended.exitCode !== 0)
    return { ok: false, reason: 'failed', detail: because(`the command ended with exit code ${ended.exitCode}`), exitCode: ended.exitCode };
  const out = join(request.dir, 'work', 'out');
  const batch = await blobs.begin();
  const outputs: Record<string, StoredFile[]> = {};
  for (const name of request.outputs) {
    const path = join(out, name);
    if (!existsSync(path)) {
      await batch.abandon();
      return { ok: false, reason: 'missing-output', detail: because(`it ended well but did not write out/${name}`), exitCode: 0 };
    }
    const files: StoredFile[] = [];
    for (const file of await filesUnder(path)) files.push({ path: file.relative, ...(await batch.add({ path: file.absolute })) });
    outputs[name] = files;
  }
  return { ok: true, outputs, entries: await batch.commit(), wallMs };
}

/** Regular files below a folder, or the file itself; links are not followed, so nothing outside is taken in. */
async function filesUnder(path: string): Promise<{ relative: string; absolute: string }[]> {
  if ((await stat(path)).isFile()) return [{ relative: path.split('/').at(-1)!, absolute: path }];
  const entries = await readdir(path, { recursive: true, withFileTypes: true });
  return entries
    .filter((e) => e.isFile())
    .map((e) => ({ absolute: join(e.parentPath, e.name), relative: join(e.parentPath, e.name).slice(path.length + 1) }))
    .sort((a, b) => (a.relative < b.relative ? -1 : 1));
}

async function lastLines(path: string): Promise<string> {
  const text = await readFile(path, 'utf8').catch(() => '');
  return text.trimEnd().split('\n').slice(-8).join('\n').slice(-2000);
}

async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T;
  } catch {
    return undefined;
  }
}

async function writeWhole(path: string, value: unknown): Promise<void> {
  const handle = await open(`${path}.new`, 'w');
  await handle.writeFile(JSON.stringify(value));
  await handle.sync();
  await handle.close();
  await rename(`${path}.new`, path);
  const folder = await open(dirname(path), 'r');
  await folder.sync();
  await folder.close();
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch {
    // it has ended by itself
  }
}

/** When a process began, in clock ticks since boot; '' if it is gone (or only waits to be reaped). */
async function startOf(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, 'utf8');
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? '' : (fields[19] ?? '');
  } catch {
    return '';
  }
}
