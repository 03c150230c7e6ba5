// How many requests are taken up in one turn of the event loop. What a turn has taken it answers before it looks at the
// sockets again, so its length is how long the next ones wait; with a bound on it the server answers at its full speed however
// many ask, and tells the others at once. Requests that wait for a process of a model are bounded there (batching/batcher.ts).
import { performance as clock } from 'node:perf_hooks';

export interface Admission {
  /** No more is taken in this turn. */
  full(): boolean;
  /** Counts one that was taken, once all of it is here: those that still send hold no place. */
  take(): void;
  /** Counts one that was turned away. */
  refuse(): void;
  /** Requests that are taken in a turn at most. */
  readonly limit: () => number;
}

export interface AdmissionOptions {
  /** What the requests of a turn may take together (default 50 ms). */
  readonly turnMs?: number;
  /** Taken in any case (default 4). */
  readonly least?: number;
}

/** Of a request that was never measured. */
const FIRST_MS = 0.05;
const WINDOW_MS = 100;
const ENOUGH = 20;
/** Turning one away costs as much as this part of an answer at most, or the limit does not matter. */
const REFUSAL = 0.3;

export function openAdmission({ turnMs = 50, least = 4 }: AdmissionOptions = {}): Admission {
  let taken = 0;
  let serviceMs = FIRST_MS;
  let limit = Math.floor(turnMs / serviceMs);
  let began = performance.now();
  let before = clock.eventLoopUtilization();
  let answered = 0;
  let refused = 0;

  const endTurn = (): void => {
    taken = 0;
    const now = performance.now();
    if (now - began < WINDOW_MS) return;
    // Time in which the loop was busy; what it waited for sockets does not count.
    const { active } = clock.eventLoopUtilization(before);
    if (answered >= ENOUGH) {
      serviceMs = serviceMs * 0.5 + (active / (answered + refused * REFUSAL)) * 0.5;
      limit = Math.max(least, Math.floor(turnMs / serviceMs));
    }
    before = clock.eventLoopUtilization();
    began = now;
    answered = refused = 0;
  };

  return {
    full: () => taken >= limit,
    take: () => {
      if (taken++ === 0) setImmediate(endTurn);
      answered++;
    },
    refuse: () => void refused++,
    limit: () => limit,
  };
}
