// MLflow's wire conventions: proto2 JSON read leniently, int64 as numbers, NaN as text.
import type { Ctx } from '../../kernel/ctx.ts';
import { Reply, route, type AnyRoute, type Method, type RouteInput } from '../../kernel/http/route.ts';
import type { Permission } from '../../kernel/permissions.ts';
import { Args, type Raw } from './args.ts';
import { invalid, mlflowDialect } from './errors.ts';
import { fromQuery, readRequest, type Request } from './proto.ts';

export { Args } from './args.ts';
export { invalid, mlflowDialect } from './errors.ts';

export const MLFLOW_VERSION = '3.11.1';

type Input = Pick<RouteInput<undefined, undefined, undefined>, 'params' | 'rawQuery' | 'rawBody' | 'headers'>;

/** The arguments of a request, checked against `request` if there is one. Raises `mlflow-parameter-invalid`. */
export function readArgs(method: Method, input: Input, request?: Request): Args {
  const params = input.params as Raw;
  if (request)
    return readRequest(request, { ...(method === 'GET' ? fromQuery(request.fields, input.rawQuery) : readBody(method, input)), ...params });
  if (method === 'GET') {
    const values: Record<string, unknown> = {};
    for (const [key, value] of new URLSearchParams(input.rawQuery)) {
      const name = key.replace(/\[\]$/, '');
      values[name] = name in values ? [values[name], value].flat() : value;
    }
    return new Args({ ...values, ...params });
  }
  return new Args({ ...readBody(method, input), ...params });
}

function readBody(method: Method, input: Input): Raw {
  const type = String(input.headers['content-type'] ?? '');
  // PATCH and DELETE are not asked what they bring.
  if (method === 'POST' || method === 'PUT') {
    if (type === '') return invalid('Bad Request. Content-Type header is missing.');
    if (!/^application\/json\s*(;|$)/i.test(type)) return invalid("Bad Request. Content-Type must be one of ['application/json'].");
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
  if (body === undefined || body === null) return {};
  return typeof body === 'object' && !Array.isArray(body) ? (body as Raw) : invalid('The request body must be a JSON object.');
}

export interface MlflowRoute {
  readonly methods: readonly Method[];
  /** Below `/api/2.0/mlflow`, for example "runs/create"; with `:name` parameters. */
  readonly path: string;
  readonly permission: Permission;
  readonly summary: string;
  /** What the request holds; without it the handler reads what it finds. */
  readonly request?: Request;
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
          handler: async (ctx, input) => new Reply(200, (await r.handler(ctx, readArgs(method, input, r.request))) ?? {}),
        }),
      ),
    ),
  );

/** Page tokens are opaque to clients; like MLflow's they hold an offset. */
export const encodeToken = (offset: number): string => Buffer.from(`{"offset": ${offset}}`).toString('base64');

/** The offset in a page token. Raises `mlflow-parameter-invalid`. */
export function decodeToken(token: string): number {
  if (token === '') return 0;
  const decoded = Buffer.from(token, 'base64').toString();
  if (token.length % 4 !== 0 || decoded === '') return invalid('Invalid page token, could not base64-decode');
  let parsed: unknown;
  try {
    parsed = JSON.parse(decoded);
  } catch {
    return invalid(`Invalid page token, decoded value=${decoded}`);
  }
  const offset = Number((parsed as { offset?: unknown } | null)?.offset ?? Number.NaN);
  return Number.isSafeInteger(offset) && offset >= 0 ? offset : invalid(`Invalid page token, parsed value=${decoded}`);
}

export const wireDouble = (value: number): number | string =>
  Number.isNaN(value) ? 'NaN' : value === Infinity ? 'Infinity' : value === -Infinity ? '-Infinity' : value;

/** Unset members and empty lists are left out, as proto JSON does. */
export function omitEmpty(record: Raw): Raw {
  const kept: Record<string, unknown> = {};
  for (const name in record) {
    const value = record[name];
    if (value !== undefined && value !== null && !(Array.isArray(value) && value.length === 0)) kept[name] = value;
  }
  return kept;
}
