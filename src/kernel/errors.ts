// Problems: every failure a user can cause, as data (RFC 9457, "Problem Details for HTTP APIs").
//
// A domain declares its codes once with `defineErrors`; the bound `fail` is typed per code. Anything
// else that is thrown is a defect of ours and becomes a 500 with a log id.

/** One place in the input that is wrong: `pointer` is an RFC 6901 JSON pointer or `file:line:column`. */
export interface Fault {
  readonly pointer: string;
  readonly detail: string;
}

export interface ErrorType<P> {
  /** HTTP status, always 4xx or 5xx. */
  readonly status: number;
  /** The kind of problem, the same for every occurrence. */
  readonly title: string;
  /** What happened here and how to mend it, from the parameters. */
  readonly detail: (params: P) => string;
}

export class Problem extends Error {
  readonly code: string;
  readonly status: number;
  readonly title: string;
  readonly params: Readonly<Record<string, unknown>>;
  readonly faults: readonly Fault[];

  constructor(code: string, type: ErrorType<never>, params: object, faults: readonly Fault[] = []) {
    super(type.detail(params as never));
    this.name = 'Problem';
    this.code = code;
    this.status = type.status;
    this.title = type.title;
    this.params = params as Record<string, unknown>;
    this.faults = faults;
  }
}

type ErrorTable = Readonly<Record<string, ErrorType<never>>>;
type ParamsOf<T> = T extends ErrorType<infer P> ? P : never;

/** Raises the problem `code`. `faults` name the places in the input. Never returns. */
export type Fail<T extends ErrorTable> = <C extends keyof T & string>(code: C, params: ParamsOf<T[C]>, faults?: readonly Fault[]) => never;

const registry = new Map<string, ErrorType<never>>();

/** Declares problem codes (kebab-case, unique in the program) and returns the `fail` that raises them. */
export function defineErrors<const T extends ErrorTable>(table: T): { readonly table: T; readonly fail: Fail<T> } {
  for (const [code, type] of Object.entries(table)) {
    if (registry.has(code)) throw new Error(`problem code "${code}" is declared twice`);
    registry.set(code, type);
  }
  const fail: Fail<T> = (code, params, faults) => {
    throw new Problem(code, table[code] as ErrorType<never>, params as object, faults);
  };
  return { table, fail };
}

/** Every declared code with its type, for the reference pages and for tests. */
export const declaredErrors = (): ReadonlyMap<string, ErrorType<never>> => registry;

export const isProblem = (error: unknown, code?: string): error is Problem =>
  error instanceof Problem && (code === undefined || error.code === code);

/** The wire form of a problem, `application/problem+json`. `instance` is the request id. */
export const toProblemDocument = (problem: Problem, instance: string): Record<string, unknown> => ({
  type: `https://gyre.dev/errors/${problem.code}`,
  title: problem.title,
  status: problem.status,
  detail: problem.message,
  instance,
  code: problem.code,
  parameters: problem.params,
  ...(problem.faults.length > 0 ? { errors: problem.faults } : {}),
});

/** Codes that any room may raise. */
export const { fail } = defineErrors({
  'invalid-input': {
    status: 400,
    title: 'The input is not valid',
    detail: (p: { what: string }) => `${p.what} is not valid; see "errors" for each place and how to mend it.`,
  },
  'not-found': {
    status: 404,
    title: 'Not found',
    detail: (p: { kind: string; id: string }) => `There is no ${p.kind} "${p.id}" here. List the ${p.kind}s to see what exists.`,
  },
  'route-not-found': {
    status: 404,
    title: 'No such route',
    detail: (p: { method: string; path: string }) => `${p.method} ${p.path} is not a route of this server; the reference lists them all.`,
  },
  conflict: {
    status: 409,
    title: 'It changed in the meantime',
    detail: (p: { kind: string; id: string }) =>
      `${p.kind} "${p.id}" was changed by someone else or is in a state that does not allow this; read it again and retry.`,
  },
  'payload-too-large': {
    status: 413,
    title: 'The request is too large',
    detail: (p: { limitBytes: number }) =>
      `The body is larger than ${p.limitBytes} bytes; send less, or upload files through the blob routes.`,
  },
  'unsupported-media-type': {
    status: 415,
    title: 'Unsupported content type',
    detail: (p: { contentType: string }) =>
      `Content type "${p.contentType}" is not accepted here; send application/json unless the route says otherwise.`,
  },
  'storage-full': {
    status: 507,
    title: 'The disk is full',
    detail: (p: { what: string }) =>
      `There is no room left to write ${p.what}. Nothing was changed. Free some space and repeat the request; no restart is needed.`,
  },
});

const codeOf = (error: unknown): string => (error instanceof Error && 'code' in error ? String(error.code) : '');
const SQLITE_FULL = 13;

/** Says whether "no space left" is what the operating system or the database means (ENOSPC, EDQUOT, EFBIG). */
export const isDiskFull = (error: unknown): boolean =>
  // 53100 is PostgreSQL's disk_full.
  ['ENOSPC', 'EDQUOT', 'EFBIG', '53100'].includes(codeOf(error)) ||
  (codeOf(error) === 'ERR_SQLITE_ERROR' && ((error as { errcode?: number }).errcode ?? 0) % 256 === SQLITE_FULL);
