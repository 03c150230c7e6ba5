// Log lines are objects with a stable `event` name. ERROR means that a person must act now; what heals
// itself is WARN. Secrets never reach a line: callers pass ids, and known secret keys are censored here.
import { pino } from 'pino';

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

const censored = ['password', 'token', 'secret', 'authorization', 'databaseUrl'].flatMap((key) => [key, `*.${key}`]);

/** A logger that writes JSON lines to standard error (or a file descriptor). */
export const openLog = (level: string, fd = 2): Log =>
  pino(
    {
      level,
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      redact: { paths: censored, censor: '(redacted)' },
      formatters: { level: (label) => ({ level: label }) },
      serializers: { error: pino.stdSerializers.err },
    },
    pino.destination({ fd, sync: true }),
  ) as unknown as Log;

const quiet = (): void => undefined;
/** A logger that says nothing, for tests. */
export const silentLog: Log = { debug: quiet, info: quiet, warn: quiet, error: quiet, child: () => silentLog };
