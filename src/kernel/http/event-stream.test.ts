import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Readable } from 'node:stream';
import { openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import { isProblem } from '../errors.ts';
import { endStreams, eventStream, pause, type StreamEvent } from './event-stream.ts';

const limits = { beatMs: 1000, longestMs: 60_000, ofActor: 2, ofServer: 3 };

test('a reader that does not read is not written for', async (t) => {
  const { ctx } = await openSmallPlatform(t, await openTestDatabase(t, 'sqlite', kernelSchema));
  let made = 0;
  let ended = false;
  const stream = eventStream(
    ctx(),
    async function* (): AsyncGenerator<StreamEvent> {
      try {
        for (;;) yield { event: 'e', id: String(++made), data: 'x'.repeat(1000) };
      } finally {
        ended = true;
      }
    },
    limits,
  ).body as Readable;
  const [first] = (await stream.take(2).toArray()) as Buffer[];
  assert.equal(String(first), 'retry: 2000\n\n');
  assert.ok(made < 40, `${made} events were made for nobody`);
  assert.equal(ended, true);
});

test('silence is broken by comments, and a stream ends when its time is over or the server stops', async (t) => {
  const { ctx } = await openSmallPlatform(t, await openTestDatabase(t, 'sqlite', kernelSchema));
  const silent = async function* (signal: AbortSignal): AsyncGenerator<null> {
    for (;;) {
      yield null;
      await pause(5, signal);
    }
  };
  const text = String(
    Buffer.concat((await (eventStream(ctx(), silent, { ...limits, beatMs: 0, longestMs: 50 }).body as Readable).toArray()) as Buffer[]),
  );
  assert.match(text, /^retry: 2000\n\n(: still here\n\n)+$/);
  const open = [eventStream(ctx(), silent, limits), eventStream(ctx(), silent, limits)];
  assert.throws(
    () => eventStream(ctx(), silent, limits),
    (e) => isProblem(e, 'too-many-streams'),
  );
  endStreams(ctx().database);
  for (const { body } of open) assert.equal(((await (body as Readable).toArray()) as unknown[]).length, 1);
  assert.doesNotThrow(() => (eventStream(ctx(), silent, limits).body as Readable).destroy());
});
