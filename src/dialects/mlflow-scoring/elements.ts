// Single values on their way into a tensor. A value must be what its type says; nothing is wrapped, rounded or cut. Whole numbers
// may be written as 2.0, numbers as text and booleans as 0 and 1, as MLflow's server takes them.
import { bare } from '../../domains/serving/data-plane.ts';
import type { ScalarType } from './signature.ts';

/** Says why a value cannot be used: "must be a whole number". */
export class Unfit extends Error {}

const unfit = (why: string): never => {
  throw new Unfit(why);
};

const INTEGERS: Readonly<Record<string, readonly [bigint, bigint]>> = {
  int8: [-128n, 127n],
  int16: [-32_768n, 32_767n],
  int32: [-2_147_483_648n, 2_147_483_647n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint8: [0n, 255n],
  uint16: [0n, 65_535n],
  uint32: [0n, 4_294_967_295n],
  uint64: [0n, 2n ** 64n - 1n],
};
const FLOAT_MAX: Readonly<Record<string, number>> = { float16: 65_504, float32: 3.4028234663852886e38, float64: Number.MAX_VALUE };

const textOf = (value: unknown): string | undefined => {
  if (typeof value !== 'string' || Object.hasOwn(bare, value)) return undefined;
  return value.trim();
};

function integer(type: string, value: unknown): bigint {
  const text = textOf(value);
  const whole =
    typeof value === 'bigint'
      ? value
      : typeof value === 'boolean'
        ? BigInt(value)
        : typeof value === 'number' && Number.isInteger(value)
          ? Number.isSafeInteger(value)
            ? BigInt(value)
            : unfit('is beyond what a number can say exactly; write it without a point')
          : text !== undefined && /^[+-]?\d{1,20}(\.0*)?$/.test(text)
            ? BigInt(text.replace(/^\+|\..*$/g, ''))
            : unfit(value === null || value === undefined ? 'is missing, which a whole number cannot be' : 'must be a whole number');
  const [low, high] = INTEGERS[type]!;
  return whole >= low && whole <= high ? whole : unfit(`is outside of what ${type} can hold`);
}

function float(type: string, value: unknown): number {
  if (value === null || value === undefined) return NaN;
  if (typeof value === 'string' && Object.hasOwn(bare, value)) return bare[value]!;
  const text = textOf(value);
  const number =
    typeof value === 'number'
      ? value
      : typeof value === 'bigint' || typeof value === 'boolean'
        ? Number(value)
        : text !== undefined && /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text)
          ? Number(text)
          : text !== undefined && /^nan$/i.test(text)
            ? NaN
            : unfit('must be a number');
  // A JSON number that is too large has become infinite.
  return Number.isNaN(number) || Math.abs(number) <= FLOAT_MAX[type]! ? number : unfit(`is outside of what ${type} can hold`);
}

function boolean(value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  if (value === 0 || value === 1) return value === 1;
  const text = textOf(value)?.toLowerCase();
  if (text === 'true' || text === 'false') return text === 'true';
  return unfit(value === null || value === undefined ? 'is missing, which a boolean cannot be' : 'must be true or false');
}

function string(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'object' ? unfit('must be a string') : String(value);
  // ONNX Runtime takes a text up to its first NUL; this also covers the markers of bare NaN and Infinity.
  return text.includes('\0') ? unfit('holds a NUL, which a model cannot read') : text;
}

const INT_OF: Partial<Record<ScalarType, string>> = { integer: 'int32', long: 'int64' };
const FLOAT_OF: Partial<Record<ScalarType, string>> = { float: 'float32', double: 'float64' };

/** A value as the signature's column wants it. Throws `Unfit`. */
export function enforceScalar(type: ScalarType, value: unknown): unknown {
  switch (type) {
    case 'boolean':
      return boolean(value);
    case 'integer':
    case 'long':
      return integer(INT_OF[type]!, value);
    case 'float':
    case 'double': {
      const number = float(FLOAT_OF[type]!, value);
      // A bare Infinity keeps its form, by which it is told from a number that was too large.
      return Math.abs(number) === Infinity ? value : number;
    }
    case 'string':
      return value === null || value === undefined ? null : string(value);
    case 'binary':
      return binary(value);
    case 'datetime':
      return nanoseconds(value);
  }
}

/** Base64 of a text, which is all that a model of ONNX can hold of bytes. */
function binary(value: unknown): string {
  if (typeof value !== 'string' || !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(value)) return unfit('must be base64');
  const bytes = Buffer.from(value, 'base64');
  const text = bytes.toString('utf8');
  return Buffer.from(text).equals(bytes) ? string(text) : unfit('holds bytes that are no UTF-8, which a model of ONNX cannot read');
}

/** Nanoseconds since 1970; a time without a zone is UTC. */
function nanoseconds(value: unknown): bigint {
  if (typeof value === 'bigint' || (typeof value === 'number' && Number.isSafeInteger(value))) return BigInt(value);
  const parts =
    typeof value === 'string'
      ? /^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.(\d{1,9}))?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(value.trim())
      : null;
  const ms = parts ? Date.parse(`${parts[1]}T${parts[2] ?? '00:00'}${zoneOf(parts[4])}`) : NaN;
  if (!parts || Number.isNaN(ms)) return unfit('must be a time as 2013-03-01T12:00:00');
  return BigInt(ms) * 1_000_000n + BigInt((parts[3] ?? '').padEnd(9, '0'));
}

const zoneOf = (zone: string | undefined): string =>
  zone === undefined || /z/i.test(zone) ? 'Z' : zone.replace(/(\d{2}):?(\d{2})$/, '$1:$2');

type Elements = ArrayLike<number | bigint | string> & { [i: number]: unknown };

/** Where `length` elements of a type of ONNX Runtime lie, and how a value is put there. `put` throws `Unfit`. */
export function elementsOf(type: string, length: number): { readonly data: Elements; readonly put: (i: number, value: unknown) => void } {
  if (type === 'string') {
    const data: string[] = Array.from({ length }, () => '');
    return { data, put: (i, value) => void (data[i] = string(value)) };
  }
  if (type === 'bool') {
    const data = new Uint8Array(length);
    return { data, put: (i, value) => void (data[i] = Number(boolean(value))) };
  }
  if (type === 'float16') {
    const data = new Float16Array(length);
    return { data: new Uint16Array(data.buffer), put: (i, value) => void (data[i] = float(type, value)) };
  }
  if (type === 'float32' || type === 'float64') {
    const data = type === 'float32' ? new Float32Array(length) : new Float64Array(length);
    return { data, put: (i, value) => void (data[i] = float(type, value)) };
  }
  if (type === 'int64' || type === 'uint64') {
    const data = type === 'int64' ? new BigInt64Array(length) : new BigUint64Array(length);
    return { data, put: (i, value) => void (data[i] = integer(type, value)) };
  }
  const data = new { int8: Int8Array, int16: Int16Array, int32: Int32Array, uint8: Uint8Array, uint16: Uint16Array, uint32: Uint32Array }[
    type as 'int8'
  ](length);
  return { data, put: (i, value) => void (data[i] = Number(integer(type, value))) };
}
