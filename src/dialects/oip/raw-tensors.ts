// Tensors as raw little-endian bytes: the binary data extension of REST and the raw contents of gRPC.
import { isUtf8 } from 'node:buffer';
import { refuseBody } from '../../domains/serving/data-plane.ts';
import { bitsOf, fixedWidth, shapeOf, type Elements, type Tensor } from './datatypes.ts';

/** Raises `prediction-body-invalid`. */
export function readRaw(name: string, datatype: string, shapeSent: unknown, bytes: Buffer): Tensor {
  const { shape, count } = shapeOf(shapeSent, name, datatype);
  const type = fixedWidth(datatype);
  if (!type) return { name, datatype, shape, data: readTexts(name, count, bytes) };
  if (bytes.length !== count * type.bytes)
    return refuseBody(`the input "${name}" has ${bytes.length} bytes, its shape and datatype say ${count * type.bytes}.`);
  if (type.kind === 'bool' && bytes.some((b) => b > 1)) return refuseBody(`the input "${name}" has a byte that is no BOOL.`);
  // A view where the bytes lie as the array needs them, else a copy.
  if (bytes.byteOffset % type.bytes === 0) return { name, datatype, shape, data: new type.array(bytes.buffer, bytes.byteOffset, count) };
  const own = new ArrayBuffer(bytes.length);
  new Uint8Array(own).set(bytes);
  return { name, datatype, shape, data: new type.array(own) };
}

function readTexts(name: string, count: number, bytes: Buffer): string[] {
  // Each element needs its length at least; so a huge count allocates nothing.
  if (count * 4 > bytes.length) return refuseBody(`the input "${name}" has ${bytes.length} bytes, too few for ${count} elements.`);
  const texts: string[] = [];
  let at = 0;
  while (at < bytes.length && texts.length < count) {
    const length = at + 4 <= bytes.length ? bytes.readUInt32LE(at) : Infinity;
    if (at + 4 + length > bytes.length) return refuseBody(`element ${texts.length} of the input "${name}" is cut off.`);
    texts.push(textOf(name, texts.length, bytes.subarray(at + 4, at + 4 + length)));
    at += 4 + length;
  }
  if (texts.length !== count) return refuseBody(`the input "${name}" has ${texts.length} elements, its shape says ${count}.`);
  return at === bytes.length ? texts : refuseBody(`the input "${name}" has ${bytes.length - at} bytes after its last element.`);
}

/** ONNX strings are UTF-8; other bytes would be changed on their way. */
export const textOf = (name: string, i: number, bytes: Buffer): string =>
  isUtf8(bytes) ? bytes.toString('utf8') : refuseBody(`element ${i} of the input "${name}" is not UTF-8, which is all that a model reads.`);

export function writeRaw(datatype: string, data: Elements): Buffer {
  const type = fixedWidth(datatype);
  if (!type) return writeTexts(data as ArrayLike<string>);
  if (ArrayBuffer.isView(data) && data.byteLength === data.length * type.bytes)
    return Buffer.from(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
  const array = new type.array(data.length) as unknown as Record<number, unknown> & ArrayBufferView<ArrayBuffer>;
  if (type.kind === 'half') for (let i = 0; i < data.length; i++) array[i] = bitsOf(datatype, Number(data[i]));
  else for (let i = 0; i < data.length; i++) array[i] = type.kind === 'big' ? BigInt(data[i]!) : data[i];
  return Buffer.from(array.buffer, 0, array.byteLength);
}

function writeTexts(data: ArrayLike<string>): Buffer {
  const parts: Buffer[] = [];
  for (let i = 0; i < data.length; i++) {
    const text = Buffer.from(String(data[i]));
    const length = Buffer.alloc(4);
    length.writeUInt32LE(text.length);
    parts.push(length, text);
  }
  return Buffer.concat(parts);
}
