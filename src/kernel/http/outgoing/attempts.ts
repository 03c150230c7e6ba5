// News on its way to a receiver: what an answer means, and when the next attempt comes.
import type { Answered } from './post.ts';
import { Refused } from './reach.ts';

export interface Attempt {
  /** `failed` may be repeated; `dead` would end the same way each time. */
  readonly outcome: 'delivered' | 'failed' | 'dead';
  readonly status: number | null;
  readonly error: string;
  /** What the receiver asked for. */
  readonly retryAfterMs: number | null;
}

export function attemptOf({ status, retryAfterMs }: Answered): Attempt {
  if (status >= 200 && status < 300) return { outcome: 'delivered', status, error: '', retryAfterMs: null };
  const again = status >= 500 || status === 429 || status === 408;
  const why = status >= 300 && status < 400 ? 'answered with a redirection, which is not followed' : `answered with status ${status}`;
  return { outcome: again ? 'failed' : 'dead', status, error: `the receiver ${why}`, retryAfterMs };
}

/** An attempt that got no answer; `redact` takes secrets out of the words. */
export function faultOf(error: unknown, redact: (words: string) => string): Attempt {
  const { code, message } = error as { code?: unknown; message?: string };
  // A name of several addresses has a fault for each.
  const said = error instanceof AggregateError ? error.errors.map((e) => (e as Error).message).join('; ') : (message ?? String(error));
  const words = `${typeof code === 'string' ? `${code}: ` : ''}${said}`.replace(/\s+/g, ' ').trim().slice(0, 500);
  return { outcome: error instanceof Refused ? 'dead' : 'failed', status: null, error: redact(words), retryAfterMs: null };
}

const FIRST_MS = 1000;
const LONGEST_MS = 10 * 60_000;
const LONGEST_ASKED_MS = 3_600_000;
const GIVE_UP_MS = 24 * 3_600_000;

/** Doubles from a second to ten minutes, each between half and the whole of it: receivers that come back are not stormed. */
export const backoffMs = (attempts: number, random: number): number =>
  Math.round(Math.min(LONGEST_MS, FIRST_MS * 2 ** (attempts - 1)) * (0.5 + random / 2));

export interface Progress {
  readonly state: Attempt['outcome'];
  readonly attempts: number;
  readonly lastStatus: number | null;
  readonly lastError: string;
  readonly nextMs: number | null;
  readonly deliveredMs: number | null;
}

/**
 * How a delivery stands after an attempt. It waits at least as long as the receiver asked for, up to an hour, and is given up
 * after a day. `random` is from 0 to 1.
 */
export function afterAttempt(
  before: { readonly attempts: number; readonly createdMs: number },
  attempt: Attempt,
  nowMs: number,
  random: number,
): Progress {
  const attempts = before.attempts + 1;
  const nextMs = nowMs + Math.max(backoffMs(attempts, random), Math.min(attempt.retryAfterMs ?? 0, LONGEST_ASKED_MS));
  const tooLate = attempt.outcome === 'failed' && nextMs - before.createdMs > GIVE_UP_MS;
  const state = tooLate ? 'dead' : attempt.outcome;
  return {
    state,
    attempts,
    lastStatus: attempt.status,
    lastError: tooLate ? `given up after 24 h: ${attempt.error}` : attempt.error,
    nextMs: state === 'failed' ? nextMs : null,
    deliveredMs: state === 'delivered' ? nowMs : null,
  };
}
