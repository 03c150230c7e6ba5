// Steps as processes of this machine: stages, launches, watches, collects.
import { existsSync, watch, type FSWatcher } from 'node:fs';
import { mkdir, open, rm } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import type { BlobStore } from '../../kernel/blobs/blob-store.ts';
import { wallClock } from '../../kernel/clock.ts';
import { fail, isDiskFull } from '../../kernel/errors.ts';
import { failpoint } from '../../kernel/failpoints.ts';
import type { Attempt, AttemptOutcome, StepEngine, Workspace } from '../../domains/pipelines/public.ts';
import { collect } from './collector.ts';
import { readJson, writeJson } from './json-file.ts';
import { isRunning, killGroup, launch, type Launched } from './launcher.ts';

interface Manifest {
  readonly fence: number;
  readonly outcome: AttemptOutcome;
}

/** How long the output of a command that has ended may still be held open by what it left running. */
const LOG_GRACE_MS = 2000;
const LOOK_MS = 500;
const STAGED_AT_ONCE = 16;

/** Starts, adopts and ends attempts; `blobs` is where code and inputs come from and outputs go. */
export function openProcessEngine(blobs: BlobStore): StepEngine {
  const stage = async (dir: string, { files }: Workspace): Promise<string> => {
    const work = join(dir, 'work');
    await rm(work, { recursive: true, force: true });
    await mkdir(join(work, 'out'), { recursive: true });
    for (const { path } of files)
      if (path.includes('\0') || normalize(path) !== path || /^(\/|\.\.(\/|$))/.test(path))
        throw new Error(`"${path}" leaves the folder of the step`);
    // Copies: what a step does to its inputs never reaches the store.
    for (let i = 0; i < files.length; i += STAGED_AT_ONCE)
      await Promise.all(files.slice(i, i + STAGED_AT_ONCE).map((file) => blobs.materialise(file.entry, join(work, file.path))));
    return work;
  };

  const begin = async (attempt: Attempt, workspace: Workspace, onExit: () => void): Promise<void> => {
    await stage(attempt.dir, workspace);
    const { command, files, variables, secrets, bin } = workspace;
    await writeJson(join(attempt.dir, 'spec.json'), {
      ...attempt,
      command,
      variables,
      secrets: Object.keys(secrets),
      bin,
      files: files.map(({ path, entry }) => ({ path, digest: entry.digest })),
    });
    await launch(attempt.dir, workspace, onExit);
  };

  const judge = async (attempt: Attempt, ended: Ended, wallMs: number): Promise<AttemptOutcome> => {
    const failed = failureOf(attempt, ended);
    const outcome = failed ?? (await collect(blobs, join(attempt.dir, 'work', 'out'), attempt.outputs));
    if (outcome.ok) return { ...outcome, wallMs };
    const tail = await lastLines(join(attempt.dir, 'log.txt'));
    return { ...outcome, detail: [outcome.detail, tail].filter(Boolean).join('\n') };
  };

  const run: StepEngine['run'] = async (attempt, prepare, signal) => {
    const { dir } = attempt;
    const earlier = await readJson<Manifest>(join(dir, 'manifest.json'));
    if (earlier) return earlier.outcome;
    signal.throwIfAborted();
    const watching = watchAttempt(dir, attempt.timeoutMs, signal);
    const began = performance.now();
    let ended: Ended;
    try {
      if (!(await hasBegun(dir))) {
        await mkdir(dir, { recursive: true });
        // Of a leader that never began.
        await rm(join(dir, 'pid.json'), { force: true });
        watching.open();
        await begin(attempt, await prepare(), watching.look);
      } else watching.open();
      ended = await watching.ended;
    } finally {
      watching.close();
    }
    failpoint('engine.after-exit');
    // The whole group goes: a step leaves nothing running behind.
    await end(dir);
    const outcome = await judge(attempt, ended, performance.now() - began);
    failpoint('engine.before-manifest');
    // Of two that looked on, the one with the newer claim is right; both saw the same end.
    const stored = await readJson<Manifest>(join(dir, 'manifest.json'));
    if (stored && stored.fence > attempt.fence) return stored.outcome;
    await writeJson(join(dir, 'manifest.json'), { fence: attempt.fence, outcome } satisfies Manifest);
    failpoint('engine.after-manifest');
    if (outcome.ok) await rm(join(dir, 'work'), { recursive: true, force: true });
    return outcome;
  };

  return {
    name: 'process',
    stage,
    end,
    run: (attempt, prepare, signal) =>
      run(attempt, prepare, signal).catch((error: unknown) => {
        throw isDiskFull(error) ? storageFull() : error;
      }),
  };
}

function storageFull(): unknown {
  try {
    return fail('storage-full', { what: 'the files of a step' });
  } catch (problem) {
    return problem;
  }
}

async function end(dir: string): Promise<void> {
  const leader = await readJson<Launched>(join(dir, 'pid.json'));
  if (leader) killGroup(leader);
}

/** Says whether the command has been started. A leader that died before it was told to go has run nothing. */
const hasBegun = async (dir: string): Promise<boolean> => {
  if (existsSync(join(dir, 'began'))) return true;
  const leader = await readJson<Launched>(join(dir, 'pid.json'));
  return leader !== undefined && isRunning(leader);
};

type Ended = { kind: 'exit'; exitCode: number } | { kind: 'timed-out' } | { kind: 'gone' };

/** Waits for exit.json, for the leader to vanish without it, for the time limit, or for the signal. */
function watchAttempt(dir: string, timeoutMs: number, signal: AbortSignal) {
  const { promise: ended, resolve, reject } = Promise.withResolvers<Ended>();
  // Whoever launches may fail before anybody waits for the end.
  ended.catch(() => undefined);
  let watcher: FSWatcher | undefined;
  let timer: NodeJS.Timeout | undefined;
  let exitSeenMs: number | undefined;
  let looking: Promise<void> | undefined;
  let again = false;

  const exitCode = async (): Promise<number | undefined> => (await readJson<{ exitCode: number }>(join(dir, 'exit.json')))?.exitCode;

  const lookOnce = async (): Promise<void> => {
    const leader = await readJson<Launched>(join(dir, 'pid.json'));
    const alive = leader !== undefined && isRunning(leader);
    const code = await exitCode();
    if (code !== undefined) {
      exitSeenMs ??= performance.now();
      if (!alive || existsSync(join(dir, 'log.end')) || performance.now() - exitSeenMs > LOG_GRACE_MS)
        resolve({ kind: 'exit', exitCode: code });
    } else if (leader && !alive) resolve({ kind: 'gone' });
    else if (leader && wallClock.now() - leader.startedMs > timeoutMs) {
      killGroup(leader);
      resolve({ kind: 'timed-out' });
    }
  };
  const look = (): void => {
    again = true;
    looking ??= (async () => {
      while (again) {
        again = false;
        await lookOnce();
      }
    })()
      .catch(reject)
      .finally(() => (looking = undefined));
  };
  const abort = (): void => reject(signal.reason as Error);

  return {
    ended,
    look,
    open: () => {
      signal.addEventListener('abort', abort, { once: true });
      if (signal.aborted) abort();
      try {
        // The watch tells at once; the timer finds a process that was killed and wrote nothing.
        watcher = watch(dir).on('error', () => undefined);
        watcher.on('change', (_event, name) => (name === 'exit.json' || name === 'log.end') && look());
      } catch {
        // No more watches on this machine: the timer alone has to do.
      }
      timer = setInterval(look, Math.min(LOOK_MS, Math.max(10, timeoutMs / 2)));
      look();
    },
    close: () => {
      watcher?.close();
      clearInterval(timer);
      signal.removeEventListener('abort', abort);
    },
  };
}

function failureOf(attempt: Attempt, ended: Ended): Extract<AttemptOutcome, { ok: false }> | undefined {
  if (ended.kind === 'timed-out')
    return { ok: false, reason: 'timed-out', detail: `it took longer than ${attempt.timeoutMs / 1000} s`, exitCode: null };
  if (ended.kind === 'gone')
    return { ok: false, reason: 'lost', detail: 'its process vanished (killed, or out of memory)', exitCode: null };
  const { exitCode } = ended;
  // The shell tells signal n as 128 + n; numbers above the last signal are the command's own.
  if (exitCode > 128 && exitCode <= 192)
    return {
      ok: false,
      reason: 'killed',
      detail: `it was ended by signal ${exitCode - 128}${exitCode === 137 ? ' (out of memory?)' : ''}`,
      exitCode,
    };
  return exitCode === 0 ? undefined : { ok: false, reason: 'failed', detail: `the command ended with exit code ${exitCode}`, exitCode };
}

/** The end of a log, however long it is. */
async function lastLines(path: string): Promise<string> {
  const file = await open(path).catch(() => undefined);
  if (!file) return '';
  try {
    const { size } = await file.stat();
    const bytes = Buffer.alloc(Math.min(size, 8192));
    await file.read(bytes, 0, bytes.length, size - bytes.length);
    return bytes.toString('utf8').trimEnd().split('\n').slice(-8).join('\n').slice(-2000);
  } finally {
    await file.close();
  }
}
