// What travels between the server and a Python worker: a header of JSON and arrays of bytes, behind their two lengths. Each
// array begins at a multiple of eight, so that both sides read numbers where they lie. See adr/0049.
import type { DenseTensor } from '../tensor-session.ts';

export interface Frame {
  readonly header: Readonly<Record<string, unknown>> & { readonly do: string };
  /** Begins at a multiple of eight of its buffer. */
  readonly body: Buffer;
}

/** One tensor, or several columns of one type as one tensor of shape [columns, rows]. */
export interface Part {
  readonly type: string;
  /** Which inputs it holds, by position. */
  readonly indexes: readonly number[];
  readonly shape: readonly number[];
  readonly sizeBytes: number;
  readonly write: (into: Buffer, at: number) => void;
}

const padded = (size: number): number => (size + 7) & ~7;

export function encodeFrame(header: Readonly<Record<string, unknown>>, parts: readonly Part[] = []): Buffer {
  const described: unknown[] = [];
  let size = 0;
  for (const { type, indexes, shape, sizeBytes } of parts) {
    described.push([type, indexes, shape, size, sizeBytes]);
    size += padded(sizeBytes);
  }
  const head = JSON.stringify(parts.length > 0 ? { ...header, parts: described } : header);
  const headBytes = Buffer.byteLength(head);
  const bodyAt = 8 + padded(headBytes);
  const frame = Buffer.alloc(bodyAt + size);
  frame.writeUInt32LE(bodyAt - 8, 0);
  frame.writeUInt32LE(size, 4);
  frame.write(head, 8);
  frame.fill(0x20, 8 + headBytes, bodyAt);
  let at = bodyAt;
  for (const part of parts) {
    part.write(frame, at);
    at += padded(part.sizeBytes);
  }
  return frame;
}

/** Takes chunks as they come and tells each whole frame. */
export function frameReader(onFrame: (frame: Frame) => void, limitBytes = 2 ** 31): (chunk: Buffer) => void {
  let chunks: Buffer[] = [];
  let have = 0;
  let wanted = 8;
  return (chunk) => {
    chunks.push(chunk);
    have += chunk.length;
    while (have >= wanted) {
      const first = chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks, have);
      chunks = [first];
      const headBytes = first.readUInt32LE(0);
      const bodyBytes = first.readUInt32LE(4);
      wanted = 8 + headBytes + bodyBytes;
      if (wanted > limitBytes) throw new Error(`a frame of ${wanted} bytes came from the model's process`);
      if (have < wanted) return;
      // A buffer of its own: typed arrays are views of it, at multiples of eight.
      const body = Buffer.allocUnsafeSlow(bodyBytes);
      first.copy(body, 0, 8 + headBytes, wanted);
      const header = JSON.parse(first.toString('utf8', 8, 8 + headBytes)) as Frame['header'];
      const rest = first.subarray(wanted);
      chunks = rest.length > 0 ? [rest] : [];
      have = rest.length;
      wanted = 8;
      onFrame({ header, body });
    }
  };
}

type Numbers = { readonly length: number; [i: number]: number } | { readonly length: number; [i: number]: bigint };
type ArrayType = new (buffer: ArrayBuffer, offset: number, length: number) => Numbers;

/** By ONNX Runtime's names, which the frames use too; FP16 is its bits. */
const arrayTypes: Readonly<Record<string, { readonly of: ArrayType; readonly bytes: number; readonly big?: true }>> = {
  float16: { of: Uint16Array as ArrayType, bytes: 2 },
  float32: { of: Float32Array as ArrayType, bytes: 4 },
  float64: { of: Float64Array as ArrayType, bytes: 8 },
  int8: { of: Int8Array as ArrayType, bytes: 1 },
  int16: { of: Int16Array as ArrayType, bytes: 2 },
  int32: { of: Int32Array as ArrayType, bytes: 4 },
  int64: { of: BigInt64Array as unknown as ArrayType, bytes: 8, big: true },
  uint8: { of: Uint8Array as ArrayType, bytes: 1 },
  uint16: { of: Uint16Array as ArrayType, bytes: 2 },
  uint32: { of: Uint32Array as ArrayType, bytes: 4 },
  uint64: { of: BigUint64Array as unknown as ArrayType, bytes: 8, big: true },
  bool: { of: Uint8Array as ArrayType, bytes: 1 },
};

export type Cell = number | bigint | string | boolean | null;

/** A part of `count` numbers that `fill` writes into a typed array. */
export function numberPart(
  type: string,
  indexes: readonly number[],
  shape: readonly number[],
  count: number,
  fill: (into: { [i: number]: number | bigint }) => void,
): Part {
  const { of, bytes } = arrayTypes[type]!;
  return {
    type,
    indexes,
    shape,
    sizeBytes: count * bytes,
    write: (frame, at) => {
      // The frame's own buffer begins anywhere in its pool.
      const offset = frame.byteOffset + at;
      if (offset % bytes === 0) return fill(new of(frame.buffer as ArrayBuffer, offset, count) as { [i: number]: number | bigint });
      const own = new ArrayBuffer(count * bytes);
      fill(new of(own, 0, count) as { [i: number]: number | bigint });
      frame.set(new Uint8Array(own), at);
    },
  };
}

/** Lengths as int32 (-1 is missing), then UTF-8. */
export function textPart(indexes: readonly number[], shape: readonly number[], texts: readonly (string | null)[]): Part {
  const encoded = texts.map((text) => (text === null ? null : Buffer.from(text, 'utf8')));
  const lengths = padded(4 * texts.length);
  let sizeBytes = lengths;
  for (const text of encoded) sizeBytes += text?.length ?? 0;
  return {
    type: 'string',
    indexes,
    shape,
    sizeBytes,
    write: (frame, at) => {
      let textAt = at + lengths;
      encoded.forEach((text, i) => {
        frame.writeInt32LE(text?.length ?? -1, at + 4 * i);
        if (!text) return;
        frame.set(text, textAt);
        textAt += text.length;
      });
    },
  };
}

/** A tensor as it is: the bytes of a typed array are copied, everything else is written value by value. */
export function tensorPart({ type, shape, data }: DenseTensor, index: number): Part {
  const count = data.length;
  if (type === 'string')
    return textPart(
      [index],
      shape,
      Array.from({ length: count }, (_, i) => (data[i] ?? null) as string | null),
    );
  const { of, bytes } = arrayTypes[type]!;
  if (data instanceof (of as unknown as typeof Uint8Array))
    return {
      type,
      indexes: [index],
      shape,
      sizeBytes: count * bytes,
      write: (frame, at) => frame.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at),
    };
  const { big } = arrayTypes[type]!;
  return numberPart(type, [index], shape, count, (into) => {
    for (let i = 0; i < count; i++) into[i] = big ? BigInt(data[i]!) : Number(data[i]);
  });
}

/** What a worker says of an output: name, type, shape, length in bytes, whether its texts are JSON. */
export type DescribedOutput = readonly [string, string, readonly number[], number, boolean];

export function decodeOutputs(described: readonly DescribedOutput[], body: Buffer): DenseTensor[] {
  let at = 0;
  return described.map(([name, type, shape, sizeBytes, isJson]) => {
    const from = at;
    at += padded(sizeBytes);
    const count = shape.reduce((a, b) => a * b, 1);
    if (type === 'string') return { name, type, shape, data: readTexts(body, from, count), ...(isJson ? { json: true } : {}) };
    return { name, type, shape, data: new arrayTypes[type]!.of(body.buffer as ArrayBuffer, body.byteOffset + from, count) };
  });
}

function readTexts(body: Buffer, from: number, count: number): string[] {
  let at = from + padded(4 * count);
  return Array.from({ length: count }, (_, i) => {
    const length = body.readInt32LE(from + 4 * i);
    // A missing text is an empty one, as in a model of ONNX.
    if (length < 0) return '';
    const text = body.toString('utf8', at, at + length);
    at += length;
    return text;
  });
}
