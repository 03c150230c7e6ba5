// Runs of one model of tensors for many callers. In this thread, requests of one turn of the event loop run together, at the end of
// the turn; a lone one does so too and waits for nobody. In a process, what comes while it is busy runs together when it is free.
import { isProblem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import type { Laps } from '../http/laps.ts';
import type { DenseTensor, TensorSession } from '../runtime/tensor-session.ts';
import { ProcessEnded } from '../runtime/process-session.ts';
import { openBatcher, type BatchBegun } from './batcher.ts';
import { groupOf, isRowWise, joinCalls, rowsOf, splitOutputs, type TensorCall } from './tensor-batch.ts';

/** How long an answer is of use to whoever asked. */
export interface Patience {
  /** By `performance.now()`. */
  readonly deadlineMs?: number | undefined;
  /** Aborted when the caller is gone. It is made when somebody asks for it. */
  readonly gone?: (() => AbortSignal) | undefined;
  readonly laps?: Laps | undefined;
}

export interface TensorRunner {
  readonly session: TensorSession;
  /** Raises what the session throws, `serving-overloaded` and `serving-deadline-exceeded`. */
  run(call: TensorCall, patience: Patience): Promise<DenseTensor[]>;
  readonly state: () => { readonly queuedRows: number; readonly running: number };
  /** False if its requests never run together: see tensor-batch.ts, and a model that gave other rows than it was given. */
  readonly joins: () => boolean;
  /** Answers what is under way and releases the session. */
  close(): Promise<void>;
}

export interface QueueLimits {
  /** Rows that wait for a model at most (default 4096) … */
  readonly maxQueuedRows?: number;
  /** … and how long they may have to (default 250 ms). */
  readonly maxQueuedMs?: number;
}

interface Waiting {
  readonly call: TensorCall;
  readonly deadlineMs: number;
  readonly laps: Laps | undefined;
  readonly since: number;
  readonly resolve: (outputs: DenseTensor[]) => void;
  readonly reject: (error: unknown) => void;
}

export async function openTensorRunner(
  session: TensorSession,
  observe: (batch: BatchBegun) => void,
  { maxQueuedRows = 4096, maxQueuedMs = 250 }: QueueLimits = {},
): Promise<TensorRunner> {
  let joins = await isRowWise(session);
  const { runNow, placement } = session;
  const maxRows = placement?.maxRows ?? 256;

  if (!runNow) {
    let alone = 0;
    const batcher = openBatcher<TensorCall & Pick<Patience, 'laps'>, DenseTensor[]>({
      lanes: placement?.lanes ?? 1,
      maxRows,
      maxQueuedRows,
      maxQueuedMs,
      observe,
      run: async (calls) => {
        const began = performance.now();
        for (const { laps } of calls) laps?.end('queue', began);
        try {
          if (calls.length === 1) return [await session.run(calls[0]!.inputs, calls[0]!.outputs, calls[0]!.parameters)];
          const outputs = await session.run(joinCalls(calls), calls[0]!.outputs, calls[0]!.parameters);
          const parts = splitOutputs(outputs, calls.map(rowsOf) as number[]);
          if (parts) return parts;
          joins = false;
        } catch (error) {
          // Whichever of them it was, to run it again would end the next process too. A problem is the session's last word.
          if (error instanceof ProcessEnded || isProblem(error)) return calls.map(() => error);
          throw error;
        } finally {
          const ended = performance.now();
          for (const { laps } of calls) laps?.end('model', ended);
        }
        throw new Error('the model gave another number of rows than it was given');
      },
    });
    return {
      session,
      run: async (call, { deadlineMs, gone, laps }) => {
        const rows = joins ? rowsOf(call) : undefined;
        return batcher.submit(
          { ...call, laps },
          {
            rows: rows ?? call.inputs[0]?.shape[0] ?? 1,
            group: rows === undefined ? `\u0000${++alone}` : groupOf(call),
            ...(deadlineMs === undefined ? {} : { deadlineMs }),
            ...(gone ? { signal: gone() } : {}),
          },
        );
      },
      state: batcher.state,
      joins: () => joins,
      close: async () => {
        await batcher.close();
        await session.release();
      },
    };
  }

  let turn: Waiting[] = [];
  let queuedRows = 0;
  let emptied: (() => void) | undefined;

  const single = ({ call: { inputs, outputs }, resolve, reject, since, laps }: Waiting, rows: number): void => {
    const began = performance.now();
    observe({ rows, items: 1, waitedMs: began - since });
    begin(laps, began, 1);
    try {
      resolve(runNow(inputs, outputs));
    } catch (error) {
      reject(error);
    }
    laps?.end('model', performance.now());
  };

  const together = (batch: readonly Waiting[], rows: readonly number[]): void => {
    if (batch.length === 1) return single(batch[0]!, rows[0]!);
    const began = performance.now();
    observe({ rows: rows.reduce((sum, n) => sum + n, 0), items: batch.length, waitedMs: began - batch[0]!.since });
    for (const { laps } of batch) begin(laps, began, batch.length);
    let parts: DenseTensor[][] | undefined;
    try {
      parts = splitOutputs(runNow(joinCalls(batch.map((one) => one.call)), batch[0]!.call.outputs), rows);
      if (!parts) joins = false;
    } catch {
      // One that the model chokes on must not fail its neighbours.
    }
    const ended = performance.now();
    for (const { laps } of batch) laps?.end('model', ended);
    if (parts) batch.forEach((one, i) => one.resolve(parts[i]!));
    else batch.forEach((one, i) => single(one, rows[i]!));
  };

  const flush = (): void => {
    const waiting = turn;
    turn = [];
    queuedRows = 0;
    if (waiting.length === 1 && waiting[0]!.deadlineMs === Infinity) single(waiting[0]!, waiting[0]!.call.inputs[0]?.shape[0] ?? 1);
    else {
      const now = performance.now();
      const groups = new Map<string, { batch: Waiting[]; rows: number[]; sum: number }>();
      for (const one of waiting) {
        if (one.deadlineMs <= now) {
          expire(one);
          continue;
        }
        const rows = joins ? rowsOf(one.call) : undefined;
        if (rows === undefined) {
          single(one, one.call.inputs[0]?.shape[0] ?? 1);
          continue;
        }
        const key = groupOf(one.call);
        let group = groups.get(key);
        if (group && group.sum + rows > maxRows) {
          together(group.batch, group.rows);
          group = undefined;
        }
        if (!group) groups.set(key, (group = { batch: [], rows: [], sum: 0 }));
        group.batch.push(one);
        group.rows.push(rows);
        group.sum += rows;
      }
      for (const { batch, rows } of groups.values()) together(batch, rows);
    }
    if (turn.length === 0) emptied?.();
  };

  return {
    session,
    run: (call, { deadlineMs = Infinity, laps }) =>
      new Promise((resolve, reject) => {
        if (turn.length === 0) setImmediate(flush);
        queuedRows += call.inputs[0]?.shape[0] ?? 1;
        turn.push({ call, deadlineMs, laps, since: performance.now(), resolve, reject });
      }),
    state: () => ({ queuedRows, running: 0 }),
    joins: () => joins,
    close: async () => {
      if (turn.length > 0) await new Promise<void>((resolve) => (emptied = resolve));
      await session.release();
    },
  };
}

function begin(laps: Laps | undefined, now: number, share: number): void {
  if (!laps) return;
  laps.end('queue', now);
  laps.share = share;
}

function expire(one: Waiting): void {
  try {
    fail('serving-deadline-exceeded', {});
  } catch (problem) {
    one.reject(problem);
  }
}
