// MLflow's scoring protocol. Behind a name is an endpoint of the plan, whose answer is {"predictions": [score, ...]}, or a model that
// is served as it is (whole-model.ts). Reference: MLflow documentation, "Inference Server Specification".
import {
  decodeSegment,
  jsonValue,
  parseBody,
  parseJson,
  predictionHeaders,
  refuseBody,
  requireMethod,
  type Answer,
  type Exchange,
  type LiveEndpoint,
  type Plane,
  type Row,
  type ServingDialect,
  type WholeModel,
} from '../../domains/serving/data-plane.ts';
import { contentTypeOf, readInvocation, type Invocation } from './body.ts';
import { readCsv } from './csv.ts';
import { fail } from './errors.ts';
import type { ModelSignature } from './signature.ts';
import { invokeWhole } from './whole-model.ts';

const PATH = /^\/(?:endpoints|models)\/([^/]+)(?:\/versions\/([^/]+))?\/invocations\/?$/;
const FIXED = new Set(['/ping', '/version', '/invocations']);

/** What a model folder says of a version's inputs; undefined where there is no folder. */
export type SignatureOf = (name: string, version: string) => ModelSignature | undefined;

async function answer(exchange: Exchange, plane: Plane, signatureOf: SignatureOf): Promise<Answer> {
  if (exchange.path === '/ping') {
    requireMethod(exchange, 'GET');
    return { status: plane.accepting() ? 200 : 503, body: '\n' };
  }
  if (exchange.path === '/version') {
    requireMethod(exchange, 'GET');
    return { status: 200, contentType: 'text/plain', body: plane.programVersion };
  }
  requireMethod(exchange, 'POST');
  const { endpoint, model, version } = servedOf(exchange, plane);
  const isCsv = contentTypeOf(exchange.headers['content-type']) === 'csv';
  if (model)
    return invokeWhole(
      plane,
      model,
      version,
      signatureOf,
      isCsv ? await readCsv(exchange.body) : readInvocation(parseJson(exchange.body)),
      exchange,
    );
  const invocation = isCsv ? await readCsv(exchange.body) : readInvocation(parseBody(exchange.body));
  const predicted = await plane.predict(exchange, endpoint, rowsOf(invocation, endpoint), {
    pointer: invocation.pointer,
    ...(version === undefined ? {} : { version }),
  });
  return {
    status: 200,
    headers: predictionHeaders(predicted),
    body: JSON.stringify({ predictions: predicted.map((row) => jsonValue(row.score)) }),
  };
}

type Named = { readonly version: string | undefined } & (
  | { readonly endpoint: LiveEndpoint; readonly model: undefined }
  | { readonly endpoint: undefined; readonly model: WholeModel }
);

/** By path, by header, or the only one that there is. An endpoint of the plan comes before a model of the same name. */
function servedOf({ path, headers, caller }: Exchange, plane: Plane): Named {
  const [, segment, pinned] = PATH.exec(path) ?? [];
  const header = headers['x-gyre-endpoint'];
  const name = segment === undefined ? (typeof header === 'string' ? header : onlyOne(plane, caller)) : decodeSegment(segment);
  const version = pinned === undefined ? undefined : decodeSegment(pinned);
  const model = plane.model(caller, name);
  return model && !plane.endpoints(caller).some((e) => e.plan.name === name)
    ? { model, version, endpoint: undefined }
    : { endpoint: plane.endpoint(caller, name), version, model: undefined };
}

function onlyOne(plane: Plane, caller: Exchange['caller']): string {
  const names = [...new Set([...plane.endpoints(caller).map((e) => e.plan.name), ...plane.models(caller).map((m) => m.name)])];
  return names.length > 1 ? fail('endpoint-unnamed', { endpoints: names.slice(0, 50) }) : (names[0] ?? '');
}

// --- Rows of an endpoint -----------------------------------------------------------------------------------------

/** Rows by the names of columns; what has only places is in the order of the endpoint's request columns. */
function rowsOf({ input, pointer }: Invocation, { plan: { request } }: LiveEndpoint): Row[] {
  const byPlace = (row: unknown, i: number): Row =>
    Array.isArray(row) && row.length === request.length
      ? Object.fromEntries(request.map(({ name }, c) => [name, row[c] as unknown]))
      : refuseBody(`row ${i} of "${pointer(i).split('/')[1]!}" must be a list of ${request.length} values, one per column.`);
  if (input.form === 'table') {
    const { columns, rows, texts } = input;
    if (!columns) return rows.map(byPlace);
    const types = new Map(request.map(({ name, type }) => [name, type]));
    const read = columns.map((name) => (texts ? (cell: unknown) => cellOf(types.get(name), cell) : (cell: unknown) => cell));
    return rows.map((row) => {
      // Without a prototype a column may have any name, also "__proto__"; what a record lacks is no member of it.
      const record = Object.create(null) as Record<string, unknown>;
      for (const [c, name] of columns.entries()) if (row[c] !== undefined) record[name] = read[c]!(row[c]);
      return record;
    });
  }
  if (input.form === 'array') {
    const { value } = input;
    return Array.isArray(value) ? value.map(byPlace) : refuseBody('"inputs" must be an object of columns, or a list of rows.');
  }
  const entries = Object.entries(input.values);
  if (entries.every(([, v]) => !Array.isArray(v))) return [input.values];
  const length = Array.isArray(entries[0]![1]) ? entries[0]![1].length : 0;
  const columns = entries.map(([name, v]): [string, unknown[]] =>
    Array.isArray(v) && v.length === length
      ? [name, v]
      : refuseBody(`the column "${name.slice(0, 100)}" must be a list of ${length} values, as long as the others.`),
  );
  return Array.from({ length }, (_, r) => {
    const record = Object.create(null) as Record<string, unknown>;
    for (const [name, column] of columns) if (column[r] !== undefined) record[name] = single(column[r]);
    return record;
  });
}

/** Columns may be nested as [N, 1]. */
const single = (element: unknown): unknown => (Array.isArray(element) && element.length === 1 ? (element[0] as unknown) : element);

/** The text of a cell as its column's type, or as it is where it is none: the endpoint then says what it wants. */
function cellOf(type: string | undefined, cell: unknown): unknown {
  if (typeof cell !== 'string') return cell;
  const text = cell.trim();
  if (type === 'number' || type === 'integer') return /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text) ? Number(text) : cell;
  if (type === 'boolean') return /^true$/i.test(text) ? true : /^false$/i.test(text) ? false : cell;
  return cell;
}

const CODES: Readonly<Record<number, string>> = {
  400: 'BAD_REQUEST',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'RESOURCE_DOES_NOT_EXIST',
  413: 'INVALID_PARAMETER_VALUE',
  503: 'TEMPORARILY_UNAVAILABLE',
};

export const mlflowScoring = (signatureOf: SignatureOf = () => undefined): ServingDialect => ({
  name: 'mlflow-scoring',
  owns: (path) => FIXED.has(path) || PATH.test(path),
  answer: (exchange, plane) => answer(exchange, plane, signatureOf),
  renderProblem: (problem) => {
    if (problem.status === 415) return { status: 415, contentType: 'text/plain', body: problem.message };
    // A model that chokes on an input is the input's fault in this protocol, whose clients would repeat a 5xx.
    const status = problem.code === 'model-run-failed' ? 400 : problem.status;
    const code = problem.code === 'scoring-input-mismatch' ? 'INVALID_PARAMETER_VALUE' : CODES[status];
    return {
      status,
      body: JSON.stringify({
        error_code: code ?? (status >= 500 ? 'INTERNAL_ERROR' : 'BAD_REQUEST'),
        message: [problem.message, ...(problem.faults.length > 1 ? problem.faults.map((f) => f.detail) : [])].join('; '),
      }),
    };
  },
});

export const mlflowScoringDialect: ServingDialect = mlflowScoring();
