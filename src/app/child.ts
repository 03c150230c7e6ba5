// What the supervised processes have in common: report readiness or the reason of failure to the
// supervisor, stop on a signal or when the supervisor is gone.
import { isProblem } from '../kernel/errors.ts';

const STOP_MS = 15_000;

interface Running {
  readonly url: string;
  /** Of a data plane: of its other protocols, and its models. */
  readonly urls?: Readonly<Record<string, string>>;
  readonly models?: () => readonly unknown[];
  readonly close: () => Promise<void>;
}

export async function runChild(start: () => Promise<Running>): Promise<void> {
  let running: Running | undefined;
  let stopping = false;
  const stop = (): void => {
    if (stopping) return;
    stopping = true;
    // Nobody is left who would end us if a close does not come to its end.
    setTimeout(() => process.exit(1), STOP_MS).unref();
    void Promise.resolve(running?.close()).finally(() => process.exit(0));
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
  process.on('disconnect', stop);
  // The supervisor may have gone before anybody listened.
  if (process.send && !process.connected) stop();
  try {
    running = await start();
    if (stopping) return;
    process.send?.({ ready: { url: running.url, urls: running.urls ?? {}, models: running.models?.() ?? [] } });
  } catch (error) {
    const failed = isProblem(error)
      ? { code: error.code, status: error.status, title: error.title, detail: error.message }
      : {
          code: 'start-failed',
          status: 500,
          title: 'The server did not start',
          detail: error instanceof Error ? (error.stack ?? error.message) : String(error),
        };
    process.send?.({ failed }, () => process.exit(1));
  }
}
