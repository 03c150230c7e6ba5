// openapi.json: OpenAPI 3.1, whose schemas are JSON Schema, so those of the routes go in as they are.
import { STATUS_CODES } from 'node:http';
import type { TSchema } from 'typebox';
import type { AnyRoute } from '../../src/kernel/http/route.ts';
import { programVersion } from '../../src/app/version.ts';
import { offeredRoutes } from './offered-routes.ts';

interface ObjectSchema {
  readonly properties?: Readonly<Record<string, TSchema>>;
  readonly required?: readonly string[];
}

export interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly summary: string;
  readonly 'x-permission': string;
  readonly 'x-problems': readonly string[];
  readonly parameters?: readonly { name: string; in: string; required: boolean; schema: unknown }[];
  readonly requestBody?: { required: boolean; content: Record<string, { schema: unknown }> };
  readonly responses: Record<string, unknown>;
}

/** "/runs/:id/*" in OpenAPI's way: "/runs/{id}/{path}". */
export const openApiPath = (path: string): string => path.replace(/:(\w+)/g, '{$1}').replace('*', '{path}');

const tagOf = (route: AnyRoute): string => route.dialect?.name ?? /^\/api\/gyre\/v1\/([^/]+)/.exec(route.path)?.[1] ?? 'server';

function operationId({ method, path }: AnyRoute): string {
  const words = path.replace(/^\/api\/gyre\/v1/, '').match(/[A-Za-z0-9]+|\*/g) ?? [];
  return [method.toLowerCase(), ...words.map((word) => (word === '*' ? 'Rest' : word[0]!.toUpperCase() + word.slice(1)))].join('');
}

const parametersOf = (schema: TSchema | undefined, place: 'path' | 'query') => {
  const { properties = {}, required = [] } = (schema ?? {}) as ObjectSchema;
  return Object.entries(properties).map(([name, value]) => ({
    name: name === '*' ? 'path' : name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: value,
  }));
};

/** Path parameters; those without a schema are plain text. */
const pathParameters = (route: AnyRoute) => {
  const described = parametersOf(route.params, 'path');
  const named = [...openApiPath(route.path).matchAll(/\{(\w+)\}/g)].map((match) => match[1]!);
  return named.map(
    (name) => described.find((p) => p.name === name) ?? { name, in: 'path', required: true, schema: { type: 'string' } as unknown },
  );
};

function bodyOf(route: AnyRoute): Operation['requestBody'] {
  if (route.body === undefined) return undefined;
  if (route.body === 'stream') return { required: true, content: { 'application/octet-stream': { schema: {} } } };
  return { required: true, content: { 'application/json': { schema: route.body === 'json' ? {} : route.body } } };
}

function responsesOf(route: AnyRoute): Record<string, unknown> {
  const replies = Object.entries(route.reply ?? { 200: {} }).map(([status, schema]) => {
    const description = STATUS_CODES[status] ?? '';
    if (status === '204') return [status, { description }];
    const [type, body] = typeof schema === 'string' ? [schema, {}] : ['application/json', schema];
    return [status, { description, content: { [type]: { schema: body } } }];
  });
  const problem = route.dialect
    ? { description: `A problem in the words of ${route.dialect.name}` }
    : { $ref: '#/components/responses/Problem' };
  return { ...Object.fromEntries(replies), '4XX': problem };
}

export function operationOf(route: AnyRoute): Operation {
  const parameters = [...pathParameters(route), ...parametersOf(route.query, 'query')];
  const key = { name: 'Idempotency-Key', in: 'header', required: false, schema: { type: 'string' } };
  const requestBody = bodyOf(route);
  return {
    operationId: operationId(route),
    tags: [tagOf(route)],
    summary: route.summary,
    'x-permission': route.permission,
    'x-problems': route.errors,
    ...(parameters.length > 0 || route.idempotent ? { parameters: route.idempotent ? [...parameters, key] : parameters } : {}),
    ...(requestBody ? { requestBody } : {}),
    responses: responsesOf(route),
  };
}

// These three belong to the server itself (kernel/http/server.ts), not to a table of routes.
const probe = (operation: string, summary: string, type: string) => ({
  get: {
    operationId: operation,
    tags: ['server'],
    summary,
    responses: { 200: { description: 'OK', content: { [type]: { schema: {} } } } },
  },
});

const problemSchema = {
  type: 'object',
  description: 'RFC 9457. Match on `code`; docs/reference/errors.md lists them all.',
  required: ['type', 'title', 'status', 'detail', 'instance', 'code', 'parameters'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer' },
    detail: { type: 'string' },
    instance: { type: 'string' },
    code: { type: 'string' },
    parameters: { type: 'object' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['pointer', 'detail'],
        properties: { pointer: { type: 'string' }, detail: { type: 'string' } },
      },
    },
  },
};

export function openApiDocument() {
  const paths: Record<string, Record<string, Operation>> = {};
  for (const route of offeredRoutes()) (paths[openApiPath(route.path)] ??= {})[route.method.toLowerCase()] = operationOf(route);
  return {
    openapi: '3.1.0',
    info: { title: 'Gyre', version: programVersion, license: { name: 'Apache-2.0', identifier: 'Apache-2.0' } },
    security: [{}, { token: [] }, { password: [] }],
    paths: {
      ...paths,
      '/health': probe('getHealth', 'Whether the process answers', 'text/plain'),
      '/ready': probe('getReady', 'Whether it can do its work; 503 if not', 'application/json'),
      '/metrics': probe('getMetrics', 'Metrics for Prometheus', 'text/plain'),
    },
    components: {
      securitySchemes: { token: { type: 'http', scheme: 'bearer' }, password: { type: 'http', scheme: 'basic' } },
      schemas: { Problem: problemSchema },
      responses: {
        Problem: {
          description: 'A problem document',
          content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
        },
      },
    },
  };
}
