// Exit codes by kind of problem, so that a script can tell a mistake of its own from a server that is away.

export const exitCodes = {
  ok: 0,
  /** What was asked for was tried and did not succeed: a run failed, a gate refused. */
  failed: 1,
  /** The command line itself is wrong. */
  usage: 2,
  /** The server refused the input (400, 413, 415, 422). */
  invalid: 3,
  notFound: 4,
  conflict: 5,
  /** No login, or not allowed (401, 403, 421). */
  denied: 6,
  /** No server answers at the address. */
  unreachable: 7,
  /** A defect, or a server that cannot do it now (5xx). */
  server: 8,
  /** A command after "--" that cannot be run, or is not there; as a shell says it. */
  commandUnusable: 126,
  commandNotFound: 127,
  /** Ended by Ctrl-C. */
  interrupted: 130,
} as const;

// Problems of the command line itself, which no server has seen.
const USAGE = new Set([
  'option-invalid',
  'parameter-form',
  'setting-unknown',
  'setting-invalid',
  'model-given-twice',
  'open-without-tokens',
]);

/** The exit code for a problem, by its code or its HTTP status. */
export function exitCodeOf({ code, status }: { readonly code: string; readonly status: number }): number {
  if (USAGE.has(code)) return exitCodes.usage;
  if (code === 'command-not-executable') return exitCodes.commandUnusable;
  if (code === 'command-not-found') return exitCodes.commandNotFound;
  if (code === 'server-unreachable') return exitCodes.unreachable;
  if (status === 404) return exitCodes.notFound;
  if (status === 409) return exitCodes.conflict;
  if (status === 401 || status === 403 || status === 421) return exitCodes.denied;
  if (status >= 400 && status < 500) return exitCodes.invalid;
  return exitCodes.server;
}
