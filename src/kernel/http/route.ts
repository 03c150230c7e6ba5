// A route is data and one call. Permission, summary and errors are required by type, so an unprotected
// or undocumented route does not compile.
import type { Readable } from 'node:stream';
import type { Static, TSchema } from 'typebox';
import type { Ctx } from '../ctx.ts';
import type { Problem } from '../errors.ts';
import type { Permission } from '../permissions.ts';

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

/** How a protocol that others defined speaks of problems, instead of RFC 9457. */
export interface Dialect {
  readonly name: string;
  readonly renderProblem: (
    problem: Problem,
    requestId: string,
  ) => {
    status: number;
    contentType: string;
    body: string;
    headers?: Readonly<Record<string, string>>;
  };
}

/** Where a request comes from. */
export interface Peer {
  readonly method: string;
  /** The client's address; that of a proxy unless it is trusted (GYRE_TRUST_PROXY). */
  readonly address: string;
  /** Scheme and host that were asked, as `https://host[:port]`. */
  readonly origin: string;
}

type In<T> = T extends TSchema ? Static<T> : Record<string, never>;

export interface RouteInput<P, Q, B> {
  readonly params: In<P>;
  readonly query: In<Q>;
  readonly body: In<B>;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly peer: Peer;
  /** The raw body of a route with `body: 'stream'`. */
  readonly stream: Readable;
  /** The raw query string, for dialects that parse their own. */
  readonly rawQuery: string;
  /** The body as parsed JSON, unchecked, for dialects that check their own. */
  readonly rawBody: unknown;
}

/** A reply that is not plain JSON with status 200. */
export class Reply {
  readonly status: number;
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
  /** Values of Set-Cookie. */
  readonly cookies: readonly string[];
  constructor(status: number, body: unknown, headers: Readonly<Record<string, string>> = {}, cookies: readonly string[] = []) {
    this.cookies = cookies;
    this.status = status;
    this.body = body;
    this.headers = headers;
  }
}

export interface Route<P = undefined, Q = undefined, B = undefined> {
  readonly method: Method;
  /** Full path with `:name` parameters; `*` at the end takes the rest (params['*']). */
  readonly path: string;
  readonly permission: Permission;
  readonly summary: string;
  /** Problem codes this route may answer, besides those of validation and access. */
  readonly errors: readonly string[];
  readonly params?: P;
  readonly query?: Q;
  /** A JSON schema; 'stream' for a raw body; 'json' for JSON that a dialect checks itself. */
  readonly body?: B | 'stream' | 'json';
  /** Replies by status; the first one is the usual. A string is a content type of a raw reply. */
  readonly reply?: Readonly<Record<number, TSchema | string>>;
  readonly dialect?: Dialect;
  /** Honours `Idempotency-Key`: the same key with the same request answers the first reply again. */
  readonly idempotent?: true;
  readonly handler: (ctx: Ctx, input: RouteInput<P, Q, B>) => Promise<unknown>;
}

// What the server and the generators need of any route, whatever its schemas.
export type AnyRoute = Omit<Route<TSchema, TSchema, TSchema>, 'handler' | 'params' | 'query' | 'body'> & {
  readonly params?: TSchema;
  readonly query?: TSchema;
  readonly body?: TSchema | 'stream' | 'json';
  readonly handler: (ctx: Ctx, input: never) => Promise<unknown>;
};

/** Declares a route with the types of its schemas. */
export const route = <
  P extends TSchema | undefined = undefined,
  Q extends TSchema | undefined = undefined,
  B extends TSchema | undefined = undefined,
>(
  definition: Route<P, Q, B>,
): AnyRoute => Object.freeze(definition) as unknown as AnyRoute;
