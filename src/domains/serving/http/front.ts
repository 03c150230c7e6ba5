// Raw node:http in front of the dialects. Access comes before the body; the body is read once, bounded, and
// given to the dialect that owns the path, which also gives every error its shape.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { fail as failAnywhere, Problem } from '../../../kernel/errors.ts';
import { codingFor, decodeBody, encodeBody } from './content-coding.ts';
import { gyreProtocol } from './gyre-protocol.ts';
import { identify, type Gate } from './identify.ts';
import type { Answer, Exchange, Plane, ServingCaller, ServingDialect } from './protocol.ts';
import type { ServingMetrics } from '../plane/serving-metrics.ts';

export interface FrontOptions extends Gate {
  readonly plane: Plane;
  readonly dialects: readonly ServingDialect[];
  readonly metrics: ServingMetrics;
  /** What is told of an error; one that is no problem is written to the log. */
  readonly problem: (dialect: string, error: unknown) => Problem;
  readonly bodyLimitBytes: number;
  /** Routes of our own programs; undefined if the path is none. */
  readonly internal: (exchange: Omit<Exchange, 'caller'>) => Promise<Answer> | undefined;
}

const PUBLIC = new Set(['/health', '/ready', '/ping', '/version', '/v2/health/live', '/v2/health/ready']);
const nothing = Buffer.alloc(0);

export function openFront(options: FrontOptions): Server {
  const { dialects, plane, metrics } = options;
  const server = createServer({ keepAliveTimeout: 65_000, requestTimeout: 30_000, noDelay: true }, (request, response) => {
    void handle(request, response);
  });
  server.on('clientError', (_error, socket) => {
    if (socket.writable)
      socket.end(
        'HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: application/json\r\n\r\n{"error":"The request is not valid HTTP."}',
      );
  });

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const path = pathOf(request.url ?? '/');
    const dialect = dialects.find((d) => d.owns(path)) ?? gyreProtocol;
    try {
      const internal = path.startsWith('/internal/');
      const caller = internal || PUBLIC.has(path) ? nobody : identify(request.headers, options);
      const body = request.method === 'GET' || request.method === 'HEAD' ? nothing : await readBody(request, options.bodyLimitBytes);
      const exchange: Exchange = { method: request.method ?? 'GET', path, headers: request.headers, body, caller };
      const answer = await (internal ? options.internal(exchange) : (own(exchange) ?? ownedBy(dialect, exchange)));
      await send(response, answer ?? notFound(exchange));
    } catch (error) {
      await send(response, refuse(error, dialect));
      // An unread body must not be taken for the next request.
      if (!request.complete) request.resume().once('end', () => undefined);
    }
  };

  const own = ({ method, path }: Exchange): Answer | Promise<Answer> | undefined => {
    if (method !== 'GET' && method !== 'HEAD') return undefined;
    if (path === '/health') return { status: 200, contentType: 'text/plain', body: 'OK' };
    if (path === '/ready')
      return { status: plane.accepting() ? 200 : 503, body: JSON.stringify({ ready: plane.accepting(), plan: options.plan().number }) };
    if (path === '/metrics') return { status: 200, contentType: metrics.registry.contentType, body: metrics.registry.write() };
    return undefined;
  };

  const ownedBy = (dialect: ServingDialect, exchange: Exchange): Answer | Promise<Answer> =>
    dialect.owns(exchange.path) ? dialect.answer(exchange, plane) : notFound(exchange);

  const notFound = ({ method, path }: Exchange): never => failAnywhere('route-not-found', { method, path: path.slice(0, 200) });

  const refuse = (error: unknown, dialect: ServingDialect): Answer => dialect.renderProblem(options.problem(dialect.name, error));

  const send = async (response: ServerResponse, answer: Answer): Promise<void> => {
    let body = answer.body;
    const size = Buffer.byteLength(body);
    const coding = answer.status === 200 ? codingFor(response.req.headers['accept-encoding'], size) : undefined;
    if (coding) body = await encodeBody(body, coding);
    if (response.destroyed || response.headersSent) return;
    response.writeHead(answer.status, {
      'content-type': answer.contentType ?? 'application/json',
      'content-length': coding ? Buffer.byteLength(body) : size,
      ...(coding ? { 'content-encoding': coding, vary: 'accept-encoding' } : {}),
      ...(answer.status === 401 ? { 'www-authenticate': 'Bearer realm="gyre"' } : {}),
      ...(plane.accepting() ? {} : { connection: 'close' }),
      ...answer.headers,
    });
    response.end(response.req.method === 'HEAD' ? undefined : body);
  };

  return server;
}

const pathOf = (url: string): string => {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
};

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
