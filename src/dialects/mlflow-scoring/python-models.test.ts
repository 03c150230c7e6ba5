// Models in Python, asked as MLflow's clients and those of the Open Inference Protocol ask: what reaches `predict`, and in which
// form what it returned comes back.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { expectedAnswers, keptLog, mlflowPython, pythonModels, texts, doubles } from '../../domains/serving/fixtures/python-models.ts';
import { folder, runPlane } from '../../domains/serving/fixtures/plane.ts';
import { openServingMetrics } from '../../domains/serving/plane/serving-metrics.ts';
import { openWholeModels } from '../../domains/serving/plane/whole-models.ts';
import { oipDialect } from '../oip/oip.ts';
import { mlflowScoring } from './mlflow-scoring.ts';
import { readSignature } from './signature.ts';

const source = (name: string) => ({ name, path: join(pythonModels(), name), interpreter: mlflowPython() });
const signatureOf = (name: string) =>
  readSignature((parse(readFileSync(join(pythonModels(), name, 'MLmodel'), 'utf8')) as { signature?: unknown }).signature);

test('models in Python answer both protocols in the form of what they returned', async (t) => {
  const names = ['forest-proba', 'behaving', 'typed', 'anything', 'tensor'];
  const plane = await runPlane(t, {
    dir: folder(t),
    plan: null,
    models: names.map(source),
    dialects: [mlflowScoring(signatureOf), oipDialect],
  });
  const invoke = async (name: string, body: object) => {
    const reply = await plane.send(`/endpoints/${name}/invocations`, body);
    return { status: reply.status, predictions: reply.body.predictions as unknown, message: String(reply.body.message) };
  };

  const { inputs, answers } = expectedAnswers('forest-proba');
  const columns = Object.keys(inputs);
  const data = answers.map((_, row) => columns.map((name) => inputs[name]![row]));
  assert.deepEqual((await invoke('forest-proba', { dataframe_split: { columns, data } })).predictions, answers);
  assert.deepEqual((await invoke('forest-proba', { inputs })).predictions, answers);

  const rows = [
    { x: 2, do: '' },
    { x: 3, do: '' },
  ];
  assert.deepEqual((await invoke('behaving', { dataframe_records: rows, params: { factor: 5, offset: 1 } })).predictions, [11, 16]);
  assert.deepEqual((await invoke('behaving', { dataframe_records: rows })).predictions, [2, 3]);
  const raised = await invoke('behaving', { dataframe_records: [{ x: 1, do: 'raise' }] });
  assert.equal(raised.status, 400);
  assert.doesNotMatch(raised.message, /Traceback|\//);

  const day = { flag: true, count: 0, big: 2, small: 0.5, x: 1, text: 'a', day: '2024-02-28T00:00:00' };
  const [record] = (await invoke('typed', { dataframe_records: [day] })).predictions as Record<string, unknown>[];
  assert.deepEqual([record!.next_day, record!.missing, record!.whole], ['2024-02-29T00:00:00', false, null]);
  const late = await invoke('typed', { dataframe_records: [{ ...day, day: 'soon' }] });
  assert.deepEqual([late.status, /"day" must be an ISO time/.test(late.message)], [400, true]);

  assert.deepEqual((await invoke('tensor', { instances: [[1, 1, 1]] })).predictions, [[6, 60]]);
  assert.deepEqual((await invoke('anything', { dataframe_records: [{ q: 2.5, r: 1 }] })).predictions, {
    total: [3.5],
    names: [['q', 'r']],
  });
  assert.deepEqual(
    (
      await invoke('anything', {
        instances: [
          [1, 2],
          [3, 4],
        ],
      })
    ).predictions,
    [3, 7],
  );

  const infer = (name: string, body: object) => plane.send(`/v2/models/${name}/infer`, body);
  const { body } = await infer('behaving', {
    parameters: { factor: 7 },
    inputs: [
      { name: 'x', shape: [1], datatype: 'FP64', data: [2] },
      { name: 'do', shape: [1], datatype: 'BYTES', data: [''] },
    ],
  });
  assert.deepEqual(body.outputs, [{ name: 'predictions', datatype: 'FP64', shape: [1], data: [14] }]);
  const any = await infer('anything', { inputs: [{ name: 'a', shape: [2], datatype: 'FP64', data: [1, 2] }] });
  assert.deepEqual(
    (any.body.outputs as unknown as { name: string }[]).map((o) => o.name),
    ['total', 'names'],
  );
});

test('what does not fit a model in Python is the caller’s fault, and what it raises is not', async (t) => {
  const log = keptLog();
  const metrics = openServingMetrics(() => ({ dropped: 0, written: 0 }));
  const models = await openWholeModels([source('behaving')], { log, metrics });
  t.after(() => models.close());
  const run = (what: string, parameters: Record<string, unknown> = {}) =>
    models.run(models.find('behaving')!, '1', [doubles('x', [1]), texts('do', [what])], ['predictions'], { parameters });
  await assert.rejects(run('', { factor: 'many' }), { code: 'model-input-refused', status: 400, message: /"factor" must be double/ });
  await assert.rejects(run('raise'), { code: 'model-run-failed' });
  assert.match(String((await log.seen('serving.python.raised')).trace), /ValueError/);
});
