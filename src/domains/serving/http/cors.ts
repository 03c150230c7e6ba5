// Web pages of other origins, as far as an administrator named them. Without names there is no CORS at all: a browser then lets no
// page read an answer, and `identify` refuses what it sends. Reference: the Fetch standard, "CORS protocol".
import type { IncomingHttpHeaders } from 'node:http';
import type { Answer } from './protocol.ts';

const METHODS = 'GET, HEAD, POST';
const REQUEST_HEADERS =
  'Authorization, Content-Type, Content-Encoding, Inference-Header-Content-Length, Gyre-Event-Time, X-Gyre-Endpoint, X-Gyre-Workspace, traceparent, tracestate';
const EXPOSED =
  'Gyre-Prediction-Id, Gyre-Prediction-Count, Gyre-Variant, Gyre-Model-Version, Inference-Header-Content-Length, Retry-After, Server-Timing';

/** Headers of an answer to a page that may read it; none to anybody else. */
export function corsHeaders({ origin }: IncomingHttpHeaders, origins: ReadonlySet<string>): Record<string, string> {
  if (origins.size === 0) return {};
  if (origin === undefined || !origins.has(origin)) return { vary: 'origin' };
  return { 'access-control-allow-origin': origin, 'access-control-expose-headers': EXPOSED, vary: 'origin' };
}

/** The answer to a browser that asks beforehand; undefined if this is no such question, or of an origin that nobody named. */
export function preflight(method: string | undefined, headers: IncomingHttpHeaders, origins: ReadonlySet<string>): Answer | undefined {
  const { origin } = headers;
  if (method !== 'OPTIONS' || origin === undefined || !origins.has(origin)) return undefined;
  if (headers['access-control-request-method'] === undefined) return undefined;
  return {
    status: 204,
    headers: {
      'access-control-allow-methods': METHODS,
      'access-control-allow-headers': REQUEST_HEADERS,
      'access-control-max-age': '7200',
    },
    body: '',
  };
}
