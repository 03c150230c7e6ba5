// A model in a process of its own: one that is slow enough to hold up everybody else in the data plane's thread, or that is not
// to be trusted with it. When the process dies, what was in it fails and nothing else; the next one is started at once.
import { fork, type ChildProcess } from 'node:child_process';
import { extname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { EngineSession, EngineTensors } from './native-session.ts';

export type ToProcess = { readonly n: number; readonly feeds: EngineTensors; readonly outputs: readonly string[] };
export type FromProcess =
  | { readonly ready: Pick<EngineSession, 'inputMetadata' | 'outputMetadata'> }
  | { readonly refused: string }
  | { readonly n: number; readonly results: EngineTensors }
  | { readonly n: number; readonly error: string };

/** What was in a process when it ended. */
export class ProcessEnded extends Error {}

interface Running {
  readonly child: ChildProcess;
  readonly metadata: Pick<EngineSession, 'inputMetadata' | 'outputMetadata'>;
  readonly calls: Map<number, { readonly resolve: (results: EngineTensors) => void; readonly reject: (error: Error) => void }>;
}

export interface ProcessSession extends EngineSession {
  /** Of the process that runs now; undefined while one starts. */
  readonly pid: () => number | undefined;
}

const FIRST_WAIT_MS = 100;
const LONGEST_WAIT_MS = 5000;

/** Throws what the runtime says of a model that it cannot load. */
export async function openInProcess(file: string, ended: (why: string) => void = () => undefined): Promise<ProcessSession> {
  let current: Promise<Running>;
  let running: Running | undefined;
  let next = 0;
  let released = false;

  const follow = (one: Running): Running => {
    running = one;
    one.child.once('exit', (code, by) => {
      running = undefined;
      const why = by ?? `exit code ${code}`;
      for (const { reject } of one.calls.values()) reject(new ProcessEnded(`the process of the model ended (${why})`));
      one.calls.clear();
      if (released) return;
      ended(why);
      current = restart();
      current.catch(() => undefined);
    });
    return one;
  };

  const restart = async (): Promise<Running> => {
    for (let waitMs = FIRST_WAIT_MS; ; waitMs = Math.min(LONGEST_WAIT_MS, waitMs * 2)) {
      if (released) throw new ProcessEnded('the model was unloaded');
      try {
        return follow(await begin(file));
      } catch (error) {
        ended((error as Error).message);
        await delay(waitMs, undefined, { ref: false });
      }
    }
  };

  const first = follow(await begin(file));
  current = Promise.resolve(first);
  return {
    ...first.metadata,
    pid: () => running?.child.pid,
    run: async (feeds, outputs) => {
      const one = running ?? (await current);
      return new Promise((resolve, reject) => {
        const n = next++;
        one.calls.set(n, { resolve, reject });
        // An error here means that the process is ending, which `exit` tells of.
        one.child.send({ n, feeds, outputs } satisfies ToProcess, () => undefined);
      });
    },
    release: async () => {
      if (released) return;
      released = true;
      const one = running;
      if (!one) return;
      const ended = new Promise((resolve) => one.child.once('exit', resolve));
      // It leaves by itself when its channel closes; one that is stuck in a run does not.
      if (one.child.connected) one.child.disconnect();
      const late = setTimeout(() => one.child.kill('SIGKILL'), 1000);
      await ended;
      clearTimeout(late);
    },
  };
}

function begin(file: string): Promise<Running> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, `session-process${extname(import.meta.filename)}`), [file], {
      execArgv: ['--no-warnings'],
      env: { TZ: 'UTC' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    const calls: Running['calls'] = new Map();
    let refused: string | undefined;
    child.on('message', (sent) => {
      const message = sent as FromProcess;
      if ('ready' in message) resolve({ child, metadata: message.ready, calls });
      else if ('refused' in message) refused = message.refused;
      else {
        const call = calls.get(message.n);
        calls.delete(message.n);
        if ('results' in message) call?.resolve(message.results);
        else call?.reject(new Error(message.error));
      }
    });
    child.once('error', reject);
    child.once('close', (code, by) => reject(new Error(refused ?? `the process ended before the model was loaded (${by ?? code})`)));
  });
}
