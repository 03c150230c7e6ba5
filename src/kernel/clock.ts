// Wall time. It can never be set: leases, backoff, tokens, timeouts and HTTP read it. Event time is the
// timeline's (timeline.ts); which code may read which is held by test/architecture.test.ts.

export interface Clock {
  /** Unix time in whole milliseconds. */
  readonly now: () => number;
}

export const wallClock: Clock = { now: () => Date.now() };

/** A clock that stands still until the test moves it. */
export function fixedClock(startMs = 1_700_000_000_000): Clock & { advance(ms: number): void } {
  let ms = startMs;
  return { now: () => ms, advance: (by) => void (ms += by) };
}
