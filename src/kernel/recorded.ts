import type { Clock } from './clock.ts';

/**
 * Wall time in milliseconds for a record's `_ms` column: when it was written down, never when it happened.
 * Rooms that decide by event time write it and may not read the clock for anything else.
 */
export const recordedMs = (ctx: { readonly clock: Clock }): number => ctx.clock.now();
