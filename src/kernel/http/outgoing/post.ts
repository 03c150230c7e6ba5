// One HTTP request to an address of a user: pinned, bounded in time and size, following nothing.
import { Agent as HttpAgent, request as requestHttp, type IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as requestHttps } from 'node:https';
import { isIP } from 'node:net';
import { NEXT_ADDRESS_MS, pinned } from './connect.ts';
import { reach, Refused } from './reach.ts';

const TIMEOUT_MS = 10_000;
/** This much of an answer is read, so that its connection ends well; mostly it is thrown away. */
const READ_BYTES = 64 * 1024;

export interface Answered {
  readonly status: number;
  readonly retryAfterMs: number | null;
  /** The beginning of the body, if it was asked for. */
  readonly text: string;
}

export interface Post {
  readonly url: string;
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly allowed: string;
  readonly signal: AbortSignal;
  readonly timeoutMs?: number;
  /** The setting that `allowed` is the value of. */
  readonly setting?: string;
  /** Keep so many bytes of the answer's body. */
  readonly keepBytes?: number;
}

/** Raises `Refused` for an address that may not be asked, and what the network raises. */
export async function post({
  url: text,
  body,
  headers,
  allowed,
  signal,
  timeoutMs = TIMEOUT_MS,
  setting,
  keepBytes = 0,
}: Post): Promise<Answered> {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== 'http:' && url.protocol !== 'https:')) throw new Refused('the address is not one of http or https');
  const secure = url.protocol === 'https:';
  const target = await reach(url.hostname, Number(url.port) || (secure ? 443 : 80), allowed, setting);
  const bytes = Buffer.from(body);
  const { promise, resolve, reject } = Promise.withResolvers<Answered>();
  const limit = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const sent = (secure ? requestHttps : requestHttp)(
    {
      host: target.hostname,
      port: target.port,
      path: url.pathname + url.search,
      method: 'POST',
      agent: new (secure ? HttpsAgent : HttpAgent)({ lookup: pinned(target), autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS }),
      signal: limit,
      ...(secure && isIP(target.hostname) === 0 ? { servername: target.hostname } : {}),
      headers: {
        host: url.host,
        'content-type': 'application/json',
        'content-length': bytes.length,
        'user-agent': 'gyre',
        ...(url.username === ''
          ? {}
          : {
              authorization: `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`,
            }),
        ...headers,
      },
    },
    (reply) => {
      let read = 0;
      const kept: Buffer[] = [];
      const answered = () => ({
        status: reply.statusCode ?? 0,
        retryAfterMs: retryAfter(reply),
        text: Buffer.concat(kept).subarray(0, keepBytes).toString(),
      });
      reply.on('data', (chunk: Buffer) => {
        if (read < keepBytes) kept.push(chunk);
        read += chunk.length;
        if (read > READ_BYTES) reply.destroy();
      });
      // The status is what counts; a body that breaks off changes nothing.
      reply.on('close', () => resolve(answered())).on('error', () => resolve(answered()));
    },
  );
  sent.on('error', (error) => reject(limit.aborted && !signal.aborted ? new Error(`no answer within ${timeoutMs / 1000} s`) : error));
  sent.end(bytes);
  return promise;
}

function retryAfter({ headers }: IncomingMessage): number | null {
  const given = headers['retry-after'];
  if (given === undefined) return null;
  // Seconds, or a moment (RFC 9110, 10.2.3).
  const ms = /^\s*\d+\s*$/.test(given) ? Number(given) * 1000 : Date.parse(given) - Date.now();
  return Number.isFinite(ms) && ms > 0 ? ms : null;
}
