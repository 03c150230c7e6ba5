// The HTTP server: routes become Fastify routes; access, validation, problems and metrics are the same
// for all of them.
import { Readable } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Counter, Histogram, Registry } from 'prom-client';
import secureJson from 'secure-json-parse';
import { makeCtx, type Actor, type Ctx, type Platform } from '../ctx.ts';
import { fail, isDiskFull, isProblem, Problem, toProblemDocument } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Permission } from '../permissions.ts';
import { once } from './idempotency.ts';
import { Reply, type AnyRoute } from './route.ts';
import { check, compileBody, compileText } from './validation.ts';

export interface Access {
  /** Who sends this request, and in which workspace. Raises a problem with status 401, 403 or 421. */
  identify(request: FastifyRequest): Promise<{ actor: Actor; workspace: string }>;
  /** Raises a problem with status 403 if the actor may not. */
  authorise(actor: Actor, permission: Permission): void;
}

export interface ServerParts {
  readonly platform: Platform;
  readonly routes: readonly AnyRoute[];
  readonly access: Access;
  /** Further checks of /ready: name and whether it is fine. */
  readonly readiness: () => Promise<Record<string, boolean>>;
  /** Renders a problem for a path that no route took (a dialect may own the prefix). */
  readonly dialectOf?: (path: string) => AnyRoute['dialect'];
}

const JSON_TYPES = /^(application\/json|application\/[\w.+-]+\+json)\s*(;|$)/i;

export function buildServer({ platform, routes, access, readiness, dialectOf }: ServerParts): FastifyInstance {
  const app = fastify({
    logger: false,
    bodyLimit: platform.settings.bodyLimitBytes,
    genReqId: () => newId('req', platform.ids),
    routerOptions: { ignoreDuplicateSlashes: true, maxParamLength: 2000 },
    forceCloseConnections: 'idle',
    // What still comes over a connection that is open is answered; the reply then closes it.
    return503OnClosing: false,
    // Node answers malformed HTTP by itself; this one speaks RFC 9457 too.
    clientErrorHandler: (_error, socket) => {
      if (socket.writable)
        socket.end(
          'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\r\n{"status":400,"code":"invalid-input","title":"The input is not valid","detail":"The request is not valid HTTP."}',
        );
    },
  });
  const metrics = new Registry();
  const seconds = new Histogram({
    name: 'gyre_http_request_duration_seconds',
    help: 'Time to answer, by route',
    labelNames: ['method', 'route', 'status'],
    registers: [metrics],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
  });
  const defects = new Counter({ name: 'gyre_http_defects_total', help: 'Replies with status 500', registers: [metrics] });

  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    '*',
    (request: FastifyRequest, payload: NodeJS.ReadableStream, done: (error: Error | null, body?: unknown) => void) => {
      const kind = (request.routeOptions.config as { body?: string }).body;
      if (kind === 'stream') return done(null, payload);
      readJson(request, payload, platform.settings.bodyLimitBytes).then((body) => done(null, body), done);
    },
  );
  app.setErrorHandler((error, request, reply) => sendProblem(error, request, reply));
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?')[0]!;
    try {
      fail('route-not-found', { method: request.method, path });
    } catch (error) {
      return sendProblem(error, request, reply, dialectOf?.(path));
    }
  });
  app.addHook('onResponse', async (request, reply) => {
    seconds.observe(
      { method: request.method, route: request.routeOptions.url ?? '(none)', status: reply.statusCode },
      reply.elapsedTime / 1000,
    );
  });

  const sendProblem = (
    error: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
    dialect = (request.routeOptions.config as { dialect?: AnyRoute['dialect'] }).dialect,
  ) => {
    // Whoever went away in the middle hears nothing, and it is no defect of ours.
    if (request.raw.destroyed && !request.raw.complete) return reply.hijack();
    const problem = toProblem(error, platform.settings.bodyLimitBytes);
    if (problem.status >= 500 && !isProblem(error)) {
      defects.inc();
      platform.log.error({ event: 'http.defect', requestId: request.id, method: request.method, route: request.routeOptions.url, error });
    }
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="gyre", Basic realm="gyre"');
    if (dialect) {
      const rendered = dialect.renderProblem(problem, request.id);
      return reply.code(rendered.status).header('content-type', rendered.contentType).send(rendered.body);
    }
    return reply
      .code(problem.status)
      .header('content-type', 'application/problem+json')
      .send(JSON.stringify(toProblemDocument(problem, request.id)));
  };

  for (const route of routes) addRoute(app, route, platform, access);

  app.get('/health', async (_request, reply) => reply.header('content-type', 'text/plain; charset=utf-8').send('OK'));
  app.get('/ready', async (_request, reply) => {
    const checks = await readiness();
    const ready = Object.values(checks).every(Boolean);
    return reply
      .code(ready ? 200 : 503)
      .header('content-type', 'application/json')
      .send(JSON.stringify({ ready, checks }));
  });
  app.get('/metrics', async (request, reply) => {
    const { actor } = await access.identify(request);
    access.authorise(actor, 'system:read');
    return reply.header('content-type', metrics.contentType).send(await metrics.metrics());
  });
  return app;
}

function addRoute(app: FastifyInstance, route: AnyRoute, platform: Platform, access: Access): void {
  const params = route.params && compileText(route.params);
  const query = route.query && compileText(route.query);
  const body = route.body && typeof route.body !== 'string' ? compileBody(route.body) : undefined;
  const status = Number(Object.keys(route.reply ?? { 200: 0 })[0]);
  const kind = typeof route.body === 'string' ? route.body : route.body ? 'schema' : 'none';

  const run = async (
    ctx: Ctx,
    request: FastifyRequest,
  ): Promise<{ status: number; body: unknown; headers: Readonly<Record<string, string>> }> => {
    const input = {
      params: request.params,
      query: request.query,
      body: request.body ?? {},
      headers: request.headers,
      stream: kind === 'stream' ? ((request.body as Readable | undefined) ?? Readable.from([])) : Readable.from([]),
      rawQuery: request.url.split('?')[1] ?? '',
      rawBody: request.body,
    };
    const result = await route.handler(ctx, input as never);
    return result instanceof Reply ? result : { status, body: result, headers: {} };
  };

  app.route({
    method: route.method,
    url: route.path,
    config: { body: kind, dialect: route.dialect, permission: route.permission },
    // Who asks, and may they, comes before the body is read.
    onRequest: async (request) => {
      const caller = await access.identify(request);
      if (route.permission !== 'public') access.authorise(caller.actor, route.permission);
      const abort = new AbortController();
      request.raw.once('close', () => !request.raw.complete && abort.abort(new Error('the client went away')));
      (request as { ctx?: Ctx }).ctx = makeCtx(platform, { ...caller, requestId: request.id, signal: abort.signal });
    },
    handler: async (request, reply) => {
      const ctx = (request as { ctx?: Ctx }).ctx!;
      check(params, request.params, 'The path');
      check(query, request.query, 'The query');
      if (kind === 'schema') check(body, request.body ?? {}, 'The body');
      const key = request.headers['idempotency-key'];
      let result;
      if (route.idempotent && typeof key === 'string') {
        const outcome = await once(ctx, key, [route.method, request.url, request.body ?? null], () => run(ctx, request));
        result = { ...outcome, headers: outcome.replayed ? { 'idempotent-replay': 'true' } : {} };
      } else result = await run(ctx, request);
      reply.code(result.status).headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff', ...result.headers });
      if (result.body instanceof Readable || Buffer.isBuffer(result.body)) return reply.send(result.body);
      if (typeof result.body === 'string' && result.headers['content-type']) return reply.send(result.body);
      if (result.body === undefined) return reply.send();
      return reply
        .header('content-type', result.headers['content-type'] ?? 'application/json; charset=utf-8')
        .send(JSON.stringify(result.body));
    },
  });
}

async function readJson(request: FastifyRequest, payload: NodeJS.ReadableStream, limitBytes: number): Promise<unknown> {
  const chunks: Buffer[] = [];
  let size = 0;
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) fail('payload-too-large', { limitBytes });
  for await (const chunk of payload) {
    size += (chunk as Buffer).length;
    if (size > limitBytes) fail('payload-too-large', { limitBytes });
    chunks.push(chunk as Buffer);
  }
  if (size === 0) return undefined;
  const type = request.headers['content-type'] ?? '';
  if (!JSON_TYPES.test(type)) fail('unsupported-media-type', { contentType: type });
  try {
    return secureJson.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (error) {
    return fail('invalid-input', { what: 'The body' }, [{ pointer: '/', detail: `is not JSON: ${(error as Error).message}` }]);
  }
}

function toProblem(error: unknown, limitBytes: number): Problem {
  if (isProblem(error)) return error;
  try {
    if (isDiskFull(error)) fail('storage-full', { what: 'the change' });
    // Fastify's own refusals (malformed paths, over-long parameters) are the client's.
    const refused = error instanceof Error && 'statusCode' in error && typeof error.statusCode === 'number' && error.statusCode < 500;
    if (refused && (error as { statusCode: number }).statusCode === 413) fail('payload-too-large', { limitBytes });
    if (refused) fail('invalid-input', { what: 'The request' }, [{ pointer: '/', detail: error.message }]);
  } catch (problem) {
    return problem as Problem;
  }
  return new Problem(
    'internal',
    {
      status: 500,
      title: 'Internal error',
      detail: () => 'Something went wrong on our side; nothing was half written. The log has the details under this instance id.',
    },
    {},
  );
}
