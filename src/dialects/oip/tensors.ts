// Tensors of the Open Inference Protocol in JSON, to and from rows. An element must be what its datatype
// says: nothing is wrapped, rounded or cut. `null` stands for a missing value, as in no other server; a
// NaN of the model comes back as null, because JSON has none.
import { isRecord, jsonValue, refuseBody, type PredictedRow, type Row } from '../../domains/serving/public.ts';

const integers: Readonly<Record<string, readonly [number, number]>> = {
  INT8: [-(2 ** 7), 2 ** 7 - 1],
  INT16: [-(2 ** 15), 2 ** 15 - 1],
  INT32: [-(2 ** 31), 2 ** 31 - 1],
  INT64: [-Number.MAX_SAFE_INTEGER, Number.MAX_SAFE_INTEGER],
  UINT8: [0, 2 ** 8 - 1],
  UINT16: [0, 2 ** 16 - 1],
  UINT32: [0, 2 ** 32 - 1],
  UINT64: [0, Number.MAX_SAFE_INTEGER],
};

const datatypes: Readonly<Record<string, string>> = {
  float32: 'FP32',
  float64: 'FP64',
  float16: 'FP16',
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

/** The protocol's name of an ONNX element type. */
export const datatypeOf = (onnxType: string): string => datatypes[onnxType] ?? onnxType.toUpperCase();

/** Rows from the tensors of a request. Raises `prediction-body-invalid`. */
export function readTensors(inputs: unknown): Row[] {
  if (!Array.isArray(inputs) || inputs.length === 0) return refuseBody('"inputs" must be a list of at least one tensor.');
  let rows: Record<string, unknown>[] | undefined;
  const names = new Set<string>();
  for (const input of inputs as unknown[]) {
    if (!isRecord(input) || typeof input.name !== 'string' || input.name === '')
      return refuseBody('every tensor of "inputs" needs a "name".');
    const shown = input.name.slice(0, 100);
    if (names.has(input.name)) return refuseBody(`the input "${shown}" comes twice.`);
    names.add(input.name);
    const values = readTensor(input, shown);
    // Without a prototype a column may have any name, also "__proto__".
    rows ??= values.map(() => Object.create(null) as Record<string, unknown>);
    if (values.length !== rows.length)
      return refuseBody(
        `the input "${shown}" has ${values.length} rows, the ones before it ${rows.length}; all must have the same number.`,
      );
    for (let i = 0; i < values.length; i++) rows[i]![input.name] = values[i];
  }
  return rows!;
}

function readTensor(input: Record<string, unknown>, name: string): unknown[] {
  const { shape, datatype, data, parameters } = input;
  if (isRecord(parameters) && ('binary_data_size' in parameters || 'shared_memory_region' in parameters))
    return refuseBody(`the input "${name}" is not sent as JSON "data", which is all that is read here.`);
  if (!Array.isArray(shape) || !shape.every((d) => Number.isSafeInteger(d) && (d as number) >= 0))
    return refuseBody(`the input "${name}" needs a "shape" of whole numbers.`);
  if (typeof datatype !== 'string') return refuseBody(`the input "${name}" needs a "datatype".`);
  const fits = elementTest(datatype);
  if (!fits)
    return refuseBody(
      `the datatype "${datatype.slice(0, 20)}" of the input "${name}" cannot be read from JSON; use FP32, FP64, INT8 to INT64, UINT8 to UINT64, BOOL or BYTES.`,
    );
  if (!Array.isArray(data)) return refuseBody(`the input "${name}" needs "data", a list.`);
  if (shape.length < 1 || shape.length > 2 || (shape.length === 2 && shape[1] !== 1))
    return refuseBody(`the input "${name}" must have the shape [N] or [N, 1]: one column.`);
  const rows = shape[0] as number;
  if (rows < 1) return refuseBody(`the input "${name}" has no rows.`);
  if (data.length !== rows) return refuseBody(`the input "${name}" has ${data.length} elements, its shape says ${rows}.`);
  // Flat, or nested one level when the shape has two dimensions.
  const nested = shape.length === 2 && data.every((d) => Array.isArray(d) && d.length === 1);
  const values = nested ? (data as unknown[][]).map((d) => d[0]) : (data as unknown[]);
  const wrong = values.findIndex((value) => value !== null && !fits(value));
  return wrong < 0 ? values : refuseBody(`element ${wrong} of the input "${name}" is not ${datatype}.`);
}

function elementTest(datatype: string): ((value: unknown) => boolean) | undefined {
  const range = Object.hasOwn(integers, datatype) ? integers[datatype] : undefined;
  if (range) return (value) => Number.isInteger(value) && (value as number) >= range[0] && (value as number) <= range[1];
  // Markers of NaN and infinity are strings with a leading NUL (see parseBody); the columns judge them.
  const isMarker = (value: unknown): boolean => typeof value === 'string' && value.startsWith('\u0000');
  if (datatype === 'FP32' || datatype === 'FP64') return (value) => typeof value === 'number' || isMarker(value);
  if (datatype === 'BOOL') return (value) => typeof value === 'boolean';
  if (datatype === 'BYTES') return (value) => typeof value === 'string';
  return undefined;
}

type OutputSlice = ReturnType<PredictedRow['output']>;

/** One output tensor from its rows, which may come from several variants. */
export function tensorOf(name: string, rows: readonly OutputSlice[]) {
  const first = rows[0]!;
  return {
    name,
    datatype: datatypeOf(first.type),
    shape: [rows.length, ...first.shape],
    data: rows.flatMap((row) => row.values.map(jsonValue)),
  };
}
