// joblib writes the bytes of an array into the pickle, right behind the object that describes it, where its own
// unpickler reads them (joblib/numpy_pickle.py, NumpyArrayWrapper). This tells how many they are.
import { isImport, isMade, isSmall, type Made, type Value } from './machine.ts';

/** `nested`: an array of objects, which is a pickle within the pickle. */
export type ArrayBytes = { readonly bytes: number; readonly isAligned: boolean } | 'nested' | 'unclear';

const entry = (of: Value, key: string): Value => (isSmall(of) ? of.entries.get(key) : undefined);

export const isArrayWrapper = (value: Value): value is Made =>
  isMade(value) && isImport(value.of, /(^|\.)joblib\.numpy_pickle$/, 'NumpyArrayWrapper');

/** Of an item of a dtype by its text ("f8", "U10"); undefined if it cannot be told. */
export function itemBytes(dtype: string): number | 'objects' | undefined {
  const [, kind, count] = /^[<>|=]?([a-zA-Z?])(\d*)$/.exec(dtype) ?? [];
  if (kind === undefined) return undefined;
  if (kind === 'O') return 'objects';
  if (kind === '?') return 1;
  return count === '' ? undefined : Number(count) * (kind === 'U' ? 4 : 1);
}

export function arrayBytes(wrapper: Made): ArrayBytes {
  const [shape, dtype] = [entry(wrapper.state, 'shape'), entry(wrapper.state, 'dtype')];
  const [text] = isMade(dtype) && Array.isArray(dtype.args) ? (dtype.args as readonly Value[]) : [];
  if (!Array.isArray(shape) || !shape.every((n) => typeof n === 'number' && n >= 0) || typeof text !== 'string') return 'unclear';
  const each = itemBytes(text);
  if (each === undefined) return 'unclear';
  if (each === 'objects') return 'nested';
  const bytes = (shape as readonly number[]).reduce((product, n) => product * n, each);
  const alignment = entry(wrapper.state, 'numpy_array_alignment_bytes');
  return Number.isSafeInteger(bytes) ? { bytes, isAligned: typeof alignment === 'number' } : 'unclear';
}
