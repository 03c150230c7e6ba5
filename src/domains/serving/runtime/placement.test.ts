import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isProblem } from '../../../kernel/errors.ts';
import { folder, sealModel } from '../fixtures/plane.ts';
import { requireDigest } from './model-file.ts';
import { measure, outputNames, placeModel, placeTensors, processOf, tensorsLike } from './placement.ts';
import { openInProcess, ProcessEnded } from './process-session.ts';

const fixture = (name: string): string => join(import.meta.dirname, `../fixtures/${name}.onnx`);

test('A quick model runs in this thread, a slow one and one that asks for it in a process; the answers are the same', async (t) => {
  const here = await placeModel(fixture('late'), ['probabilities'], { inlineMs: 1000 });
  assert.ok(here.runNow && here.placement!.where === 'inline' && here.placement!.rowMs! > 0, JSON.stringify(here.placement));
  const slow = await placeModel(fixture('late'), ['probabilities'], { inlineMs: 0 });
  t.after(() => slow.release());
  assert.equal(slow.runNow, undefined);
  assert.deepEqual([slow.placement!.where, slow.placement!.rowMs! > 0], ['process', true]);
  assert.match(slow.placement!.because, /a row took \d+\.\d\d ms, more than 0 ms/);
  const own = await placeModel(fixture('late'), ['probabilities'], { own: true });
  t.after(() => own.release());
  assert.deepEqual([own.placement!.where, own.placement!.because], ['process', 'it was asked for']);
  const column = (i: number) =>
    [
      ['UA', 'DL'],
      [7, 20],
      [1.5, NaN],
      [3, 4],
    ][i]!;
  const expected = here.runNow!(2, column, ['probabilities', 'label']);
  for (const session of [here, slow, own]) assert.deepEqual(await session.run(2, column, ['probabilities', 'label']), expected);
  await here.release();
});

test('What is read back from a process is what the model gives here, and what it refuses is told', async (t) => {
  const here = await placeTensors(fixture('matrix'));
  const there = await placeTensors(fixture('matrix'), { own: true });
  t.after(() => Promise.all([here.release(), there.release()]));
  let n = 0;
  const inputs = tensorsLike(here, 5, () => ++n / 7);
  assert.deepEqual(await there.run(inputs, outputNames(there)), await here.run(inputs, outputNames(here)));
  const [first, ...others] = inputs;
  const wrong = [{ ...first!, type: 'float64', data: new Float64Array(first!.data.length) }, ...others];
  for (const session of [here, there]) await assert.rejects(session.run(wrong, outputNames(session)), /data type|typed array/i);
  for (const session of [here, there])
    await assert.rejects(
      session.run([{ ...first!, shape: [1000, ...first!.shape.slice(1)] }, ...others], outputNames(session)),
      /its shape wants/,
    );
});

test('A process that is killed fails what is in it, and the next call finds a new one', async (t) => {
  const told: string[] = [];
  const session = await openInProcess(fixture('matrix'), (why) => told.push(why));
  t.after(() => session.release());
  const [spec] = session.inputMetadata;
  const width = (spec as unknown as { shape: number[] }).shape[1]!;
  const feeds = { [spec!.name]: { type: 'float32', dims: [1, width], data: new Float32Array(width), location: 'cpu' as const } };
  const outputs = session.outputMetadata.filter((o) => o.isTensor).map((o) => o.name);
  const expected = await session.run(feeds, outputs);
  const pid = session.pid()!;
  process.kill(pid, 'SIGSTOP');
  const lost = [session.run(feeds, outputs), session.run(feeds, outputs)];
  process.kill(pid, 'SIGKILL');
  for (const one of lost) await assert.rejects(one, ProcessEnded);
  assert.deepEqual(told, ['SIGKILL']);
  assert.deepEqual(await session.run(feeds, outputs), expected);
  assert.notEqual(session.pid(), pid);
});

test('A signal to all processes, as a terminal and a container send it, ends none that has something to do', async () => {
  const told: string[] = [];
  const session = await openInProcess(fixture('matrix'), (why) => told.push(why));
  const [spec] = session.inputMetadata;
  const width = (spec as unknown as { shape: number[] }).shape[1]!;
  const feeds = { [spec!.name]: { type: 'float32', dims: [1, width], data: new Float32Array(width), location: 'cpu' as const } };
  const outputs = session.outputMetadata.filter((o) => o.isTensor).map((o) => o.name);
  const pid = session.pid()!;
  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.kill(pid, signal);
  await session.run(feeds, outputs);
  assert.deepEqual([session.pid(), told], [pid, []]);
  await session.release();
  assert.throws(() => process.kill(pid, 0), /ESRCH/);
});

test('A session that is released ends its process, also one that is stuck', async () => {
  for (const stuck of [false, true]) {
    const session = await openInProcess(fixture('matrix'));
    const pid = session.pid()!;
    if (stuck) process.kill(pid, 'SIGSTOP');
    await session.release();
    await session.release();
    assert.throws(() => process.kill(pid, 0), /ESRCH/);
  }
});

test('A file that cannot be loaded is told in a process as it is here', async (t) => {
  const path = join(folder(t), 'broken.onnx');
  writeFileSync(path, 'nothing');
  const why = async (own: boolean): Promise<string> => {
    const error = await placeTensors(path, { own }).catch((problem: unknown) => problem);
    assert.ok(isProblem(error, 'onnx-unreadable'));
    return error.message;
  };
  assert.equal(await why(true), await why(false));
});

test('What a machine does beside is no part of what a call takes, and a slow call is not repeated for long', () => {
  let calls = 0;
  const quick = measure(() => {
    if (++calls % 10 === 0) for (const until = performance.now() + 1; performance.now() < until;);
  })!;
  assert.ok(quick < 1, String(quick));
  assert.equal(calls, 103);
  calls = 0;
  const slow = measure(() => {
    calls++;
    for (const until = performance.now() + 40; performance.now() < until;);
  })!;
  assert.ok(slow >= 40 && calls === 1, `${slow} ${calls}`);
  assert.equal(
    measure(() => {
      throw new Error('no');
    }),
    null,
  );
});

test('Files that are not those that were sealed are refused; what Python compiles beside them is not looked at', async (t) => {
  const dir = folder(t);
  const path = join(dir, sealModel(dir));
  mkdirSync(join(path, 'code', '__pycache__'), { recursive: true });
  writeFileSync(join(path, 'code', 'a.py'), 'x = 1');
  const sha = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');
  const digest = sha(
    JSON.stringify([
      ['code/a.py', sha('x = 1')],
      ['model.onnx', sha(readFileSync(join(path, 'model.onnx')))],
    ]),
  );
  await requireDigest(path, digest);
  writeFileSync(join(path, 'code', '__pycache__', 'a.pyc'), 'compiled');
  await requireDigest(path, digest);
  appendFileSync(join(path, 'model.onnx'), '!');
  await assert.rejects(requireDigest(path, digest), (error) => isProblem(error, 'model-files-changed'));
});

test('A version asks for a process of its own with a tag', () => {
  assert.equal(processOf([{ key: 'gyre.serving.process', value: 'own' }]), 'own');
  assert.equal(
    processOf([
      { key: 'gyre.serving.process', value: 'shared' },
      { key: 'a', value: 'own' },
    ]),
    undefined,
  );
});
