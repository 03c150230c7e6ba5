// The process in which shadows run, as their caller sees it: started with the first batch, ended when none has come for a
// while, started anew when it dies.
import { fork, type ChildProcess } from 'node:child_process';
import { extname, join } from 'node:path';
import type { ShadowAnswer, ShadowTask } from './shadow-process.ts';

export interface ShadowLane {
  /** One at a time. A process that dies or hangs answers for all rows of the batch that it had. */
  run(task: Omit<ShadowTask, 'batch'>): Promise<Omit<ShadowAnswer, 'batch'>>;
  close(): void;
}

export interface ShadowLaneOptions {
  /** Longest that a batch may take (default 30 s). */
  readonly timeoutMs?: number;
  /** The process ends when it had nothing to do for so long (default 30 s). */
  readonly idleMs?: number;
}

export function openShadowLane({ timeoutMs = 30_000, idleMs = 30_000 }: ShadowLaneOptions = {}): ShadowLane {
  let child: ChildProcess | undefined;
  let idle: NodeJS.Timeout | undefined;
  let batch = 0;

  const start = (): ChildProcess => {
    const started = fork(join(import.meta.dirname, `shadow-process${extname(import.meta.filename)}`), [], {
      execArgv: ['--no-warnings'],
      env: { TZ: 'UTC' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
    });
    // It must not keep the data plane from ending.
    started.unref();
    started.channel?.unref();
    started.on('error', () => undefined);
    started.once('exit', () => child === started && (child = undefined));
    return started;
  };
  const stop = (): void => {
    clearTimeout(idle);
    child?.kill('SIGKILL');
    child = undefined;
  };

  const run: ShadowLane['run'] = (task) =>
    new Promise((resolve) => {
      clearTimeout(idle);
      const running = (child ??= start());
      const number = ++batch;
      const began = performance.now();
      const end = (answer: Omit<ShadowAnswer, 'batch'>): void => {
        clearTimeout(late);
        running.off('message', onMessage);
        running.off('exit', onExit);
        idle = setTimeout(stop, idleMs).unref();
        resolve(answer);
      };
      const failed = (why: string): void =>
        end({ rows: Array.from({ length: task.rows }, () => why), tookUs: Math.round((performance.now() - began) * 1000) });
      const onMessage = (message: unknown): void => {
        const { batch: of, ...answer } = message as ShadowAnswer;
        if (of === number) end(answer);
      };
      const onExit = (): void => failed('the process of the shadow ended while it ran the model');
      const late = setTimeout(() => {
        stop();
        failed(`the model took longer than ${timeoutMs / 1000} s`);
      }, timeoutMs);
      late.unref();
      running.on('message', onMessage);
      running.once('exit', onExit);
      running.send(
        { ...task, batch: number } satisfies ShadowTask,
        (error) => error && failed('the process of the shadow could not be reached'),
      );
    });

  return { run, close: stop };
}
