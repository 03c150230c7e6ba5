// MLflow's wire conventions: proto2 JSON read leniently, int64 as numbers, NaN as text.
import type { Ctx } from '../../kernel/ctx.ts';
import { Reply, route, type AnyRoute, type Method, type RouteInput } from '../../kernel/http/route.ts';
import type { Permission } from '../../kernel/permissions.ts';
import { Args, type Raw } from './args.ts';
import { invalid, mlflowDialect } from './errors.ts';

export { Args } from './args.ts';
export { invalid, mlflowDialect } from './errors.ts';

export const MLFLOW_VERSION = '3.11.1';

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
