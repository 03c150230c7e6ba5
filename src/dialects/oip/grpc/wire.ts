// Reads a ModelInferRequest from its bytes. A general decoder makes an object of every element, so that a message of the size
// that is allowed could fill the memory; here elements go straight into the array of their type, and counts are bounded.
import { fixedWidth } from '../datatypes.ts';

/** Inputs, outputs, raw contents, dimensions and parameters of one message, each. */
const MAX_PARTS = 4096;
/** Elements of typed contents; what has more is sent raw. */
const MAX_ELEMENTS = 8 * 1024 * 1024;

export class WireError extends Error {}

export interface WireTensor {
  name: string;
  datatype: string;
  shape: number[];
  /** By field number of InferTensorContents: the undecoded pieces. */
  readonly contents: Map<number, Piece[]>;
}

/** A packed run of elements, or a single one. */
export interface Piece {
  readonly wire: number;
  readonly bytes: Buffer;
}

export interface WireRequest {
  modelName: string;
  modelVersion: string;
  id: string;
  readonly inputs: WireTensor[];
  readonly outputs: string[];
  readonly raw: Buffer[];
  /** Of the request, as far as one has a meaning here. */
  readonly parameters: Map<string, bigint | boolean>;
}

const KNOWN_PARAMETERS = new Set(['timeout', 'priority', 'triton_enable_empty_final_response']);

export function readInferRequest(bytes: Buffer): WireRequest {
  const request: WireRequest = { modelName: '', modelVersion: '', id: '', inputs: [], outputs: [], raw: [], parameters: new Map() };
  for (const { field, wire, content } of fields(bytes)) {
    if (wire !== 2) continue;
    if (field === 1) request.modelName = content.toString('utf8');
    else if (field === 2) request.modelVersion = content.toString('utf8');
    else if (field === 3) request.id = content.toString('utf8');
    else if (field === 4) readParameter(content, request.parameters);
    else if (field === 5) push(request.inputs, readInput(content));
    else if (field === 6) push(request.outputs, nameOf(content));
    else if (field === 7) push(request.raw, content);
  }
  return request;
}

/** An entry of map<string, InferParameter>: bool = 1, int64 = 2, uint64 = 5; what is a text or a double is not looked at. */
function readParameter(bytes: Buffer, into: Map<string, bigint | boolean>): void {
  let name = '';
  let value: bigint | boolean | undefined;
  for (const { field, wire, content } of fields(bytes)) {
    if (field === 1 && wire === 2) name = content.toString('utf8');
    else if (field === 2 && wire === 2)
      for (const choice of fields(content)) {
        if (choice.wire !== 0) continue;
        const [low, high] = varint(choice.content, { at: 0 });
        const whole = (BigInt(high) << 32n) | BigInt(low);
        if (choice.field === 1) value = whole !== 0n;
        else if (choice.field === 2) value = BigInt.asIntN(64, whole);
        else if (choice.field === 5) value = whole;
      }
  }
  if (value !== undefined && KNOWN_PARAMETERS.has(name)) into.set(name, value);
}

function push<T>(list: T[], item: T): void {
  if (list.push(item) > MAX_PARTS) throw new WireError(`the message has more than ${MAX_PARTS} parts of one kind`);
}

function nameOf(bytes: Buffer): string {
  let name = '';
  for (const { field, wire, content } of fields(bytes)) if (field === 1 && wire === 2) name = content.toString('utf8');
  return name;
}

function readInput(bytes: Buffer): WireTensor {
  const tensor: WireTensor = { name: '', datatype: '', shape: [], contents: new Map() };
  for (const { field, wire, content } of fields(bytes)) {
    if (field === 1 && wire === 2) tensor.name = content.toString('utf8');
    else if (field === 2 && wire === 2) tensor.datatype = content.toString('utf8');
    else if (field === 3) {
      const dims = new BigInt64Array(countOf([{ wire, bytes: content }], 'INT64', MAX_PARTS));
      fillBig(dims, [{ wire, bytes: content }]);
      for (const dim of dims) push(tensor.shape, Number(dim));
    } else if (field === 5 && wire === 2)
      for (const inner of fields(content)) {
        const pieces = tensor.contents.get(inner.field) ?? [];
        tensor.contents.set(inner.field, pieces);
        // An empty packed run is no content.
        if (inner.wire !== 2 || inner.content.length > 0 || inner.field === 8)
          if (pieces.push({ wire: inner.wire, bytes: inner.content }) > MAX_ELEMENTS / 8)
            throw new WireError('typed contents have too many elements; send them raw');
      }
  }
  return tensor;
}

// --- Elements --------------------------------------------------------------------------------------------------

const fieldOf: Readonly<Record<string, number>> = {
  BOOL: 1,
  INT8: 2,
  INT16: 2,
  INT32: 2,
  INT64: 3,
  UINT8: 4,
  UINT16: 4,
  UINT32: 4,
  UINT64: 5,
  FP32: 6,
  FP64: 7,
  BYTES: 8,
};

/** The field of InferTensorContents that holds the datatype; undefined for those that have raw contents only. */
export const contentsField = (datatype: string): number | undefined => (Object.hasOwn(fieldOf, datatype) ? fieldOf[datatype] : undefined);

/** The elements of typed contents, BYTES apart, and the first that the datatype cannot hold, or -1. */
export function readElements(
  datatype: string,
  pieces: readonly Piece[],
): { readonly data: ArrayLike<number | bigint>; readonly wrong: number } {
  const type = fixedWidth(datatype)!;
  const count = countOf(pieces, datatype, MAX_ELEMENTS);
  if (type.kind === 'big') {
    const data = datatype === 'INT64' ? new BigInt64Array(count) : new BigUint64Array(count);
    fillBig(data, pieces);
    return { data, wrong: -1 };
  }
  const data = new type.array(count) as unknown as number[];
  let i = 0;
  let wrong = -1;
  for (const { wire, bytes } of pieces) {
    if (type.kind === 'float') {
      for (let at = 0; at < bytes.length; at += type.bytes) data[i++] = type.bytes === 4 ? bytes.readFloatLE(at) : bytes.readDoubleLE(at);
      continue;
    }
    const cursor = { at: 0 };
    while (cursor.at < bytes.length) {
      const [low] = varint(bytes, cursor);
      const value = type.kind === 'bool' ? (low === 0 ? 0 : 1) : datatype.startsWith('U') ? low >>> 0 : low | 0;
      if (type.range && (value < type.range[0] || value > type.range[1]) && wrong < 0) wrong = i;
      data[i++] = value;
      if (wire !== 2) break;
    }
  }
  return { data, wrong };
}

function countOf(pieces: readonly Piece[], datatype: string, most: number): number {
  const type = fixedWidth(datatype)!;
  let count = 0;
  for (const { wire, bytes } of pieces) {
    const expected = type.kind === 'float' ? (type.bytes === 4 ? 5 : 1) : 0;
    if (wire !== 2 && wire !== expected) throw new WireError('contents are not of the type of their field');
    if (type.kind === 'float') {
      if (bytes.length % type.bytes !== 0) throw new WireError('packed contents are cut off');
      count += bytes.length / type.bytes;
    } else for (let i = 0; i < bytes.length; i++) if (bytes[i]! < 128) count++;
    if (count > most) throw new WireError('contents have too many elements; send them raw');
  }
  return count;
}

function fillBig(data: BigInt64Array | BigUint64Array, pieces: readonly Piece[]): void {
  const halves = new Uint32Array(data.buffer);
  let i = 0;
  for (const { bytes } of pieces) {
    const cursor = { at: 0 };
    while (cursor.at < bytes.length) {
      const [low, high] = varint(bytes, cursor);
      halves[i++] = low;
      halves[i++] = high;
    }
  }
}

// --- Bytes -----------------------------------------------------------------------------------------------------

/** The lower and the upper 32 bits. */
function varint(bytes: Buffer, cursor: { at: number }): [number, number] {
  let low = 0;
  let high = 0;
  for (let shift = 0; shift < 70; shift += 7) {
    const byte = bytes[cursor.at++];
    if (byte === undefined) throw new WireError('the message is cut off');
    const part = byte & 0x7f;
    if (shift < 28) low |= part << shift;
    else if (shift === 28) {
      low |= part << 28;
      high |= part >>> 4;
    } else high |= part << (shift - 32);
    if (byte < 128) return [low >>> 0, high >>> 0];
  }
  throw new WireError('a number is longer than ten bytes');
}

interface Field {
  readonly field: number;
  readonly wire: number;
  /** Of a length-delimited field its content, of another one the bytes of its value. */
  readonly content: Buffer;
}

function* fields(bytes: Buffer): Generator<Field> {
  const cursor = { at: 0 };
  while (cursor.at < bytes.length) {
    const [tag, upper] = varint(bytes, cursor);
    const [field, wire] = [tag >>> 3, tag & 7];
    if (upper !== 0 || field === 0) throw new WireError('the message has a field without a number');
    let start = cursor.at;
    if (wire === 0) varint(bytes, cursor);
    else if (wire === 1) cursor.at += 8;
    else if (wire === 5) cursor.at += 4;
    else if (wire === 2) {
      const [length, more] = varint(bytes, cursor);
      start = cursor.at;
      cursor.at += more === 0 ? length : Infinity;
    } else throw new WireError('the message is not of this protocol');
    if (cursor.at > bytes.length) throw new WireError('the message is cut off');
    yield { field, wire, content: bytes.subarray(start, cursor.at) };
  }
}
