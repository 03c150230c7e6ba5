// Windows that are read before they are asked for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReadAhead, type Read } from './service/read-ahead.ts';

const spanOf = (fromUs: number) => ({ fromUs, toUs: fromUs + 10 });

/** Reads two windows of ten at once; says how often it was asked. */
function reader(failing: () => boolean = () => false) {
  const asked: number[] = [];
  const ahead = new ReadAhead<string>(async ({ fromUs }): Promise<Read<string>> => {
    asked.push(fromUs);
    await Promise.resolve();
    if (failing()) throw new Error('the file is gone');
    return { windows: new Map([[fromUs, `from ${fromUs}`]]), untilUs: fromUs + 20 };
  });
  return { ahead, asked };
}

test('What was begun is not read again, and what lies in the same batch is there', async () => {
  const { ahead, asked } = reader();
  ahead.begin(spanOf(0));
  ahead.begin(spanOf(0));
  assert.equal(await ahead.take(spanOf(0)), 'from 0');
  assert.equal(await ahead.take(spanOf(10)), undefined, 'a window without anything');
  ahead.begin(spanOf(10));
  assert.equal(await ahead.take(spanOf(20)), 'from 20');
  assert.deepEqual(asked, [0, 20]);
});

test('Another window than the one that was begun is read for itself', async () => {
  const { ahead, asked } = reader();
  ahead.begin(spanOf(0));
  assert.equal(await ahead.take(spanOf(40)), 'from 40');
  assert.deepEqual(asked, [0, 40]);
});

test('What goes wrong is told to whoever takes the window, and the next one reads again', async () => {
  let fails = true;
  const { ahead, asked } = reader(() => fails);
  ahead.begin(spanOf(0));
  await ahead.settled();
  await assert.rejects(ahead.take(spanOf(0)), /the file is gone/);
  fails = false;
  assert.equal(await ahead.take(spanOf(0)), 'from 0');
  assert.deepEqual(asked, [0, 0]);
});
