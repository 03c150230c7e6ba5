// Server-sent events (WHATWG HTML, 9.2): a reply that goes on. A slow reader slows the producer down, nobody holds more streams
// than a few, and a server that stops ends them all.
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import type { Ctx } from '../ctx.ts';
import { defineErrors } from '../errors.ts';
import { Reply } from './route.ts';

export interface StreamEvent {
  readonly event: string;
  /** What a client sends as Last-Event-ID to go on behind this. */
  readonly id?: string;
  readonly data: unknown;
}

export interface StreamLimits {
  /** A comment is sent after so long a silence, so that what lies between does not close the connection. */
  readonly beatMs: number;
  /** The stream ends then and the client comes again, with a login that is still good. */
  readonly longestMs: number;
  readonly ofActor: number;
  readonly ofServer: number;
}
export const streamLimits: StreamLimits = { beatMs: 15_000, longestMs: 15 * 60_000, ofActor: 20, ofServer: 500 };

const { fail } = defineErrors({
  'too-many-streams': {
    status: 429,
    title: 'Too many streams are open',
    detail: (p: { most: number; of: string; retryAfterS: number }) =>
      `At most ${p.most} streams of events may be open ${p.of}. Close one, or follow several things in one stream.`,
  },
});

interface Open {
  readonly actor: string;
  readonly abort: AbortController;
}
// By the database of the server that they belong to; a process may have several.
const openOf = new WeakMap<object, Set<Open>>();

/** Ends all streams of a server that stops. */
export function endStreams(database: object): void {
  for (const { abort } of openOf.get(database) ?? []) abort.abort(new Error('the server stops'));
}

const line = (e: StreamEvent): string =>
  `event: ${e.event}\n${e.id === undefined ? '' : `id: ${e.id}\n`}data: ${JSON.stringify(e.data)}\n\n`;

/**
 * The reply that sends what `produce` yields until it returns; null is a moment without news. `signal` ends with the
 * connection, the server and the longest time. Raises `too-many-streams`.
 */
export function eventStream(
  ctx: Ctx,
  produce: (signal: AbortSignal) => AsyncIterable<StreamEvent | null>,
  limits: StreamLimits = streamLimits,
): Reply {
  const all = openOf.get(ctx.database) ?? new Set<Open>();
  openOf.set(ctx.database, all);
  const actor = `${ctx.workspace} ${ctx.actor.kind} ${ctx.actor.id}`;
  const retryAfterS = 10;
  if ([...all].filter((o) => o.actor === actor).length >= limits.ofActor)
    fail('too-many-streams', { most: limits.ofActor, of: 'for one user', retryAfterS });
  if (all.size >= limits.ofServer) fail('too-many-streams', { most: limits.ofServer, of: 'at once on this server', retryAfterS });
  const mine: Open = { actor, abort: new AbortController() };
  all.add(mine);
  const timer = setTimeout(() => mine.abort.abort(), limits.longestMs);
  timer.unref();
  const signal = AbortSignal.any([ctx.signal, mine.abort.signal]);
  const text = async function* (): AsyncGenerator<string> {
    yield 'retry: 2000\n\n';
    let lastMs = performance.now();
    for await (const event of produce(signal)) {
      if (signal.aborted) return;
      if (event === null && performance.now() - lastMs < limits.beatMs) continue;
      lastMs = performance.now();
      yield event === null ? ': still here\n\n' : line(event);
    }
  };
  // Few bytes ahead of the reader: who does not read is not written for.
  const stream = Readable.from(text(), { objectMode: false, highWaterMark: 16 * 1024 });
  stream.once('close', () => {
    clearTimeout(timer);
    all.delete(mine);
    mine.abort.abort();
  });
  return new Reply(200, stream, { 'content-type': 'text/event-stream', 'cache-control': 'no-store', 'x-accel-buffering': 'no' });
}

/** Waits, but not beyond the end of the stream. */
export const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal, ref: false }).then(
    () => undefined,
    () => undefined,
  );
