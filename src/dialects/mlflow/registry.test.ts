// MLflow's registry over raw HTTP, where its codes, words and shapes are easy to get wrong.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { startServer } from '../../../test/support/server.ts';
import { logModel } from '../../domains/registry/fixtures/models.ts';

interface Version {
  readonly version: string;
  readonly current_stage: string;
  readonly source: string;
  readonly run_id: string;
  readonly description?: string;
  readonly status_message?: string;
  readonly last_updated_timestamp: number;
  readonly tags?: readonly { key: string; value: string }[];
}
interface Body {
  readonly error_code?: string;
  readonly message?: string;
  readonly model_version: Version;
  readonly model_versions?: readonly Version[];
  readonly artifact_uri: string;
  readonly registered_model: {
    readonly name: string;
    readonly latest_versions?: readonly Version[];
    readonly aliases?: readonly { alias: string; version: string }[];
  };
  readonly registered_models?: readonly { name: string }[];
}

async function open(t: TestContext, kind: DatabaseKind = 'sqlite') {
  const server = await startServer(t, kind);
  const send = async (method: string, path: string, values: Record<string, unknown> = {}) => {
    const query = method === 'GET' ? `?${new URLSearchParams(values as Record<string, string>).toString()}` : '';
    const response = await fetch(`${server.url}/api/2.0/mlflow/${path}${query}`, {
      method,
      ...(method === 'GET' ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(values) }),
    });
    return { status: response.status, body: (await response.json()) as Body };
  };
  const version = (name: string, source = 's3://bucket/m', more = {}) => send('POST', 'model-versions/create', { name, source, ...more });
  return { ...server, send, version };
}
const refused = (reply: { status: number; body: Body }, status: number, code: string, message: RegExp | string = /./): void => {
  assert.deepEqual([reply.status, reply.body.error_code], [status, code], JSON.stringify(reply.body));
  if (typeof message === 'string') assert.equal(reply.body.message, message);
  else assert.match(reply.body.message!, message);
};

eachDatabase('a deleted version keeps its number and loses its aliases; a model made again begins at 1', async (t, kind) => {
  const { send, version } = await open(t, kind);
  await send('POST', 'registered-models/create', { name: 'm' });
  for (let i = 0; i < 3; i++) await version('m');
  for (const alias of ['a', 'b']) await send('POST', 'registered-models/alias', { name: 'm', alias, version: '3' });
  assert.deepEqual(await send('DELETE', 'model-versions/delete', { name: 'm', version: '3' }), { status: 200, body: {} as Body });
  refused(await send('GET', 'model-versions/get', { name: 'm', version: '3' }), 404, 'RESOURCE_DOES_NOT_EXIST');
  refused(await send('GET', 'registered-models/alias', { name: 'm', alias: 'a' }), 400, 'INVALID_PARAMETER_VALUE');
  refused(await send('DELETE', 'model-versions/delete', { name: 'm', version: '3' }), 404, 'RESOURCE_DOES_NOT_EXIST');
  assert.equal((await version('m')).body.model_version.version, '4');
  const found = await send('GET', 'model-versions/search', { filter: "name = 'm'", 'order_by[]': 'version_number ASC' });
  assert.deepEqual(found.body.model_versions!.map((v) => v.version).sort(), ['1', '2', '4']);
  await send('POST', 'registered-models/alias', { name: 'm', alias: 'kept', version: '1' });
  await send('POST', 'registered-models/rename', { name: 'm', new_name: 'n' });
  assert.deepEqual((await send('GET', 'registered-models/get', { name: 'n' })).body.registered_model.aliases, [
    { alias: 'kept', version: '1' },
  ]);
  refused(
    await send('GET', 'registered-models/get', { name: 'm' }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
    'Registered Model with name=m not found',
  );
  await send('DELETE', 'registered-models/delete', { name: 'n' });
  refused(await send('GET', 'model-versions/get', { name: 'n', version: '1' }), 404, 'RESOURCE_DOES_NOT_EXIST');
  await send('POST', 'registered-models/create', { name: 'n' });
  assert.equal((await version('n')).body.model_version.version, '1');
  refused(await send('GET', 'registered-models/alias', { name: 'n', alias: 'kept' }), 400, 'INVALID_PARAMETER_VALUE');
});

eachDatabase('stages work for old clients, and the newest version of each is listed', async (t, kind) => {
  const { send, version } = await open(t, kind);
  await send('POST', 'registered-models/create', { name: 'm' });
  for (let i = 0; i < 3; i++) await version('m');
  const move = (number: string, stage: string, archive?: boolean) =>
    send('POST', 'model-versions/transition-stage', {
      ...{ name: 'm', version: number, stage },
      ...(archive === undefined ? {} : { archive_existing_versions: archive }),
    });
  assert.equal((await move('1', 'production')).body.model_version.current_stage, 'Production');
  assert.equal((await move('2', 'Production', true)).body.model_version.current_stage, 'Production');
  assert.equal((await send('GET', 'model-versions/get', { name: 'm', version: '1' })).body.model_version.current_stage, 'Archived');
  const { latest_versions } = (await send('GET', 'registered-models/get', { name: 'm' })).body.registered_model;
  assert.deepEqual(
    latest_versions!.map((v) => [v.version, v.current_stage]),
    [
      ['1', 'Archived'],
      ['2', 'Production'],
      ['3', 'None'],
    ],
  );
  for (const method of ['POST', 'GET'])
    assert.deepEqual(
      (
        await send(method, 'registered-models/get-latest-versions', { name: 'm', stages: method === 'GET' ? 'production' : ['production'] })
      ).body.model_versions!.map((v) => v.version),
      ['2'],
    );
  refused(
    await move('1', 'Live'),
    400,
    'INVALID_PARAMETER_VALUE',
    'Invalid Model Version stage: Live. Value must be one of None, Staging, Production, Archived.',
  );
  // A server error there, which its client would repeat for minutes.
  refused(
    await move('1', 'Archived', true),
    400,
    'INTERNAL_ERROR',
    /because 'Archived' is not an Active stage\. Valid stages are \['Staging', 'Production'\]/,
  );
  const copied = await version('m', 'models:/m/Production');
  assert.deepEqual([copied.status, copied.body.model_version.source], [200, 'models:/m/2']);
});

eachDatabase('a copy keeps where its files are, whatever becomes of the version it was made of', async (t, kind) => {
  const { send, version, ctx } = await open(t, kind);
  const logged = await logModel(ctx(), { MLmodel: Buffer.from('flavors: {sklearn: {}}'), 'model.pkl': Buffer.from('80044e2e', 'hex') });
  for (const name of ['m', 'copies']) await send('POST', 'registered-models/create', { name });
  await version('m', `models:/${logged.id}`, { model_id: logged.id, run_id: logged.runId });
  await send('POST', 'registered-models/alias', { name: 'm', alias: 'a', version: '1' });
  const copy = await version('copies', 'models:/m@a');
  assert.deepEqual([copy.body.model_version.source, copy.body.model_version.run_id], ['models:/m/1', logged.runId]);
  await send('DELETE', 'model-versions/delete', { name: 'm', version: '1' });
  const uri = await send('GET', 'model-versions/get-download-uri', { name: 'copies', version: '1' });
  assert.match(uri.body.artifact_uri, /^mlflow-artifacts:\/\.sealed\/mv/, 'its own sealed bytes');
  const made = (await send('GET', 'model-versions/get', { name: 'copies', version: '1' })).body.model_version;
  assert.match(made.status_message!, /Loading it runs code \(safe\)\.$/, 'the copy is sealed as its original was');
  assert.equal(made.tags, undefined, 'tags are what its user set');
});

test('a description that is not sent differs from an empty one', async (t) => {
  const { send, version } = await open(t);
  await send('POST', 'registered-models/create', { name: 'm' });
  assert.equal((await version('m')).body.model_version.description, '');
  const update = (more: object) => send('PATCH', 'model-versions/update', { name: 'm', version: '1', ...more });
  assert.equal((await update({ description: 'new' })).body.model_version.description, 'new');
  assert.equal((await update({})).body.model_version.description, undefined);
  assert.equal((await update({ description: '' })).body.model_version.description, '');
});

test('sources that climb, or are on somebody’s disk, are refused, however they are written', async (t) => {
  const { send, version, ctx } = await open(t);
  await send('POST', 'registered-models/create', { name: 'm' });
  const { runId, source } = await logModel(ctx(), { MLmodel: Buffer.from('flavors: {}') });
  const climbs = /If supplying a source as an http, https, local file path, ftp, objectstore, or mlflow-artifacts uri, an absolute path/;
  for (const bad of [
    's3://b/../x',
    's3://b/a/%2e%2e/x',
    's3://b/a/%252e%252e/x',
    's3://b/a/..%5cx',
    's3://b/a%00b',
    's3://b/a/./b',
    'mlflow-artifacts:/../x',
    'mlflow-artifacts:/..%2f..%2fx',
    `runs:/${runId}/../x`,
  ])
    refused(await version('m', bad, { run_id: runId }), 400, 'INVALID_PARAMETER_VALUE', climbs);
  for (const local of ['/etc/passwd', 'file:///etc/passwd', './x', 'etc/passwd', 'file:/etc/%2e%2e/x'])
    refused(await version('m', local, { run_id: runId }), 400, 'INVALID_PARAMETER_VALUE', /To use a local path|absolute path/);
  refused(await version('m', 'models:/none/1'), 404, 'RESOURCE_DOES_NOT_EXIST', 'Registered Model with name=none not found');
  refused(await version('m', 'models:/m/9'), 404, 'RESOURCE_DOES_NOT_EXIST');
  refused(await version('m', 'models:/m'), 400, 'INVALID_PARAMETER_VALUE', /The model_id request parameter must identify/);
  refused(await version('m', 'runs://host/x/y'), 400, 'INVALID_PARAMETER_VALUE', /The run_id request parameter must identify/);
  refused(await version('none', 's3://b/x'), 404, 'RESOURCE_DOES_NOT_EXIST');
  // Somebody else's files are no source to be sealed, though MLflow may be told of them.
  const other = await logModel(ctx(), { MLmodel: Buffer.from('flavors: {}') });
  const foreign = await version('m', `${source}/MLmodel`.replace(/\/MLmodel$/, '/sub'), { run_id: other.runId });
  assert.equal(foreign.status, 200);
  assert.match(
    (foreign.body.model_version as unknown as { status_message: string }).status_message,
    /not in the artifacts of the run or logged model that it names/,
  );
});

test('names, aliases, tags and versions are refused in MLflow’s words', async (t) => {
  const { send, version } = await open(t);
  await send('POST', 'registered-models/create', { name: 'm' });
  await version('m');
  const create = (name: unknown, more = {}) => send('POST', 'registered-models/create', { name, ...more });
  refused(await create('  '), 400, 'INVALID_PARAMETER_VALUE', "Missing value for required parameter 'name'.");
  refused(await create('a/b'), 400, 'INVALID_PARAMETER_VALUE', "Invalid model name 'a/b'. Names cannot contain '/' or ':'.");
  refused(await create('..'), 400, 'INVALID_PARAMETER_VALUE', /must not resolve to other names.*would resolve to '\.\.'$/);
  refused(await create('m'), 400, 'RESOURCE_ALREADY_EXISTS', 'Registered Model (name=m) already exists.');
  refused(
    await create('x', { tags: [{ key: 'k*', value: '' }] }),
    400,
    'INVALID_PARAMETER_VALUE',
    /^Invalid value "k\*" for parameter 'key' supplied: Names may only contain/,
  );
  refused(
    await create('x', { tags: [{ key: 'k', value: 'v'.repeat(100_001) }] }),
    400,
    'INVALID_PARAMETER_VALUE',
    "'value' exceeds the maximum length of 100000 characters",
  );
  const alias = (name: string, number: unknown = '1') =>
    send('POST', 'registered-models/alias', { name: 'm', alias: name, version: number });
  refused(await alias('Latest'), 400, 'INVALID_PARAMETER_VALUE', "'latest' alias name (case insensitive) is reserved.");
  refused(await alias('v7'), 400, 'INVALID_PARAMETER_VALUE', "Version alias name 'v7' is reserved.");
  refused(
    await alias('a b'),
    400,
    'INVALID_PARAMETER_VALUE',
    "Invalid alias name: 'a b'. Names may only contain alphanumerics, underscores (_), and dashes (-).",
  );
  refused(await alias('a'.repeat(256)), 400, 'INVALID_PARAMETER_VALUE', /exceeds the maximum length of 255/);
  refused(await alias('a', 'x'), 400, 'INVALID_PARAMETER_VALUE', "Parameter 'version' must be an integer, got 'x'.");
  refused(await alias('a', '9'), 404, 'RESOURCE_DOES_NOT_EXIST', 'Model Version (name=m, version=9) not found');
  // An alias may look like a negative number, and a version never does.
  assert.equal((await alias('-1')).status, 200);
  refused(
    await send('GET', 'model-versions/get', { name: 'm', version: '-1' }),
    404,
    'RESOURCE_DOES_NOT_EXIST',
    'Model Version (name=m, version=-1) not found',
  );
  refused(await send('GET', 'registered-models/search', { max_results: '1001' }), 400, 'INVALID_PARAMETER_VALUE');
  refused(
    await send('GET', 'registered-models/search', { order_by: 'creation_timestamp' }),
    400,
    'INVALID_PARAMETER_VALUE',
    /^Invalid order by key 'creation_timestamp' specified\./,
  );
  refused(
    await send('GET', 'model-versions/search', { filter: 'version_number > 1.5' }),
    400,
    'INVALID_PARAMETER_VALUE',
    /numeric attribute 'version_number'/,
  );
});

eachDatabase('logged models: a token is of one search, a param stays, and what is deleted twice is deleted', async (t, kind) => {
  const { send } = await open(t, kind);
  const ids: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    const made = (await send('POST', 'logged-models', { experiment_id: '0', name })).body as unknown as {
      model: { info: { model_id: string } };
    };
    ids.push(made.model.info.model_id);
  }
  const search = async (more: object) => {
    const reply = await send('POST', 'logged-models/search', { experiment_ids: ['0'], max_results: 2, ...more });
    const { models = [], next_page_token } = reply.body as unknown as { models?: { info: { name: string } }[]; next_page_token?: string };
    return { ...reply, names: models.map((m) => m.info.name), token: next_page_token };
  };
  const order_by = [{ field_name: 'name', ascending: false }];
  const first = await search({ order_by });
  assert.deepEqual(first.names, ['c', 'b']);
  const second = await search({ order_by, page_token: first.token });
  assert.deepEqual([second.names, second.token], [['a'], undefined]);
  refused(await search({ page_token: first.token }), 400, 'INVALID_PARAMETER_VALUE', /^Order by in the page token does not match/);
  refused(
    await search({ order_by, filter: "name = 'a'", page_token: first.token }),
    400,
    'INVALID_PARAMETER_VALUE',
    /^Filter string in the page token/,
  );
  refused(
    await search({ order_by, experiment_ids: ['0', '1'], page_token: first.token }),
    400,
    'INVALID_PARAMETER_VALUE',
    /^Experiment IDs in the page token do not match/,
  );
  for (const page_token of ['x', Buffer.from('null').toString('base64'), Buffer.from('{"offset":-1}').toString('base64')])
    refused(await search({ page_token }), 400, 'INVALID_PARAMETER_VALUE');
  refused(
    await send('POST', 'logged-models/search'),
    400,
    'INVALID_PARAMETER_VALUE',
    /^Missing value for required parameter 'experiment_ids'/,
  );
  refused(
    await send('POST', 'logged-models', { experiment_id: 'x' }),
    400,
    'INVALID_PARAMETER_VALUE',
    "Invalid experiment ID 'x'. Experiment ID must be a valid integer.",
  );
  refused(
    await send('POST', 'logged-models', { experiment_id: '0', name: 'a/b' }),
    400,
    'INVALID_PARAMETER_VALUE',
    /^Invalid model name \('a\/b'\) provided\./,
  );
  const path = `logged-models/${ids[0]}`;
  assert.deepEqual((await send('PATCH', `${path}/tags`, { tags: [{ key: 't', value: '1' }] })).body, {});
  for (const value of ['1', '1']) assert.equal((await send('POST', `${path}/params`, { params: [{ key: 'p', value }] })).status, 200);
  refused(await send('POST', `${path}/params`, { params: [{ key: 'p', value: '2' }] }), 400, 'BAD_REQUEST');
  refused(
    await send('DELETE', `${path}/tags/none`),
    404,
    'RESOURCE_DOES_NOT_EXIST',
    `No tag with key 'none' found for model with ID '${ids[0]}'.`,
  );
  for (let i = 0; i < 2; i++) assert.equal((await send('DELETE', path)).status, 200);
  refused(await send('GET', path), 404, 'RESOURCE_DOES_NOT_EXIST');
});

eachDatabase('prompts are hidden among the models unless they are asked for, and share no name with one', async (t, kind) => {
  const { send, version } = await open(t, kind);
  const tags = [{ key: 'mlflow.prompt.is_prompt', value: 'true' }];
  await send('POST', 'registered-models/create', { name: 'p', tags });
  await send('POST', 'registered-models/create', { name: 'm' });
  const made = await version('p', 'dummy-source', { tags: [...tags, { key: 'mlflow.prompt.text', value: 'Hi {{name}}' }] });
  assert.equal(made.status, 200);
  refused(await version('p', 'file:/x', { tags }), 400, 'INVALID_PARAMETER_VALUE', /^Invalid prompt source/);
  const names = async (filter: string) =>
    (await send('GET', 'registered-models/search', filter ? { filter } : {})).body.registered_models?.map((m) => m.name) ?? [];
  assert.deepEqual(await names(''), ['m']);
  assert.deepEqual(await names("tags.`mlflow.prompt.is_prompt` = 'true'"), ['p']);
  assert.deepEqual(await names("tags.`mlflow.prompt.is_prompt` != 'false'"), ['p']);
  assert.deepEqual(await names("tags.`mlflow.prompt.is_prompt` != 'true'"), ['m']);
  assert.deepEqual(await names("tags.`mlflow.prompt.is_prompt` = 'false'"), ['m']);
  refused(await send('POST', 'registered-models/create', { name: 'p' }), 400, 'RESOURCE_ALREADY_EXISTS', /already taken by a prompt/);
  refused(
    await send('POST', 'registered-models/create', { name: 'p', tags }),
    400,
    'RESOURCE_ALREADY_EXISTS',
    'Prompt (name=p) already exists.',
  );
});

eachDatabase('clients that create at the same time get one model, and versions without gaps', async (t, kind) => {
  const { send, version } = await open(t, kind);
  const made = await Promise.all(Array.from({ length: 8 }, () => send('POST', 'registered-models/create', { name: 'm' })));
  assert.equal(made.filter((r) => r.status === 200).length, 1);
  for (const r of made) if (r.status !== 200) refused(r, 400, 'RESOURCE_ALREADY_EXISTS');
  const versions = await Promise.all(
    Array.from({ length: 20 }, (_, i) => version('m', `s3://b/${i}`, { tags: [{ key: 'i', value: String(i) }] })),
  );
  assert.deepEqual(
    versions.map((r) => r.status),
    versions.map(() => 200),
  );
  assert.deepEqual(
    versions.map((r) => Number(r.body.model_version.version)).sort((a, b) => a - b),
    Array.from({ length: 20 }, (_, i) => i + 1),
  );
  const aliases = await Promise.all(
    versions.map((r) => send('POST', 'registered-models/alias', { name: 'm', alias: 'x', version: r.body.model_version.version })),
  );
  for (const r of aliases) assert.equal(r.status, 200);
  const stages = await Promise.all(
    versions.map((r) =>
      send('POST', 'model-versions/transition-stage', {
        ...{ name: 'm', version: r.body.model_version.version, stage: 'Production', archive_existing_versions: true },
      }),
    ),
  );
  for (const r of stages) assert.equal(r.status, 200, JSON.stringify(r.body));
  const all = (await send('GET', 'model-versions/search', { filter: "name = 'm'" })).body.model_versions!;
  assert.equal(all.filter((v) => v.current_stage === 'Production').length, 1);
  const ends = await Promise.all([
    ...versions.slice(0, 10).map((r) => send('DELETE', 'model-versions/delete', { name: 'm', version: r.body.model_version.version })),
    ...Array.from({ length: 5 }, () => version('m')),
  ]);
  for (const r of ends) assert.equal(r.status, 200, JSON.stringify(r.body));
  assert.equal((await send('GET', 'model-versions/search', { filter: "name = 'm'" })).body.model_versions!.length, 15);
});
