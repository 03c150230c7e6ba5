import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { doubles, keptLog, mlflowPython, pythonModels, texts } from '../../fixtures/python-models.ts';
import { openPythonTensors, type PythonOptions } from './python-model.ts';

async function open(t: TestContext, options: Partial<PythonOptions> = {}) {
  const log = keptLog();
  const session = await openPythonTensors(join(pythonModels(), 'behaving'), {
    interpreter: mlflowPython(),
    log,
    name: 'behaving',
    ...options,
  });
  t.after(() => session.release());
  const ask = async (x: number, what = ''): Promise<number> =>
    Number((await session.run([doubles('x', [x]), texts('do', [what])], ['predictions']))[0]!.data[0]);
  return { session, log, ask };
}

test('a process that is killed takes its own batch with it, and nothing that waits', async (t) => {
  const { session, log, ask } = await open(t);
  for (let round = 1; round <= 2; round++) {
    const inFlight = ask(1, 'slow');
    const waiting = Array.from({ length: 20 }, (_, i) => ask(i));
    process.kill(session.workers().workers[0]!.pid!, 'SIGKILL');
    await assert.rejects(inFlight, { code: 'model-process-ended', status: 503, message: /was ended by SIGKILL/ });
    assert.deepEqual(
      await Promise.all(waiting),
      Array.from({ length: 20 }, (_, i) => i),
    );
    const [first] = session.workers().workers;
    assert.equal(first!.restarts, round);
    const { loadMs } = (await log.seen('serving.python.started', round)) as unknown as { loadMs: number };
    assert.ok(loadMs > 0);
  }
});

test('a signal to all processes, as a terminal and a container send it, ends none that has something to do', async (t) => {
  const { session, ask } = await open(t);
  const { pid } = session.workers().workers[0]!;
  assert.equal(await ask(1), 1);
  const inFlight = ask(2, 'slow');
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pid!, signal);
  assert.equal(await inFlight, 2);
  assert.deepEqual([session.workers().workers[0]!.pid, session.workers().workers[0]!.restarts], [pid, 0]);
});

test('with two processes one goes on while the other is away, and a batch that runs too long ends only its own', async (t) => {
  const { session, log, ask } = await open(t, { workers: 2, limits: { batchMs: 400 } });
  await log.seen('serving.python.started');
  const hanging = ask(1, 'hang');
  // The other process answers meanwhile.
  assert.equal(await ask(2), 2);
  await assert.rejects(hanging, { code: 'model-took-too-long', status: 504, message: /longer than 400 ms/ });
  assert.equal(await ask(3), 3);
  await log.seen('serving.python.started', 2);
  assert.deepEqual(
    session
      .workers()
      .workers.map((w) => w.restarts)
      .sort(),
    [0, 1],
  );
});

test('a process that holds too much memory is stopped, and a step that wants too much at once fails alone', async (t) => {
  const { session, log, ask } = await open(t, { limits: { memoryMb: 500 } });
  await assert.rejects(ask(1, 'gulp'), { message: 'the model needs more memory than it may use' });
  assert.equal(session.workers().workers[0]!.restarts, 0);
  if (existsSync('/proc/self/statm')) {
    await assert.rejects(ask(1, 'eat'), { code: 'model-process-ended', message: /more than the 500 MB that it may/ });
    await log.seen('serving.python.started');
  }
  assert.equal(await ask(4), 4);
});

test('a process that ends at each start is tried again after a growing wait, and callers are told at once', async (t) => {
  const { log, ask } = await open(t, { firstRestMs: 1500 });
  await assert.rejects(ask(1, 'die'), { code: 'model-process-ended', message: /exit code 9/ });
  // The first start after that is at once, so what comes now waits for it.
  const next = ask(1, 'die');
  await assert.rejects(next, { code: 'model-process-ended' });
  await assert.rejects(ask(2), { code: 'model-process-away', status: 503 });
  await log.seen('serving.python.started', 2);
  assert.equal(await ask(3), 3);
});

test('a release answers what is under way, and a process that is stuck is stopped', async (t) => {
  const { session, ask } = await open(t);
  const [pid] = session.workers().workers.map((w) => w.pid!);
  const last = ask(7, 'slow');
  await Promise.all([session.release(), last.then((x) => assert.equal(x, 7))]);
  assert.throws(() => process.kill(pid!, 0), { code: 'ESRCH' });
  await assert.rejects(ask(8), { code: 'model-process-away' });
});
