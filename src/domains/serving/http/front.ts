// Raw node:http in front of the dialects. Access comes before the body; the body is read once, bounded, and
// given to the dialect that owns the path, which also gives every error its shape.
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import { createServer as createSecureServer } from 'node:https';
import { fail as failAnywhere, Problem } from '../../../kernel/errors.ts';
import { fail } from '../errors.ts';
import type { Admission } from './admission.ts';
import { codingFor, decodeBody, encodeBody } from './content-coding.ts';
import { corsHeaders, preflight } from './cors.ts';
import { gyreProtocol } from './gyre-protocol.ts';
import { identify, type Gate } from './identify.ts';
import { Laps } from './laps.ts';
import type { Trace } from './traced.ts';
import type { Answer, Exchange, Plane, ServingCaller, ServingDialect } from './protocol.ts';
import type { ServingMetrics } from '../plane/serving-metrics.ts';

export interface FrontOptions extends Gate {
  readonly plane: Plane;
  readonly dialects: readonly ServingDialect[];
  readonly metrics: ServingMetrics;
  /** What is told of an error; one that is no problem is written to the log. */
  readonly problem: (dialect: string, error: unknown) => Problem;
  readonly bodyLimitBytes: number;
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer } | undefined;
  readonly trace?: Trace | undefined;
  /** What `GET /metrics` answers, given this process's own text. */
  readonly scrape?: ((own: string) => Promise<string>) | undefined;
  readonly admission: Admission;
  /** Routes of our own programs; undefined if the path is none. */
  readonly internal: (exchange: Omit<Exchange, 'caller'>) => Promise<Answer> | undefined;
}

// An `import` of it reads all that it exports, and with that loads the whole of `fetch`: 50 ms at each start.
const { createServer } = process.getBuiltinModule('node:http');

const PUBLIC = new Set(['/health', '/ready', '/ping', '/version', '/v2/health/live', '/v2/health/ready']);
const nothing = Buffer.alloc(0);

export function openFront(options: FrontOptions): Server {
  const { dialects, plane, metrics, admission } = options;
  const origins = options.origins ?? new Set();
  const settings = { keepAliveTimeout: 65_000, requestTimeout: 30_000, noDelay: true };
  const listener = (request: IncomingMessage, response: ServerResponse): void => void handle(request, response);
  const server = options.tls ? createSecureServer({ ...settings, ...options.tls }, listener) : createServer(settings, listener);
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end(
        'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n{"error":"The request is not valid HTTP."}',
      );
  });

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const began = performance.now();
    const path = pathOf(request.url ?? '/');
    const dialect = dialects.find((d) => d.owns(path)) ?? gyreProtocol;
    const method = request.method ?? 'GET';
    const hasBody = method !== 'GET' && method !== 'HEAD';
    try {
      const asked = preflight(method, request.headers, origins);
      if (asked) return await send(response, asked);
      const internal = path.startsWith('/internal/');
      const caller = internal || PUBLIC.has(path) ? nobody : identify(request.headers, options);
      const counts = hasBody && !internal;
      if (counts && admission.full()) return turnAway(response, dialect);
      const body = hasBody ? await readBody(request, options.bodyLimitBytes) : nothing;
      if (counts) {
        if (admission.full()) return turnAway(response, dialect);
        admission.take();
      }
      const laps = new Laps(counts ? performance.now() : began);
      const exchange: Exchange = {
        ...{ method, path, headers: request.headers, body, caller, laps },
        gone: () => goneOf(response),
        deadlineMs: deadlineOf(request.headers, began),
      };
      metrics.inFlight(1);
      try {
        const answer = await (internal ? options.internal(exchange) : (own(exchange) ?? ownedBy(dialect, exchange)));
        const found = answer ?? notFound(exchange);
        await send(response, found, laps);
        if (counts) traced(request, path, found.status, began, laps);
      } finally {
        metrics.inFlight(-1);
      }
    } catch (error) {
      // Nobody is there to be told.
      if (response.destroyed) return metrics.refused(dialect.name, 'client-gone');
      const refusal = refuse(error, dialect);
      await send(response, refusal);
      if (hasBody) traced(request, path, refusal.status, began, undefined);
      // An unread body must not be taken for the next request.
      if (!request.complete) request.resume().once('end', () => undefined);
    }
  };

  const traced = ({ method = '', headers }: IncomingMessage, path: string, status: number, began: number, laps: Laps | undefined): void =>
    options.trace?.({ protocol: 'http', method, path, headers, status, began, ended: performance.now(), laps });

  const overloaded = new Map<ServingDialect, Answer>();
  // The same words each time, made once: turning away is to cost as little as it can.
  const turnAway = (response: ServerResponse, dialect: ServingDialect): void => {
    metrics.refused(dialect.name, 'serving-overloaded');
    let answer = overloaded.get(dialect);
    if (!answer) {
      const problem = problemOf(() => fail('serving-overloaded', { why: 'this server has as much to do as it can', retryAfterS: 1 }));
      overloaded.set(dialect, (answer = rendered(dialect, problem)));
    }
    void send(response, answer);
  };

  const own = ({ method, path }: Exchange): Answer | Promise<Answer> | undefined => {
    if (method !== 'GET' && method !== 'HEAD') return undefined;
    if (path === '/health') return { status: 200, contentType: 'text/plain', body: 'OK' };
    if (path === '/ready')
      return { status: plane.accepting() ? 200 : 503, body: JSON.stringify({ ready: plane.accepting(), plan: options.plan().number }) };
    if (path === '/metrics') return scraped();
    return undefined;
  };

  const scraped = async (): Promise<Answer> => {
    const text = metrics.registry.write();
    return { status: 200, contentType: metrics.registry.contentType, body: options.scrape ? await options.scrape(text) : text };
  };

  const ownedBy = (dialect: ServingDialect, exchange: Exchange): Answer | Promise<Answer> =>
    dialect.owns(exchange.path) ? dialect.answer(exchange, plane) : notFound(exchange);

  const notFound = ({ method, path }: Exchange): never => failAnywhere('route-not-found', { method, path: path.slice(0, 200) });

  const refuse = (error: unknown, dialect: ServingDialect): Answer => rendered(dialect, options.problem(dialect.name, error));

  const send = async (response: ServerResponse, answer: Answer, laps?: Laps): Promise<void> => {
    let body = answer.body;
    const size = Buffer.byteLength(body);
    const coding = answer.status === 200 && !answer.unpacked ? codingFor(response.req.headers['accept-encoding'], size) : undefined;
    if (coding) body = await encodeBody(body, coding);
    if (response.destroyed || response.headersSent) return;
    const headers: Record<string, string | number> = {
      'content-type': answer.contentType ?? 'application/json',
      'content-length': coding ? Buffer.byteLength(body) : size,
    };
    if (coding) {
      headers['content-encoding'] = coding;
      headers.vary = 'accept-encoding';
    }
    if (answer.status === 401) headers['www-authenticate'] = 'Bearer realm="gyre"';
    if (!plane.accepting()) headers.connection = 'close';
    if (origins.size > 0) Object.assign(headers, corsHeaders(response.req.headers, origins));
    for (const name in answer.headers) headers[name] = answer.headers[name]!;
    if (laps && laps.model > 0) {
      laps.end('serialise', performance.now());
      headers['server-timing'] = laps.header();
      laps.metrics?.stages(laps);
      admission.took(laps.ownMs());
    }
    response.writeHead(answer.status, headers);
    response.end(response.req.method === 'HEAD' ? undefined : body);
  };

  return server;
}

const pathOf = (url: string): string => {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
};

/** With the header that says when to come again, in whatever dialect. */
function rendered(dialect: ServingDialect, problem: Problem): Answer {
  const answer = dialect.renderProblem(problem);
  const { retryAfterS } = problem.params;
  return retryAfterS === undefined ? answer : { ...answer, headers: { ...answer.headers, 'retry-after': String(retryAfterS) } };
}

/** Raises `serving-timeout-invalid`. */
function deadlineOf(headers: IncomingMessage['headers'], began: number): number | undefined {
  const given = headers['gyre-timeout-ms'];
  if (given === undefined) return undefined;
  const timeoutMs = typeof given === 'string' && /^\d{1,9}$/.test(given) ? Number(given) : 0;
  return timeoutMs > 0 ? began + timeoutMs : fail('serving-timeout-invalid', { value: String(given).slice(0, 100) });
}

const signals = new WeakMap<ServerResponse, AbortSignal>();

/** Aborted when the connection ends before the answer has gone out. */
function goneOf(response: ServerResponse): AbortSignal {
  let signal = signals.get(response);
  if (!signal) {
    const controller = new AbortController();
    const gone = (): void => {
      if (!response.writableFinished) controller.abort(new Error('the client went away'));
    };
    if (response.destroyed) gone();
    else response.once('close', gone);
    signals.set(response, (signal = controller.signal));
  }
  return signal;
}

const nobody: ServingCaller = { workspace: 'default', endpoints: [] };

/** Raises what `decodeBody` raises. */
async function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const body = await receiveBody(request, limitBytes);
  const encoding = request.headers['content-encoding'];
  return encoding === undefined || encoding === 'identity' ? body : decodeBody(body, encoding, limitBytes);
}

/** Raises `payload-too-large`. */
function receiveBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const tooLarge = (): Problem => problemOf(() => failAnywhere('payload-too-large', { limitBytes }));
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    // Grows by doubling: a list of chunks would take a hundred times the bytes of a body that comes byte by byte.
    let grown: Buffer | undefined;
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      const before = size;
      size += chunk.length;
      if (size > limitBytes) {
        first = grown = undefined;
        reject(tooLarge());
      } else if (first === undefined) first = chunk;
      else {
        if (grown === undefined || size > grown.length) {
          const larger = Buffer.allocUnsafeSlow(Math.min(limitBytes, Math.max(size * 2, 65_536)));
          (grown ?? first).copy(larger, 0, 0, before);
          grown = larger;
        }
        chunk.copy(grown, before);
      }
    });
    request.on('end', () => resolve(grown ? grown.subarray(0, size) : (first ?? nothing)));
    request.on('error', reject);
    request.on('close', () => reject(new Error('the client went away')));
  });
}

function problemOf(raise: () => never): Problem {
  try {
    return raise();
  } catch (problem) {
    return problem as Problem;
  }
}
