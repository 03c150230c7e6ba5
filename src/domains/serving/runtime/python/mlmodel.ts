// What the MLmodel file of a folder says, as far as serving needs it: flavors, the signature, the input example.
import { existsSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { whenNeeded } from '../../../../kernel/process/when-needed.ts';
import { fail } from '../../errors.ts';
import type { ElementType, ModelSignature, ModelTensor } from '../onnx-runtime.ts';

const yaml = whenNeeded<typeof import('yaml')>('yaml');
const LARGEST_EXAMPLE = 1024 * 1024;

/** An input or output of MLflow's signature: a column, or a tensor. */
export interface SignatureEntry {
  readonly name?: string;
  readonly type: string;
  readonly required?: boolean;
  readonly 'tensor-spec'?: { readonly dtype: string; readonly shape: readonly number[] };
}
export interface ParamEntry {
  readonly name: string;
  readonly type?: string;
  readonly default: unknown;
  readonly shape?: readonly number[] | null;
}
export interface ModelSpec {
  readonly flavors: Readonly<Record<string, unknown>>;
  readonly signature: {
    readonly inputs: readonly SignatureEntry[] | null;
    readonly outputs: readonly SignatureEntry[] | null;
    readonly params: readonly ParamEntry[] | null;
    /** The model takes a list of values and checks them itself. */
    readonly fromTypeHint: boolean;
  } | null;
  /** The model wants its input in the form of its example, which mlflow knows how to make. */
  readonly fromExample: boolean;
}

const isRecord = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value);

/** Raises `python-model-unreadable`. */
export function parseMlmodel(text: string): ModelSpec & { readonly example: string | null } {
  const unreadable = (why: string): never => fail('python-model-unreadable', { why: `its MLmodel file cannot be read: ${why}` });
  let read: unknown;
  try {
    read = yaml().parse(text, { maxAliasCount: 10 });
  } catch (error) {
    return unreadable((error as Error).message.split('\n')[0]!);
  }
  if (!isRecord(read) || !isRecord(read.flavors)) return unreadable('it names no flavor');
  const { signature, saved_input_example_info: example } = read;
  const part = <T>(key: string): readonly T[] | null => {
    const given = isRecord(signature) ? signature[key] : undefined;
    if (given === undefined || given === null) return null;
    try {
      const entries: unknown = typeof given === 'string' ? JSON.parse(given) : given;
      return Array.isArray(entries) ? (entries as T[]) : null;
    } catch {
      return unreadable(`the ${key} of its signature are not JSON`);
    }
  };
  return {
    flavors: read.flavors,
    signature: isRecord(signature)
      ? {
          inputs: part('inputs'),
          outputs: part('outputs'),
          params: part('params'),
          fromTypeHint: read.is_signature_from_type_hint === true,
        }
      : null,
    fromExample: read.type_hint_from_example === true,
    example: isRecord(example) && typeof example.artifact_path === 'string' ? example.artifact_path : null,
  };
}

export interface ModelFolder {
  readonly spec: ModelSpec;
  /** The input example as MLflow wrote it, if it is small enough to warm up with. */
  readonly example: unknown;
}

/** Raises `python-model-unreadable`. */
export function readModelFolder(folder: string): ModelFolder {
  const path = join(folder, 'MLmodel');
  if (!existsSync(path)) return fail('python-model-unreadable', { why: 'there is no MLmodel file in its folder' });
  const { example, ...spec } = parseMlmodel(readFileSync(path, 'utf8'));
  return { spec, example: example === null || example.includes('..') ? null : readExample(join(folder, example)) };
}

function readExample(path: string): unknown {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile() || stat.size > LARGEST_EXAMPLE) return null;
  try {
    const read: unknown = JSON.parse(readFileSync(path, 'utf8'));
    if (!isRecord(read)) return null;
    return (Array.isArray(read.columns) && Array.isArray(read.data)) || Array.isArray(read.inputs) ? read : null;
  } catch {
    return null;
  }
}

const columnTypes: Readonly<Record<string, ElementType>> = {
  boolean: 'bool',
  integer: 'int32',
  long: 'int64',
  float: 'float32',
  double: 'float64',
};

/** Dates travel as ISO texts, bytes as base64, arrays and objects as JSON. */
const elementOf = (entry: SignatureEntry): string =>
  entry['tensor-spec'] ? tensorType(entry['tensor-spec'].dtype) : (columnTypes[entry.type] ?? 'string');

const tensorType = (dtype: string): string => (/^(float(16|32|64)|u?int(8|16|32|64)|bool)$/.test(dtype) ? dtype : 'string');

const tensorOf = (entry: SignatureEntry, fallback: string): ModelTensor => ({
  name: entry.name ?? fallback,
  type: elementOf(entry),
  shape: entry['tensor-spec'] ? entry['tensor-spec'].shape.map((n) => (n < 0 ? 'N' : n)) : ['N'],
});

/** The name of the only output of a model that gives it none. */
export const PREDICTIONS = 'predictions';

/** The signature in the words of our protocols; null where the model has none. */
export function signatureOf({ signature }: ModelSpec): { inputs: ModelTensor[] | null; outputs: ModelTensor[] | null } {
  const several = (entries: readonly SignatureEntry[], fallback: string): ModelTensor[] =>
    entries.map((entry, i) => tensorOf(entry, i === 0 ? fallback : `${fallback}-${i}`));
  return {
    inputs: signature?.inputs?.length ? several(signature.inputs, 'input') : null,
    outputs: signature?.outputs?.length ? several(signature.outputs, PREDICTIONS) : null,
  };
}

/**
 * The signature of a model whose inputs are columns, from its MLmodel alone: nothing of the model is run. A string is why
 * an endpoint cannot serve it.
 */
export function columnSignature(spec: ModelSpec): ModelSignature | string {
  if (!spec.flavors.python_function && !['sklearn', 'lightgbm', 'xgboost', 'catboost'].some((f) => spec.flavors[f]))
    return 'it has no model.onnx and no python_function flavor';
  const { inputs, outputs } = signatureOf(spec);
  if (!inputs) return 'its MLmodel has no signature, so nobody knows its columns; log it with one (mlflow.models.infer_signature)';
  if (spec.signature!.inputs!.some((entry) => entry.name === undefined))
    return 'the inputs of its signature have no names, and an endpoint gives columns; log it with a signature of named columns';
  const wide = inputs.find(({ shape }) => shape.length > 2 || (shape.length === 2 && shape[1] !== 1));
  if (wide) return `its input "${wide.name}" is a tensor of shape [${wide.shape.join(', ')}], and an endpoint gives columns`;
  return { inputs, outputs: outputs ?? [{ name: PREDICTIONS, type: 'float64', shape: ['N'] }], soleScore: true };
}
