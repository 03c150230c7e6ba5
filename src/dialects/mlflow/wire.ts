// MLflow's wire conventions: proto2 JSON read leniently, int64 as numbers, NaN as text, its own error shape.
import type { Ctx } from '../../kernel/ctx.ts';
import { defineErrors, type Problem } from '../../kernel/errors.ts';
import { Reply, route, type AnyRoute, type Dialect, type Method, type RouteInput } from '../../kernel/http/route.ts';
import type { Permission } from '../../kernel/permissions.ts';

export const MLFLOW_VERSION = '3.11.1';

const { fail } = defineErrors({
  'mlflow-parameter-invalid': { status: 400, title: 'A parameter is not valid', detail: (p: { message: string }) => p.message },
});
export const invalid = (message: string): never => fail('mlflow-parameter-invalid', { message });

// Where MLflow's code for a problem is not the usual one of its status.
const CODES: Readonly<Record<string, string>> = {
  'experiment-exists': 'RESOURCE_ALREADY_EXISTS',
  'model-exists': 'RESOURCE_ALREADY_EXISTS',
  'alias-not-found': 'INVALID_PARAMETER_VALUE',
  'route-not-found': 'ENDPOINT_NOT_FOUND',
};
const STATUS: Readonly<Record<string, number>> = { 'experiment-exists': 400, 'model-exists': 400, 'alias-not-found': 400 };
const BY_STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_PARAMETER_VALUE',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'RESOURCE_DOES_NOT_EXIST',
  409: 'RESOURCE_CONFLICT',
  501: 'NOT_IMPLEMENTED',
  503: 'TEMPORARILY_UNAVAILABLE',
};

export const mlflowDialect: Dialect = {
  name: 'mlflow',
  renderProblem: (problem: Problem) => {
    // The basic-auth application of MLflow answers these two in plain text, and its clients show them.
    if (problem.status === 401)
      return { status: 401, contentType: 'text/plain; charset=utf-8', body: `You are not authenticated. ${problem.message}` };
    if (problem.code === 'forbidden') return { status: 403, contentType: 'text/plain; charset=utf-8', body: 'Permission denied' };
    // Its client repeats a 5xx for minutes, so only what may pass by waiting is one.
    const status =
      STATUS[problem.code] ?? (problem.status === 409 || (problem.status < 500 && !(problem.status in BY_STATUS)) ? 400 : problem.status);
    const code = CODES[problem.code] ?? BY_STATUS[problem.status] ?? (problem.status >= 500 ? 'INTERNAL_ERROR' : 'BAD_REQUEST');
    const faults = problem.faults.map((f) => ` ${f.pointer} ${f.detail}.`).join('');
    return { status, contentType: 'application/json', body: JSON.stringify({ error_code: code, message: problem.message + faults }) };
  },
};

type Raw = Readonly<Record<string, unknown>>;

/** Arguments of a request, wherever they came from. Names may be snake_case or camelCase. */
export class Args {
  readonly #values: Raw;
  constructor(values: Raw) {
    this.#values = values;
  }

  get(name: string): unknown {
    const value = this.#values[name] ?? this.#values[name.replace(/_([a-z])/g, (_, c: string) => c.toUpperCase())];
    return value === null ? undefined : value;
  }
  has(name: string): boolean {
    return this.get(name) !== undefined;
  }
  /** Text; absent = "". */
  text(name: string): string {
    const value = this.get(name);
    if (value === undefined) return '';
    if (typeof value === 'object')
      return invalid(
        `Invalid value ${JSON.stringify(value)} for parameter '${name}' supplied: Hint: Value was of type '${Array.isArray(value) ? 'list' : 'dict'}'. See the API docs for more information about request parameters.`,
      );
    return String(value);
  }
  required(name: string): string {
    const value = this.text(name);
    return value === ''
      ? invalid(`Missing value for required parameter '${name}'. See the API docs for more information about request parameters.`)
      : value;
  }
  int(name: string): number | undefined {
    const value = this.get(name);
    if (value === undefined || value === '') return undefined;
    const number =
      typeof value === 'number' ? value : typeof value === 'string' && /^-?\d+$/.test(value.trim()) ? Number(value) : Number.NaN;
    if (!Number.isSafeInteger(number))
      return invalid(
        `Invalid value ${JSON.stringify(value)} for parameter '${name}' supplied: Hint: Value was of type '${typeof value === 'string' ? 'str' : typeof value}'. See the API docs for more information about request parameters.`,
      );
    return number;
  }
  requiredInt(name: string): number {
    return (
      this.int(name) ??
      invalid(`Missing value for required parameter '${name}'. See the API docs for more information about request parameters.`)
    );
  }
  /** A double; NaN and infinities come as text. */
  double(name: string): number {
    const value = this.get(name);
    if (typeof value === 'number') return value;
    if (value === 'NaN') return Number.NaN;
    if (value === 'Infinity' || value === '-Infinity') return value === 'Infinity' ? Infinity : -Infinity;
    if (typeof value === 'string' && value.trim() !== '' && !Number.isNaN(Number(value))) return Number(value);
    return value === undefined
      ? invalid(`Missing value for required parameter '${name}'. See the API docs for more information about request parameters.`)
      : invalid(`Invalid value ${JSON.stringify(value)} for parameter '${name}' supplied: a number is expected.`);
  }
  bool(name: string): boolean {
    const value = this.get(name);
    return value === true || (typeof value === 'string' && value.toLowerCase() === 'true');
  }
  texts(name: string): string[] {
    const value = this.get(name);
    if (value === undefined) return [];
    const list = Array.isArray(value) ? value : [value];
    return list.map((item) =>
      typeof item === 'object' ? invalid(`Invalid value ${JSON.stringify(item)} for parameter '${name}' supplied`) : String(item),
    );
  }
  /** Objects of a list, each with its path for messages. */
  list(name: string): { at: Args; path: string }[] {
    const value = this.get(name);
    if (value === undefined) return [];
    if (!Array.isArray(value))
      return invalid(`Invalid value ${JSON.stringify(value)} for parameter '${name}' supplied: a list is expected.`);
    return value.map((item, i) => {
      if (typeof item !== 'object' || item === null || Array.isArray(item))
        return invalid(`Invalid value ${JSON.stringify(item)} for parameter '${name}[${i}]' supplied: an object is expected.`);
      return { at: new Args(item as Raw), path: `${name}[${i}]` };
    });
  }
  child(name: string): Args {
    const value = this.get(name);
    if (typeof value !== 'object' || value === null || Array.isArray(value))
      return invalid(`Missing value for required parameter '${name}'. See the API docs for more information about request parameters.`);
    return new Args(value as Raw);
  }
  pairs(name: string): { key: string; value: string }[] {
    return this.list(name).map(({ at, path }) => ({
      key: at.has('key')
        ? at.text('key')
        : invalid(`Missing value for required parameter '${path}.key'. See the API docs for more information about request parameters.`),
      value: at.text('value'),
    }));
  }
}

export function readArgs(
  method: Method,
  input: Pick<RouteInput<undefined, undefined, undefined>, 'params' | 'rawQuery' | 'rawBody'>,
): Args {
  const params = input.params as Raw;
  if (method === 'GET') {
    const values: Record<string, unknown> = {};
    for (const [key, value] of new URLSearchParams(input.rawQuery)) {
      const name = key.replace(/\[\]$/, '');
      values[name] = name in values ? [values[name], value].flat() : value;
    }
    return new Args({ ...values, ...params });
  }
  let body = input.rawBody;
  // Some clients send JSON within JSON.
  if (typeof body === 'string') {
    try {
      body = JSON.parse(body);
    } catch {
      return invalid('The request body is not a JSON object.');
    }
  }
  if (body !== undefined && (typeof body !== 'object' || body === null || Array.isArray(body)))
    return invalid('The request body must be a JSON object.');
  return new Args({ ...(body as Raw | undefined), ...params });
}

export interface MlflowRoute {
  readonly methods: readonly Method[];
  /** Below `/api/2.0/mlflow`, for example "runs/create"; with `:name` parameters. */
  readonly path: string;
  readonly permission: Permission;
  readonly summary: string;
  readonly handler: (ctx: Ctx, args: Args) => Promise<unknown>;
}

/** The same handler under both prefixes (the API and MLflow's own pages) and both major versions. */
export const mlflowRoutes = (routes: readonly MlflowRoute[]): AnyRoute[] =>
  routes.flatMap((r) =>
    ['/api/2.0', '/ajax-api/2.0', '/api/3.0', '/ajax-api/3.0'].flatMap((prefix) =>
      r.methods.map((method) =>
        route({
          method,
          path: `${prefix}/mlflow/${r.path}`,
          permission: r.permission,
          summary: `MLflow: ${r.summary}`,
          errors: ['mlflow-parameter-invalid'],
          ...(method === 'GET' ? {} : { body: 'json' as const }),
          dialect: mlflowDialect,
          handler: async (ctx, input) => new Reply(200, (await r.handler(ctx, readArgs(method, input))) ?? {}),
        }),
      ),
    ),
  );

/** Page tokens are opaque to clients; like MLflow's they hold an offset. */
export const encodeToken = (offset: number): string => Buffer.from(JSON.stringify({ offset })).toString('base64');

export function decodeToken(token: string): number {
  if (token === '') return 0;
  try {
    const { offset } = JSON.parse(Buffer.from(token, 'base64').toString()) as { offset: unknown };
    if (Number.isSafeInteger(offset) && (offset as number) >= 0) return offset as number;
  } catch {
    // falls through to the refusal
  }
  return invalid('Invalid page token');
}

export const wireDouble = (value: number): number | string =>
  Number.isNaN(value) ? 'NaN' : value === Infinity ? 'Infinity' : value === -Infinity ? '-Infinity' : value;

/** Unset members and empty lists are left out, as proto JSON does. */
export const omitEmpty = (record: Raw): Raw =>
  Object.fromEntries(Object.entries(record).filter(([, v]) => v !== undefined && v !== null && !(Array.isArray(v) && v.length === 0)));
