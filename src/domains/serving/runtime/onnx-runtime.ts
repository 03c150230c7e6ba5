// Model sessions of ONNX Runtime: named inputs of shape [N] or [N, 1], one per column. A run is synchronous inside, so a
// slow model is given a process of its own (placement.ts), and tables are scored in one (score-table.ts).
import { basename } from 'node:path';
import { fail } from '../errors.ts';
import { loadModelBytes, modelFile } from './model-file.ts';
import { openNative, type EngineSession, type EngineTensor, type EngineTensors } from './native-session.ts';
import type { Placement } from './placement.ts';
import { openInProcess } from './process-session.ts';

export type ElementType = 'float32' | 'float64' | 'int32' | 'int64' | 'string' | 'bool';
const elementTypes = new Set<string>(['float32', 'float64', 'int32', 'int64', 'string', 'bool'] satisfies ElementType[]);

export interface ModelInput {
  readonly name: string;
  readonly type: ElementType;
  readonly rank: 1 | 2;
}
export interface ModelTensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}
export interface ModelSignature {
  readonly inputs: readonly ModelTensor[];
  /** Outputs that are tensors; others cannot be fetched. */
  readonly outputs: readonly ModelTensor[];
  /** The only output is the score, whatever an endpoint calls it: what a Python model returns has no name of its own. */
  readonly soleScore?: boolean;
}

/** One column of a batch; a missing number is NaN or null, a missing string "" or null. */
export type ColumnValues = ArrayLike<number | bigint | string | boolean | null>;

/** A tensor that came out: `width` values per row, row-major. */
export interface OutputColumn {
  readonly type: string;
  readonly width: number;
  readonly shape: readonly number[];
  readonly values: ArrayLike<number | bigint | string | boolean>;
}

export interface ModelSession {
  readonly inputs: readonly ModelInput[];
  readonly signature: ModelSignature;
  /** False when the model takes exactly one row at a time. */
  readonly batches: boolean;
  /** Where it runs; absent of one that was not placed, which runs in this thread. */
  readonly placement?: Placement;
  /** It runs in a process of its own that is not of ONNX Runtime, so that a run holds up nobody here. */
  readonly aside?: boolean;
  /** As `run`, of a session in this thread: it returns when the model has run. */
  readonly runNow?: (rows: number, column: (input: number) => ColumnValues, outputs: readonly string[]) => Map<string, OutputColumn>;
  /** `column(i)` gives the values of input i. Asks for the outputs named. */
  run(rows: number, column: (input: number) => ColumnValues, outputs: readonly string[]): Promise<Map<string, OutputColumn>>;
  release(): Promise<void>;
}

/** Loads an ONNX file, or that of a model folder. Raises `onnx-unreadable` and `onnx-signature-unsupported`. */
export async function openModel(path: string, where: EngineOptions = {}): Promise<ModelSession> {
  const engine = await openEngine(path, where);
  try {
    return wrap(engine);
  } catch (error) {
    await engine.release();
    throw error;
  }
}

export interface EngineOptions {
  /** A process of its own instead of this thread. */
  readonly own?: boolean;
  /** Hears that the process ended, and why. */
  readonly ended?: (why: string) => void;
}

/** Raises `onnx-unreadable`. */
export async function openEngine(path: string, { own = false, ended }: EngineOptions = {}): Promise<EngineSession> {
  try {
    return own ? await openInProcess(path, ended) : openNative(loadModelBytes(path));
  } catch (error) {
    return fail('onnx-unreadable', { file: basename(modelFile(path)), why: reasonOf(error) });
  }
}

// Paths of the server are nobody's business in an error that travels.
const reasonOf = (error: unknown): string =>
  String(error instanceof Error ? error.message : error)
    .replaceAll(/\/\S*\//g, '')
    .slice(0, 500);

function wrap(engine: EngineSession): ModelSession {
  const inputs = engine.inputMetadata.map((meta): ModelInput => {
    if (!meta.isTensor) return fail('onnx-signature-unsupported', { what: `Input "${meta.name}" is not a tensor.` });
    const { name, type, shape } = meta;
    const fits = (shape.length === 1 || (shape.length === 2 && (shape[1] === 1 || typeof shape[1] === 'string'))) && elementTypes.has(type);
    if (!fits)
      return fail('onnx-signature-unsupported', {
        what: `Input "${name}" is ${type} of shape [${shape.map((d) => (d === '' ? 'N' : d)).join(', ')}].`,
      });
    return { name, type: type as ElementType, rank: shape.length as 1 | 2 };
  });
  const signature = { inputs: tensorsOf(engine.inputMetadata), outputs: tensorsOf(engine.outputMetadata) };
  const batches = signature.inputs.every((input) => typeof input.shape[0] === 'string');
  const feed = (rows: number, column: (input: number) => ColumnValues): EngineTensors => {
    const feeds: EngineTensors = {};
    for (let i = 0; i < inputs.length; i++) {
      const input = inputs[i]!;
      feeds[input.name] = toTensor(input, column(i), rows);
    }
    return feeds;
  };
  const read = (rows: number, results: EngineTensors, outputs: readonly string[]): Map<string, OutputColumn> => {
    const columns = new Map<string, OutputColumn>();
    for (const name of outputs) {
      const { type, dims, data } = results[name]!;
      columns.set(name, { type, shape: dims, width: rows === 0 ? 0 : data.length / rows, values: data });
    }
    return columns;
  };
  const { runNow } = engine;
  return {
    inputs,
    signature,
    batches,
    ...(runNow ? { runNow: (rows, column, outputs) => read(rows, runNow(feed(rows, column), outputs), outputs) } : {}),
    run: async (rows, column, outputs) => read(rows, await engine.run(feed(rows, column), outputs), outputs),
    release: () => engine.release(),
  };
}

export const tensorsOf = (metadata: EngineSession['inputMetadata']): ModelTensor[] =>
  metadata.flatMap((m) =>
    m.isTensor ? [{ name: m.name, type: m.type, shape: m.shape.map((d) => (typeof d === 'string' ? d || 'N' : d)) }] : [],
  );

function toTensor({ type, rank }: ModelInput, values: ColumnValues, rows: number): EngineTensor {
  return { type, dims: rank === 1 ? [rows] : [rows, 1], data: elementsOf(type, values, rows), location: 'cpu' };
}

function elementsOf(type: ElementType, values: ColumnValues, rows: number): EngineTensor['data'] {
  switch (type) {
    case 'string':
      return Array.from({ length: rows }, (_, i) => String(values[i] ?? ''));
    case 'int64':
      return fill(new BigInt64Array(rows), (i) => BigInt(values[i] as number | boolean | bigint));
    case 'int32':
      return fill(new Int32Array(rows), (i) => Number(values[i]));
    case 'bool':
      return fill(new Uint8Array(rows), (i): number => (values[i] ? 1 : 0));
    case 'float64':
      return fill(new Float64Array(rows), (i) => Number(values[i] ?? NaN));
    case 'float32':
      return fill(new Float32Array(rows), (i) => Number(values[i] ?? NaN));
  }
}

function fill<T, A extends { readonly length: number; [i: number]: T }>(array: A, value: (i: number) => T): A {
  for (let i = 0; i < array.length; i++) array[i] = value(i);
  return array;
}

/** A row of zeros, for the first runs of a model, which a caller should not pay for. */
export const zeroColumn =
  ({ inputs }: ModelSession) =>
  (n: number): ColumnValues => [{ string: '', bool: false }[inputs[n]!.type as string] ?? 0];

/** The output that holds the scores. Raises `onnx-signature-unsupported`. */
export function requireScore(signature: ModelSignature, score: string): void {
  const [only, ...more] = signature.outputs;
  const output = signature.outputs.find((o) => o.name === score) ?? (signature.soleScore && more.length === 0 ? only : undefined);
  const names = signature.outputs.map((o) => o.name).join(', ');
  if (!output)
    return fail('onnx-signature-unsupported', { what: `There is no tensor output "${score}" (the model has: ${names || 'none'}).` });
  if (!/^(float|double|u?int)/.test(output.type) || output.shape.length > 2)
    fail('onnx-signature-unsupported', { what: `The score output "${output.name}" is ${output.type} of rank ${output.shape.length}.` });
}

/** The score of row `row`: the value itself, or of several columns the last (the positive class). */
export const scoreAt = (column: OutputColumn, row: number): number => Number(column.values[row * column.width + column.width - 1]);
