// The HTTP server: routes become Fastify routes; access, validation, problems and metrics are the same
// for all of them.
import { IncomingMessage } from 'node:http';
import { Readable } from 'node:stream';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { makeCtx, type Actor, type Caller, type Ctx, type Platform } from '../ctx.ts';
import { defineErrors, fail, isDiskFull, isProblem, Problem, toProblemDocument } from '../errors.ts';
import { newId } from '../ids.ts';
import type { Permission } from '../permissions.ts';
import { endStreams } from './event-stream.ts';
import { once } from './idempotency.ts';
import { readJson } from './read-json.ts';
import { pageHeaders, wantsPage } from './pages.ts';
import { peerOf, trustedProxies } from './peer.ts';
import { openRegistry } from './prometheus.ts';
import { Reply, type AnyRoute } from './route.ts';
import { check, compileBody, compileText, nothing } from './validation.ts';

const { internal } = defineErrors({
  internal: {
    status: 500,
    title: 'Internal error',
    detail: (_: object) => 'Something went wrong on our side; nothing was half written. The log has the details under this instance id.',
  },
}).table;

export interface Access {
  /** Who sends this request, and in which workspace. Raises a problem with status 401, 403 or 421. */
  identify(request: FastifyRequest): Promise<{ actor: Actor; workspace: string }>;
  /** Raises a problem with status 403 if the actor may not. */
  authorise(actor: Actor, permission: Permission): void;
  /** Hears of every request that somebody known may not make. */
  readonly denied?: (denial: { caller: Caller; route: string; problem: Problem }) => void;
  /** Where a browser that asks for a page without a login is sent, and how to come back. */
  readonly signInPage?: (path: string) => string;
}

export interface ServerParts {
  readonly platform: Platform;
  readonly routes: readonly AnyRoute[];
  readonly access: Access;
  /** Further checks of /ready: name and whether it is fine. */
  /** What has to work: true, or false, or why it does not. */
  readonly readiness: () => Promise<Record<string, boolean | string>>;
  /** Renders a problem for a path that no route took (a dialect may own the prefix). */
  readonly dialectOf?: (path: string) => AnyRoute['dialect'];
  /** How long a body may say nothing before its connection ends. */
  readonly bodyIdleMs?: number;
}

const BODY_IDLE_MS = 300_000;

/** Who asks a public route; there it does not matter. */
const anybody: { actor: Actor; workspace: string } = { actor: { kind: 'service', id: 'anybody', roles: [] }, workspace: 'default' };

const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['content-length'] !== undefined || headers['transfer-encoding'] !== undefined;

/** Most bodies come with their headers, and need no watch. */
function boundBody(raw: IncomingMessage, idleMs: number): void {
  if (raw.complete || raw.destroyed) return;
  raw.setTimeout(idleMs);
  raw.once('end', () => raw.setTimeout(0));
}

const unused = (): never => {
  throw new Error('routes of ours give no schema to fastify');
};

function pathOf({ url }: FastifyRequest): string {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
}

export function buildServer({ platform, routes, access, readiness, dialectOf, bodyIdleMs = BODY_IDLE_MS }: ServerParts): FastifyInstance {
  const app = fastify({
    logger: false,
    // No schema is ever given to it (validation.ts checks them), so its own compilers need not be loaded.
    schemaController: { compilersFactory: { buildValidator: unused, buildSerializer: unused } },
    bodyLimit: platform.settings.bodyLimitBytes,
    genReqId: () => newId('req', platform.ids),
    trustProxy: trustedProxies(platform.settings.trustProxy),
    routerOptions: { ignoreDuplicateSlashes: true, maxParamLength: 2000 },
    forceCloseConnections: 'idle',
    // What still comes over a connection that is open is answered; the reply then closes it.
    return503OnClosing: false,
    // A path that does not decode is refused before any route is known.
    frameworkErrors: (error, request, reply) => sendProblem(error, request as FastifyRequest, reply as FastifyReply),
    // Node answers malformed HTTP by itself; this one speaks RFC 9457 too.
    clientErrorHandler: (_error, socket) => {
      if (socket.writable)
        socket.end(
          'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/problem+json\r\n\r\n{"status":400,"code":"invalid-input","title":"The input is not valid","detail":"The request is not valid HTTP."}',
        );
    },
  });
  const metrics = openRegistry();
  const seconds = metrics.histogram({
    name: 'gyre_http_request_duration_seconds',
    help: 'Time to answer, by route',
    labels: ['method', 'route', 'status'],
    buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
  });
  const defects = metrics.counter({ name: 'gyre_http_defects_total', help: 'Replies with status 500' });

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
    try {
      fail('route-not-found', { method: request.method, path: pathOf(request) });
    } catch (error) {
      return sendProblem(error, request, reply);
    }
  });
  // Node bounds headers only. A body that stops coming would hold its connection, a file that is half written, and the end of
  // the server; one that is large and slow may take as long as it does.
  app.addHook('onRequest', ({ raw }, _reply, done) => {
    // A request that was injected came over no connection.
    if (hasBody(raw) && raw instanceof IncomingMessage) setImmediate(boundBody, raw, bodyIdleMs);
    done();
  });
  app.addHook('onResponse', (request, reply, done) => {
    done();
    seconds.observe(
      { method: request.method, route: request.routeOptions.url ?? '(none)', status: reply.statusCode },
      reply.elapsedTime / 1000,
    );
  });

  const sendProblem = (
    error: unknown,
    request: FastifyRequest,
    reply: FastifyReply,
    dialect = (request.routeOptions?.config as { dialect?: AnyRoute['dialect'] } | undefined)?.dialect ?? dialectOf?.(pathOf(request)),
  ) => {
    // Whoever went away in the middle hears nothing, and it is no defect of ours.
    if (reply.raw.destroyed || (request.raw.destroyed && !request.raw.complete)) return reply.hijack();
    // Most clients send all of a body before they read the answer: what nobody wants any more is read and forgotten.
    if (!request.raw.complete) request.raw.resume();
    const problem = toProblem(error, platform.settings.bodyLimitBytes);
    if (problem.status >= 500 && !isProblem(error)) {
      defects.inc();
      platform.log.error({ event: 'http.defect', requestId: request.id, method: request.method, route: request.routeOptions.url, error });
    }
    const { caller } = request as { caller?: Caller };
    if (problem.status === 403 && caller) access.denied?.({ caller, route: `${request.method} ${request.routeOptions.url}`, problem });
    if (problem.status === 401 && access.signInPage && wantsPage(request)) return reply.redirect(access.signInPage(request.url), 303);
    if (typeof problem.params.retryAfterS === 'number') void reply.header('retry-after', String(problem.params.retryAfterS));
    if (problem.status === 401) void reply.header('www-authenticate', 'Bearer realm="gyre", Basic realm="gyre"');
    if (dialect) {
      const rendered = dialect.renderProblem(problem, request.id);
      return reply
        .code(rendered.status)
        .headers({ ...rendered.headers, 'content-type': rendered.contentType })
        .send(rendered.body);
    }
    return reply
      .code(problem.status)
      .headers({ 'content-type': 'application/problem+json', 'x-request-id': request.id, 'x-content-type-options': 'nosniff' })
      .send(JSON.stringify(toProblemDocument(problem, request.id)));
  };

  // A connection whose last reply is just leaving does not count as idle yet when the server closes; it would
  // hold the server open until its keep-alive ends, a minute later.
  app.addHook('preClose', async () => {
    endStreams(platform.database);
    const sweep = setInterval(() => app.server.closeIdleConnections(), 20);
    app.server.once('close', () => clearInterval(sweep));
  });

  for (const route of routes) addRoute(app, route, platform, access);

  app.get('/health', async (_request, reply) => reply.header('content-type', 'text/plain; charset=utf-8').send('OK'));
  app.get('/ready', async (_request, reply) => {
    const found = Object.entries(await readiness());
    const checks = Object.fromEntries(found.map(([name, state]) => [name, state === true]));
    const reasons = Object.fromEntries(found.filter(([, state]) => typeof state === 'string'));
    const ready = found.every(([, state]) => state === true);
    return reply
      .code(ready ? 200 : 503)
      .header('content-type', 'application/json')
      .send(JSON.stringify({ ready, checks, ...(Object.keys(reasons).length > 0 ? { reasons } : {}) }));
  });
  app.get('/metrics', async (request, reply) => {
    const { actor } = await access.identify(request);
    access.authorise(actor, 'system:read');
    return reply.header('content-type', metrics.contentType).send(metrics.write());
  });
  return app;
}

function addRoute(app: FastifyInstance, route: AnyRoute, platform: Platform, access: Access): void {
  const params = route.params && compileText(route.params);
  // Protocols of others may carry what they like; ours knows every member.
  const unasked = route.dialect ? undefined : nothing;
  const query = route.query ? compileText(route.query) : unasked;
  const body = typeof route.body === 'string' ? undefined : route.body ? compileBody(route.body) : unasked;
  const status = Number(Object.keys(route.reply ?? { 200: 0 })[0]);
  const kind = typeof route.body === 'string' ? route.body : route.body ? 'schema' : 'none';

  const run = async (
    ctx: Ctx,
    request: FastifyRequest,
  ): Promise<{ status: number; body: unknown; headers: Readonly<Record<string, string>>; cookies?: readonly string[] }> => {
    const input = {
      params: request.params,
      query: request.query,
      body: request.body ?? {},
      headers: request.headers,
      // Few handlers ask for these, and every request would pay for them.
      get peer() {
        return peerOf(request);
      },
      get stream() {
        return (kind === 'stream' ? (request.body as Readable | undefined) : undefined) ?? Readable.from([]);
      },
      rawQuery: request.url.slice(pathOf(request).length + 1),
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
    onRequest: async (request, reply) => {
      const caller = route.permission === 'public' ? anybody : await access.identify(request);
      (request as { caller?: Caller }).caller = caller;
      if (route.permission !== 'public') access.authorise(caller.actor, route.permission);
      const abort = new AbortController();
      // The request is over when its body is read; only the reply's connection tells that nobody waits for it.
      reply.raw.once('close', () => !reply.raw.writableFinished && abort.abort(new Error('the client went away')));
      (request as { ctx?: Ctx }).ctx = makeCtx(platform, { ...caller, requestId: request.id, signal: abort.signal });
    },
    handler: async (request, reply) => {
      const ctx = (request as { ctx?: Ctx }).ctx!;
      check(params, request.params, 'The path');
      check(query, request.query, 'The query');
      if (body) check(body, request.body ?? {}, 'The body');
      const key = request.headers['idempotency-key'];
      let result;
      // A streamed body is told from another by its digest, which only the handler knows.
      if (route.idempotent && kind !== 'stream' && typeof key === 'string') {
        const outcome = await once(ctx, key, [route.method, request.url, request.body ?? null], () => run(ctx, request));
        result = { ...outcome, headers: outcome.replayed ? { 'idempotent-replay': 'true' } : {} };
      } else result = await run(ctx, request);
      reply.code(result.status).headers({ 'x-request-id': request.id, 'x-content-type-options': 'nosniff', ...result.headers });
      if (result.headers['content-type']?.startsWith('text/html')) reply.headers({ ...pageHeaders, ...result.headers });
      if (result.cookies?.length) reply.header('set-cookie', [...result.cookies]);
      if (result.body instanceof Readable || Buffer.isBuffer(result.body)) return reply.send(result.body);
      if (typeof result.body === 'string' && result.headers['content-type']) return reply.send(result.body);
      if (result.body === undefined) return reply.send();
      return reply
        .header('content-type', result.headers['content-type'] ?? 'application/json; charset=utf-8')
        .send(JSON.stringify(result.body));
    },
  });
}

function toProblem(error: unknown, limitBytes: number): Problem {
  if (isProblem(error)) return error;
  try {
    if (isDiskFull(error)) fail('storage-full', { what: 'the change' });
    // Fastify's own refusals (malformed paths, headers that are no media type) are the client's.
    const { statusCode = 500, message } = error as { statusCode?: number; message: string };
    if (statusCode === 413) fail('payload-too-large', { limitBytes });
    if (statusCode === 415) fail('unsupported-media-type', { contentType: 'of this request' });
    if (statusCode < 500) fail('invalid-input', { what: 'The request' }, [{ pointer: '/', detail: message }]);
  } catch (problem) {
    return problem as Problem;
  }
  return new Problem('internal', internal, {});
}
