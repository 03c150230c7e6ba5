// Checks and scores models in a child process: a broken file may take a process down, a large one blocks it,
// and neither may happen to the control process. Rows come as newline-delimited JSON (what DuckDB's
// `COPY ... (FORMAT json)` writes), scores go back over the channel and, if wished, as such a file.
import { fork } from 'node:child_process';
import { extname, join } from 'node:path';
import { declaredErrors, Problem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import type { ColumnType, Missing } from '../schema.ts';
import type { ModelSignature } from './onnx-runtime.ts';

export type ScoringTask =
  | { readonly do: 'inspect'; readonly modelPath: string; readonly score: string | null; readonly interpreter?: string | undefined }
  | {
      readonly do: 'score';
      readonly interpreter?: string | undefined;
      readonly modelPath: string;
      readonly rowsPath: string;
      readonly score: string;
      readonly outPath: string | null;
    }
  | {
      readonly do: 'score-rows';
      readonly interpreter?: string | undefined;
      readonly modelPath: string;
      readonly rowsPath: string;
      readonly score: string;
      readonly outputs: readonly string[];
      readonly columns: readonly ScoredColumn[];
      readonly outPath: string;
    };

/** A column of rows to score, with what is done where a value is missing. */
export interface ScoredColumn {
  readonly name: string;
  readonly type: ColumnType;
  readonly missing: Missing;
}

export type ScoringResult =
  | { readonly signature: ModelSignature }
  | { readonly scores: Float64Array }
  | { readonly scored: number }
  | { readonly problem: { readonly code: string; readonly params: object } };

type Message = ScoringResult | { readonly progress: number };

function inChild(task: ScoringTask, signal?: AbortSignal, progress?: (rows: number) => void): Promise<ScoringResult> {
  return new Promise((resolve, reject) => {
    const child = fork(join(import.meta.dirname, `scoring-process${extname(import.meta.filename)}`), [], {
      execArgv: ['--no-warnings'],
      env: { PATH: process.env.PATH, TZ: 'UTC' },
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    });
    let result: ScoringResult | undefined;
    let complaint = '';
    const stop = (): void => void child.kill('SIGKILL');
    signal?.addEventListener('abort', stop, { once: true });
    child.stderr!.on('data', (chunk: Buffer) => (complaint = (complaint + chunk.toString()).slice(-2000)));
    child.on('message', (sent) => {
      const message = sent as Message;
      if ('progress' in message) progress?.(message.progress);
      else result = message;
    });
    child.once('error', reject);
    child.once('close', (code, by) => {
      signal?.removeEventListener('abort', stop);
      if (signal?.aborted) return reject(signal.reason as Error);
      if (result) return resolve(result);
      try {
        fail('scoring-failed', { why: `${by ?? `exit code ${code}`} ${complaint.split('\n')[0] ?? ''}`.trim() });
      } catch (problem) {
        reject(problem as Problem);
      }
    });
    if (signal?.aborted) stop();
    else child.send(task);
  });
}

function orRaise<R extends ScoringResult>(result: ScoringResult): R {
  if (!('problem' in result)) return result as R;
  const { code, params } = result.problem;
  throw new Problem(code, declaredErrors().get(code)!, params);
}

/**
 * Loads a model file and answers its tensors; `score` names the output that must hold the scores. Raises
 * `onnx-unreadable`, `onnx-signature-unsupported`, `scoring-failed`.
 */
export const validateModel = async (
  modelPath: string,
  options: { score?: string; interpreter?: string | undefined; signal?: AbortSignal } = {},
): Promise<ModelSignature> =>
  orRaise<{ signature: ModelSignature }>(
    await inChild({ do: 'inspect', modelPath, score: options.score ?? null, interpreter: options.interpreter }, options.signal),
  ).signature;

/**
 * Scores every row of a newline-delimited JSON file whose members are named as the model's inputs (others are
 * ignored). A missing number is NaN, a missing string "". Scores are in the order of the rows; `outPath` also
 * gets them as lines `{"row": i, "score": x}`. Raises `score-rows-invalid` and what `validateModel` raises.
 */
export const scoreTable = async (options: {
  modelPath: string;
  rowsPath: string;
  score: string;
  outPath?: string;
  /** For a model of Python: that of its environment. */
  interpreter?: string | undefined;
  signal?: AbortSignal;
}): Promise<Float64Array> =>
  orRaise<{ scores: Float64Array }>(
    await inChild(
      {
        do: 'score',
        modelPath: options.modelPath,
        rowsPath: options.rowsPath,
        score: options.score,
        outPath: options.outPath ?? null,
        interpreter: options.interpreter,
      },
      options.signal,
    ),
  ).scores;

export interface ScoreRowsOptions {
  readonly modelPath: string;
  /** For a model of Python: that of its environment. */
  readonly interpreter?: string | undefined;
  /** Newline-delimited JSON, each line with `n` and the columns. */
  readonly rowsPath: string;
  /** Gets a line `{"n": n, "score": x}` for each row, with the further `outputs` by their names; a score that is no number is null. */
  readonly outPath: string;
  readonly score: string;
  readonly outputs?: readonly string[];
  readonly columns: readonly ScoredColumn[];
  readonly signal?: AbortSignal;
  /** Hears now and then how many rows are done. */
  readonly progress?: (rows: number) => void;
}

/**
 * Scores any number of rows in a process of its own that holds a few thousand of them at a time. Missing values are
 * treated as an endpoint treats them. Returns how many rows there were. Raises `score-rows-invalid` with the `n` and
 * the column of the first row that cannot be scored, and what `validateModel` raises.
 */
export const scoreRows = async ({ signal, progress, outputs = [], ...task }: ScoreRowsOptions): Promise<number> =>
  orRaise<{ scored: number }>(await inChild({ do: 'score-rows', outputs, ...task }, signal, progress)).scored;
