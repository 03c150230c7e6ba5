import assert from 'node:assert/strict';
import Type from './json-schema.ts';
import { eachDatabase } from '../../../test/support/databases.ts';
import { openTestServer } from '../../../test/support/http.ts';
import { fail } from '../errors.ts';
import { Reply, route } from './route.ts';

/** A route that makes something, and says how often it did. */
function makingRoute() {
  const made: string[] = [];
  let gate = Promise.resolve();
  const making = route({
    method: 'POST',
    path: '/things',
    permission: 'system:read',
    summary: 'Make a thing',
    errors: [],
    body: Type.Object({ name: Type.String() }),
    idempotent: true,
    handler: async (_ctx, { body }) => {
      if (body.name === 'bad') fail('not-found', { kind: 'thing', id: 'bad' });
      made.push(body.name);
      await gate;
      return new Reply(201, { number: made.length, name: body.name });
    },
  });
  return { making, made, hold: (until: Promise<void>) => void (gate = until) };
}

const key = (value: string, more: Record<string, string> = {}) => ({ 'idempotency-key': value, ...more });

eachDatabase('the same key with the same request gets the same reply and is done once', async (t, kind) => {
  const { making, made } = makingRoute();
  const { ask } = await openTestServer(t, [making], { kind });
  const first = await ask('POST', '/things', { name: 'a' }, key('k1'));
  const second = await ask('POST', '/things', { name: 'a' }, key('k1'));
  assert.deepEqual([first.status, first.json(), first.headers['idempotent-replay']], [201, { number: 1, name: 'a' }, undefined]);
  assert.deepEqual([second.status, second.json(), second.headers['idempotent-replay']], [201, { number: 1, name: 'a' }, 'true']);
  assert.deepEqual(made, ['a']);
  await ask('POST', '/things', { name: 'a' });
  await ask('POST', '/things', { name: 'a' }, key('k2'));
  assert.equal(made.length, 3);
});

eachDatabase('a key belongs to one request of one user in one workspace', async (t, kind) => {
  const { making, made } = makingRoute();
  const { ask } = await openTestServer(t, [making], { kind });
  await ask('POST', '/things', { name: 'a' }, key('k'));
  const other = await ask('POST', '/things', { name: 'b' }, key('k'));
  assert.deepEqual([other.status, other.json().code], [422, 'idempotency-key-reused']);
  assert.equal((await ask('POST', '/things', { name: 'b' }, key('k', { 'x-user': 'bob' }))).status, 201);
  assert.equal((await ask('POST', '/things', { name: 'b' }, key('k', { 'x-workspace': 'other' }))).status, 201);
  assert.deepEqual(made, ['a', 'b', 'b']);
});

eachDatabase('of many requests at once with one key, one does the work and none does it again', async (t, kind) => {
  const { making, made, hold } = makingRoute();
  const { ask } = await openTestServer(t, [making], { kind });
  let letGo: () => void = () => undefined;
  hold(new Promise((resolve) => (letGo = resolve)));
  const answers = Array.from({ length: 6 }, () => ask('POST', '/things', { name: 'a' }, key('k')));
  // The five that came later are answered while the first one is still at work.
  let early = 0;
  await new Promise<void>((resolve) => {
    for (const answer of answers) void answer.then(() => ++early === 5 && resolve());
  });
  letGo();
  const done = await Promise.all(answers);
  assert.deepEqual(done.map((a) => a.status).toSorted(), [201, 409, 409, 409, 409, 409]);
  assert.equal(done.find((a) => a.status === 409)!.json().code, 'idempotency-in-progress');
  assert.deepEqual(made, ['a']);
  assert.equal((await ask('POST', '/things', { name: 'a' }, key('k'))).status, 201);
  assert.deepEqual(made, ['a']);
});

eachDatabase('a request that failed has done nothing, so its key is free again', async (t, kind) => {
  const { making, made } = makingRoute();
  const { ask } = await openTestServer(t, [making], { kind });
  assert.equal((await ask('POST', '/things', { name: 'bad' }, key('k'))).status, 404);
  assert.equal((await ask('POST', '/things', { name: 1 }, key('k'))).status, 400);
  assert.equal((await ask('POST', '/things', { name: 'good' }, key('k'))).status, 201);
  assert.deepEqual(made, ['good']);
});

eachDatabase('a key is forgotten after a day', async (t, kind) => {
  const { making, made } = makingRoute();
  const { ask, clock } = await openTestServer(t, [making], { kind });
  await ask('POST', '/things', { name: 'a' }, key('k'));
  clock.advance(24 * 3_600_000);
  await ask('POST', '/things', { name: 'a' }, key('k'));
  assert.equal(made.length, 1);
  clock.advance(1);
  await ask('POST', '/things', { name: 'b' }, key('k'));
  assert.deepEqual(made, ['a', 'b']);
});

eachDatabase('a key that cannot be kept is refused', async (t, kind) => {
  const { making, made } = makingRoute();
  const { ask } = await openTestServer(t, [making], { kind });
  for (const bad of ['', 'x'.repeat(256), 'with space', 'ä'])
    assert.equal((await ask('POST', '/things', { name: 'a' }, key(bad))).json().code, 'invalid-input', bad);
  assert.deepEqual(made, []);
});
