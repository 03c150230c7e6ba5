// Rows for models of columns that run in processes: what comes for a model while its lanes are busy runs together when one is free.
import { isProblem } from '../../../kernel/errors.ts';
import type { Laps } from '../http/laps.ts';
import type { ColumnValues, ModelSession, OutputColumn } from '../runtime/onnx-runtime.ts';
import { ProcessEnded } from '../runtime/process-session.ts';
import { openBatcher, type Batcher } from './batcher.ts';
import type { VariantMetrics } from '../plane/serving-metrics.ts';
import type { Patience, QueueLimits } from './tensor-runner.ts';

/** Rows of one caller for one variant. */
export interface Chunk {
  readonly rows: number;
  /** Values of input i, by row. */
  readonly column: (input: number) => ColumnValues;
  readonly outputs: readonly string[];
  readonly laps: Laps | undefined;
  /** Of the variant. */
  readonly metrics: Pick<VariantMetrics, 'batch'>;
}

/** Where the rows of a chunk are among those that ran with them. */
export interface Ran {
  readonly columns: Map<string, OutputColumn>;
  readonly first: number;
}

export interface ColumnLanes {
  /** Chunks of one `group` may run together. Raises what the session throws, and what a batcher raises. */
  run(session: ModelSession, group: object, chunk: Chunk, patience: Patience): Promise<Ran>;
  readonly state: (session: ModelSession) => { readonly queuedRows: number; readonly running: number };
}

const NONE = { queuedRows: 0, running: 0 };

export function openColumnLanes({ maxQueuedRows = 4096, maxQueuedMs = 250 }: QueueLimits = {}): ColumnLanes {
  const batchers = new WeakMap<ModelSession, Batcher<Chunk, Ran>>();
  const names = new WeakMap<object, string>();
  let named = 0;
  const nameOf = (group: object): string => {
    let name = names.get(group);
    if (name === undefined) names.set(group, (name = String(++named)));
    return name;
  };
  const batcherOf = (session: ModelSession): Batcher<Chunk, Ran> => {
    let batcher = batchers.get(session);
    if (!batcher) {
      const { lanes = 1, maxRows = 256 } = session.placement ?? {};
      batcher = openBatcher<Chunk, Ran>({
        ...{ lanes, maxQueuedRows, maxQueuedMs },
        observe: (batch, { metrics }) => metrics.batch(batch),
        maxRows: session.batches ? maxRows : 1,
        run: (chunks) => runTogether(session, chunks),
      });
      batchers.set(session, batcher);
    }
    return batcher;
  };
  return {
    run: (session, group, chunk, { deadlineMs, gone }) =>
      batcherOf(session).submit(chunk, {
        rows: chunk.rows,
        group: nameOf(group),
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        ...(gone ? { signal: gone() } : {}),
      }),
    state: (session) => batchers.get(session)?.state() ?? NONE,
  };
}

async function runTogether(session: ModelSession, chunks: readonly Chunk[]): Promise<readonly (Ran | Error)[]> {
  const began = performance.now();
  for (const { laps } of chunks) laps?.end('queue', began);
  const rows = chunks.reduce((sum, chunk) => sum + chunk.rows, 0);
  const outputs = chunks.length === 1 ? chunks[0]!.outputs : [...new Set(chunks.flatMap((chunk) => chunk.outputs))];
  const column = (input: number): ColumnValues =>
    chunks.length === 1 ? chunks[0]!.column(input) : chunks.flatMap((chunk) => Array.from(chunk.column(input)));
  try {
    const columns = await session.run(rows, column, outputs);
    let at = 0;
    return chunks.map((chunk) => {
      const first = at;
      at += chunk.rows;
      return { columns, first };
    });
  } catch (error) {
    // Whichever of them it was, to run it again would end the next process too. A problem is the session's last word.
    if (error instanceof ProcessEnded || isProblem(error)) return chunks.map(() => error);
    throw error;
  } finally {
    const ended = performance.now();
    for (const { laps } of chunks) laps?.end('model', ended);
  }
}
