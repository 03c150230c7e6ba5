// How many requests are taken up in one turn of the event loop. What a turn has taken it answers before it looks at the
// sockets again, so its length is how long the next ones wait; with a bound on it the server answers at its full speed however
// many ask, and tells the others at once. Requests that wait for a process of a model are bounded there (batching/batcher.ts).
export interface Admission {
  /** No more is taken in this turn. */
  full(): boolean;
  /** Counts one that was taken, once all of it is here: those that still send hold no place. */
  take(): void;
  /** Hears what an answer took of this thread. */
  took(ms: number): void;
  /** Requests that are taken in a turn at most. */
  readonly limit: () => number;
}

export interface AdmissionOptions {
  /** What the requests of a turn may take together (default 100 ms). */
  readonly turnMs?: number;
  /** Taken in any case (default 32). */
  readonly least?: number;
}

/** What a request costs beside what is measured of it: HTTP, and the turn itself. */
const HTTP_MS = 0.03;
/** Answers from which what one takes is told. */
const WINDOW = 20;

export function openAdmission({ turnMs = 100, least = 32 }: AdmissionOptions = {}): Admission {
  let taken = 0;
  let limit = Math.floor(turnMs / HTTP_MS);
  let serviceMs = HTTP_MS;
  let [count, sumMs] = [0, 0];
  const endTurn = (): void => void (taken = 0);
  return {
    full: () => taken >= limit,
    take: () => {
      if (taken++ === 0) setImmediate(endTurn);
    },
    // What the thread does beside, as loading a model, is not counted: it does not become less when fewer are answered.
    took: (ms) => {
      sumMs += ms + HTTP_MS;
      if (++count < WINDOW) return;
      // Slowly: a moment in which the machine did something else is no reason to turn callers away.
      serviceMs = serviceMs * 0.9 + (sumMs / count) * 0.1;
      limit = Math.max(least, Math.floor(turnMs / serviceMs));
      [count, sumMs] = [0, 0];
    },
    limit: () => limit,
  };
}
