// Histories of metrics: pages, many runs at once, samples for charts; and what the latest value is.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fine, newRun, openMlflow, refused, type Send } from '../../../test/support/mlflow.ts';
import { eachDatabase } from '../../../test/support/platform.ts';

const IPV = 'INVALID_PARAMETER_VALUE';
const SEE = ' See the API docs for more information about request parameters.';
const log = async (send: Send, run: string, metrics: readonly object[]) =>
  fine(await send('POST', 'runs/log-batch', { run_id: run, metrics }));
const point = (value: number | string, step: number, timestamp: number, key = 'm') => ({ key, value, step, timestamp });
const ajax = '/ajax-api/2.0/mlflow/metrics';

eachDatabase('a history is by time, step and value, in pages whose token is there only if more is', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const run = await newRun(send);
  await log(send, run, [point(3, 1, 20), point(1, 9, 10), point(2, 1, 20), point('NaN', 0, 20), point('Infinity', 2, 30), point(2, 1, 20)]);
  const history = async (query: string) => fine(await send('GET', `metrics/get-history?run_id=${run}&metric_key=m${query}`));
  const all = [point(1, 9, 10), point('NaN', 0, 20), point(2, 1, 20), point(3, 1, 20), point(Number.MAX_VALUE, 2, 30)];
  assert.deepEqual(await history(''), { metrics: all });
  assert.deepEqual(await history('&max_results=5'), { metrics: all });
  const first = await history('&max_results=2');
  assert.deepEqual(first.metrics, all.slice(0, 2));
  assert.equal(Buffer.from(first.next_page_token, 'base64').toString(), '{"offset": 2}');
  const token = `&page_token=${encodeURIComponent(first.next_page_token)}`;
  assert.deepEqual((await history(`&max_results=2${token}`)).metrics, all.slice(2, 4));
  assert.deepEqual(await history(token), { metrics: all.slice(2) });
  const asked = (query: string) => send('GET', `metrics/get-history?${query}`);
  // As in MLflow, a run that is not there has no points.
  assert.deepEqual([fine(await asked('run_id=none&metric_key=m')), fine(await asked(`run_id=${run}&metric_key=none`))], [{}, {}]);
  for (const count of [0, -1])
    refused(
      await asked(`run_id=${run}&metric_key=m&max_results=${count}`),
      400,
      IPV,
      `Invalid value ${count} for parameter 'max_results' supplied. It must be a positive integer.`,
    );
  refused(await asked(`run_id=${run}`), 400, IPV, `Missing value for required parameter 'metric_key'.${SEE}`);
  refused(await asked(`run_id=${run}&metric_key=m&page_token=x`), 400, IPV, 'Invalid page token, could not base64-decode');
});

eachDatabase('the latest value is the greatest by step, time and value, whatever came last; NaN counts as 0', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const run = await newRun(send);
  await log(send, run, [
    point(1, 5, 10, 'a'),
    point(9, 4, 99, 'a'),
    point('NaN', 1, 1, 'b'),
    point(-1, 1, 1, 'b'),
    point('NaN', 1, 1, 'c'),
    point(1, 1, 1, 'c'),
  ]);
  await log(send, run, [point(8, 4, 100, 'a'), point(0, 5, 10, 'a'), point('-Infinity', 0, 0, 'd')]);
  const { metrics } = fine(await send('GET', `runs/get?run_id=${run}`)).run.data;
  assert.deepEqual(
    metrics.toSorted((x: { key: string }, y: { key: string }) => (x.key < y.key ? -1 : 1)),
    [point(1, 5, 10, 'a'), point('NaN', 1, 1, 'b'), point(1, 1, 1, 'c'), point(-Number.MAX_VALUE, 0, 0, 'd')],
  );
});

eachDatabase('the histories of many runs come by run, then time', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const runs = [await newRun(send), await newRun(send)].toSorted();
  for (const run of runs) await log(send, run, [point(1, 0, 2), point(2, 1, 1), point(3, 1, 1, 'other')]);
  const query = runs.map((r) => `run_id=${r}`).join('&');
  const { metrics } = fine(await send('GET', `${ajax}/get-history-bulk?${query}&run_id=none&metric_key=m`));
  const of = (run: string) => [point(2, 1, 1), point(1, 0, 2)].map((p) => ({ ...p, run_id: run }));
  assert.deepEqual(metrics, runs.flatMap(of));
  assert.deepEqual(fine(await send('GET', `${ajax}/get-history-bulk?${query}&metric_key=m&max_results=3`)).metrics, metrics.slice(0, 3));
  for (const [bad, message] of [
    ['metric_key=m', 'GetMetricHistoryBulk request must specify at least one run_id.'],
    [query, 'GetMetricHistoryBulk request must specify a metric_key.'],
    [`metric_key=m${'&run_id=r'.repeat(101)}`, 'GetMetricHistoryBulk request cannot specify more than 100 run_ids. Received 101 run_ids.'],
  ] as const)
    refused(await send('GET', `${ajax}/get-history-bulk?${bad}`), 400, IPV, message);
});

eachDatabase('a sample is spread evenly over the points of each run, first and last among them', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const run = await newRun(send);
  await log(
    send,
    run,
    Array.from({ length: 50 }, (_, i) => point(i, Math.floor(i / 3), i)),
  );
  // As when no step is ever said: all at step 0.
  await log(
    send,
    run,
    Array.from({ length: 20 }, (_, i) => point(i, 0, i, 'flat')),
  );
  const ask = (query: string, runs = [run]) =>
    send('GET', `metrics/get-history-bulk-interval?${runs.map((r) => `run_ids=${r}`).join('&')}&${query}`);
  const values = async (query: string): Promise<number[]> =>
    (fine(await ask(query)).metrics ?? []).map((m: { value: number; run_id: string }) => (assert.equal(m.run_id, run), m.value));
  // Golden values of MLflow 3.17 on SQLite.
  assert.deepEqual(await values('metric_key=m&max_results=10'), [0, 5, 10, 15, 20, 25, 30, 35, 40, 49]);
  assert.deepEqual(await values('metric_key=m&max_results=7'), [0, 8, 15, 22, 29, 36, 49]);
  assert.deepEqual(await values('metric_key=m&max_results=2'), [0, 49]);
  assert.deepEqual(await values('metric_key=m&max_results=1'), [49]);
  assert.deepEqual(await values('metric_key=flat&max_results=6'), [0, 4, 8, 11, 14, 19]);
  assert.deepEqual(await values('metric_key=m&start_step=3&end_step=9&max_results=5'), [9, 14, 18, 22, 29]);
  assert.deepEqual(
    await values('metric_key=m'),
    Array.from({ length: 50 }, (_, i) => i),
  );
  assert.deepEqual(
    await values('metric_key=m&max_results=50'),
    Array.from({ length: 50 }, (_, i) => i),
  );
  assert.deepEqual(await values('metric_key=none'), []);
  assert.equal(fine(await ask('metric_key=m&max_results=3', [run, run])).metrics.length, 6);
  for (const [query, message] of [
    ['metric_key=m&start_step=1', 'If either start step or end step are specified, both must be specified.'],
    ['metric_key=m&start_step=9&end_step=3', 'end_step must be greater than start_step. Found start_step=9 and end_step=3.'],
    ['metric_key=m&max_results=0', `max_results must be between 1 and 2500.${SEE}`],
    ['metric_key=m&max_results=2501', `max_results must be between 1 and 2500.${SEE}`],
    ['metric_key=m&max_results=x', /parameter 'max_results'|max_results must be/],
    ['', `Missing value for required parameter 'metric_key'.${SEE}`],
  ] as const)
    refused(await ask(query), 400, IPV, message);
  refused(await ask('metric_key=m', []), 400, IPV, `Missing value for required parameter 'run_ids'.${SEE}`);
  refused(
    await ask(
      'metric_key=m',
      Array.from({ length: 101 }, () => run),
    ),
    400,
    IPV,
    /must specify at most 100 run_ids. Received 101 run_ids/,
  );
});

test('numbers are read as Python reads them, and refused rather than rounded', async (t) => {
  const send = await openMlflow(t);
  const run = await newRun(send);
  const logged = async (value: unknown, timestamp: unknown, step: unknown = 0) =>
    send('POST', 'runs/log-metric', { run_id: run, key: 'm', value, timestamp, step });
  for (const [value, timestamp, step] of [
    ['1.5', '1', '-3'],
    ['1e3', '1e3', 0],
    [' 2 ', '10.0', '1_000'],
    ['-inf', 2 ** 53 - 1, -(2 ** 53 - 1)],
    ['1e400', '9007199254740991', 0],
    ['NaN', 1, null],
  ] as const)
    assert.deepEqual(fine(await logged(value, timestamp, step)), {});
  const hint = (value: string, name: string, type: string) =>
    `Invalid value ${value} for parameter '${name}' supplied:  Hint: Value was of type '${type}'.${SEE}`;
  const tooLarge = (name: string) => `Invalid value for parameter '${name}' supplied: whole numbers are kept up to 2^53 - 1.`;
  for (const [value, timestamp, step, message] of [
    ['0x10', 1, 0, hint('"0x10"', 'value', 'str')],
    [[1], 1, 0, hint('[1]', 'value', 'list')],
    ['', 1, 0, `Missing value for required parameter 'value'.${SEE}`],
    [1, 'ä', 0, hint('"\\u00e4"', 'timestamp', 'str')],
    [1, 1.5, 0, hint('1.5', 'timestamp', 'float')],
    [1, null, 0, `Missing value for required parameter 'timestamp'.${SEE}`],
    [1, 2 ** 53, 0, tooLarge('timestamp')],
    [1, 1, '9007199254740993', tooLarge('step')],
    [1, 1, '9223372036854775808', tooLarge('step')],
  ] as const)
    refused(await logged(value, timestamp, step), 400, IPV, message);
});
