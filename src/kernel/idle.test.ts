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
  const short = (calls: readonly { readonly arguments: readonly unknown[] }[]): number[] =>
    calls.map((call) => Number(call.arguments[1])).filter((ms) => ms < FEW_SECONDS_MS);
  assert.ok(repeated.mock.callCount() > 0);
  assert.deepEqual(short(repeated.mock.calls), []);
  // PostgreSQL may tell late of a commit before; that is gathered once, and on SQLite there is nothing to tell.
  const waits = short(once.mock.calls);
  assert.deepEqual(waits, kind === 'postgres' ? waits.slice(0, 1).filter((ms) => ms === GATHER_MS) : []);
});
