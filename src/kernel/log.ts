// Log lines are objects with a stable `event` name. ERROR means that a person must act now; what heals
// itself is WARN. Secrets never reach a line: callers pass ids, and known secret keys are censored here.
import { pino } from 'pino';
import { redactorOf } from './secrets.ts';

export interface Log {
  debug(line: LogLine): void;
  info(line: LogLine): void;
  warn(line: LogLine): void;
  error(line: LogLine): void;
  child(fields: Record<string, unknown>): Log;
}
export interface LogLine {
  readonly event: string;
  readonly [field: string]: unknown;
}

const censored = ['password', 'token', 'secret', 'authorization', 'databaseUrl'].flatMap((key) => [key, `*.${key}`, `*.*.${key}`]);

/** A logger that writes JSON lines to standard error (or a file descriptor), without the values of `secrets`. */
export function openLog(level: string, options: { secrets?: readonly string[]; fd?: number } = {}): Log {
  const redact = redactorOf(options.secrets ?? []);
  const destination = pino.destination({ fd: options.fd ?? 2, sync: true });
  return pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      redact: { paths: censored, censor: '(redacted)' },
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    { write: (line: string) => void destination.write(redact(line)) },
  ) as unknown as Log;
}

const quiet = (): void => undefined;
/** A logger that says nothing, for tests. */
export const silentLog: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => silentLog };
