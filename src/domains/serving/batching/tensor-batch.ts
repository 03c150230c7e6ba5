// Requests as one run of a model, and its outputs as answers of their own. Only what a model takes row by row can be put
// together: every input and output begins with a dimension of any length, and what comes out for a row does not depend on its
// neighbours. The first is in the signature; the second is tried on made-up rows when the model is loaded.
import { outputNames, tensorsLike } from '../runtime/placement.ts';
import type { DenseTensor, RunParameters, TensorSession } from '../runtime/tensor-session.ts';

export interface TensorCall {
  readonly inputs: readonly DenseTensor[];
  readonly outputs: readonly string[];
  readonly parameters?: RunParameters;
}

/** Rows of a call, which all its inputs have; undefined if they differ or there are none. */
export function rowsOf({ inputs }: TensorCall): number | undefined {
  const rows = inputs[0]?.shape[0];
  if (rows === undefined || rows === 0) return undefined;
  for (const { shape } of inputs) if (shape[0] !== rows) return undefined;
  return rows;
}

/** Calls with the same key may run together: names, types and shapes beside the rows, parameters, outputs asked for. */
export function groupOf({ inputs, outputs, parameters }: TensorCall): string {
  let key = '';
  for (const { name, type, shape } of inputs) {
    key += `${name}\u0000${type}`;
    for (let i = 1; i < shape.length; i++) key += `,${shape[i]}`;
    key += '\u0001';
  }
  key += '\u0002';
  for (const name of outputs) key += `${name}\u0000`;
  if (parameters) for (const name of Object.keys(parameters).sort()) key += `\u0002${name}\u0000${JSON.stringify(parameters[name])}`;
  return key;
}

type Typed = Float32Array;
const isList = (data: DenseTensor['data']): data is string[] => Array.isArray(data);

/** The inputs of calls of one group, one after the other. */
export const joinCalls = (calls: readonly TensorCall[]): DenseTensor[] =>
  calls[0]!.inputs.map(({ name, type, shape }, i) => {
    const parts = calls.map((call) => call.inputs[i]!);
    const rows = parts.reduce((sum, part) => sum + part.shape[0]!, 0);
    return { name, type, shape: [rows, ...shape.slice(1)], data: joinData(parts.map((p) => p.data)) };
  });

function joinData(parts: readonly DenseTensor['data'][]): DenseTensor['data'] {
  if (isList(parts[0]!)) return (parts as string[][]).flat();
  const Elements = (parts[0] as Typed).constructor as Float32ArrayConstructor;
  const joined = new Elements(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    joined.set(part as Typed, at);
    at += part.length;
  }
  return joined;
}

/** What belongs to each of the calls; undefined if an output does not have as many rows as went in. */
export function splitOutputs(outputs: readonly DenseTensor[], rows: readonly number[]): DenseTensor[][] | undefined {
  const total = rows.reduce((sum, n) => sum + n, 0);
  if (outputs.some(({ shape }) => shape[0] !== total)) return undefined;
  let at = 0;
  return rows.map((n) => {
    const from = at;
    at += n;
    return outputs.map(({ name, type, shape, data }) => {
      const width = data.length / total;
      const part = isList(data) ? data.slice(from * width, at * width) : (data as Typed).subarray(from * width, at * width);
      return { name, type, shape: [n, ...shape.slice(1)], data: part };
    });
  });
}

export const canJoin = ({ signature: { inputs, outputs } }: TensorSession): boolean =>
  inputs.length > 0 && outputs.length > 0 && [...inputs, ...outputs].every(({ shape }) => typeof shape[0] === 'string');

/** A sum in another order may end in other last digits. */
const TOLERANCE = 1e-4;

/** Whether made-up rows give together what they give one by one. A model that refuses them is not known to. */
export async function isRowWise(session: TensorSession): Promise<boolean> {
  if (session.rowWise !== undefined) return session.rowWise;
  if (!canJoin(session)) return false;
  if (session.rowWise !== undefined) return session.rowWise;
  const outputs = outputNames(session);
  let state = 1;
  // Any numbers do; the same ones each time, so that a model is judged the same each time.
  const value = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
  try {
    const calls = [1, 2, 1].map((rows): TensorCall => ({ inputs: tensorsLike(session, rows, value), outputs }));
    const apart: DenseTensor[][] = [];
    for (const call of calls) apart.push(await session.run(call.inputs, outputs));
    const together = splitOutputs(await session.run(joinCalls(calls), outputs), [1, 2, 1]);
    return together?.every((part, i) => part.every((tensor, o) => isSame(tensor, apart[i]![o]!))) ?? false;
  } catch {
    return false;
  }
}

const isSame = (a: DenseTensor, b: DenseTensor): boolean =>
  a.data.length === b.data.length &&
  a.shape.every((d, i) => d === b.shape[i]) &&
  Array.prototype.every.call(a.data, (value: number | bigint | string, i) => {
    const other = b.data[i]!;
    if (typeof value !== 'number' || (!a.type.startsWith('float3') && a.type !== 'float64')) return value === other;
    return Object.is(value, other) || Math.abs(value - Number(other)) <= TOLERANCE * Math.max(1, Math.abs(value));
  });
