// A model's signature as the file MLmodel holds it: JSON texts of lists of columns or tensors. Reference: MLflow documentation,
// "Model Signatures".

/** A column's type: a name, or a nested one, whose elements are taken as they are sent. */
export interface ColumnSpec {
  readonly name: string | undefined;
  readonly type: ScalarType | 'array' | 'object' | 'map' | 'any';
  readonly required: boolean;
}

export type ScalarType = 'boolean' | 'integer' | 'long' | 'float' | 'double' | 'string' | 'binary' | 'datetime';

export interface TensorInput {
  readonly name: string | undefined;
  /** As numpy names it: float32, int64, str, object, … */
  readonly dtype: string;
  readonly shape: readonly number[];
}

export interface ParamSpec {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly number[] | null;
}

export interface ModelSignature {
  readonly columns: readonly ColumnSpec[] | undefined;
  readonly tensors: readonly TensorInput[] | undefined;
  readonly params: readonly ParamSpec[] | undefined;
}

const TYPES = new Set(['boolean', 'integer', 'long', 'float', 'double', 'string', 'binary', 'datetime', 'array', 'object', 'map', 'any']);

export const noSignature: ModelSignature = { columns: undefined, tensors: undefined, params: undefined };

/** Throws a plain error that says what is wrong. */
export function readSignature(signature: unknown): ModelSignature {
  if (signature === undefined || signature === null) return noSignature;
  if (typeof signature !== 'object') throw new Error('it is not a mapping');
  const { inputs, params } = signature as Record<string, unknown>;
  const specs = listOf(inputs, 'inputs');
  const isTensor = specs !== undefined && specs.length > 0 && specs.every((spec) => spec.type === 'tensor');
  return {
    columns: specs && !isTensor && specs.length > 0 ? specs.map(columnOf) : undefined,
    tensors: isTensor ? specs.map(tensorOf) : undefined,
    params: listOf(params, 'params')?.map((p) => ({
      name: String(p.name),
      type: String(p.type ?? p.dtype),
      shape: Array.isArray(p.shape) ? (p.shape as number[]) : null,
    })),
  };
}

function listOf(value: unknown, what: string): Record<string, unknown>[] | undefined {
  if (value === undefined || value === null) return undefined;
  const list: unknown = typeof value === 'string' ? JSON.parse(value) : value;
  if (!Array.isArray(list) || !list.every((v) => typeof v === 'object' && v !== null)) throw new Error(`"${what}" is not a list`);
  return list as Record<string, unknown>[];
}

function columnOf(spec: Record<string, unknown>): ColumnSpec {
  const { name, type, required, optional } = spec;
  if (typeof type !== 'string' || !TYPES.has(type)) throw new Error(`"${String(type)}" is no type of a column`);
  return {
    name: typeof name === 'string' ? name : undefined,
    type: type as ColumnSpec['type'],
    // Of before 2.10 is "optional".
    required: required === undefined ? optional !== true : required !== false,
  };
}

function tensorOf(spec: Record<string, unknown>): TensorInput {
  const { dtype, shape } = (spec['tensor-spec'] ?? {}) as Record<string, unknown>;
  if (typeof dtype !== 'string' || !Array.isArray(shape) || !shape.every((d) => Number.isInteger(d)))
    throw new Error('a tensor has no "dtype" or no "shape"');
  return { name: typeof spec.name === 'string' ? spec.name : undefined, dtype, shape: shape as number[] };
}
