// Raw node:http in front of the dialects. Access comes before the body; the body is read once, bounded, and
// given to the dialect that owns the path, which also gives every error its shape.
import { hash } from 'node:crypto';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { fail as failAnywhere, isProblem, Problem } from '../../../kernel/errors.ts';
import { isLoopbackHost } from '../../../kernel/http/loopback.ts';
import { newId } from '../../../kernel/ids.ts';
import type { Log } from '../../../kernel/log.ts';
import { fail } from '../errors.ts';
import { gyreProtocol } from './gyre-protocol.ts';
import type { LivePlan } from '../plane/live-plan.ts';
import type { Answer, Exchange, Plane, ServingCaller, ServingDialect } from './protocol.ts';
import type { ServingMetrics } from '../plane/serving-metrics.ts';

export interface FrontOptions {
  readonly plan: () => LivePlan;
  readonly plane: Plane;
  readonly dialects: readonly ServingDialect[];
  readonly metrics: ServingMetrics;
  readonly log: Log;
  readonly bodyLimitBytes: number;
  readonly now: () => number;
  /** Listening on a loopback address: nobody needs a token, unless the plan says otherwise. */
  readonly loopback: boolean;
  /** Routes of our own programs; undefined if the path is none. */
  readonly internal: (exchange: Omit<Exchange, 'caller'>) => Promise<Answer> | undefined;
}

const PUBLIC = new Set(['/health', '/ready', '/ping', '/version', '/v2/health/live', '/v2/health/ready']);
const nothing = Buffer.alloc(0);

export function openFront(options: FrontOptions): Server {
  const { dialects, plane, metrics, log } = options;
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
      const caller = internal || PUBLIC.has(path) ? nobody : identify(request, options);
      const body = request.method === 'GET' || request.method === 'HEAD' ? nothing : await readBody(request, options.bodyLimitBytes);
      const exchange: Exchange = { method: request.method ?? 'GET', path, headers: request.headers, body, caller };
      const answer = await (internal ? options.internal(exchange) : (own(exchange) ?? ownedBy(dialect, exchange)));
      send(response, answer ?? notFound(exchange));
    } catch (error) {
      send(response, refuse(error, dialect));
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

  const refuse = (error: unknown, dialect: ServingDialect): Answer => {
    const known = isProblem(error);
    const problem = known ? error : defect();
    if (!known) log.error({ event: 'serving.defect', id: problem.params.id, error });
    metrics.refused(dialect.name, problem.code);
    return dialect.renderProblem(problem);
  };

  const send = (response: ServerResponse, answer: Answer): void => {
    if (response.destroyed || response.headersSent) return;
    response.writeHead(answer.status, {
      'content-type': answer.contentType ?? 'application/json',
      'content-length': Buffer.byteLength(answer.body),
      ...(answer.status === 401 ? { 'www-authenticate': 'Bearer realm="gyre"' } : {}),
      ...(plane.accepting() ? {} : { connection: 'close' }),
      ...answer.headers,
    });
    response.end(response.req.method === 'HEAD' ? undefined : answer.body);
  };

  return server;
}

const defect = (): Problem => {
  const id = newId('err');
  return new Problem(
    'internal',
    {
      status: 500,
      title: 'Internal error',
      detail: () => `Something went wrong on our side. The log of the data plane has the details under ${id}.`,
    },
    { id },
  );
};

const pathOf = (url: string): string => {
  const end = url.indexOf('?');
  return end < 0 ? url : url.slice(0, end);
};

let passed = '';
// Nearly every request names the host that the one before it named.
const isOwnHost = (host: string): boolean => {
  if (host === passed && host !== '') return true;
  if (!isLoopbackHost(host)) return false;
  passed = host;
  return true;
};

const nobody: ServingCaller = { workspace: 'default', endpoints: [] };

/** Raises `serving-token-refused` or `serving-origin-refused`. */
function identify(request: IncomingMessage, { plan, now, loopback }: FrontOptions): ServingCaller {
  const { access, tokens } = plan();
  const { host = '', origin, authorization } = request.headers;
  if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host))
    fail('serving-origin-refused', { what: 'The Origin header' });
  const workspace = request.headers['x-gyre-workspace'];
  // The plan is the control plane's word for its own address; on another one the Host header is anybody's to choose.
  if (loopback && (access?.open ?? true)) {
    if (!isOwnHost(host)) fail('serving-origin-refused', { what: 'The Host header' });
    return { workspace: typeof workspace === 'string' ? workspace : 'default', endpoints: '*' };
  }
  const bearer = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
  if (bearer === undefined) return fail('serving-token-refused', { why: 'This server answers only with a token.' });
  const token = tokens.get(hash('sha256', bearer, 'hex'));
  if (!token || (token.expiresMs !== null && token.expiresMs <= now()))
    return fail('serving-token-refused', { why: 'The token is not known here, or it has expired.' });
  if (typeof workspace === 'string' && workspace !== token.workspace)
    return fail('serving-token-refused', { why: 'The token is for another workspace.' });
  return { workspace: token.workspace, endpoints: token.endpoints };
}

/** Raises `payload-too-large` and `unsupported-media-type`. */
function readBody(request: IncomingMessage, limitBytes: number): Promise<Buffer> {
  const encoding = request.headers['content-encoding'];
  if (encoding !== undefined && encoding !== 'identity')
    return Promise.reject(problemOf(() => failAnywhere('unsupported-media-type', { contentType: `${encoding} (content-encoding)` })));
  const tooLarge = (): Problem => problemOf(() => failAnywhere('payload-too-large', { limitBytes }));
  if (Number(request.headers['content-length'] ?? 0) > limitBytes) return Promise.reject(tooLarge());
  return new Promise((resolve, reject) => {
    let first: Buffer | undefined;
    let chunks: Buffer[] | undefined;
    let size = 0;
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > limitBytes) {
        chunks = undefined;
        reject(tooLarge());
      } else if (first === undefined) first = chunk;
      else (chunks ??= [first]).push(chunk);
    });
    request.on('end', () => resolve(chunks ? Buffer.concat(chunks) : (first ?? nothing)));
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
