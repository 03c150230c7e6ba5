// What a member or viewer tries in order to see, change or become more than was granted. Each line was an attempt on
// the running server; docs/security.md lists them.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createToken } from '../../src/domains/access/service.ts';
import { eachDatabase } from '../support/databases.ts';
import { MARK, openWorld, PASSWORD, type Answer, type World } from './world.ts';

/** What was not refused, by its place in the list. */
const letThrough = async (asked: readonly Promise<Answer>[]): Promise<string[]> =>
  (await Promise.all(asked)).flatMap(({ status, text }, i) => (status >= 400 && status < 500 ? [] : [`${i}: ${status} ${text}`]));

const eveMakes = async ({ mlflow }: World): Promise<{ experiment: string; run: string }> => {
  const { experiment_id: experiment } = (await mlflow('eve', 'POST', 'experiments/create', { name: 'eves' })).json as {
    experiment_id: string;
  };
  const { run } = (await mlflow('eve', 'POST', 'runs/create', { experiment_id: experiment })).json as {
    run: { info: { run_id: string } };
  };
  return { experiment, run: run.info.run_id };
};

test('A model version leads nobody to files of an experiment that he may not read', async (t) => {
  const w = await openWorld(t);
  const { victim } = w;
  const folder = victim.artifact.replace(/\/weights.txt$/, '');
  const sources = [
    `mlflow-artifacts:/${folder}`,
    `mlflow-artifacts:///${folder}`,
    `mlflow-artifacts:/${victim.experiment}`,
    `mlflow-artifacts://127.0.0.1/${folder}`,
    `http://127.0.0.1:5000/api/2.0/mlflow-artifacts/artifacts/${folder}`,
    `https://elsewhere.example/x/api/2.0/mlflow-artifacts/artifacts/${folder}`,
    `mlflow-artifacts:/${victim.experiment}/models/${victim.loggedModel}/artifacts`,
    `runs:/${victim.run}/model`,
    `models:/${victim.loggedModel}`,
    `models:/${victim.model}/1`,
    `file://${w.server.folder}/blobs/paths/default/${folder}`,
    `${w.server.folder}/blobs/paths/default/${folder}`,
  ];
  for (const [i, source] of sources.entries()) {
    const name = `eves-${i}`;
    await w.mlflow('eve', 'POST', 'registered-models/create', { name });
    const { status } = await w.mlflow('eve', 'POST', 'model-versions/create', { name, source });
    for (const path of ['weights.txt', 'model/weights.txt', `${victim.run}/artifacts/model/weights.txt`]) {
      const got = await w.ask('eve', 'GET', `/model-versions/get-artifact?name=${name}&version=1&path=${path}`);
      assert.ok(!got.text.includes(MARK), `${source} (${status}): ${path} was read`);
      assert.ok(got.status >= 400 && got.status < 500, `${source}: ${got.status}`);
    }
    const sealed = await w.ask('eve', 'POST', `/api/gyre/v1/models/${name}/versions/1/seal`, {});
    assert.ok(sealed.status >= 400 && sealed.status < 500, `${source}: sealed ${sealed.status} ${sealed.text}`);
    const version = await w.ask('eve', 'GET', `/api/gyre/v1/models/${name}/versions/1`);
    assert.doesNotMatch(version.text, /weights\.txt/, `${source}: its files were listed`);
  }
  // A version that names the victim's run and one's own model is not sealed behind one's back when that is ready.
  const { experiment } = await eveMakes(w);
  const { model } = (await w.mlflow('eve', 'POST', 'logged-models', { experiment_id: experiment, name: 'bait' })).json as {
    model: { info: { model_id: string } };
  };
  const own = model.info.model_id;
  await w.ask('eve', 'PUT', `/api/2.0/mlflow-artifacts/artifacts/${experiment}/models/${own}/artifacts/f`, 'bait');
  await w.mlflow('eve', 'POST', 'registered-models/create', { name: 'trap' });
  await w.mlflow('eve', 'POST', 'model-versions/create', {
    ...{ name: 'trap', source: `mlflow-artifacts:/${folder}`, run_id: victim.run, model_id: own },
  });
  await w.mlflow('eve', 'PATCH', `logged-models/${own}`, { model_id: own, status: 'LOGGED_MODEL_READY' });
  await w.server.drain();
  const trapped = await w.ask('eve', 'GET', '/model-versions/get-artifact?name=trap&version=1&path=weights.txt');
  assert.ok(trapped.status >= 400 && !trapped.text.includes(MARK), trapped.text);
  assert.doesNotMatch((await w.ask('eve', 'GET', '/api/gyre/v1/models/trap/versions')).text, /"sealed"/);
  // The victim's own version finds them.
  const found = await w.ask('vic', 'GET', `/model-versions/get-artifact?name=${victim.model}&version=1&path=weights.txt`);
  assert.equal(found.text, MARK);
});

test('Nothing is written into a model or run of an experiment by way of one’s own run', async (t) => {
  const w = await openWorld(t);
  const { run, experiment } = await eveMakes(w);
  const { victim } = w;
  const metric = { key: 'loss', value: 99, timestamp: 5, step: 5, model_id: victim.loggedModel };
  const refused = [
    w.mlflow('eve', 'POST', 'runs/log-metric', { run_id: run, ...metric }),
    w.mlflow('eve', 'POST', 'runs/log-batch', { run_id: run, metrics: [metric] }),
    w.mlflow('eve', 'POST', 'runs/log-metric', { run_id: victim.run, ...metric }),
    w.mlflow('eve', 'POST', 'runs/set-tag', { run_id: victim.run, key: 'a', value: 'b' }),
    w.mlflow('eve', 'POST', 'runs/update', { run_id: victim.run, status: 'FAILED' }),
    w.mlflow('eve', 'POST', 'runs/delete', { run_id: victim.run }),
    w.mlflow('eve', 'POST', 'logged-models', { experiment_id: victim.experiment, name: 'mine' }),
    w.mlflow('eve', 'PATCH', `logged-models/${victim.loggedModel}`, { status: 'LOGGED_MODEL_READY' }),
    w.mlflow('eve', 'POST', 'runs/create', { experiment_id: victim.experiment }),
    w.mlflow('eve', 'POST', 'model-versions/create', { name: victim.model, source: `runs:/${run}/x` }),
    w.ask('eve', 'PUT', `/api/2.0/mlflow-artifacts/artifacts/${victim.artifact}`, 'owned'),
    w.ask('eve', 'PUT', `/api/2.0/mlflow-artifacts/artifacts/./${victim.artifact}`, 'owned'),
    w.ask('eve', 'PUT', `/api/2.0/mlflow-artifacts/artifacts/${experiment}/%2e%2e/${victim.artifact}`, 'owned'),
    w.ask('eve', 'PUT', `/api/2.0/mlflow-artifacts/artifacts/${experiment}/%252e%252e/${victim.artifact}`, 'owned'),
    w.ask('eve', 'DELETE', `/api/2.0/mlflow-artifacts/artifacts/${victim.experiment}`),
    w.ask('eve', 'POST', `/ajax-api/2.0/mlflow/upload-artifact?run_uuid=${victim.run}&path=model/weights.txt`, 'owned'),
    w.ask(
      'eve',
      'POST',
      `/ajax-api/2.0/mlflow/upload-artifact?run_uuid=${run}&path=..%2f..%2f..%2f${encodeURIComponent(victim.artifact)}`,
      'x',
    ),
  ];
  assert.deepEqual(await letThrough(refused), []);
  const model = await w.mlflow('vic', 'GET', `logged-models/${victim.loggedModel}`);
  assert.doesNotMatch(model.text, /99/, 'no metric came in from outside');
  assert.equal((await w.ask('vic', 'GET', `/api/2.0/mlflow-artifacts/artifacts/${victim.artifact}`)).text, MARK);
});

test('No list, search, count or history tells of what may not be read', async (t) => {
  const w = await openWorld(t);
  const { victim: v } = w;
  const { run, experiment } = await eveMakes(w);
  await w.mlflow('eve', 'POST', 'runs/outputs', { run_id: run, models: [{ model_id: v.loggedModel, step: 0 }] });
  await w.mlflow('eve', 'POST', 'runs/log-inputs', { run_id: run, models: [{ model_id: v.loggedModel }] });
  const ids = [v.experiment, experiment];
  const questions: [string, string, object?][] = [
    ['POST', 'experiments/search', { max_results: 1000, view_type: 'ALL', order_by: ['name DESC'] }],
    ['POST', 'experiments/search', { max_results: 1, filter: `name LIKE '${MARK}%'` }],
    ['GET', `experiments/get-by-name?experiment_name=${MARK}-experiment`],
    ['POST', 'runs/search', { experiment_ids: ids, run_view_type: 'ALL', max_results: 1, order_by: ['metrics.loss ASC'] }],
    ['POST', 'runs/search', { experiment_ids: ids, filter: `params.recipe = '${MARK}'` }],
    ['POST', 'logged-models/search', { experiment_ids: ids, max_results: 1 }],
    ['GET', `metrics/get-history-bulk?run_id=${v.run}&run_id=${run}&metric_key=loss`],
    ['GET', `metrics/get-history-bulk-interval?run_ids=${v.run}&run_ids=${run}&metric_key=loss&max_results=10`],
    ['GET', `metrics/get-history?run_id=${v.run}&metric_key=loss`],
    ['GET', 'registered-models/search?max_results=100&order_by=name%20DESC'],
    ['GET', `registered-models/search?filter=name%20LIKE%20'${MARK}%25'`],
    ['GET', `model-versions/search?filter=run_id%20%3D%20'${v.run}'`],
    ['GET', 'model-versions/search'],
    ['GET', `model-versions/get?name=${v.model}&version=1`],
    ['POST', 'registered-models/get-latest-versions', { name: v.model }],
    ['GET', `model-versions/get-download-uri?name=${v.model}&version=1`],
    ['GET', `runs/get?run_id=${run}`],
    ['GET', 'users/list'],
    ['GET', 'users/get?username=vic'],
    ['GET', `experiments/permissions/get?experiment_id=${v.experiment}&username=vic`],
    ['GET', 'users/permissions/list?username=vic'],
  ];
  for (const [method, path, body] of questions) {
    const { status, text, json } = await w.mlflow('eve', method, path, body);
    assert.ok(status < 500, `${path}: ${text}`);
    assert.doesNotMatch(status < 300 ? text : '', new RegExp(`${MARK}|0\\.125|${v.run}`), path);
    assert.equal((json as { next_page_token?: string }).next_page_token, undefined, `${path}: no page tells that there is more`);
  }
  const own = [
    'models',
    `models/${v.model}`,
    `models/${v.model}/versions`,
    `models/${v.model}/decisions`,
    'events',
    'jobs',
    'tokens',
    'users',
  ];
  for (const path of [...own, `lineage/tracking-run/${v.run}`, `grants?kind=experiment&id=${v.experiment}`]) {
    const { status, text } = await w.ask('eve', 'GET', `/api/gyre/v1/${path}`);
    assert.ok(status < 500, `${path}: ${text}`);
    assert.doesNotMatch(status < 300 ? text : '', new RegExp(`${MARK}|${v.run}`), path);
  }
});

test('Nobody gives himself, or somebody else, more than he has', async (t) => {
  const w = await openWorld(t);
  const { victim: v } = w;
  const { experiment } = await eveMakes(w);
  const grant = { username: 'eve', permission: 'MANAGE' };
  const v3 = (who: string, method: string, path: string, body?: object) => w.ask(who, method, `/api/3.0/mlflow/${path}`, body);
  const refused: Promise<Answer>[] = [];
  for (const who of ['eve', 'val'])
    refused.push(
      w.mlflow(who, 'PATCH', 'users/update-admin', { username: who, is_admin: true }),
      w.mlflow(who, 'POST', 'users/create', { username: 'mallory', password: PASSWORD }),
      w.mlflow(who, 'DELETE', 'users/delete', { username: 'vic' }),
      w.mlflow(who, 'PATCH', 'users/update-password', { username: 'vic', password: 'another one entirely' }),
      w.mlflow(who, 'PATCH', 'users/update-password', { username: 'ada', password: 'another one entirely', current_password: 'x' }),
      w.mlflow(who, 'PATCH', 'users/update-password', { username: who, password: 'another one entirely' }),
      w.mlflow(who, 'POST', 'experiments/permissions/create', { experiment_id: v.experiment, ...grant, username: who }),
      w.mlflow(who, 'PATCH', 'experiments/permissions/update', { experiment_id: v.experiment, ...grant, username: who }),
      w.mlflow(who, 'DELETE', 'experiments/permissions/delete', { experiment_id: v.experiment, username: 'vic' }),
      w.mlflow(who, 'POST', 'registered-models/permissions/create', { name: v.model, ...grant, username: who }),
      w.mlflow(who, 'POST', 'users/permissions/grant', {
        username: who,
        resource_type: 'experiment',
        resource_id: '*',
        permission: 'MANAGE',
      }),
      w.mlflow(who, 'POST', 'users/permissions/grant', {
        username: who,
        resource_type: 'workspace',
        resource_id: '*',
        permission: 'MANAGE',
      }),
      w.mlflow(who, 'POST', 'roles/create', { name: 'r', workspace: 'default' }),
      w.mlflow(who, 'POST', 'roles/assign', { username: who, role_id: 1 }),
      w.mlflow(who, 'POST', 'roles/permissions/add', {
        role_id: 1,
        resource_type: 'workspace',
        resource_pattern: '*',
        permission: 'MANAGE',
      }),
      v3(who, 'POST', 'workspaces', { name: 'mine' }),
      v3(who, 'POST', 'workspaces/default/permissions', { username: who, permission: 'MANAGE' }),
      v3(who, 'POST', 'workspaces/other/permissions', { username: who, permission: 'MANAGE' }),
      w.ask(who, 'PUT', '/api/gyre/v1/grants', { user: who, kind: 'experiment', id: '*', level: 'MANAGE' }),
      w.ask(who, 'PUT', '/api/gyre/v1/grants', { user: who, kind: 'experiment', id: v.experiment, level: 'READ' }),
      w.ask(who, 'PUT', '/api/gyre/v1/grants', { user: who, kind: 'experiment', id: '999999', level: 'READ' }),
      w.ask(who, 'PATCH', `/api/gyre/v1/users/${who}`, { role: 'admin' }),
      w.ask(who, 'POST', '/api/gyre/v1/tokens', { name: 't', role: 'admin' }),
      w.ask(who, 'POST', '/api/gyre/v1/service-accounts', { name: 'bot', role: 'admin' }),
      w.ask(who, 'GET', '/api/2.0/mlflow/experiments/search?max_results=5', undefined, { 'x-mlflow-workspace': 'other' }),
    );
  // The owner of one thing gives nothing of another, and lets nobody into the workspace.
  refused.push(
    w.mlflow('eve', 'POST', 'experiments/permissions/create', { experiment_id: experiment, username: 'otto', permission: 'READ' }),
  );
  assert.deepEqual(await letThrough(refused), []);
  // A token is never more than its owner, whatever role it asks for.
  const made = (await w.ask('eve', 'POST', '/api/gyre/v1/me/tokens', { name: 't', role: 'admin' })).json as { secret?: string };
  for (const who of made.secret ? [made.secret] : []) {
    assert.equal((await w.ask(who, 'GET', '/api/gyre/v1/users')).status, 403);
    assert.equal((await w.mlflow(who, 'GET', `experiments/get?experiment_id=${v.experiment}`)).status, 403);
  }
});

test('A token that is narrowed to one resource administers nothing', async (t) => {
  const w = await openWorld(t);
  const { secret } = await createToken(w.server.ctx(), {
    name: 'narrow',
    role: 'admin',
    ownerId: 'ada',
    scope: { resources: [`experiment:${w.victim.experiment}`] },
  });
  assert.equal((await w.mlflow(secret, 'GET', `experiments/get?experiment_id=${w.victim.experiment}`)).status, 200);
  const attempts = [
    w.ask(secret, 'POST', '/api/gyre/v1/users', { name: 'mallory', password: PASSWORD, role: 'admin' }),
    w.ask(secret, 'POST', '/api/gyre/v1/tokens', { name: 't', role: 'admin' }),
    w.ask(secret, 'POST', '/api/gyre/v1/me/tokens', { name: 't' }),
    w.ask(secret, 'PATCH', '/api/gyre/v1/users/eve', { role: 'admin' }),
    w.mlflow(secret, 'PATCH', 'users/update-admin', { username: 'eve', is_admin: true }),
    w.mlflow(secret, 'POST', 'roles/create', { name: 'r', workspace: 'default' }),
    w.ask(secret, 'PUT', '/api/gyre/v1/grants', { user: 'eve', kind: 'model', id: w.victim.model, level: 'MANAGE' }),
    w.mlflow(secret, 'POST', 'users/permissions/grant', {
      username: 'eve',
      resource_type: 'model',
      resource_id: '*',
      permission: 'MANAGE',
    }),
  ];
  assert.deepEqual(await letThrough(attempts), []);
});

test('What was denied to somebody who may do everything else stays closed by every spelling', async (t) => {
  const w = await openWorld(t, { environment: { GYRE_DEFAULT_PERMISSION: 'MANAGE' } });
  const { victim: v } = w;
  for (const [type, id] of [
    ['experiment', v.experiment],
    ['registered_model', v.model],
  ])
    assert.equal(
      (
        await w.mlflow('ada', 'POST', 'users/permissions/grant', {
          username: 'eve',
          resource_type: type,
          resource_id: id,
          permission: 'DENY',
        })
      ).status,
      200,
    );
  const spelled = [
    v.artifact,
    `./${v.artifact}`,
    `%2e/${v.artifact}`,
    `/${v.artifact}`,
    `${v.experiment}/./${v.run}/artifacts/model/weights.txt`,
    `x/%2e%2e/${v.artifact}`,
    `${v.artifact.replace(/\//g, '%2f')}`,
    `${v.artifact.replace(/\//g, '%5c')}`,
    `%00${v.artifact}`,
    `${v.artifact}%00`,
    `../default/${v.artifact}`,
  ];
  for (const path of spelled) {
    const { status, text } = await w.ask('eve', 'GET', `/api/2.0/mlflow-artifacts/artifacts/${path}`);
    assert.ok(status >= 400 && status < 500 && !text.includes(MARK), `${path}: ${status}`);
    const listed = await w.ask('eve', 'GET', `/api/2.0/mlflow-artifacts/artifacts?path=${path.replace(/\/weights.txt$/, '')}`);
    assert.ok(!listed.text.includes('weights'), `${path}: ${listed.text}`);
  }
  assert.equal((await w.ask('vic', 'GET', `/api/2.0/mlflow-artifacts/artifacts/${v.artifact}`)).text, MARK);
  // A place that was spelled unusually when the experiment was made is closed all the same.
  for (const location of [
    'mlflow-artifacts:///odd',
    'mlflow-artifacts:/odd2//deep',
    'mlflow-artifacts:/odd%33',
    'mlflow-artifacts:/odd4/',
  ]) {
    const { experiment_id: id } = (
      await w.mlflow('vic', 'POST', 'experiments/create', { name: `at ${location.replaceAll('/', ' ')}`, artifact_location: location })
    ).json as { experiment_id?: string };
    if (id === undefined) continue;
    await w.mlflow('ada', 'POST', 'users/permissions/grant', {
      username: 'eve',
      resource_type: 'experiment',
      resource_id: id,
      permission: 'DENY',
    });
    const { run } = (await w.mlflow('vic', 'POST', 'runs/create', { experiment_id: id })).json as {
      run: { info: { run_id: string; artifact_uri: string } };
    };
    const path = run.info.artifact_uri.replace(/^mlflow-artifacts:\/*/, '');
    for (const at of [path, path.replaceAll('//', '/'), decodeURIComponent(path)]) {
      await w.ask('vic', 'PUT', `/api/2.0/mlflow-artifacts/artifacts/${at}/f`, MARK);
      const { status, text } = await w.ask('eve', 'GET', `/api/2.0/mlflow-artifacts/artifacts/${at}/f`);
      assert.ok(status >= 400 && !text.includes(MARK), `${location} by ${at}: ${status}`);
    }
  }
});

eachDatabase('Ids of another workspace lead nowhere, whoever asks', async (t, kind) => {
  const w = await openWorld(t, { kind });
  const { victim: v } = w;
  const there = { 'x-mlflow-workspace': 'other' };
  const questions: [string, string, object?][] = [
    ['GET', `/api/2.0/mlflow/experiments/get?experiment_id=${v.experiment}`],
    ['GET', `/api/2.0/mlflow/runs/get?run_id=${v.run}`],
    ['GET', `/api/2.0/mlflow/logged-models/${v.loggedModel}`],
    ['GET', `/get-artifact?run_id=${v.run}&path=model/weights.txt`],
    ['GET', `/api/2.0/mlflow-artifacts/artifacts/${v.artifact}`],
    ['GET', `/api/2.0/mlflow-artifacts/artifacts/../default/${v.artifact}`],
    ['GET', `/model-versions/get-artifact?name=${v.model}&version=1&path=weights.txt`],
    ['POST', '/api/2.0/mlflow/runs/search', { experiment_ids: [v.experiment] }],
    ['POST', '/api/2.0/mlflow/runs/log-metric', { run_id: v.run, key: 'k', value: 1, timestamp: 1 }],
    ['POST', '/api/2.0/mlflow/model-versions/create', { name: 'stolen', source: `runs:/${v.run}/model` }],
    ['POST', '/api/2.0/mlflow/model-versions/create', { name: 'stolen', source: `models:/${v.model}/1` }],
    ['GET', `/api/gyre/v1/models/${v.model}/versions`],
    ['GET', `/api/gyre/v1/lineage/tracking-run/${v.run}`],
  ];
  for (const [method, path, body] of questions) {
    const { status, text } = await w.ask('otto', method, path, body, there);
    assert.ok(status < 500, `${path}: ${status} ${text}`);
    assert.doesNotMatch(text.replaceAll(`${v.model}`, ''), new RegExp(MARK), `${path}: ${text}`);
    if (method === 'POST' && !path.endsWith('search')) assert.ok(status >= 400, `${path}: ${text}`);
  }
  assert.ok((await w.ask('otto', 'GET', '/api/gyre/v1/whoami')).status >= 401, 'and he has no role at home');
});
