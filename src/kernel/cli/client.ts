// The public API as the command line uses it. Problems of the server arrive as the same `Problem` that was
// raised there; no answer at all is `server-unreachable`.
import { createReadStream } from 'node:fs';
import { Readable } from 'node:stream';
import { defineErrors, Problem, type Fault } from '../errors.ts';

const { fail } = defineErrors({
  'server-unreachable': {
    status: 503,
    title: 'No server answers',
    detail: (p: { url: string; why: string }) =>
      `No server answers at ${p.url} (${p.why}). Start one with "gyre up", or name another with --url or GYRE_URL.`,
  },
  'reply-not-understood': {
    status: 502,
    title: 'The answer is not one of Gyre',
    detail: (p: { url: string; status: number }) =>
      `${p.url} answered with status ${p.status} and something that is not Gyre’s. Is another program listening there?`,
  },
});

export interface Client {
  readonly url: string;
  get<T>(path: string): Promise<T>;
  post<T>(path: string, body?: unknown): Promise<T>;
  send<T>(method: 'PUT' | 'PATCH' | 'DELETE', path: string, body?: unknown): Promise<T>;
  /** Streams a file to a route. */
  upload(path: string, file: string): Promise<void>;
  /** Posts a stream of the given content type. */
  stream<T>(path: string, body: Readable, contentType: string): Promise<T>;
  /** Puts bytes to a route that answers JSON; an array of bytes can be sent again, a stream cannot. */
  put<T>(path: string, body: Readable | Uint8Array): Promise<T>;
  /** The body as text, for routes that do not answer JSON. */
  text(method: 'GET' | 'POST', path: string, body?: unknown): Promise<string>;
  /** What a stream of server-sent events tells until it ends; `lastEventId` goes on behind one. */
  events(path: string, lastEventId?: string): AsyncGenerator<{ event: string; id: string; data: unknown }>;
  /** Every item of a list, page by page. */
  all<T>(path: string): AsyncGenerator<T>;
}

export interface ClientOptions {
  readonly url: string;
  readonly token: string;
  readonly workspace: string;
}

/** A path with its parameters encoded: path`/runs/${id}`. */
export const path = (texts: TemplateStringsArray, ...values: readonly (string | number)[]): string =>
  texts.reduce((whole, text, i) => whole + encodeURIComponent(String(values[i - 1])) + text);

const API = '/api/gyre/v1';

export function openClient({ url, token, workspace }: ClientOptions): Client {
  const headers: Record<string, string> = {
    ...(token ? { authorization: `Bearer ${token}` } : {}),
    ...(workspace === 'default' ? {} : { 'x-gyre-workspace': workspace }),
  };
  const ask = async (method: string, route: string, init: RequestInit = {}): Promise<Response> => {
    const all = { ...headers, ...(init.headers as Record<string, string>) };
    return request(url, API + route, { method, ...init, headers: all });
  };
  const json = async <T>(method: string, route: string, body?: unknown): Promise<T> => {
    const response = await ask(
      method,
      route,
      body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } },
    );
    const text = await response.text();
    if (text === '') return undefined as T;
    try {
      return JSON.parse(text) as T;
    } catch {
      return fail('reply-not-understood', { url, status: response.status });
    }
  };
  return {
    url,
    get: (route) => json('GET', route),
    post: (route, body = {}) => json('POST', route, body),
    send: (method, route, body) => json(method, route, body),
    upload: async (route, file) => {
      const body = Readable.toWeb(createReadStream(file)) as ReadableStream;
      await ask('PUT', route, { body, duplex: 'half', headers: { 'content-type': 'application/octet-stream' } } as RequestInit);
    },
    stream: async <T>(route: string, body: Readable, contentType: string): Promise<T> => {
      const init = { body: Readable.toWeb(body) as ReadableStream, duplex: 'half', headers: { 'content-type': contentType } };
      return (await (await ask('POST', route, init as RequestInit)).json()) as T;
    },
    put: async <T>(route: string, body: Readable | Uint8Array): Promise<T> => {
      const content = body instanceof Uint8Array ? { body } : { body: Readable.toWeb(body) as ReadableStream, duplex: 'half' };
      const headers = { 'content-type': 'application/octet-stream' };
      return (await (await ask('PUT', route, { ...content, headers } as RequestInit)).json()) as T;
    },
    text: async (method, route, body) =>
      (
        await ask(method, route, body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
      ).text(),
    async *events(route, lastEventId) {
      const response = await ask('GET', route, lastEventId === undefined ? {} : { headers: { 'last-event-id': lastEventId } });
      let held = '';
      for await (const text of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
        const blocks = (held + text).split('\n\n');
        held = blocks.pop()!;
        for (const block of blocks) {
          const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, 'm').exec(block)?.[1];
          const data = field('data');
          if (data !== undefined) yield { event: field('event') ?? '', id: field('id') ?? '', data: JSON.parse(data) as unknown };
        }
      }
    },
    async *all<T>(route: string): AsyncGenerator<T> {
      let cursor: string | null = null;
      do {
        const query: string = cursor === null ? '' : `${route.includes('?') ? '&' : '?'}cursor=${encodeURIComponent(cursor)}`;
        const page: { items: T[]; nextCursor?: string | null } = await json('GET', route + query);
        yield* page.items;
        cursor = page.nextCursor ?? null;
      } while (cursor !== null);
    },
  };
}

/** One request; the answer is a good one. Raises the server's problem, `server-unreachable`, `reply-not-understood`. */
export async function request(url: string, route: string, init: RequestInit): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url + route, init);
  } catch (error) {
    const cause = (error as { cause?: { code?: string; message?: string } }).cause;
    return fail('server-unreachable', { url, why: cause?.code ?? cause?.message ?? (error as Error).message });
  }
  if (response.ok) return response;
  throw problemOf(await response.text(), response.status, url);
}

function problemOf(text: string, status: number, url: string): Problem {
  try {
    const document = JSON.parse(text) as {
      code?: string;
      title?: string;
      detail?: string;
      parameters?: object;
      errors?: Fault[];
      instance?: string;
    };
    if (typeof document.code === 'string')
      return new Problem(
        document.code,
        { status, title: document.title ?? '', detail: () => document.detail ?? '' },
        { ...document.parameters, instance: document.instance },
        document.errors ?? [],
      );
  } catch {
    // Not JSON: told below.
  }
  return new Problem(
    'reply-not-understood',
    {
      status: 502,
      title: 'The answer is not one of Gyre',
      detail: () => `${url} answered with status ${status} and something that is not Gyre’s. Is another program listening there?`,
    },
    {},
  );
}
