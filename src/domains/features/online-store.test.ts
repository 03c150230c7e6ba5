import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import fc from 'fast-check';
import { openOnlineReader, openOnlineWriter, type FactRow, type OnlineView } from './online-store.ts';

const view: OnlineView = { name: 'v', entity: ['e'], columns: [{ name: 'x', type: 'number' }], ttlUs: 100 };
const row = (entity: string, occurredAtUs: number, knownAtUs: number, x: number): FactRow => ({
  entity: [entity],
  occurredAtUs,
  knownAtUs,
  values: [x],
});

function store(t: TestContext, declared: OnlineView = view) {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-online-'));
  const writer = openOnlineWriter(join(dir, 'online.sqlite'));
  writer.declare(declared);
  const reader = openOnlineReader(join(dir, 'online.sqlite'));
  t.after(() => {
    reader.close();
    writer.close();
    rmSync(dir, { recursive: true });
  });
  return { writer, reader, at: (asOf: number, entity = 'a') => reader.read('v', [entity], asOf)?.values[0] };
}

test('A fact is served from the microsecond it is known, never before', (t) => {
  const { writer, at } = store(t);
  writer.append('v', [row('a', 10, 20, 1), row('a', 30, 40, 2)]);
  assert.deepEqual(
    [19, 20, 39, 40].map((asOf) => at(asOf)),
    [undefined, 1, 1, 2],
  );
});

test('The TTL counts from when the fact occurred, and its last microsecond still counts', (t) => {
  const { writer, at } = store(t);
  writer.append('v', [row('a', 10, 50, 1)]);
  assert.deepEqual(
    [110, 111].map((asOf) => at(asOf)),
    [1, undefined],
  );
});

test('Without a TTL a fact is served for ever, and one known from the beginning at every time', (t) => {
  const { writer, at } = store(t, { ...view, ttlUs: null });
  writer.append('v', [row('a', 0, 0, 7)]);
  assert.equal(at(Number.MAX_SAFE_INTEGER), 7);
});

test('A fact that is older than one already known is left out, an equal one known later is a correction', (t) => {
  const { writer, at } = store(t);
  assert.deepEqual(writer.append('v', [row('a', 10, 20, 1), row('a', 9, 25, 2), row('a', 10, 30, 3)]), { kept: 2, leftOut: 1 });
  assert.deepEqual(
    [25, 29, 30].map((asOf) => at(asOf)),
    [1, 1, 3],
  );
});

test('Of two facts known at the same moment the one that occurred later is served', (t) => {
  const { writer, at } = store(t);
  writer.append('v', [row('a', 10, 20, 1), row('a', 12, 20, 2), row('b', 12, 20, 4), row('b', 10, 20, 3)]);
  assert.deepEqual([at(20), at(20, 'b')], [2, 4]);
});

test('Keys are told apart by type and by position', (t) => {
  const { writer, reader } = store(t, { ...view, entity: ['e', 'f'] });
  writer.append('v', [
    { ...row('', 1, 1, 1), entity: ['1', 'a'] },
    { ...row('', 1, 1, 2), entity: [1, 'a'] },
    { ...row('', 1, 1, 3), entity: ['a', '1'] },
  ]);
  assert.deepEqual(
    [
      ['1', 'a'],
      [1, 'a'],
      ['a', '1'],
    ].map((key) => reader.read('v', key, 1)?.values[0]),
    [1, 2, 3],
  );
});

test('Values of every type come back as they were, with nulls and integers beyond 2^53', (t) => {
  const columns = [
    { name: 'n', type: 'number' },
    { name: 'i', type: 'integer' },
    { name: 's', type: 'string' },
    { name: 'b', type: 'boolean' },
    { name: 'z', type: 'number' },
  ] as const;
  const { writer, reader } = store(t, { ...view, columns });
  const values = [
    [-0.1, 42, 'Zürich ✈', true, null],
    [1e300, 9007199254740993n, '', false, NaN],
    [null, null, null, null, null],
  ];
  values.forEach((v, i) => writer.append('v', [{ entity: [`k${i}`], occurredAtUs: 1, knownAtUs: 1, values: v }]));
  assert.deepEqual(
    values.map((_, i) => reader.read('v', [`k${i}`], 1)?.values),
    [values[0], [1e300, 9007199254740993n, '', false, null], values[2]],
  );
  assert.throws(
    () => writer.append('v', [{ entity: ['k'], occurredAtUs: 1, knownAtUs: 1, values: ['x', 1, 's', true, 1] }]),
    /"n" is declared number/,
  );
});

test('Repeating a batch changes nothing, and a batch that fails half way leaves nothing', (t) => {
  const { writer, at } = store(t);
  const batch = [row('a', 10, 20, 1), row('a', 9, 25, 2), row('a', 30, 40, 3)];
  writer.append('v', batch);
  writer.append('v', batch);
  assert.deepEqual(
    [20, 25, 40].map((asOf) => at(asOf)),
    [1, 1, 3],
  );
  assert.throws(() => writer.append('v', [row('a', 50, 60, 9), { ...row('a', 70, 80, 0), values: ['text'] }]));
  assert.equal(at(60), 3);
});

test('Pruning removes only what no later read can return', (t) => {
  const { writer, at } = store(t);
  writer.append('v', [row('a', 10, 10, 1), row('a', 200, 200, 2), row('b', 150, 150, 3)]);
  assert.equal(writer.prune('v', 250), 1);
  assert.deepEqual([at(250), at(250, 'b')], [2, 3]);
});

test('A view declared again with other columns begins empty; a reader that is open finds new views', (t) => {
  const { writer, reader, at } = store(t);
  writer.append('v', [row('a', 1, 1, 1)]);
  writer.declare({ ...view, name: 'w' });
  writer.append('w', [row('a', 1, 1, 5)]);
  assert.equal(reader.read('w', ['a'], 1)?.values[0], 5);
  writer.declare({ ...view, columns: [{ name: 'y', type: 'number' }] });
  assert.equal(at(1), undefined);
});

// The rule itself, by brute force: of all facts known at t the one that occurred last; of those the one known last.
test('Whatever the order of arrival, the store answers as the rule over all facts does', (t) => {
  const fact = fc.record({ occurredAtUs: fc.integer({ min: 0, max: 12 }), delay: fc.integer({ min: 0, max: 6 }), x: fc.integer() });
  fc.assert(
    fc.property(
      fc.uniqueArray(fact, { selector: (f) => `${f.occurredAtUs}:${f.delay}`, maxLength: 12 }),
      fc.integer({ min: 1, max: 9 }),
      (facts, ttlUs) => {
        const { writer, at } = store(t, { ...view, ttlUs });
        for (const f of facts) writer.append('v', [row('a', f.occurredAtUs, f.occurredAtUs + f.delay, f.x)]);
        for (let asOf = 0; asOf < 24; asOf++) {
          const known = facts
            .filter((f) => f.occurredAtUs + f.delay <= asOf)
            .sort((a, b) => a.occurredAtUs - b.occurredAtUs || a.delay - b.delay);
          const newest = known.at(-1);
          const expected = newest && newest.occurredAtUs >= asOf - ttlUs ? newest.x : undefined;
          assert.equal(at(asOf), expected, `as of ${asOf}`);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('A reader finds the facts of a view that was filled anew while it was open', (t) => {
  const { writer, reader, at } = store(t);
  writer.declare({ ...view, name: 'other' });
  writer.append('v', [row('a', 10, 20, 1)]);
  assert.equal(at(20), 1);
  writer.remove('v');
  writer.declare({ ...view, columns: [{ name: 'y', type: 'string' }] });
  writer.append('v', [{ entity: ['a'], occurredAtUs: 10, knownAtUs: 20, values: ['new'] }]);
  assert.deepEqual(reader.read('v', ['a'], 20)?.values, ['new']);
});

test('A fill that ends early leaves the facts and the mark of before', async (t) => {
  const { writer, at } = store(t);
  writer.append('v', [row('a', 10, 20, 1)]);
  writer.mark('v', 'first');
  await assert.rejects(
    writer.atomically(async () => {
      writer.remove('v');
      writer.declare(view);
      writer.append('v', [row('a', 10, 20, 2)]);
      writer.mark('v', 'second');
      throw new Error('killed');
    }),
    /killed/,
  );
  assert.deepEqual([at(20), writer.held('v')], [1, 'first']);
});
