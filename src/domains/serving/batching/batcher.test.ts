import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isProblem } from '../../../kernel/errors.ts';
import { openBatcher, type BatcherOptions } from './batcher.ts';

/** A batcher whose runs end when the test says so; an item is answered by itself with its batch. */
function bench(change: Partial<BatcherOptions<string, string>> = {}) {
  const batches: string[][] = [];
  const ends: (() => void)[] = [];
  const batcher = openBatcher<string, string>({
    lanes: 1,
    maxRows: 4,
    maxQueuedRows: 8,
    run: async (items) => {
      batches.push([...items]);
      await new Promise<void>((resolve) => ends.push(resolve));
      return items.map((item) => `${item} of ${items.join('+')}`);
    },
    ...change,
  });
  const submit = (item: string, group = 'g', rows = 1) => batcher.submit(item, { rows, group });
  /** Ends all that runs until nothing is left. */
  const finish = async (): Promise<void> => {
    while (batcher.state().running > 0) {
      for (const end of ends.splice(0)) end();
      await new Promise(setImmediate);
    }
  };
  return { batcher, batches, ends, submit, finish };
}

const problem = (code: string) => (error: unknown) => isProblem(error, code);

test('a lone item runs in the turn in which it comes', async () => {
  const { batches, submit, finish, batcher } = bench();
  const answer = submit('a');
  assert.deepEqual(batches, [['a']]);
  assert.deepEqual(batcher.state(), { queuedRows: 0, running: 1 });
  await finish();
  assert.equal(await answer, 'a of a');
});

test('what comes while the lanes are busy runs together when one is free, the oldest group first', async () => {
  const { batches, submit, finish, batcher } = bench();
  const answers = [submit('a'), submit('b', 'x'), submit('c', 'y'), submit('d', 'x'), submit('e', 'y')];
  assert.equal(batcher.state().queuedRows, 4);
  await finish();
  assert.deepEqual(batches, [['a'], ['b', 'd'], ['c', 'e']]);
  assert.deepEqual(await Promise.all(answers), ['a of a', 'b of b+d', 'c of c+e', 'd of b+d', 'e of c+e']);
});

test('as many batches run at once as there are lanes', async () => {
  const { batches, submit, finish } = bench({ lanes: 2 });
  const answers = ['a', 'b', 'c', 'd'].map((item) => submit(item));
  assert.deepEqual(batches, [['a'], ['b']]);
  await finish();
  assert.deepEqual(batches, [['a'], ['b'], ['c', 'd']]);
  assert.equal((await Promise.all(answers)).length, 4);
});

test('a batch has no more rows than it may, and an item with more runs alone', async () => {
  const { batches, submit, finish } = bench({ maxQueuedRows: 100 });
  const answers = [
    submit('a'),
    submit('b', 'g', 2),
    submit('c', 'g', 2),
    submit('d', 'g', 1),
    submit('large', 'g', 9),
    submit('e'),
    submit('f', 'g', 3),
  ];
  await finish();
  await Promise.all(answers);
  assert.deepEqual(batches, [['a'], ['b', 'c'], ['d'], ['large'], ['e', 'f']]);
});

test('rows beyond the queue are refused at once, with the time after which to ask again', async () => {
  const { submit, finish, batcher } = bench();
  const answers = [submit('a'), submit('b', 'g', 4), submit('c', 'g', 4)];
  await assert.rejects(submit('d'), (error) => isProblem(error, 'serving-overloaded') && error.params.retryAfterS === 1);
  await finish();
  assert.equal((await Promise.all(answers)).length, 3);
  // It has room again, also for an item that is larger than the queue.
  const later = [submit('e'), submit('large', 'g', 50)];
  await assert.rejects(submit('f'), problem('serving-overloaded'));
  await finish();
  assert.deepEqual(await Promise.all(later), ['e of e', 'large of large']);
  assert.deepEqual(batcher.state(), { queuedRows: 0, running: 0 });
});

test('an item whose time is up while it waits is told so then, and is not run', async () => {
  const { batches, submit, finish, batcher } = bench();
  const running = submit('a');
  const late = batcher.submit('b', { rows: 1, group: 'g', deadlineMs: performance.now() + 5 });
  const patient = batcher.submit('c', { rows: 1, group: 'g', deadlineMs: performance.now() + 60_000 });
  await assert.rejects(late, problem('serving-deadline-exceeded'));
  await assert.rejects(
    batcher.submit('d', { rows: 1, group: 'g', deadlineMs: performance.now() }),
    problem('serving-deadline-exceeded'),
    'also one whose time is up before it comes',
  );
  await finish();
  assert.deepEqual(await Promise.all([running, patient]), ['a of a', 'c of c']);
  assert.deepEqual(batches, [['a'], ['c']]);
});

test('an item whose caller is gone is dropped from the queue', async () => {
  const { batches, submit, finish, batcher } = bench();
  const running = submit('a');
  const gone = new AbortController();
  const dropped = batcher.submit('b', { rows: 1, group: 'g', signal: gone.signal });
  const last = submit('c');
  gone.abort(new Error('the caller is gone'));
  await assert.rejects(dropped, /caller is gone/);
  assert.equal(batcher.state().queuedRows, 1);
  await assert.rejects(batcher.submit('d', { rows: 1, group: 'g', signal: gone.signal }), /caller is gone/);
  await finish();
  assert.deepEqual(await Promise.all([running, last]), ['a of a', 'c of c']);
  assert.deepEqual(batches, [['a'], ['c']]);
});

test('many callers that go leave nothing behind in the queue', async () => {
  const { submit, finish, batcher } = bench({ maxQueuedRows: 10 });
  const running = submit('a');
  for (let i = 0; i < 1000; i++) {
    const gone = new AbortController();
    const dropped = batcher.submit(`b${i}`, { rows: 1, group: `g${i}`, signal: gone.signal });
    gone.abort(new Error('gone'));
    await assert.rejects(dropped);
  }
  const kept = submit('c');
  await finish();
  assert.deepEqual([await running, await kept], ['a of a', 'c of c']);
});

test('a batch that throws is run item by item, so that one item fails alone', async () => {
  const runs: string[][] = [];
  const batcher = openBatcher<string, string>({
    lanes: 1,
    maxRows: 8,
    maxQueuedRows: 8,
    run: async (items) => {
      runs.push([...items]);
      await new Promise(setImmediate);
      if (items.includes('poison')) throw new Error('the model chokes');
      return items.map((item) => item.toUpperCase());
    },
  });
  const answers = await Promise.allSettled(['a', 'b', 'poison', 'c'].map((item) => batcher.submit(item, { rows: 1, group: 'g' })));
  assert.deepEqual(
    answers.map((a) => (a.status === 'fulfilled' ? a.value : (a.reason as Error).message)),
    ['A', 'B', 'the model chokes', 'C'],
  );
  assert.deepEqual(runs, [['a'], ['b', 'poison', 'c'], ['b'], ['poison'], ['c']]);
});

test('an answer that is an error fails its item alone, and a wrong number of answers counts as a throw', async () => {
  let count = 0;
  const batcher = openBatcher<string, string>({
    lanes: 1,
    maxRows: 8,
    maxQueuedRows: 8,
    run: async (items) => {
      count++;
      await new Promise(setImmediate);
      if (items.length === 3) return ['too few'];
      return items.map((item) => (item === 'bad' ? new Error('bad item') : item));
    },
  });
  const submit = (item: string) => batcher.submit(item, { rows: 1, group: 'g' });
  const first = await Promise.allSettled(['a', 'bad', 'b'].map(submit));
  assert.deepEqual(
    first.map((a) => a.status),
    ['fulfilled', 'rejected', 'fulfilled'],
  );
  assert.equal(count, 2, 'neighbours of a failed item are not run again');
  const second = await Promise.allSettled(['a', 'b', 'c', 'd'].map(submit));
  assert.deepEqual(
    second.map((a) => a.status === 'fulfilled' && a.value),
    ['a', 'b', 'c', 'd'],
  );
  assert.equal(count, 2 + 1 + 1 + 3);
});

test('closing answers what is in it and takes nothing more', async () => {
  const { submit, finish, batcher } = bench();
  const answers = [submit('a'), submit('b')];
  const closed = batcher.close();
  await assert.rejects(submit('c'), /closed/);
  await finish();
  await closed;
  assert.deepEqual(await Promise.all(answers), ['a of a', 'b of b']);
  await batcher.close();
});

test('batches and waits are told to whoever watches', async () => {
  const seen: { rows: number; items: number; waited: boolean }[] = [];
  const { submit, finish } = bench({ observe: ({ rows, items, waitedMs }) => seen.push({ rows, items, waited: waitedMs >= 0 }) });
  const answers = [submit('a', 'g', 3), submit('b', 'g', 2), submit('c', 'g', 2)];
  await finish();
  await Promise.all(answers);
  assert.deepEqual(seen, [
    { rows: 3, items: 1, waited: true },
    { rows: 4, items: 2, waited: true },
  ]);
});

test('ten thousand items of mixed groups each get their own answer', async () => {
  const batcher = openBatcher<{ group: number; value: number }, number>({
    lanes: 3,
    maxRows: 64,
    maxQueuedRows: 40_000,
    run: async (items) => {
      await new Promise(setImmediate);
      assert.equal(new Set(items.map((i) => i.group)).size, 1);
      if (items.length > 1 && items.some((i) => i.value % 97 === 0)) throw new Error('poison');
      return items.map(({ value }) => (value % 97 === 0 ? new Error(String(value)) : value));
    },
  });
  const answers = await Promise.allSettled(
    Array.from({ length: 10_000 }, (_, value) => {
      const group = (value * 7919) % 13;
      return batcher.submit({ group, value }, { rows: 1 + (value % 5), group: String(group) });
    }),
  );
  answers.forEach((answer, value) => {
    if (value % 97 === 0) assert.ok(answer.status === 'rejected' && (answer.reason as Error).message === String(value));
    else assert.ok(answer.status === 'fulfilled' && answer.value === value);
  });
});
