// The processes of one Python model. Each takes one batch at a time; what comes while all are busy waits in order. A process that
// ends takes its own batch with it and nothing else: the next is started at once, and if that ends too, after a growing wait.
import { fail } from '../../errors.ts';
import type { Frame } from './frames.ts';
import { startWorker, WorkerEnded, type Ending, type WorkerProcess, type WorkerReady, type WorkerStart } from './worker-process.ts';

export interface PoolOptions extends WorkerStart {
  /** In messages: the name of the model. */
  readonly name: string;
  readonly workers: number;
  /** Before the second start in a row; it doubles from there. */
  readonly firstRestMs?: number | undefined;
}

export interface PoolState {
  readonly workers: readonly { readonly pid: number | undefined; readonly restarts: number; readonly rssMb: number | undefined }[];
  readonly waiting: number;
}

export interface WorkerPool {
  readonly ready: WorkerReady;
  /** Raises `model-process-ended`, `model-process-away`. */
  run(frame: Buffer): Promise<Frame>;
  readonly state: () => PoolState;
  /** Answers what is in it, then ends the processes. */
  close(): Promise<void>;
}

interface Waiting {
  readonly frame: Buffer;
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: unknown) => void;
}
interface Lane {
  worker: WorkerProcess | undefined;
  busy: boolean;
  /** Between two starts, because the last one failed. */
  resting: boolean;
  restarts: number;
}

/** A caller may wait for a start, and for a rest that is shorter than this before it. */
const SHORT_REST_MS = 1000;
const LONGEST_REST_MS = 30_000;
/** A process that lived so long is no longer counted as one that failed to start. */
const HEALTHY_MS = 10_000;

const problem = (raise: () => never): unknown => {
  try {
    return raise();
  } catch (error) {
    return error;
  }
};

/** Resolves when one process is ready; the others follow. Raises `python-model-unreadable`. */
export async function openWorkerPool(options: PoolOptions): Promise<WorkerPool> {
  const { name, log, workers, limits, firstRestMs = 100 } = options;
  const lanes: Lane[] = Array.from({ length: workers }, () => ({ worker: undefined, busy: false, resting: false, restarts: 0 }));
  const waiting: Waiting[] = [];
  let closing = false;
  let drained: (() => void) | undefined;

  const ofEnding = ({ by, why }: Ending) =>
    problem(() =>
      by === 'time'
        ? fail('model-took-too-long', { model: name, limitMs: limits.batchMs })
        : fail('model-process-ended', { model: name, why }),
    );
  const away = (why: string) => problem(() => fail('model-process-away', { model: name, why }));

  const pump = (): void => {
    for (const lane of lanes) {
      if (waiting.length === 0) break;
      if (lane.worker && !lane.busy) void serve(lane, lane.worker, waiting.shift()!);
    }
    // With every process between two starts nobody should wait: a caller can come back.
    if (waiting.length > 0 && lanes.every((lane) => lane.resting))
      for (const { reject } of waiting.splice(0)) reject(away('it ended again and again'));
    if (waiting.length === 0 && lanes.every((lane) => !lane.busy)) drained?.();
  };

  const serve = async (lane: Lane, worker: WorkerProcess, one: Waiting): Promise<void> => {
    lane.busy = true;
    try {
      one.resolve(await worker.run(one.frame));
    } catch (error) {
      if (!(error instanceof WorkerEnded)) one.reject(error);
      else {
        // `follow` hears of it a little later; until then nothing more is given to it.
        if (lane.worker === worker) lane.worker = undefined;
        if (error.begun) one.reject(ofEnding(error.ending));
        else waiting.unshift(one);
      }
    } finally {
      lane.busy = false;
      pump();
    }
  };

  const follow = (lane: Lane, worker: WorkerProcess, restMs: number): void => {
    const began = performance.now();
    lane.worker = worker;
    lane.resting = false;
    void worker.ended.then((ending) => {
      lane.worker = undefined;
      if (closing) return;
      log.error({ event: 'serving.python.ended', model: name, pid: worker.pid, by: ending.by, why: ending.why });
      lane.restarts++;
      void restart(lane, performance.now() - began > HEALTHY_MS ? 0 : restMs);
    });
    pump();
  };

  const restart = async (lane: Lane, restMs: number): Promise<void> => {
    if (restMs > 0) {
      lane.resting = restMs >= SHORT_REST_MS;
      pump();
      await new Promise<void>((resolve) => setTimeout(resolve, restMs).unref());
    }
    if (closing) return;
    lane.resting = false;
    const next = Math.min(LONGEST_REST_MS, restMs === 0 ? firstRestMs : restMs * 2);
    try {
      const worker = await startWorker(options);
      if (closing) return void worker.stop();
      log.info({ event: 'serving.python.started', model: name, pid: worker.pid, loadMs: worker.ready.loadMs });
      follow(lane, worker, next);
    } catch (error) {
      log.error({ event: 'serving.python.not-started', model: name, why: (error as Error).message });
      void restart(lane, next);
    }
  };

  let first: WorkerProcess;
  try {
    first = await startWorker(options);
  } catch (error) {
    const why = error instanceof WorkerEnded ? `its process ended while it was loaded: ${error.ending.why}` : (error as Error).message;
    return fail('python-model-unreadable', { why });
  }
  follow(lanes[0]!, first, 0);
  for (const lane of lanes.slice(1)) void restart(lane, 0);

  return {
    ready: first.ready,
    run: (frame) =>
      new Promise((resolve, reject) => {
        if (closing) return reject(away('it is being taken out of service'));
        if (lanes.every((lane) => lane.resting)) return reject(away('it ended again and again'));
        waiting.push({ frame, resolve, reject });
        pump();
      }),
    state: () => ({
      workers: lanes.map(({ worker, restarts }) => ({ pid: worker?.pid, restarts, rssMb: worker?.rssMb() })),
      waiting: waiting.length,
    }),
    close: async () => {
      if (waiting.length > 0 || lanes.some((lane) => lane.busy)) await new Promise<void>((resolve) => (drained = resolve));
      closing = true;
      await Promise.all(lanes.map((lane) => lane.worker?.stop()));
    },
  };
}
