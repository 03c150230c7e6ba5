import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openTensorRunner } from '../../batching/tensor-runner.ts';
import {
  doubles,
  expectedAnswers,
  keptLog,
  longs,
  mlflowPython,
  pythonModels,
  pythonWithoutMlflow,
  texts,
} from '../../fixtures/python-models.ts';
import type { DenseTensor } from '../tensor-session.ts';
import { modelInterpreter } from './interpreter.ts';
import { InputRefused, openPythonModel, openPythonTensors, type PythonOptions } from './python-model.ts';

async function open(t: TestContext, model: string, options: Partial<PythonOptions> = {}) {
  const log = keptLog();
  const session = await openPythonTensors(join(pythonModels(), model), { interpreter: mlflowPython(), log, name: model, ...options });
  t.after(() => session.release());
  return { session, log };
}
type Opened = Awaited<ReturnType<typeof open>>;

const numbers = (outputs: readonly DenseTensor[]): number[] => Array.from(outputs[0]!.data, Number);
const behave = ({ session }: Opened, x: readonly number[], what: readonly string[], parameters?: Record<string, unknown>) =>
  session.run([doubles('x', x), texts('do', what)], ['predictions'], parameters);
const tensorOf = (name: string, values: (number | string)[]): DenseTensor =>
  typeof values[0] === 'string'
    ? texts(name, values as string[])
    : name === 'hour'
      ? longs(name, values as number[])
      : doubles(name, values as number[]);

for (const model of ['forest', 'forest-proba', 'booster', 'strings'])
  test(`the model "${model}" answers as mlflow does, as columns and as tensors`, async (t) => {
    const { inputs, answers } = expectedAnswers(model);
    const rows = answers.length;
    const { session } = await open(t, model);
    const tensors = Object.entries(inputs).map(([name, values]) => tensorOf(name, values));
    const [whole] = await session.run(tensors, ['predictions']);
    assert.deepEqual(Array.from(whole!.data, Number), answers.flat());
    assert.deepEqual(whole!.shape, Array.isArray(answers[0]) ? [rows, 2] : [rows]);

    if (model === 'forest' || model === 'booster') return;
    const columns = await openPythonModel(join(pythonModels(), model), { interpreter: mlflowPython(), log: keptLog() });
    t.after(() => columns.release());
    assert.ok(columns.batches);
    const column = (i: number) => inputs[columns.inputs[i]!.name]!;
    // Its one output is the score, whatever the endpoint calls it.
    const score = (await columns.run(rows, column, ['score'])).get('score')!;
    assert.deepEqual(Array.from(score.values, Number), answers.flat());
    assert.equal(score.width, Array.isArray(answers[0]) ? 2 : 1);
    const alone = (await columns.run(1, (i) => [column(i)[7]!], ['score'])).get('score')!;
    // A product of one row is another one of BLAS than that of many: the last digit may differ.
    for (const [i, value] of Array.from(alone.values, Number).entries()) assert.ok(Math.abs(value - [answers[7]].flat()[i]!) < 1e-12);
  });

test('without mlflow in its environment a model of a known flavor is loaded by that, and another one says what it lacks', async (t) => {
  const { inputs, answers } = expectedAnswers('forest-proba');
  const { session } = await open(t, 'forest-proba', { interpreter: pythonWithoutMlflow() });
  const tensors = Object.entries(inputs).map(([name, values]) => tensorOf(name, values));
  assert.deepEqual(numbers(await session.run(tensors, ['predictions'])), answers.flat());
  const booster = await open(t, 'booster', { interpreter: pythonWithoutMlflow() });
  assert.deepEqual(numbers(await booster.session.run(tensors, ['predictions'])), expectedAnswers('booster').answers);
  await assert.rejects(open(t, 'behaving', { interpreter: pythonWithoutMlflow() }), {
    code: 'python-model-unreadable',
    message: /mlflow is not in the model's environment/,
  });
});

test('columns come as pandas has their MLflow types, and tables go back as named tensors', async (t) => {
  const { session } = await open(t, 'typed');
  assert.deepEqual([...session.optional!], ['extra']);
  const given: DenseTensor[] = [
    { name: 'flag', type: 'bool', shape: [2], data: Uint8Array.of(1, 0) },
    // What holds the value is taken: whole numbers of another size.
    longs('count', [0, 5]),
    longs('big', [2 ** 52, -1]),
    doubles('small', [0.5, Number.NaN]),
    doubles('x', [1, 2]),
    texts('text', ['a', 'ä']),
    texts('day', ['2024-02-28', '2024-02-29T12:00:00+02:00']),
  ];
  const out = await session.run(given, ['types', 'next_day', 'missing', 'whole']);
  assert.equal(session.answerForm!(), 'records');
  assert.equal((out[0]!.data as string[])[0], 'flag=bool,count=int32,big=int64,small=float32,x=float64,text=object,day=datetime64[ns]');
  assert.deepEqual(out[1]!.data, ['2024-02-29T00:00:00', '2024-03-01T10:00:00']);
  assert.deepEqual([out[2]!.type, ...Array.from(out[2]!.data)], ['bool', 0, 0]);
  assert.deepEqual([out[3]!.type, ...Array.from(out[3]!.data)], ['float64', Number.NaN, 5]);

  const refused = async (change: DenseTensor, why: RegExp) =>
    assert.rejects(session.run([...given.filter((i) => i.name !== change.name), change], ['types']), (error: Error) => {
      assert.ok(error instanceof InputRefused);
      assert.match(error.message, why);
      return true;
    });
  await refused(texts('day', ['x', 'y']), /"day" must be an ISO time/);
  await refused(longs('count', [2 ** 40, 1]), /"count" must be int32/);
  await refused(doubles('count', [1.5, 1]), /"count" must be int32/);
  await refused(texts('x', ['1', '2']), /"x" must be double, and texts came/);
  await refused(doubles('other', [1, 2]), /there is no input "other"/);
});

test('parameters have their defaults and types, and those that are not declared are left out', async (t) => {
  const opened = await open(t, 'behaving');
  const rows = (parameters?: Record<string, unknown>) => behave(opened, [1, 2], ['', ''], parameters).then(numbers);
  assert.deepEqual(await rows(), [1, 2]);
  assert.deepEqual(await rows({ factor: 3, offset: 1, other: true }), [4, 7]);
  await assert.rejects(rows({ factor: 'three' }), { message: 'the parameter "factor" must be double' });
  await assert.rejects(rows({ offset: 1.5 }), InputRefused);
  await assert.rejects(rows({ offset: [1] }), InputRefused);
});

test('a model without a signature takes what comes, and its outputs are those of the first call', async (t) => {
  const { session } = await open(t, 'anything');
  assert.equal(session.takesAnything, true);
  const table = await session.run([doubles('a', [1, 2]), longs('b', [10, 20])], []);
  assert.deepEqual(
    table.map(({ name, type, data, json }) => [name, type, Array.from(data), json ?? false]),
    [
      ['total', 'float64', [11, 22], false],
      ['names', 'string', ['["a", "b"]', '["a", "b"]'], true],
    ],
  );
  assert.deepEqual(
    session.signature.outputs.map((o) => o.name),
    ['total', 'names'],
  );
  assert.equal(session.answerForm!(), 'dict');
  await assert.rejects(openPythonModel(join(pythonModels(), 'anything'), { interpreter: mlflowPython(), log: keptLog() }), {
    code: 'python-model-unreadable',
    message: /has no signature/,
  });
});

test('a tensor goes in and out in its shape', async (t) => {
  const { session } = await open(t, 'tensor');
  assert.deepEqual(session.signature.inputs, [{ name: 'input', type: 'float32', shape: ['N', 3] }]);
  const [out] = await session.run(
    [{ name: 'input', type: 'float32', shape: [2, 3], data: Float32Array.of(1, 0, 0, 1, 1, 1) }],
    ['predictions'],
  );
  assert.deepEqual([out!.type, out!.shape, Array.from(out!.data)], ['float32', [2, 2], [1, 10, 6, 60]]);
});

test('what a model prints is a log line, and what it raises is one sentence without a path, with the traceback in the log', async (t) => {
  const opened = await open(t, 'behaving');
  assert.deepEqual(numbers(await behave(opened, [5], ['print'])), [5]);
  await assert.rejects(behave(opened, [5], ['raise']), { message: 'ValueError: cannot use a file of this row' });
  const raised = opened.log.lines.find((line) => line.event === 'serving.python.raised')!;
  assert.match(String(raised.trace), /Traceback .*\n(.*\n)*.*ValueError/);
  await opened.log.seen('serving.python.output', 3);
  const printed = opened.log.lines.filter((l) => l.event === 'serving.python.output').map((l) => l.line);
  for (const line of ['noise on stdout', 'noise from below', 'noise on stderr']) assert.ok(printed.includes(line), line);
  // A model that wants to end its process has failed on its batch.
  await assert.rejects(behave(opened, [5], ['exit']), { message: 'SystemExit: 3' });
  assert.deepEqual(numbers(await behave(opened, [6], [''])), [6]);
  assert.equal(opened.session.workers().workers[0]!.restarts, 0);
});

test('an environment that cannot be made is told before anything is served', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-python-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  writeFileSync(join(folder, 'MLmodel'), 'flavors:\n  python_function:\n    python_version: 3.99.1\n');
  const at = { dir: join(folder, 'data') };
  await assert.rejects(modelInterpreter(folder, at), { code: 'python-environment-missing' });
  await assert.rejects(modelInterpreter(folder, { ...at, python: join(folder, 'no-python') }), { code: 'python-environment-missing' });
  writeFileSync(join(folder, 'requirements.txt'), 'numpy\n');
  await assert.rejects(modelInterpreter(folder, at), { code: 'python-missing', message: /Python 3\.99 is needed/ });
  assert.equal(await modelInterpreter(folder, { ...at, python: mlflowPython() }), mlflowPython());
  await assert.rejects(openPythonTensors(folder, { interpreter: mlflowPython(), log: keptLog() }), { code: 'python-model-unreadable' });
  await assert.rejects(openPythonTensors(join(folder, 'data'), { interpreter: mlflowPython(), log: keptLog() }), {
    code: 'python-model-unreadable',
    message: /no MLmodel file/,
  });
});

test('rows that wait together run together and are answered as they are alone; one that the model chokes on fails alone', async (t) => {
  const { session, log } = await open(t, 'behaving');
  const batches: number[] = [];
  const runner = await openTensorRunner(session, ({ items }) => batches.push(items));
  assert.ok(runner.joins());
  const call = (x: number, what = '') => runner.run({ inputs: [doubles('x', [x]), texts('do', [what])], outputs: ['predictions'] }, {});
  const answers = await Promise.allSettled([call(0, 'slow'), ...Array.from({ length: 30 }, (_, i) => call(i + 1, i === 7 ? 'raise' : ''))]);
  answers.forEach((answer, i) => {
    if (i === 8) assert.equal(answer.status, 'rejected');
    else assert.deepEqual(answer.status === 'fulfilled' && numbers(answer.value), [i]);
  });
  assert.deepEqual(batches, [1, 30]);
  assert.equal(log.lines.filter((l) => l.event === 'serving.python.raised').length, 2);

  const mean = await open(t, 'mean');
  const apart = await openTensorRunner(mean.session, () => undefined);
  assert.equal(apart.joins(), false, 'a model whose rows depend on each other is asked for one request at a time');
});
