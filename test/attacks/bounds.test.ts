// Requests that are right but for how much they ask for or bring: refused as such, and before they cost much.
import assert from 'node:assert/strict';
import { eachDatabase } from '../support/databases.ts';
import { startServer } from '../support/server.ts';

const many = <T>(n: number, of: (i: number) => T): T[] => Array.from({ length: n }, (_, i) => of(i));
const pairs = (n: number) => many(n, (i) => ({ key: `k${i}`, value: 'v' }));

eachDatabase('What asks for too much, or brings too much at once, is refused as the mistake of whoever sent it', async (t, kind) => {
  const server = await startServer(t, kind);
  const ask = (path: string, body: object) =>
    server.app.inject({
      method: 'POST',
      url: `/api/2.0/mlflow/${path}`,
      headers: { host: '127.0.0.1', 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    });
  const made = JSON.parse((await ask('runs/create', { experiment_id: '0' })).payload) as { run: { info: { run_id: string } } };
  const { run_id } = made.run.info;
  const history = { artifact_path: 'x'.repeat(900_000), flavors: {}, utc_time_created: 'x', run_id };
  const search = (of: object) => ({ experiment_ids: ['0'], max_results: 5, ...of });
  const comparisons = many(101, (i) => `metrics.a${i} > 1`).join(' AND ');
  const refused: Readonly<Record<string, [string, object]>> = {
    'a filter of a megabyte': ['runs/search', search({ filter: `tags.t = '${'a'.repeat(1_000_000)}'` })],
    'a hundred and one comparisons': ['runs/search', search({ filter: comparisons })],
    'as many of logged models': ['logged-models/search', search({ filter: comparisons })],
    'brackets without end': ['experiments/search', { max_results: 5, filter: '('.repeat(40_000) }],
    'quotes without end': ['runs/search', search({ filter: `'${"\\'".repeat(20_000)}` })],
    'a thousand orders': ['runs/search', search({ order_by: many(1000, (i) => `metrics.a${i} ASC`) })],
    'as many of logged models ': ['logged-models/search', search({ order_by: many(1000, (i) => ({ field_name: `metrics.a${i}` })) })],
    'a hundred thousand experiments': ['runs/search', { experiment_ids: many(100_000, String), max_results: 5 }],
    'a page of a thousand million': ['runs/search', search({ max_results: 1e9 })],
    'as large a page of experiments': ['experiments/search', { max_results: 1e9 }],
    'an experiment with twenty thousand tags': ['experiments/create', { name: 'x', tags: pairs(20_000) }],
    'a run with as many': ['runs/create', { experiment_id: '0', tags: pairs(20_000) }],
    'a thousand and one datasets': [
      'runs/log-inputs',
      { run_id, datasets: many(1001, (i) => ({ dataset: { name: `d${i}`, digest: 'd', source_type: 's', source: 's' } })) },
    ],
    'a hundred thousand inputs': ['runs/log-inputs', { run_id, models: many(100_000, (i) => ({ model_id: `m-${i}` })) }],
    'a hundred thousand outputs': ['runs/outputs', { run_id, models: many(100_000, (i) => ({ model_id: `m-${i}`, step: 0 })) }],
    'twenty thousand params of a model': ['logged-models', { experiment_id: '0', name: 'a', params: pairs(20_000) }],
    'twenty thousand tags of a model': ['registered-models/create', { name: 'a', tags: pairs(20_000) }],
  };
  for (const [name, [path, body]] of Object.entries(refused)) {
    const { statusCode, payload } = await ask(path, body);
    assert.equal(statusCode, 400, `${name}: ${payload.slice(0, 300)}`);
  }
  // A list that each call makes longer ends, too.
  const statuses: number[] = [];
  for (let i = 0; i < 5; i++) statuses.push((await ask('runs/log-model', { run_id, model_json: JSON.stringify(history) })).statusCode);
  assert.deepEqual(statuses, [200, 200, 200, 200, 400]);
});

eachDatabase('Patterns of many wildcards take no longer the more there are', async (t, kind) => {
  const server = await startServer(t, kind);
  const send = (path: string, body: object) =>
    server.app.inject({
      method: 'POST',
      url: `/api/2.0/mlflow/${path}`,
      headers: { host: '127.0.0.1', 'content-type': 'application/json' },
      payload: JSON.stringify(body),
    });
  await send('runs/create', { experiment_id: '0', tags: [{ key: 't', value: 'a'.repeat(7990) }] });
  // With backtracking each further wildcard would multiply the time; a thousand of them would never come to an end.
  for (const pattern of ['%a'.repeat(1000), '%_'.repeat(1000), '%a_'.repeat(1000)])
    for (const operator of ['LIKE', 'ILIKE']) {
      const { statusCode, payload } = await send('runs/search', { experiment_ids: ['0'], filter: `tags.t ${operator} '${pattern}%b'` });
      assert.deepEqual([statusCode, JSON.parse(payload)], [200, {}]);
    }
});

eachDatabase('What is let in holds up others for no more than a moment of the processor', async (t, kind) => {
  const server = await startServer(t, kind);
  const ask = async (path: string, body: object): Promise<number> => {
    const payload = JSON.stringify(body);
    const before = process.cpuUsage();
    const reply = await server.app.inject({
      method: 'POST',
      url: `/api/2.0/mlflow/${path}`,
      headers: { host: '127.0.0.1', 'content-type': 'application/json' },
      payload,
    });
    const { user, system } = process.cpuUsage(before);
    assert.equal(reply.statusCode, 200, reply.payload.slice(0, 300));
    made = reply.payload;
    return (user + system) / 1000;
  };
  let made = '';
  await ask('runs/create', { experiment_id: '0' });
  const { run_id } = (JSON.parse(made) as { run: { info: { run_id: string } } }).run.info;
  const hex = (i: number) => i.toString(16).padStart(64, '0');
  const datasets = many(1000, (i) => ({
    dataset: { name: `d${i}`, digest: hex(i).slice(-16), source_type: 's', source: many(20, (j) => hex(i * 20 + j)).join(' ') },
  }));
  const requests: Readonly<Record<string, (i: number) => [string, object]>> = {
    'an experiment with 5,000 tags': (i) => ['experiments/create', { name: `x${i}`, tags: pairs(5000) }],
    'a run with 5,000 tags': () => ['runs/create', { experiment_id: '0', tags: pairs(5000) }],
    'a model with as many tags as it may have': (i) => ['registered-models/create', { name: `x${i}`, tags: pairs(100) }],
    'a batch of a thousand': (i) => [
      'runs/log-batch',
      {
        run_id,
        metrics: many(800, (j) => ({ key: `m${j}`, value: j, timestamp: i, step: i })),
        params: many(100, (j) => ({ key: `p${i}-${j}`, value: 'v' })),
        tags: pairs(100),
      },
    ],
    'a thousand datasets': () => ['runs/log-inputs', { run_id, datasets }],
    'a thousand models': () => ['runs/log-inputs', { run_id, models: many(1000, (i) => ({ model_id: `m-${i}` })) }],
  };
  const slow: string[] = [];
  for (const [name, of] of Object.entries(requests)) {
    // The first one compiles; the least of a few is what it costs.
    const costs: number[] = [];
    for (let i = 0; i < 4; i++) costs.push(await ask(...of(i)));
    if (Math.min(...costs) > 300) slow.push(`${name}: ${costs.map(Math.round).join(', ')} ms`);
  }
  assert.deepEqual(slow, []);
});
