// Entry of the process that answers copies of requests (see shadows.ts): batches in, scores out. It is of the lowest priority,
// so that it runs on what the callers leave.
import { setPriority } from 'node:os';
import { openModel, scoreAt, type ColumnValues, type ModelSession } from '../../runtime/onnx-runtime.ts';

export interface ShadowTask {
  readonly batch: number;
  readonly modelPath: string;
  readonly score: string;
  readonly rows: number;
  /** By input of the model. */
  readonly columns: readonly ColumnValues[];
}

export interface ShadowAnswer {
  readonly batch: number;
  /** A score, or why there is none; by row. */
  readonly rows: readonly (number | string)[];
  readonly tookUs: number;
}

try {
  setPriority(19);
} catch {
  // Where that is not allowed the bounds of the queue have to do.
}

const sessions = new Map<string, Promise<ModelSession>>();

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message.slice(0, 500) : 'the model failed');

async function answer({ batch, modelPath, score, rows, columns }: ShadowTask): Promise<ShadowAnswer> {
  let open = sessions.get(modelPath);
  if (!open) sessions.set(modelPath, (open = openModel(modelPath)));
  const began = performance.now();
  const told = (found: readonly (number | string)[]): ShadowAnswer => ({
    batch,
    rows: found,
    tookUs: Math.round((performance.now() - began) * 1000),
  });
  let session: ModelSession;
  try {
    session = await open;
  } catch (error) {
    sessions.delete(modelPath);
    return told(Array.from({ length: rows }, () => reasonOf(error)));
  }
  const scoresOf = async (count: number, column: (input: number) => ColumnValues): Promise<number[]> => {
    const output = (await session.run(count, column, [score])).get(score)!;
    return Array.from({ length: count }, (_, row) => scoreAt(output, row));
  };
  if (session.batches)
    try {
      return told(await scoresOf(rows, (input) => columns[input]!));
    } catch {
      // One row that the model chokes on must not fail the others.
    }
  const found: (number | string)[] = [];
  for (let row = 0; row < rows; row++)
    try {
      found.push(...(await scoresOf(1, (input) => [columns[input]![row]!])));
    } catch (error) {
      found.push(reasonOf(error));
    }
  return told(found);
}

process.on('message', (task) => void answer(task as ShadowTask).then((found) => process.send!(found)));
// As in runtime/session-process.ts.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined);
process.once('disconnect', () => process.exit(0));
