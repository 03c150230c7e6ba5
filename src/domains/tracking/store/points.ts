// Points of one metric, packed: three doubles for each, so that hundreds of them are one value in one row. Doubles hold
// every time and step that a database column of ours holds, and NaN as it is.
import { storedValue, type Metric } from '../model.ts';

/** Time, step and value, one point after the other. */
export type Packed = Float64Array<ArrayBuffer>;

export const WIDTH = 3;
const [TIME, STEP, VALUE] = [0, 1, 2];
export const POINT_BYTES = WIDTH * Float64Array.BYTES_PER_ELEMENT;

export const countOf = (points: Packed): number => points.length / WIDTH;
export const timeAt = (points: Packed, i: number): number => points[i * WIDTH + TIME]!;
export const stepAt = (points: Packed, i: number): number => points[i * WIDTH + STEP]!;
/** NaN if it is that. */
export const valueAt = (points: Packed, i: number): number => points[i * WIDTH + VALUE]!;
export const metricAt = (points: Packed, i: number, key: string): Metric => ({
  key,
  value: valueAt(points, i),
  timestampMs: timeAt(points, i),
  step: stepAt(points, i),
});

export const slice = (points: Packed, from: number, to: number): Packed => points.subarray(from * WIDTH, to * WIDTH);

/** As a value is compared and kept: infinities are the largest doubles, and there is one zero. */
export const packedValue = (given: number): number => {
  const { value, isNan } = storedValue(given);
  return isNan ? Number.NaN : value + 0;
};

export const bytesOf = (points: Packed): Buffer => Buffer.from(points.buffer, points.byteOffset, points.byteLength);

/** The points in a column; what is there beyond the last whole one would be no point. */
export function pointsIn(bytes: Uint8Array): Packed {
  const length = Math.floor(bytes.byteLength / POINT_BYTES) * WIDTH;
  if (bytes.byteOffset % Float64Array.BYTES_PER_ELEMENT === 0 && bytes.buffer instanceof ArrayBuffer)
    return new Float64Array(bytes.buffer, bytes.byteOffset, length);
  return new Float64Array(Uint8Array.from(bytes).buffer, 0, length);
}

export function joined(parts: readonly Packed[]): Packed {
  if (parts.length === 1) return parts[0]!;
  const all = new Float64Array(parts.reduce((sum, p) => sum + p.length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

/** Before, at or behind; NaN compares as 0, and comes behind it. */
type Order = (a: Packed, i: number, b: Packed, j: number) => number;

const orderBy =
  (first: number, second: number): Order =>
  (a, i, b, j) => {
    const [x, y] = [i * WIDTH, j * WIDTH];
    return a[x + first]! - b[y + first]! || a[x + second]! - b[y + second]! || byValue(a[x + VALUE]!, b[y + VALUE]!);
  };
const byValue = (v: number, w: number): number => {
  const [vIsNan, wIsNan] = [Number.isNaN(v), Number.isNaN(w)];
  return (vIsNan ? 0 : v) - (wIsNan ? 0 : w) || Number(vIsNan) - Number(wIsNan);
};

/** As a history is told. */
export const byTime: Order = orderBy(TIME, STEP);
/** As a chart is drawn. */
export const byStep: Order = orderBy(STEP, TIME);

/** In this order, each point once. What is so already is answered as it is. */
export function ordered(points: Packed, order: Order): Packed {
  const count = countOf(points);
  let is = true;
  for (let i = 1; i < count && is; i++) is = order(points, i - 1, points, i) < 0;
  if (is) return points;
  // Made of runs that are in order already, which this sort makes use of.
  const places = Array.from({ length: count }, (_, i) => i).sort((i, j) => order(points, i, points, j));
  const found = new Float64Array(points.length);
  let end = 0;
  for (const [n, place] of places.entries()) {
    if (n > 0 && order(points, places[n - 1]!, points, place) === 0) continue;
    found.set(slice(points, place, place + 1), end);
    end += WIDTH;
  }
  return found.subarray(0, end);
}
