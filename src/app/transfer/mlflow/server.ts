// A server that speaks MLflow's protocol: MLflow's own, or Gyre.
import { Readable } from 'node:stream';
import { setTimeout as wait } from 'node:timers/promises';
import { fail } from '../errors.ts';

export interface Login {
  readonly token?: string | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
}
export interface ServerOptions {
  readonly url: string;
  readonly login: Login;
  readonly workspace?: string | undefined;
}

export interface Server {
  /** The address without what it may hold of a login. */
  readonly place: string;
  get<T>(path: string, query?: Readonly<Record<string, string | readonly string[]>>): Promise<T>;
  post<T>(path: string, body: unknown): Promise<T>;
  /** Undefined where it is not there. */
  find<T>(ask: () => Promise<T>): Promise<T | undefined>;
  bytes(path: string, query: Readonly<Record<string, string>>): Promise<Readable>;
}

const TRIES = 6;
/** Until it has answered once: an address may be wrong. */
const FIRST_TRIES = 2;
const TIMEOUT_MS = 120_000;
const REPEATED = new Set([408, 429, 500, 502, 503, 504]);
const API = '/api/2.0/mlflow/';

class Refused extends Error {
  readonly status: number;
  readonly retryAfterMs: number;
  constructor(status: number, text: string, retryAfterMs: number) {
    super(`status ${status}: ${text.slice(0, 300)}`);
    this.status = status;
    this.retryAfterMs = retryAfterMs;
  }
}

export function openServer({ url, login, workspace }: ServerOptions): Server {
  const at = new URL(url);
  const user = login.user ?? decodeURIComponent(at.username);
  const password = login.password ?? decodeURIComponent(at.password);
  [at.username, at.password, at.search, at.hash] = ['', '', '', ''];
  const place = at.href.replace(/\/+$/, '');
  const headers: Record<string, string> = {
    ...(login.token
      ? { authorization: `Bearer ${login.token}` }
      : user
        ? { authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}` }
        : {}),
    ...(workspace ? { 'x-mlflow-workspace': workspace } : {}),
  };

  /** Again after a pause that doubles, with chance, while the server is busy or away. */
  let tries = FIRST_TRIES;
  const ask = async (path: string, init: RequestInit, timeoutMs: number | undefined): Promise<Response> => {
    for (let attempt = 1; ; attempt++)
      try {
        const response = await fetch(`${place}${path}`, {
          ...init,
          // A login is for this server; what it leads to elsewhere does not get it.
          redirect: 'error',
          headers: { ...headers, ...(init.headers as Record<string, string>) },
          ...(timeoutMs === undefined ? {} : { signal: AbortSignal.timeout(timeoutMs) }),
        });
        // It is there, so it may come back.
        tries = TRIES;
        if (response.ok) return response;
        const after = Number(response.headers.get('retry-after') ?? 0) * 1000;
        throw new Refused(response.status, await response.text(), Number.isFinite(after) ? after : 0);
      } catch (error) {
        const isFinal = error instanceof Refused && !REPEATED.has(error.status);
        if (isFinal || attempt >= tries) {
          if (error instanceof Refused) throw error;
          const { cause, message } = error as Error & { cause?: { code?: string; message?: string } };
          return fail('import-source-failed', { place, what: path.split('?')[0]!, why: cause?.code ?? cause?.message ?? message });
        }
        const pauseMs = 250 * 2 ** attempt * (0.5 + Math.random());
        await wait(Math.min(Math.max(pauseMs, error instanceof Refused ? error.retryAfterMs : 0), 30_000));
      }
  };
  const orFail = async <T>(what: string, asked: Promise<T>): Promise<T> => {
    try {
      return await asked;
    } catch (error) {
      if (error instanceof Refused && error.status !== 404) return fail('import-source-failed', { place, what, why: error.message });
      throw error;
    }
  };
  const pathOf = (path: string, query: Readonly<Record<string, string | readonly string[]>> = {}): string => {
    const search = new URLSearchParams(Object.entries(query).flatMap(([k, v]) => [v].flat().map((one): [string, string] => [k, one])));
    return `${path.startsWith('/') ? path : API + path}${search.size > 0 ? `?${search}` : ''}`;
  };
  const json = async <T>(path: string, init: RequestInit): Promise<T> =>
    orFail(
      path.split('?')[0]!,
      ask(path, init, TIMEOUT_MS).then((r) => r.json() as Promise<T>),
    );

  return {
    place,
    get: (path, query) => json(pathOf(path, query), {}),
    post: (path, body) =>
      json(pathOf(path), { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    find: async (asked) => {
      try {
        return await asked();
      } catch (error) {
        if (error instanceof Refused && error.status === 404) return undefined;
        throw error;
      }
    },
    bytes: async (path, query) => {
      const response = await orFail(path, ask(pathOf(path, query), {}, undefined));
      return response.body === null ? Readable.from([]) : Readable.fromWeb(response.body as never);
    },
  };
}
