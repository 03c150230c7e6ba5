// Tensors as JSON. An element must be what its datatype says: nothing is wrapped, rounded or cut. JSON has no NaN: null is
// read as NaN (of a column: as missing) and written for NaN and infinities; bare NaN and Infinity are read, never written.
import { bare, refuseBody } from '../../domains/serving/data-plane.ts';
import { fixedWidth, shapeOf, type Datatype, type Elements, type Tensor } from './datatypes.ts';

const FLOAT32_MAX = 3.4028234663852886e38;

/** Elements of `data`. `columns` keeps them as values with null for what is missing; otherwise they become a typed array. */
export function readJson(name: string, datatype: string, shapeSent: unknown, data: unknown, columns: boolean): Tensor {
  const { shape, count } = shapeOf(shapeSent, name, datatype);
  if (!Array.isArray(data)) return refuseBody(`the input "${name}" needs "data", a list.`);
  const flat = Array.isArray(data[0]) || (count === 0 && data.length > 0) ? flatten(data, shape, name) : (data as unknown[]);
  if (flat.length !== count) return refuseBody(`the input "${name}" has ${flat.length} elements, its shape says ${count}.`);
  const type = fixedWidth(datatype);
  if (type?.kind === 'half')
    return refuseBody(`the datatype ${datatype} of the input "${name}" has no form in JSON; use the binary data format.`);
  const wrong = (i: number): never => refuseBody(`element ${i} of the input "${name}" is not ${datatype}.`);
  if (columns) return { name, datatype, shape, data: flat.map((v, i) => (v === null ? null : (element(datatype, type, v) ?? wrong(i)))) };
  if (!type) {
    for (let i = 0; i < count; i++) if (element(datatype, type, flat[i]) === undefined) wrong(i);
    return { name, datatype, shape, data: flat as string[] };
  }
  const array = new type.array(count) as unknown as (number | bigint | boolean)[];
  for (let i = 0; i < count; i++) {
    const value = flat[i] === null && type.kind === 'float' ? NaN : element(datatype, type, flat[i]);
    if (value === undefined) return wrong(i);
    array[i] = type.kind === 'big' ? BigInt(value) : (value as number | boolean);
  }
  return { name, datatype, shape, data: array };
}

/** Nested lists have the lengths of the shape, except that a dimension of one may be left out or added. */
function flatten(data: unknown[], shape: readonly number[], name: string): unknown[] {
  const lengths: number[] = [];
  for (let list: unknown = data; Array.isArray(list); list = list[0]) lengths.push(list.length);
  const flat: unknown[] = [];
  const ragged = (): never => refuseBody(`the nested "data" of the input "${name}" does not have the lengths of its shape.`);
  const walk = (list: unknown, depth: number): void => {
    if (!Array.isArray(list) || list.length !== lengths[depth]) return ragged();
    if (depth === lengths.length - 1) for (const value of list) flat.push(value);
    else for (const inner of list) walk(inner, depth + 1);
  };
  const long = lengths.filter((n) => n !== 1);
  if (long.length !== shape.filter((n) => n !== 1).length || long.some((n, i) => n !== shape.filter((d) => d !== 1)[i])) return ragged();
  walk(data, 0);
  return flat;
}

/** The value as the datatype holds it; undefined if it is none of it. */
function element(datatype: string, type: Datatype | undefined, value: unknown): number | bigint | string | boolean | undefined {
  if (!type) return typeof value === 'string' && !Object.hasOwn(bare, value) ? value : undefined;
  switch (type.kind) {
    case 'bool':
      return typeof value === 'boolean' ? value : undefined;
    case 'float': {
      if (typeof value === 'string') return Object.hasOwn(bare, value) ? bare[value] : undefined;
      const number = typeof value === 'bigint' ? Number(value) : value;
      // 1e400 is a number of JSON and becomes infinite.
      if (typeof number !== 'number' || !Number.isFinite(number)) return undefined;
      return datatype === 'FP32' && Math.abs(number) > FLOAT32_MAX ? undefined : number;
    }
    case 'integer':
    case 'big': {
      if (typeof value !== 'bigint' && !Number.isSafeInteger(value)) return undefined;
      return (value as number) >= type.range![0] && (value as number) <= type.range![1] ? (value as number | bigint) : undefined;
    }
    case 'half':
      return undefined;
  }
}

/** The text of `data`. FP16 and BF16 have none; ask `hasJson` first. */
export function jsonData(datatype: string, data: Elements): string {
  const kind = fixedWidth(datatype)?.kind;
  if (kind === 'integer' || kind === 'big') return `[${Array.prototype.join.call(data, ',')}]`;
  let text = '';
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (i > 0) text += ',';
    if (kind === 'bool') text += value ? 'true' : 'false';
    else if (kind === 'float') text += Number.isFinite(value) ? (Object.is(value, -0) ? '-0.0' : String(value)) : 'null';
    else text += JSON.stringify(value);
  }
  return `[${text}]`;
}

export const hasJson = (datatype: string): boolean => fixedWidth(datatype)?.kind !== 'half';
