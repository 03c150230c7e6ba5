// Requests to issuers. What an issuer says leads to further addresses (keys, tokens, people), and an administrator of a
// workspace may name issuers, so none of it may lead into the server's own network: as for receivers of alerts, a name is
// resolved once and the connection goes to the address that was looked at. Nothing is followed, and an answer is bounded.
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import type { Settings } from '../../../kernel/config/settings.ts';
import { pinned } from '../../../kernel/http/outgoing/connect.ts';
import { isLoopback } from '../../../kernel/http/loopback.ts';
import { isAllowed, isInside, reach, Refused } from '../../../kernel/http/outgoing/reach.ts';

/** Of the largest providers the keys have some ten kilobytes. */
export const ANSWER_BYTES = 1024 * 1024;
const TIMEOUT_MS = 10_000;
const SETTING = 'GYRE_OIDC_ALLOW_HOSTS';

type Where = Pick<Settings, 'oidcIssuer' | 'oidcAllowHosts' | 'oidcAllowHttp'>;

const portOf = (url: URL): number => Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
const bareOf = (url: URL): string => url.hostname.replace(/^\[|\]$/g, '').toLowerCase();

/**
 * Where requests for this issuer may go inside: where the setting says, and to the issuer itself if it is the server's own
 * provider, which may stand in the same network. One on the loopback is for tests, and allowed by a setting of its own.
 */
function allowedFor(settings: Where, issuer: string): string {
  const url = new URL(issuer);
  const own = issuer === settings.oidcIssuer || (url.protocol === 'http:' && settings.oidcAllowHttp && isLoopback(url.hostname));
  const self = bareOf(url).includes(':') ? `[${bareOf(url)}]` : bareOf(url);
  return own ? `${settings.oidcAllowHosts},${self}:${portOf(url)}` : settings.oidcAllowHosts;
}

/** Whether an issuer is written as an address inside that may not be asked; names are looked at when they are asked. */
export function leadsInside(settings: Where, issuer: string): boolean {
  const url = new URL(issuer);
  return isIP(bareOf(url)) !== 0 && isInside(bareOf(url)) && !isAllowed(allowedFor(settings, issuer), bareOf(url), portOf(url));
}

interface Asked {
  readonly method?: string | undefined;
  readonly headers?: ConstructorParameters<typeof Headers>[0];
  readonly body?: unknown;
  readonly signal?: AbortSignal | null | undefined;
}

/** A `fetch` for the libraries that speak with an issuer. Raises `Refused` for what may not be asked or is too large. */
export function fetchOf(settings: Where, issuer: string): (address: string | URL, asked?: Asked) => Promise<Response> {
  const allowed = allowedFor(settings, issuer);
  return async (address, asked = {}) => {
    const url = new URL(address);
    const isSecure = url.protocol === 'https:';
    if (!isSecure && url.protocol !== new URL(issuer).protocol) throw new Refused(`${url.origin} is not https`);
    const target = await reach(url.hostname, portOf(url), allowed, SETTING);
    const body = asked.body === undefined || asked.body === null ? undefined : Buffer.from(String(asked.body as string | URLSearchParams));
    const headers = new Headers(asked.headers);
    if (asked.body instanceof URLSearchParams && !headers.has('content-type'))
      headers.set('content-type', 'application/x-www-form-urlencoded;charset=UTF-8');
    const own = AbortSignal.timeout(TIMEOUT_MS);
    const limit = asked.signal ? AbortSignal.any([asked.signal, own]) : own;
    const { request } = isSecure ? await import('node:https') : await import('node:http');
    const { promise, resolve, reject } = Promise.withResolvers<Response>();
    // As `fetch` does: whoever set the limit learns that it was that.
    const failed = (error: unknown): void => reject(limit.aborted ? (limit.reason as Error) : error);
    const sent = request(
      {
        host: target.hostname,
        port: target.port,
        lookup: pinned(target),
        path: url.pathname + url.search,
        method: asked.method ?? 'GET',
        agent: false,
        signal: limit,
        ...(isSecure && isIP(target.hostname) === 0 ? { servername: target.hostname } : {}),
        headers: {
          ...Object.fromEntries(headers),
          host: url.host,
          'user-agent': 'gyre',
          'accept-encoding': 'identity',
          ...(body ? { 'content-length': body.length } : {}),
        },
      },
      (reply) => void answerOf(reply, url).then(resolve, failed),
    );
    sent.on('error', failed);
    sent.end(body);
    return promise;
  };
}

async function answerOf(reply: IncomingMessage, url: URL): Promise<Response> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of reply) {
    bytes += (part as Buffer).length;
    if (bytes > ANSWER_BYTES) {
      reply.destroy();
      throw new Refused(`${url.origin} answers more than ${ANSWER_BYTES} bytes`);
    }
    parts.push(part as Buffer);
  }
  const status = reply.statusCode ?? 0;
  // Neither a redirection nor a compressed answer is what was asked for.
  if ((status >= 300 && status < 400) || reply.headers['content-encoding'] !== undefined)
    throw new Refused(
      `${url.origin} answers with ${status < 400 && status >= 300 ? 'a redirection, which is not followed' : 'a coding that was not asked for'}`,
    );
  const headers = Object.entries(reply.headers).flatMap(([name, value]) =>
    [value ?? []].flat().map((one): [string, string] => [name, one]),
  );
  return new Response([101, 204, 205].includes(status) ? null : Buffer.concat(parts), { status, headers });
}
