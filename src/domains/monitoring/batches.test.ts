// Windows that are read together.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Batches, type Read } from './service/batches.ts';

const spanOf = (fromUs: number) => ({ fromUs, toUs: fromUs + 10 });

/** Reads two windows of ten at once; says how often it was asked. */
function reader(failing: () => boolean = () => false) {
  const asked: number[] = [];
  const batches = new Batches<string>(async ({ fromUs }): Promise<Read<string>> => {
    asked.push(fromUs);
    if (failing()) throw new Error('the file is gone');
    return { windows: new Map([[fromUs, `from ${fromUs}`]]), untilUs: fromUs + 20 };
  });
  return { batches, asked };
}

test('What lies in the same batch is not read again', async () => {
  const { batches, asked } = reader();
  assert.equal(await batches.take(spanOf(0)), 'from 0');
  assert.equal(await batches.take(spanOf(10)), undefined, 'a window without anything');
  assert.equal(await batches.take(spanOf(20)), 'from 20');
  assert.deepEqual(asked, [0, 20]);
});

test('What goes wrong is told to whoever takes the window, and the next one reads again', async () => {
  let fails = true;
  const { batches, asked } = reader(() => fails);
  await assert.rejects(batches.take(spanOf(0)), /the file is gone/);
  fails = false;
  assert.equal(await batches.take(spanOf(0)), 'from 0');
  assert.deepEqual(asked, [0, 0]);
});
