// The protocol's datatypes: their names in ONNX, their width, and the array that holds them.
import { refuseBody } from '../../domains/serving/data-plane.ts';

export type Elements = ArrayLike<number | bigint | string | boolean | null>;

/** A tensor of a request or an answer, row-major. BOOL elements are booleans or 0 and 1; FP16 and BF16 numbers or bits (`isBits`). */
export interface Tensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: Elements;
}

type TypedArray =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | BigUint64Array
  | BigInt64Array
  | Float32Array
  | Float64Array;
type ArrayType = new (elements: number | ArrayBuffer | SharedArrayBuffer, offset?: number, length?: number) => TypedArray;

export interface Datatype {
  readonly bytes: number;
  /** Bits of FP16 and BF16 travel as whole numbers. */
  readonly array: ArrayType;
  readonly kind: 'integer' | 'big' | 'float' | 'half' | 'bool';
  readonly range?: readonly [number | bigint, number | bigint];
}

const whole = (bits: number, array: unknown): Datatype => ({
  bytes: bits / 8,
  array: array as ArrayType,
  kind: 'integer',
  range: [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1],
});
const unsigned = (bits: number, array: unknown): Datatype => ({
  bytes: bits / 8,
  array: array as ArrayType,
  kind: 'integer',
  range: [0, 2 ** bits - 1],
});

/** All of fixed width: every one but BYTES. */
const fixed: Readonly<Record<string, Datatype>> = {
  BOOL: { bytes: 1, array: Uint8Array as ArrayType, kind: 'bool' },
  INT8: whole(8, Int8Array),
  INT16: whole(16, Int16Array),
  INT32: whole(32, Int32Array),
  INT64: { bytes: 8, array: BigInt64Array as ArrayType, kind: 'big', range: [-(2n ** 63n), 2n ** 63n - 1n] },
  UINT8: unsigned(8, Uint8Array),
  UINT16: unsigned(16, Uint16Array),
  UINT32: unsigned(32, Uint32Array),
  UINT64: { bytes: 8, array: BigUint64Array as ArrayType, kind: 'big', range: [0n, 2n ** 64n - 1n] },
  FP16: { bytes: 2, array: Uint16Array as ArrayType, kind: 'half' },
  BF16: { bytes: 2, array: Uint16Array as ArrayType, kind: 'half' },
  FP32: { bytes: 4, array: Float32Array as ArrayType, kind: 'float' },
  FP64: { bytes: 8, array: Float64Array as ArrayType, kind: 'float' },
};

export const fixedWidth = (datatype: string): Datatype | undefined => (Object.hasOwn(fixed, datatype) ? fixed[datatype] : undefined);
export const isDatatype = (datatype: string): boolean => datatype === 'BYTES' || fixedWidth(datatype) !== undefined;

const names: Readonly<Record<string, string>> = {
  float32: 'FP32',
  float64: 'FP64',
  float16: 'FP16',
  bfloat16: 'BF16',
  int8: 'INT8',
  int16: 'INT16',
  int32: 'INT32',
  int64: 'INT64',
  uint8: 'UINT8',
  uint16: 'UINT16',
  uint32: 'UINT32',
  uint64: 'UINT64',
  bool: 'BOOL',
  string: 'BYTES',
};

/** The runtime's name of a datatype. */
export const typeOf = (datatype: string): string => (datatype === 'BYTES' ? 'string' : datatype.toLowerCase().replace(/^fp/, 'float'));

/** The protocol's name of an ONNX element type. */
export const datatypeOf = (onnxType: string): string => names[onnxType] ?? onnxType.toUpperCase();

const MAX_RANK = 32;
const MAX_ELEMENTS = 2 ** 31;

const MAX_INT64 = 2n ** 63n - 1n;

/** Checks a shape and counts its elements. Raises `prediction-body-invalid`; the texts are Triton's, which its clients' tests match. */
export function shapeOf(shape: unknown, name: string, datatype: string): { readonly shape: readonly number[]; readonly count: number } {
  if (!Array.isArray(shape)) return refuseBody(`the input "${name}" needs a "shape", a list of whole numbers.`);
  if (shape.length > MAX_RANK) return refuseBody(`the "shape" of the input "${name}" has more than ${MAX_RANK} dimensions.`);
  let count = 1;
  let isSmall = true;
  for (const d of shape as unknown[]) {
    if (!(typeof d === 'bigint' ? d >= 0n : Number.isInteger(d) && (d as number) >= 0))
      return refuseBody(
        `Unable to parse 'shape': attempt to access JSON non-unsigned-integer as unsigned-integer; the input "${name}" needs whole numbers from 0.`,
      );
    if (typeof d === 'bigint' || (d as number) >= MAX_ELEMENTS) isSmall = false;
    else count *= d as number;
  }
  // The product of huge dimensions is no longer exact, and no body could hold it.
  if (isSmall && count <= MAX_ELEMENTS) return { shape: shape as number[], count };
  const exact = shape.reduce((product: bigint, d: number | bigint) => product * BigInt(d), 1n);
  if (exact > MAX_INT64)
    return refuseBody(`the "shape" of the input "${name}" causes total element count to exceed maximum size of ${MAX_INT64}.`);
  if (exact * BigInt(fixedWidth(datatype)?.bytes ?? 4) > MAX_INT64) return refuseBody(`byte size overflow for input "${name}".`);
  return refuseBody(`the "shape" of the input "${name}" says more elements than a request can hold.`);
}

const scratch = new DataView(new ArrayBuffer(4));

/** The number that the bits of an FP16 or BF16 are. */
export function halfOf(datatype: string, bits: number): number {
  scratch.setUint32(0, bits << 16);
  return datatype === 'BF16' ? scratch.getFloat32(0) : scratch.getFloat16(0);
}

/** The bits of a number as FP16; as BF16 it is cut. */
export function bitsOf(datatype: string, value: number): number {
  if (datatype === 'BF16') scratch.setFloat32(0, value);
  else scratch.setFloat16(0, value);
  return scratch.getUint16(0);
}
