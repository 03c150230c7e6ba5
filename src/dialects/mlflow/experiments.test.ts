// What MLflow means by experiments, as its own server answers.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fine, newRun, openMlflow, refused, type Send } from '../../../test/support/mlflow.ts';
import { eachDatabase } from '../../../test/support/platform.ts';

const IPV = 'INVALID_PARAMETER_VALUE';
const create = async (send: Send, name: string, more: object = {}): Promise<string> =>
  fine(await send('POST', 'experiments/create', { name, ...more })).experiment_id as string;
const get = async (send: Send, id: string) => fine(await send('GET', `experiments/get?experiment_id=${id}`)).experiment;

eachDatabase('an experiment has a number, a place and times; deleted ones are still read, and keep their name', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const id = await create(send, 'e', { tags: [{ key: 'a', value: '1' }, { key: 'b' }] });
  const made = await get(send, id);
  assert.deepEqual(made, {
    experiment_id: id,
    name: 'e',
    artifact_location: `mlflow-artifacts:/${id}`,
    lifecycle_stage: 'active',
    creation_time: made.creation_time,
    last_update_time: made.creation_time,
    tags: [
      { key: 'a', value: '1' },
      { key: 'b', value: '' },
    ],
    workspace: 'default',
  });
  assert.deepEqual(await get(send, `%200${id}`), made);
  assert.deepEqual(fine(await send('GET', 'experiments/get-by-name?experiment_name=e')).experiment, made);
  for (const [path, id_, code, message] of [
    ['get?experiment_id=', 'abc', IPV, "Invalid experiment ID 'abc'. Experiment ID must be a valid integer."],
    ['get?experiment_id=', '-1', 'RESOURCE_DOES_NOT_EXIST', 'No Experiment with id=-1 exists'],
    ['get-by-name?experiment_name=', 'none', 'RESOURCE_DOES_NOT_EXIST', "Could not find experiment with name 'none'"],
  ] as const)
    refused(await send('GET', `experiments/${path}${id_}`), code === IPV ? 400 : 404, code, message);
  assert.deepEqual(fine(await send('POST', 'experiments/delete', { experiment_id: id })), {});
  assert.equal((await get(send, id)).lifecycle_stage, 'deleted');
  assert.equal(fine(await send('GET', 'experiments/get-by-name?experiment_name=e')).experiment.experiment_id, id);
  refused(
    await send('POST', 'experiments/create', { name: 'e' }),
    400,
    'RESOURCE_ALREADY_EXISTS',
    /^Experiment\(name=e\) already exists\./,
  );
});

eachDatabase('what is deleted takes its runs with it, and restoring brings back all of them', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const id = await create(send, 'e');
  const [kept, gone] = [await newRun(send, { experiment_id: id }), await newRun(send, { experiment_id: id })];
  fine(await send('POST', 'runs/delete', { run_id: gone }));
  fine(await send('POST', 'experiments/delete', { experiment_id: id }));
  const stage = async (run: string) => fine(await send('GET', `runs/get?run_id=${run}`)).run.info.lifecycle_stage as string;
  assert.deepEqual([await stage(kept), await stage(gone)], ['deleted', 'deleted']);
  const inactive = `The experiment ${id} must be in the 'active' state. Current state is deleted.`;
  refused(await send('POST', 'runs/create', { experiment_id: id }), 400, IPV, inactive);
  refused(await send('POST', 'experiments/set-experiment-tag', { experiment_id: id, key: 'k', value: '1' }), 400, IPV, inactive);
  refused(await send('POST', 'experiments/delete-experiment-tag', { experiment_id: id, key: 'k' }), 400, IPV, inactive);
  // MLflow says INVALID_STATE with 500, which its client would repeat for minutes.
  refused(
    await send('POST', 'experiments/update', { experiment_id: id, new_name: 'x' }),
    400,
    'INVALID_STATE',
    'Cannot rename a non-active experiment.',
  );
  refused(
    await send('POST', 'experiments/delete', { experiment_id: id }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
    `No Experiment with id=${id} exists`,
  );
  fine(await send('POST', 'experiments/restore', { experiment_id: id }));
  assert.deepEqual([await stage(kept), await stage(gone)], ['active', 'active']);
  refused(await send('POST', 'experiments/restore', { experiment_id: id }), 404, 'RESOURCE_DOES_NOT_EXIST');
});

eachDatabase('names, tags and places of experiments have limits of their own', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const id = await create(send, 'n'.repeat(500));
  await create(send, ' ');
  await create(send, 'ü/:?#');
  await create(send, 'elsewhere', { artifact_location: 's3://bucket/p' });
  const tag = (key: string, value: string) => send('POST', 'experiments/set-experiment-tag', { experiment_id: id, key, value });
  fine(await tag('k'.repeat(250), 'v'.repeat(20_000)));
  fine(await tag('k', ''));
  fine(await send('POST', 'experiments/delete-experiment-tag', { experiment_id: id, key: 'k' }));
  refused(
    await send('POST', 'experiments/delete-experiment-tag', { experiment_id: id, key: 'k' }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
    `No tag with name: k in experiment with id ${id}`,
  );
  refused(await tag('k'.repeat(251), ''), 400, IPV, "'key' exceeds the maximum length of 250 characters");
  refused(await tag('k', 'v'.repeat(20_001)), 400, IPV, "'value' exceeds the maximum length of 20000 characters");
  refused(await tag('a//b', ''), 400, IPV, /Invalid value "a\/\/b" for parameter 'key' supplied: .*would resolve to 'a\/b'/);
  for (const [body, message] of [
    [{ name: 'n'.repeat(501) }, "'name' exceeds the maximum length of 500 characters"],
    [{ name: 'x', artifact_location: 'runs:/a' }, "Artifact location cannot be a runs:/ URI. Given: 'runs:/a'"],
    [{ name: 'x', artifact_location: 's3://b/p#f' }, "'artifact_location' URL can't include fragments or params."],
    [{ name: 'x', tags: [{ key: 'k', value: 'v'.repeat(20_001) }] }, "'value' exceeds the maximum length of 20000 characters"],
  ] as const)
    refused(await send('POST', 'experiments/create', body), 400, IPV, message);
  refused(await send('POST', 'experiments/update', { experiment_id: id, new_name: 'elsewhere' }), 400, 'BAD_REQUEST');
  fine(await send('POST', 'experiments/update', { experiment_id: id, new_name: 'renamed' }));
  assert.equal((await get(send, id)).name, 'renamed');
});

eachDatabase('experiments are searched by either method, the newest first, with no default size of a page', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const [a, b, c] = [await create(send, 'a', { tags: [{ key: 't', value: '1' }] }), await create(send, 'B'), await create(send, 'c')];
  fine(await send('POST', 'experiments/delete', { experiment_id: c }));
  const search = (body: object) => send('POST', 'experiments/search', { max_results: 100, ...body });
  const ids = async (body: object): Promise<string[]> =>
    (fine(await search(body)).experiments ?? []).map((e: { experiment_id: string }) => e.experiment_id);
  // All made at the same instant: then the smaller number comes first.
  assert.deepEqual(await ids({}), ['0', a, b]);
  assert.deepEqual([await ids({ view_type: 'DELETED_ONLY' }), await ids({ view_type: 3 })], [[c], ['0', a, b, c]]);
  for (const [filter, found] of [
    ["name = 'a'", [a]],
    ["attribute.name != 'a'", ['0', b]],
    ["name LIKE 'b%'", []],
    ["name ILIKE 'b%'", [b]],
    ["tags.t = '1'", [a]],
    ["tag.`t` != '1'", []],
    ['tags.t IS NULL', ['0', b]],
    ['tags.t IS NOT NULL', [a]],
    ['creation_time > 0 AND last_update_time >= 0', ['0', a, b]],
    [`experiment_id IN ('${a}', '${c}')`, [a]],
  ] as const)
    assert.deepEqual(await ids({ filter }), found, filter);
  assert.deepEqual(await ids({ order_by: ['name DESC'] }), [a, '0', b]);
  assert.deepEqual(await ids({ order_by: ['experiment_id DESC', 'experiment_id'] }), [b, a, '0']);
  const first = fine(await send('GET', 'experiments/search?max_results=2&order_by=name&order_by=experiment_id'));
  assert.deepEqual(
    first.experiments.map((e: { name: string }) => e.name),
    ['B', 'Default'],
  );
  const rest = fine(
    await send('GET', `experiments/search?max_results=2&order_by=name&page_token=${encodeURIComponent(first.next_page_token)}`),
  );
  assert.deepEqual([rest.experiments.map((e: { name: string }) => e.name), rest.next_page_token], [['a'], undefined]);
  const size = "for parameter 'max_results' supplied. It must be";
  for (const [body, message] of [
    [{ max_results: undefined }, `Invalid value 0 ${size} a positive integer`],
    [{ max_results: 50_001 }, `Invalid value 50001 ${size} at most 50000`],
    [{ filter: "metrics.a = '1'" }, "Invalid entity type 'metrics'. Valid entity types are ('attribute', 'tag', 'tags')"],
    [{ filter: "name > 'a'" }, /Invalid comparator/],
    [{ filter: 'name IS NULL' }, /IS NULL \/ IS NOT NULL is only supported for tags/],
    [{ filter: "experiment_id = 'x'" }, "Invalid experiment ID 'x'. Experiment ID must be a valid integer."],
    [{ order_by: ['tags.t'] }, 'Invalid order_by entity: tag'],
    [{ order_by: ['lifecycle_stage'] }, /Invalid attribute key 'lifecycle_stage'/],
    [{ order_by: 'name' }, /Invalid value "name" for parameter 'order_by' supplied:  Hint: Value was of type 'str'/],
  ] as const)
    refused(await search(body), 400, IPV, message);
});

test('routes that there are not answer in MLflow’s shape, by any method and with any body', async (t) => {
  const send = await openMlflow(t);
  for (const [method, path] of [
    ['POST', '/api/3.0/mlflow/traces'],
    ['POST', '/api/3.0/mlflow/traces/search'],
    ['POST', '/api/3.0/mlflow/traces/tr-1/assessments'],
    ['POST', '/api/3.0/mlflow/datasets/search'],
    ['GET', '/api/3.0/mlflow/scorers/list'],
    ['POST', '/api/2.0/mlflow/traces'],
    ['GET', '/api/2.0/mlflow/traces/tr-1/info'],
    ['POST', '/ajax-api/2.0/mlflow/runs/create-promptlab-run'],
    ['GET', '/ajax-api/2.0/mlflow/gateway-proxy'],
    ['GET', '/ajax-api/3.0/mlflow/mcp-servers'],
    ['POST', '/ajax-api/3.0/jobs/'],
    ['POST', '/v1/traces'],
    ['POST', '/graphql'],
  ] as const)
    refused(await send(method, path, method === 'GET' ? undefined : {}), 404, 'ENDPOINT_NOT_FOUND');
  // Of traces there are none: the client's older search, which it asks next, would else end a script that only looks.
  assert.deepEqual((await send('GET', '/api/2.0/mlflow/traces?experiment_ids=0')).json, {});
  // Spans come as protobuf.
  refused(await send('POST', '/v1/traces', 'x', { 'content-type': 'application/x-protobuf' }), 404, 'ENDPOINT_NOT_FOUND');
  assert.equal((await send('GET', '/health')).text, 'OK');
  // Below 3.4, or if it is no version, the newest client leaves out what it thinks the server cannot do.
  assert.match((await send('GET', '/version')).text, /^3\.\d+\.\d+$/);
});

eachDatabase('clients that race for a name, a param, a tag or a point lose nothing and see no server error', async (t, kind) => {
  const send = await openMlflow(t, kind);
  const both = async (ask: (i: number) => ReturnType<Send>, allowed: readonly number[]) => {
    const replies = await Promise.all(Array.from({ length: 8 }, (_, i) => ask(i)));
    for (const r of replies) assert.ok(allowed.includes(r.status), r.text);
    return replies;
  };
  const made = await both(() => send('POST', 'experiments/create', { name: 'race' }), [200, 400]);
  assert.equal(made.filter((r) => r.status === 200).length, 1);
  for (const r of made) if (r.status === 400) assert.equal(r.json.error_code, 'RESOURCE_ALREADY_EXISTS');
  const run = await newRun(send);
  await both((i) => send('POST', 'runs/log-metric', { run_id: run, key: 'm', value: i, timestamp: i, step: i }), [200]);
  await both(() => send('POST', 'runs/log-metric', { run_id: run, key: 'same', value: 1, timestamp: 1 }), [200]);
  const params = await both((i) => send('POST', 'runs/log-parameter', { run_id: run, key: 'p', value: String(i % 2) }), [200, 400]);
  for (const r of params) if (r.status === 400) assert.equal(r.json.error_code, IPV);
  await both(
    (i) => send('POST', 'runs/log-batch', { run_id: run, params: [{ key: `p${i}`, value: '1' }], tags: [{ key: 't', value: String(i) }] }),
    [200],
  );
  await both((i) => send('POST', 'runs/update', { run_id: run, run_name: `name ${i}` }), [200]);
  const dataset = { dataset: { name: 'd', digest: '1', source_type: 'local', source: '{}' } };
  await both(() => send('POST', 'runs/log-inputs', { run_id: run, datasets: [dataset] }), [200]);
  await both(() => send('POST', 'runs/create', { run_name: 'twin' }), [200]);
  const read = fine(await send('GET', `runs/get?run_id=${run}`)).run;
  const latest = Object.fromEntries(read.data.metrics.map((m: { key: string; value: number }) => [m.key, m.value]));
  assert.deepEqual([latest.m, latest.same, read.data.params.length, read.inputs.dataset_inputs.length], [7, 1, 9, 1]);
  const tags = Object.fromEntries(read.data.tags.map((p: { key: string; value: string }) => [p.key, p.value]));
  assert.equal(tags['mlflow.runName'], read.info.run_name);
  const points = async (key: string) => fine(await send('GET', `metrics/get-history?run_id=${run}&metric_key=${key}`)).metrics.length;
  assert.deepEqual([await points('m'), await points('same')], [8, 1]);
});
