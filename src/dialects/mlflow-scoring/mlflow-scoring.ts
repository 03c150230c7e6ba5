// MLflow's scoring protocol, JSON shapes: dataframe_split, dataframe_records, instances, inputs. The answer
// is {"predictions": [score, ...]}. Reference: MLflow documentation, "Inference Server Specification".
import {
  decodeSegment,
  isRecord,
  jsonValue,
  parseBody,
  predictionHeaders,
  refuseBody,
  requireMethod,
  type Answer,
  type Exchange,
  type LiveEndpoint,
  type Plane,
  type Row,
  type ServingDialect,
} from '../../domains/serving/public.ts';
import { fail } from './errors.ts';

const PATH = /^\/endpoints\/([^/]+)\/invocations\/?$/;
const FIXED = new Set(['/ping', '/version', '/invocations']);
const FORMATS = ['dataframe_split', 'dataframe_records', 'instances', 'inputs'] as const;
const EXACTLY_ONE = `the input must be a JSON dictionary with exactly one of the input fields ${FORMATS.map((f) => `"${f}"`).join(', ')}.`;

async function answer(exchange: Exchange, plane: Plane): Promise<Answer> {
  if (exchange.path === '/ping') {
    requireMethod(exchange, 'GET');
    return { status: plane.accepting() ? 200 : 503, body: '\n' };
  }
  if (exchange.path === '/version') {
    requireMethod(exchange, 'GET');
    return { status: 200, contentType: 'text/plain', body: plane.programVersion };
  }
  requireMethod(exchange, 'POST');
  const endpoint = endpointOf(exchange, plane);
  requireJson(exchange.headers['content-type']);
  const { rows, pointer } = readRows(
    parseBody(exchange.body),
    endpoint.plan.request.map((c) => c.name),
  );
  const predicted = await plane.predict(exchange, endpoint, rows, { pointer });
  return {
    status: 200,
    headers: predictionHeaders(predicted),
    body: JSON.stringify({ predictions: predicted.map((row) => jsonValue(row.score)) }),
  };
}

function endpointOf(exchange: Exchange, plane: Plane): LiveEndpoint {
  const named = PATH.exec(exchange.path)?.[1];
  if (named !== undefined) return plane.endpoint(exchange.caller, decodeSegment(named));
  const header = exchange.headers['x-gyre-endpoint'];
  if (typeof header === 'string') return plane.endpoint(exchange.caller, header);
  const all = plane.endpoints(exchange.caller);
  if (all.length === 1) return all[0]!;
  return all.length === 0 ? plane.endpoint(exchange.caller, '') : fail('endpoint-unnamed', { endpoints: all.map((e) => e.plan.name) });
}

/** As MLflow: application/json, at most with charset=utf-8. */
function requireJson(contentType: string | undefined): void {
  const [type, ...parameters] = (contentType ?? '').split(';').map((part) => part.trim().toLowerCase());
  if (type === 'application/json' && parameters.every((p) => p === '' || p === 'charset=utf-8')) return;
  fail('scoring-content-type', { contentType: (contentType ?? '').slice(0, 100) });
}

interface Rows {
  readonly rows: readonly Row[];
  readonly pointer: (row: number) => string;
}

function readRows(body: unknown, columns: readonly string[]): Rows {
  if (!isRecord(body)) return refuseBody(EXACTLY_ONE);
  const formats = FORMATS.filter((name) => Object.hasOwn(body, name));
  const [format] = formats;
  if (formats.length !== 1 || format === undefined) return refuseBody(EXACTLY_ONE);
  if (Object.hasOwn(body, 'signature_name')) return refuseBody('"signature_name" is not supported.');
  if (body.params !== undefined && !isRecord(body.params)) return refuseBody('"params" must be an object.');
  const value = body[format];
  const rows =
    format === 'dataframe_split'
      ? fromSplit(value)
      : format === 'dataframe_records'
        ? fromRecords(value, format)
        : format === 'instances'
          ? fromInstances(value, columns)
          : fromInputs(value, columns);
  return rows.length === 0 ? refuseBody(`"${format}" has no rows.`) : { rows, pointer: (i) => `/${format}/${i}` };
}

function fromSplit(value: unknown): Row[] {
  if (!isRecord(value) || !Array.isArray(value.data) || !Array.isArray(value.columns))
    return refuseBody('"dataframe_split" needs "columns" and "data", both lists.');
  const { columns } = value;
  if (!columns.every((c) => typeof c === 'string') || new Set(columns).size !== columns.length)
    return refuseBody('"dataframe_split.columns" must be different strings.');
  return value.data.map((row, i) => zip(columns as string[], row, `row ${i} of "dataframe_split.data"`));
}

function zip(columns: readonly string[], row: unknown, what: string): Row {
  if (!Array.isArray(row) || row.length !== columns.length)
    return refuseBody(`${what} must be a list of ${columns.length} values, one per column.`);
  return Object.fromEntries(columns.map((name, c) => [name, row[c] as unknown]));
}

const fromRecords = (value: unknown, format: string): Row[] =>
  Array.isArray(value) && value.every(isRecord)
    ? (value as Row[])
    : refuseBody(`"${format}" must be a list of objects of column names and values.`);

/** TensorFlow Serving's row form: objects, or lists in the order of the endpoint's request columns. */
function fromInstances(value: unknown, columns: readonly string[]): Row[] {
  if (!Array.isArray(value)) return refuseBody('"instances" must be a list of rows.');
  return value.every(isRecord) ? (value as Row[]) : value.map((row, i) => zip(columns, row, `row ${i} of "instances"`));
}

/** Column form: {name: [values]} (or one value each), or a list of rows as in "instances". */
function fromInputs(value: unknown, columns: readonly string[]): Row[] {
  if (Array.isArray(value)) return fromInstances(value, columns);
  if (!isRecord(value)) return refuseBody('"inputs" must be an object of columns, or a list of rows.');
  const entries = Object.entries(value);
  if (entries.length > 0 && entries.every(([, v]) => !Array.isArray(v))) return [value];
  const length = Array.isArray(entries[0]?.[1]) ? entries[0][1].length : 0;
  for (const [name, v] of entries)
    if (!Array.isArray(v) || v.length !== length)
      return refuseBody(`the column "${name.slice(0, 100)}" of "inputs" must be a list of ${length} values, as long as the others.`);
  // Columns may be nested as [N, 1].
  const at = (v: unknown, i: number): unknown => {
    const element = (v as unknown[])[i];
    return Array.isArray(element) && element.length === 1 ? (element[0] as unknown) : element;
  };
  return Array.from({ length }, (_, i) => Object.fromEntries(entries.map(([name, v]) => [name, at(v, i)])));
}

const CODES: Readonly<Record<number, string>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'RESOURCE_DOES_NOT_EXIST',
  413: 'INVALID_PARAMETER_VALUE',
  503: 'TEMPORARILY_UNAVAILABLE',
};

export const mlflowScoringDialect: ServingDialect = {
  name: 'mlflow-scoring',
  owns: (path) => FIXED.has(path) || PATH.test(path),
  answer,
  renderProblem: (problem) =>
    problem.status === 415
      ? { status: 415, contentType: 'text/plain', body: problem.message }
      : {
          status: problem.status,
          body: JSON.stringify({
            error_code: CODES[problem.status] ?? (problem.status >= 500 ? 'INTERNAL_ERROR' : 'BAD_REQUEST'),
            message: [problem.message, ...(problem.faults.length > 1 ? problem.faults.map((f) => f.detail) : [])].join('; '),
          }),
        },
};
