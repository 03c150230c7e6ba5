// Model sessions of ONNX Runtime: named inputs of shape [N] or [N, 1], one per column. One thread without
// spinning: tabular models take microseconds, and a spinning pool burns a core while idle. The package is
// loaded on first use. `run` is synchronous inside, so a large model is scored in a process of its own
// (score-table.ts), never in the control process.
import { readFileSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { InferenceSession, Tensor as OrtTensor, TypedTensor } from 'onnxruntime-node';
import { fail } from '../errors.ts';
import { replaceZipMaps } from './zip-map.ts';

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
  /** `column(i)` gives the values of input i. Asks for the outputs named. */
  run(rows: number, column: (input: number) => ColumnValues, outputs: readonly string[]): Promise<Map<string, OutputColumn>>;
  release(): Promise<void>;
}

type Ort = typeof import('onnxruntime-node');
let loaded: Promise<Ort> | undefined;
const loadOrt = (): Promise<Ort> => (loaded ??= import('onnxruntime-node'));

/** The ONNX file of a sealed folder: `model.onnx`, where MLflow's onnx flavour puts it. */
const modelFile = (path: string): string => (statSync(path, { throwIfNoEntry: false })?.isDirectory() ? join(path, 'model.onnx') : path);

/** Loads an ONNX file, or that of a model folder. Raises `onnx-unreadable` and `onnx-signature-unsupported`. */
export async function openModel(path: string): Promise<ModelSession> {
  const { ort, session } = await openSession(path);
  try {
    return wrap(ort, session);
  } catch (error) {
    await session.release();
    throw error;
  }
}

/** Raises `onnx-unreadable`. */
export async function openSession(path: string): Promise<{ readonly ort: Ort; readonly session: InferenceSession }> {
  const ort = await loadOrt();
  try {
    const bytes = replaceZipMaps(readFileSync(modelFile(path)));
    const session = await ort.InferenceSession.create(bytes, {
      intraOpNumThreads: 1,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      logSeverityLevel: 4,
      extra: { session: { intra_op: { allow_spinning: '0' }, inter_op: { allow_spinning: '0' } } },
    });
    return { ort, session };
  } catch (error) {
    return fail('onnx-unreadable', { file: basename(modelFile(path)), why: reasonOf(error) });
  }
}

// Paths of the server are nobody's business in an error that travels.
const reasonOf = (error: unknown): string =>
  String(error instanceof Error ? error.message : error)
    .replaceAll(/\/\S*\//g, '')
    .slice(0, 500);

function wrap(ort: Ort, session: InferenceSession): ModelSession {
  const inputs = session.inputMetadata.map((meta): ModelInput => {
    if (!meta.isTensor) return fail('onnx-signature-unsupported', { what: `Input "${meta.name}" is not a tensor.` });
    const { name, type, shape } = meta;
    const fits = (shape.length === 1 || (shape.length === 2 && (shape[1] === 1 || typeof shape[1] === 'string'))) && elementTypes.has(type);
    if (!fits)
      return fail('onnx-signature-unsupported', {
        what: `Input "${name}" is ${type} of shape [${shape.map((d) => (d === '' ? 'N' : d)).join(', ')}].`,
      });
    return { name, type: type as ElementType, rank: shape.length as 1 | 2 };
  });
  const signature = { inputs: tensorsOf(session.inputMetadata), outputs: tensorsOf(session.outputMetadata) };
  const batches = signature.inputs.every((input) => typeof input.shape[0] === 'string');
  return {
    inputs,
    signature,
    batches,
    run: async (rows, column, outputs) => {
      const feeds: Record<string, OrtTensor> = {};
      for (let i = 0; i < inputs.length; i++) {
        const input = inputs[i]!;
        feeds[input.name] = toTensor(ort, input, column(i), rows);
      }
      const results = await session.run(feeds, outputs);
      const columns = new Map<string, OutputColumn>();
      for (const name of outputs) {
        const tensor = results[name] as TypedTensor<'float32'>;
        const values = tensor.data as unknown as OutputColumn['values'];
        columns.set(name, { type: tensor.type, shape: tensor.dims, width: rows === 0 ? 0 : values.length / rows, values });
      }
      return columns;
    },
    release: () => session.release(),
  };
}

export const tensorsOf = (metadata: InferenceSession['inputMetadata']): ModelTensor[] =>
  metadata.flatMap((m) =>
    m.isTensor ? [{ name: m.name, type: m.type, shape: m.shape.map((d) => (typeof d === 'string' ? d || 'N' : d)) }] : [],
  );

function toTensor(ort: Ort, { type, rank }: ModelInput, values: ColumnValues, rows: number): OrtTensor {
  const dims = rank === 1 ? [rows] : [rows, 1];
  switch (type) {
    case 'string':
      return new ort.Tensor(
        'string',
        Array.from({ length: rows }, (_, i) => String(values[i] ?? '')),
        dims,
      );
    case 'int64':
      return new ort.Tensor(
        'int64',
        fill(new BigInt64Array(rows), (i) => BigInt(values[i] as number | boolean | bigint)),
        dims,
      );
    case 'int32':
      return new ort.Tensor(
        'int32',
        fill(new Int32Array(rows), (i) => Number(values[i])),
        dims,
      );
    case 'bool':
      return new ort.Tensor(
        'bool',
        fill(new Uint8Array(rows), (i): number => (values[i] ? 1 : 0)),
        dims,
      );
    case 'float64':
      return new ort.Tensor(
        'float64',
        fill(new Float64Array(rows), (i) => Number(values[i] ?? NaN)),
        dims,
      );
    case 'float32':
      return new ort.Tensor(
        'float32',
        fill(new Float32Array(rows), (i) => Number(values[i] ?? NaN)),
        dims,
      );
  }
}

function fill<T, A extends { readonly length: number; [i: number]: T }>(array: A, value: (i: number) => T): A {
  for (let i = 0; i < array.length; i++) array[i] = value(i);
  return array;
}

/** Runs the model on rows of zeros so that the first caller does not pay for its first run. */
export async function warmUp(session: ModelSession, outputs: readonly string[]): Promise<void> {
  const zero = { string: '', bool: false } as Record<ElementType, string | boolean>;
  for (let i = 0; i < 3; i++) await session.run(1, (n) => [zero[session.inputs[n]!.type] ?? 0], outputs);
}

/** The output that holds the scores. Raises `onnx-signature-unsupported`. */
export function requireScore(signature: ModelSignature, score: string): void {
  const output = signature.outputs.find((o) => o.name === score);
  const names = signature.outputs.map((o) => o.name).join(', ');
  if (!output)
    return fail('onnx-signature-unsupported', { what: `There is no tensor output "${score}" (the model has: ${names || 'none'}).` });
  if (!/^(float|double|u?int)/.test(output.type) || output.shape.length > 2)
    fail('onnx-signature-unsupported', { what: `The score output "${score}" is ${output.type} of rank ${output.shape.length}.` });
}

/** The score of row `row`: the value itself, or of several columns the last (the positive class). */
export const scoreAt = (column: OutputColumn, row: number): number => Number(column.values[row * column.width + column.width - 1]);
