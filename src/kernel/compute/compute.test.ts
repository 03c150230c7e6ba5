import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { isProblem } from '../errors.ts';
import { openBudget } from './budget.ts';
import { openCompute, sqlName, sqlText, type ComputeOptions } from './compute.ts';

function open(t: TestContext, options: Partial<ComputeOptions> = {}) {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-compute-'));
  const compute = openCompute({ dir, memoryMb: 512, threads: 1, ...options });
  t.after(async () => {
    await compute.close();
    rmSync(dir, { recursive: true, force: true });
  });
  const ask = (rows: string, signal?: AbortSignal) => compute.run({ what: 'a question', statements: [], rows }, signal);
  return { compute, dir, ask };
}

const ENDLESS = 'select count(*) from range(100000000000) a, range(1000) b';

/** Whether a process is there; one that only waits to be reaped is not. */
const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

async function until(condition: () => boolean): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (condition()) return;
    await delay(5);
  }
  throw new Error('it never came to that');
}

test('values come back as plain JavaScript, without a digit lost', async (t) => {
  const { ask } = open(t);
  const { columns, rows } =
    await ask(`select 1::bigint as i, 9007199254740993::bigint as big, 1.25::decimal(9, 2) as d, 'ä' as s, true as b, null as n,
    timestamp '2013-01-01 00:00:00.000001' as at, date '2013-01-01' as day, [1, 2] as list, {'a': 1} as struct, 'nan'::double as nan`);
  assert.deepEqual(rows, [
    {
      i: 1,
      big: '9007199254740993',
      d: 1.25,
      s: 'ä',
      b: true,
      n: null,
      at: 1_356_998_400_000_001,
      day: '2013-01-01',
      list: [1, 2],
      struct: { a: 1 },
      nan: Number.NaN,
    },
  ]);
  assert.deepEqual(columns[0], { name: 'i', type: 'BIGINT' });
  const days = await ask(`select 'infinity'::date as never, date '0044-03-15 (BC)' as ides, make_date(20000, 1, 1) as far`);
  assert.deepEqual(days.rows, [{ never: 'infinity', ides: '0044-03-15 (BC)', far: '20000-01-01' }]);
});

test('columns of numbers come back as arrays, whatever their length and type', async (t) => {
  const { compute } = open(t);
  const { numbers, rows } = await compute.run({
    what: 'numbers',
    statements: [],
    numbers: ['select i, i / 2 as half, nullif(i, 1) as gap from range(5000) t(i)', 'select 1.25::decimal(9, 2) as d where false'],
  });
  const [[i, half, gap], [none]] = numbers as [Float64Array[], Float64Array[]];
  assert.deepEqual([i!.length, i![4999], half![4999], gap![0], gap![1], none], [5000, 4999, 2499.5, 0, Number.NaN, new Float64Array()]);
  assert.deepEqual(rows, []);
});

test('names and texts of SQL survive quotes', async (t) => {
  const { ask } = open(t);
  assert.deepEqual((await ask(`select ${sqlText(`it's "so"`)} as ${sqlName('a "b"')}`)).rows, [{ 'a "b"': `it's "so"` }]);
});

test('a process is used again, and each query starts from nothing', async (t) => {
  const { compute, ask } = open(t);
  await compute.run({ what: 'a table', statements: [{ sql: 'create table left_behind as select 1 as x' }] });
  const pids = compute.pids();
  await assert.rejects(ask('select * from left_behind'), (error) => isProblem(error, 'compute-sql-invalid'));
  assert.deepEqual(compute.pids(), pids);
});

test('a process without work ends by itself', async (t) => {
  const { compute, ask } = open(t, { idleMs: 30 });
  await ask('select 1');
  const [pid] = compute.pids();
  await until(() => compute.pids().length === 0);
  assert.equal(isAlive(pid!), false);
  assert.deepEqual((await ask('select 2 as two')).rows, [{ two: 2 }]);
});

test('cancelling kills the process and what it wrote for itself; others go on', async (t) => {
  const { compute, dir, ask } = open(t);
  const abort = new AbortController();
  const endless = ask(ENDLESS, abort.signal);
  await until(() => compute.pids().length === 1 && readdirSync(dir).length === 1);
  const [pid] = compute.pids();
  const other = ask('select 1 as one');
  abort.abort();
  await assert.rejects(endless, (error) => isProblem(error, 'compute-cancelled') && error.status === 409);
  assert.deepEqual((await other).rows, [{ one: 1 }]);
  await until(() => !isAlive(pid!));
  await until(() => readdirSync(dir).length === 0);
});

test('what was cancelled before or while it waited starts no process', async (t) => {
  const { compute, ask } = open(t, { maxProcesses: 1 });
  await assert.rejects(ask('select 1', AbortSignal.abort()), (error) => isProblem(error, 'compute-cancelled'));
  assert.equal(compute.pids().length, 0);
  const [first, second] = [new AbortController(), new AbortController()];
  const running = ask(ENDLESS, first.signal);
  const waiting = ask('select 1', second.signal);
  second.abort();
  await assert.rejects(waiting, (error) => isProblem(error, 'compute-cancelled'));
  first.abort();
  await assert.rejects(running, (error) => isProblem(error, 'compute-cancelled'));
  assert.deepEqual((await ask('select 3 as three')).rows, [{ three: 3 }]);
});

test('a query whose process is killed is run once more; killed again, it fails and says so', async (t) => {
  const { compute, ask } = open(t, { maxProcesses: 1 });
  const killed = ask(ENDLESS);
  await until(() => compute.pids().length === 1);
  const [first] = compute.pids();
  process.kill(first!, 'SIGKILL');
  await until(() => compute.pids().length === 1 && compute.pids()[0] !== first);
  process.kill(compute.pids()[0]!, 'SIGKILL');
  await assert.rejects(killed, (error) => isProblem(error, 'compute-failed'));
  assert.deepEqual((await ask('select 1 as one')).rows, [{ one: 1 }]);
});

test('an idle process that was killed is replaced', async (t) => {
  const { compute, ask } = open(t);
  await ask('select 1');
  const [pid] = compute.pids();
  process.kill(pid!, 'SIGKILL');
  assert.deepEqual((await ask('select 2 as two')).rows, [{ two: 2 }]);
});

test('closing ends what runs and what waits, and what comes later', async (t) => {
  const { compute, ask } = open(t, { maxProcesses: 1 });
  const outcomes = Promise.allSettled([ask(ENDLESS), ask('select 1')]);
  await until(() => compute.pids().length === 1);
  const [pid] = compute.pids();
  await compute.close();
  assert.deepEqual(
    (await outcomes).map((o) => o.status),
    ['rejected', 'rejected'],
  );
  await assert.rejects(ask('select 1'), /closed/);
  await until(() => !isAlive(pid!));
});

test('what a killed server left in its temporary folder is removed when the next one starts', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-compute-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  mkdirSync(join(dir, 'tmp-1'));
  writeFileSync(join(dir, 'tmp-1', 'spilled'), 'x');
  openCompute({ dir, memoryMb: 512, threads: 1 });
  assert.deepEqual(readdirSync(dir), []);
});

test('memory and processes are never handed out twice, and nobody is overtaken', async () => {
  const budget = openBudget(100, 3);
  const order: string[] = [];
  const take = async (name: string, memoryMb: number) => {
    const giveBack = await budget.take(memoryMb);
    order.push(name);
    return giveBack;
  };
  const [a, b] = [await take('a', 40), await take('b', 40)];
  const large = take('large', 90);
  const small = take('small', 10);
  await delay(0);
  assert.deepEqual(order, ['a', 'b']);
  a();
  await delay(0);
  // 60 are free, but the large one comes first.
  assert.deepEqual(order, ['a', 'b']);
  b();
  (await large)();
  (await small)();
  assert.deepEqual(order, ['a', 'b', 'large', 'small']);
});

test('one that stops waiting lets the next one through', async () => {
  const budget = openBudget(100, 3);
  const first = await budget.take(50);
  const abort = new AbortController();
  const large = budget.take(90, abort.signal);
  const small = budget.take(10);
  abort.abort(new Error('not any more'));
  await assert.rejects(large, /not any more/);
  (await small)();
  first();
  (await budget.take(100))();
});
