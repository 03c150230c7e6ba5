// The body of an invocation, in one of the forms that the protocol has for it, as what it says: a table, named arrays, or one array.
import { isRecord, refuseBody } from '../../domains/serving/data-plane.ts';
import { fail } from './errors.ts';

export type Input =
  /** `columns` is absent where only positions are known. `texts`: every cell is the text of a CSV file, null where it is missing. */
  | {
      readonly form: 'table';
      readonly columns: readonly string[] | undefined;
      readonly rows: readonly unknown[][];
      readonly texts: boolean;
    }
  /** {name: array} or, of one row, {name: value}. */
  | { readonly form: 'named'; readonly values: Readonly<Record<string, unknown>> }
  | { readonly form: 'array'; readonly value: unknown };

export interface Invocation {
  readonly input: Input;
  readonly params: Readonly<Record<string, unknown>> | undefined;
  /** The place of row i, for pointers. */
  readonly pointer: (row: number) => string;
}

const FORMATS = ['dataframe_split', 'dataframe_records', 'instances', 'inputs'] as const;
const EXACTLY_ONE = `the input must be a JSON dictionary with exactly one of the input fields ${FORMATS.map((f) => `"${f}"`).join(', ')}.`;
/** What bodies for language models have at the top. */
const UNIFIED = ['messages', 'prompt', 'input'];

/** As MLflow: JSON or CSV, at most with charset=utf-8. Raises `scoring-content-type`. */
export function contentTypeOf(header: string | undefined): 'json' | 'csv' {
  const [type = '', ...pairs] = (header ?? '').split(';').map((part) => part.trim());
  const parameters = new Map(
    pairs
      .filter((pair) => pair !== '')
      .map((pair) => {
        const at = pair.indexOf('=');
        return at < 0 ? [pair.toLowerCase(), ''] : [pair.slice(0, at).trim().toLowerCase(), pair.slice(at + 1).replaceAll('"', '')];
      }),
  );
  if ((parameters.get('charset') ?? 'utf-8').toLowerCase() !== 'utf-8')
    return fail('scoring-content-type', { why: 'The scoring server only supports UTF-8' });
  parameters.delete('charset');
  if (parameters.size > 0)
    return fail('scoring-content-type', {
      why: `Unrecognized content type parameters: ${[...parameters.keys()].join(', ').slice(0, 200)}.`,
    });
  const name = type.toLowerCase();
  if (name === 'application/json') return 'json';
  if (name === 'text/csv') return 'csv';
  return fail('scoring-content-type', {
    why: `This predictor only supports the following content types: Types: ['text/csv', 'application/json']. Got '${(header ?? '').slice(0, 100)}'.`,
  });
}

/** Raises `prediction-body-invalid`. */
export function readInvocation(body: unknown): Invocation {
  if (Array.isArray(body)) return refuseBody(`${EXACTLY_ONE} Received a list.`);
  if (!isRecord(body)) return refuseBody(EXACTLY_ONE);
  const formats = FORMATS.filter((name) => Object.hasOwn(body, name));
  const [format] = formats;
  const unified = UNIFIED.find((name) => Object.hasOwn(body, name));
  if (unified !== undefined && format === undefined)
    return refuseBody(`"${unified}" is for language models, and this is none; ${EXACTLY_ONE}`);
  if (formats.length !== 1 || format === undefined)
    return refuseBody(
      `${EXACTLY_ONE} Received dictionary with input fields: ${formats.length === 0 ? 'none of them' : formats.join(', ')}.`,
    );
  if (Object.hasOwn(body, 'signature_name')) return refuseBody('"signature_name" is not supported.');
  const params = body.params ?? undefined;
  if (params !== undefined && !isRecord(params)) return refuseBody('"params" must be an object.');
  const value = body[format];
  const input =
    format === 'dataframe_split'
      ? fromSplit(value)
      : format === 'dataframe_records'
        ? fromRecords(value)
        : format === 'instances'
          ? fromInstances(value)
          : fromInputs(value);
  if (rowsOf(input) === 0) return refuseBody(`"${format}" has no rows.`);
  return { input, params, pointer: (i) => `/${format}/${i}` };
}

const rowsOf = (input: Input): number | undefined => {
  if (input.form === 'table') return input.rows.length;
  if (input.form === 'named') return Object.keys(input.values).length;
  return Array.isArray(input.value) ? input.value.length : undefined;
};

function fromSplit(value: unknown): Input {
  if (!isRecord(value)) return refuseBody('"dataframe_split" must be an object with "data" and, if they have names, "columns".');
  const stray = Object.keys(value).find((name) => !['columns', 'data', 'index'].includes(name));
  if (!Array.isArray(value.data) || stray !== undefined)
    return refuseBody(
      `"dataframe_split" must have "data", a list of rows, and optionally "columns" and "index"${stray === undefined ? '' : `, and no "${stray.slice(0, 100)}"`}.`,
    );
  const { columns, data } = value as { columns?: unknown; data: unknown[] };
  if (columns === undefined || columns === null) return byPosition(data, '"dataframe_split.data"');
  if (!Array.isArray(columns) || !columns.every((c) => typeof c === 'string' || typeof c === 'number'))
    return refuseBody('"dataframe_split.columns" must be a list of different names.');
  const names = columns.map(String);
  if (new Set(names).size !== names.length) return refuseBody('"dataframe_split.columns" must be a list of different names.');
  const rows = data.map((row, i) => {
    // One column may be written without a list around each value.
    const cells: unknown = names.length === 1 && !Array.isArray(row) ? [row] : row;
    return Array.isArray(cells) && cells.length === names.length
      ? (cells as unknown[])
      : refuseBody(`row ${i} of "dataframe_split.data" must be a list of ${names.length} values, one per column.`);
  });
  return { form: 'table', columns: names, rows, texts: false };
}

function byPosition(data: readonly unknown[], what: string): Input {
  const width = Array.isArray(data[0]) ? data[0].length : 1;
  const rows = data.map((row, i) => {
    const cells: unknown[] = Array.isArray(row) ? row : [row];
    return cells.length === width ? cells : refuseBody(`row ${i} of ${what} has ${cells.length} values, the rows before it ${width}.`);
  });
  return { form: 'table', columns: undefined, rows, texts: false };
}

const fromRecords = (value: unknown): Input =>
  Array.isArray(value) && value.every(isRecord)
    ? tableOf(value)
    : refuseBody('"dataframe_records" must be a list of objects of column names and values.');

/** Records as a table; what one of them lacks is missing in its row. */
export function tableOf(records: readonly Record<string, unknown>[]): Input & { readonly form: 'table' } {
  const places = new Map<string, number>();
  for (const record of records) for (const name of Object.keys(record)) if (!places.has(name)) places.set(name, places.size);
  const columns = [...places.keys()];
  const rows = records.map((record) => columns.map((name) => (Object.hasOwn(record, name) ? record[name] : undefined)));
  return { form: 'table', columns, rows, texts: false };
}

/** TensorFlow Serving's row form: a list of objects, which become arrays by name, or of arrays. */
function fromInstances(value: unknown): Input {
  if (!Array.isArray(value)) return refuseBody('"instances" must be a list of rows.');
  if (!value.some(isRecord)) return { form: 'array', value };
  if (!value.every(isRecord)) return refuseBody('"instances" must be a list of objects, or a list of arrays, not of both.');
  const { columns, rows } = tableOf(value);
  const values = Object.create(null) as Record<string, unknown>;
  for (const [c, name] of columns!.entries()) values[name] = rows.map((row) => row[c]);
  return { form: 'named', values };
}

/** TensorFlow Serving's column form: {name: array}, or one array. */
function fromInputs(value: unknown): Input {
  if (isRecord(value)) return { form: 'named', values: value };
  if (Array.isArray(value) && value.length > 0 && value.every(isRecord)) return tableOf(value);
  return value === null || value === undefined
    ? refuseBody('"inputs" must be an object of arrays, or an array.')
    : { form: 'array', value };
}
