import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turns } from './turns.ts';

test('Work with one key goes one after the other, also after a failure; other keys do not wait', async () => {
  const inTurn = turns();
  const said: string[] = [];
  const begun = Promise.withResolvers<void>();
  const first = inTurn('a', async () => {
    said.push('first begins');
    await begun.promise;
    said.push('first fails');
    throw new Error('first');
  });
  const second = inTurn('a', async () => said.push('second'));
  await inTurn('b', async () => said.push('other'));
  begun.resolve();
  await assert.rejects(first, { message: 'first' });
  await second;
  assert.deepEqual(said, ['first begins', 'other', 'first fails', 'second']);
});
