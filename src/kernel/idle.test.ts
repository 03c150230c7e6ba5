import assert from 'node:assert/strict';
import { eachDatabase, openTestDatabase } from '../../test/support/databases.ts';
import { GATHER_MS } from './events/subscribers.ts';
import { kernelSchema, openSmallPlatform } from '../../test/support/small-platform.ts';

const FEW_SECONDS_MS = 3000;

eachDatabase('with nothing to do, nothing in the kernel looks more often than every few seconds', async (t, kind) => {
  const database = await openTestDatabase(t, kind, kernelSchema);
  const repeated = t.mock.method(globalThis, 'setInterval');
  const { subscribers, worker, headSeq } = await openSmallPlatform(t, database, {
    subscribers: [{ name: 'any', handle: async () => undefined }],
  });
  await subscribers.drain();
  await headSeq();
  const once = t.mock.method(globalThis, 'setTimeout');
  await worker.drain();
  const delays = [...repeated.mock.calls, ...once.mock.calls].map((call) => Number(call.arguments[1]));
  assert.ok(delays.length > 0);
  assert.deepEqual(
    // A moment to gather after news of a commit, which may come late from another process, is no look.
    delays.filter((ms) => ms < FEW_SECONDS_MS && ms !== GATHER_MS),
    [],
  );
});
