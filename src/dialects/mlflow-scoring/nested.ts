// Nested lists as tensors, and tensors as nested lists.
export interface Nested {
  readonly shape: readonly number[];
  readonly values: readonly unknown[];
}

/** Shape and elements of nested lists; undefined if they are ragged. One value has the shape []. */
export function flatten(value: unknown): Nested | undefined {
  const shape: number[] = [];
  for (let level = value; Array.isArray(level); level = level[0] as unknown) {
    shape.push(level.length);
    if (shape.length > 32) return undefined;
  }
  const values: unknown[] = [];
  const walk = (level: unknown, depth: number): boolean => {
    if (depth === shape.length) return !Array.isArray(level) && values.push(level) > 0;
    return Array.isArray(level) && level.length === shape[depth] && level.every((inner) => walk(inner, depth + 1));
  };
  return walk(value, 0) ? { shape, values } : undefined;
}

/** A shape that holds the same elements and fits `wanted`, where -1 is any length: dimensions of one come and go. */
export function fitShape(shape: readonly number[], wanted: readonly number[]): number[] | undefined {
  const fits = (a: readonly number[]): boolean => a.length === wanted.length && wanted.every((d, i) => d === -1 || d === a[i]);
  if (fits(shape)) return [...shape];
  const isSame = (a: readonly number[], b: readonly number[]): boolean => a.length === b.length && a.every((d, i) => d === b[i]);
  const core = shape.filter((d) => d !== 1);
  // Each -1 takes the next dimension that is left.
  const left = [...core];
  const made = wanted.map((d) => (d === -1 ? (left.shift() ?? 1) : (left[0] === d && left.shift(), d)));
  return isSame(
    made.filter((d) => d !== 1),
    core,
  ) && fits(made)
    ? made
    : undefined;
}

/** The JSON text of the elements from `start` on in a shape: NaN and infinities are null, 64-bit numbers keep every digit. */
export function jsonOf(data: ArrayLike<unknown>, shape: readonly number[], start = 0): string {
  if (shape.length === 0) return elementOf(data[start]);
  const [length = 0, ...inner] = shape;
  const size = inner.reduce((product, d) => product * d, 1);
  let text = '[';
  for (let i = 0; i < length; i++) text += (i === 0 ? '' : ',') + jsonOf(data, inner, start + i * size);
  return `${text}]`;
}

function elementOf(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  return JSON.stringify(value);
}
