// Users, permissions and workspaces as MLflow's clients see them, where the client itself does not show it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPipelines } from '../../../test/support/pipelines.ts';
import { createToken, createUser } from '../../domains/access/public.ts';

const PASSWORD = 'correct horse battery';

async function open(t: Parameters<typeof openPipelines>[0]) {
  const b = await openPipelines(t);
  for (const [name, role] of [['ada', 'admin'] as const, ['mia', 'member'] as const])
    await createUser(b.ctx(), { name, password: PASSWORD, role });
  const ask = async (who: string, method: string, path: string, body?: object) => {
    const reply = await b.app.inject({
      method: method as 'GET',
      url: path,
      headers: {
        host: '127.0.0.1',
        authorization: `Basic ${Buffer.from(`${who}:${PASSWORD}`).toString('base64')}`,
        ...(body ? { 'content-type': 'application/json' } : {}),
      },
      ...(body ? { payload: JSON.stringify(body) } : {}),
    });
    const isJson = String(reply.headers['content-type']).includes('json');
    const json = (isJson && reply.payload !== '' ? JSON.parse(reply.payload) : {}) as Record<string, unknown>;
    return { status: reply.statusCode, text: reply.payload, json };
  };
  const error = async (...sent: Parameters<typeof ask>) => {
    const { status, json, text } = await ask(...sent);
    return [status, json.error_code ?? text, json.message ?? ''];
  };
  return { b, ask, error };
}

test('what MLflow has permissions for and this server has not is refused once and for all, not repeated', async (t) => {
  const { error } = await open(t);
  for (const what of ['scorers', 'gateway/secrets', 'gateway/endpoints', 'gateway/model-definitions']) {
    const [status, code, message] = await error('ada', 'POST', `/api/3.0/mlflow/${what}/permissions/create`, {});
    assert.deepEqual([status, code], [501, 'NOT_IMPLEMENTED']);
    // In our own words: mlflow-access-not-offered.
    assert.match(String(message), /not offered by this server/);
  }
  const [status, , message] = await error('ada', 'DELETE', '/api/3.0/mlflow/workspaces/lab?mode=CASCADE');
  // workspace-mode-not-offered
  assert.deepEqual(
    [status, message],
    [501, 'Deleting a workspace with mode CASCADE is not offered: remove what is in it, then delete it with mode RESTRICT.'],
  );
});

test('workspaces answer with MLflow’s statuses, names and refusals', async (t) => {
  const { b, ask, error } = await open(t);
  const path = '/api/3.0/mlflow/workspaces';
  const made = await ask('ada', 'POST', path, { name: 'team-a', description: 'd' });
  assert.deepEqual([made.status, made.json], [201, { workspace: { name: 'team-a', description: 'd' } }]);
  assert.deepEqual((await ask('ada', 'GET', '/ajax-api/3.0/mlflow/workspaces')).json, {
    workspaces: [{ name: 'default' }, { name: 'team-a', description: 'd' }],
  });
  for (const name of ['x', 'Upper', '-a', 'a-', 'api', 'workspaces', 'x'.repeat(64)])
    assert.equal((await ask('ada', 'POST', path, { name })).json.error_code, 'INVALID_PARAMETER_VALUE', name);
  assert.deepEqual((await error('ada', 'POST', path, { name: 'default' })).slice(0, 2), [400, 'INVALID_PARAMETER_VALUE']);
  assert.deepEqual((await error('ada', 'POST', path, { name: 'team-a' })).slice(0, 2), [400, 'RESOURCE_ALREADY_EXISTS']);
  assert.deepEqual((await error('ada', 'POST', path, { name: 'team-b', default_artifact_root: 's3://b/x' })).slice(0, 2), [
    400,
    'INVALID_PARAMETER_VALUE',
  ]);
  assert.deepEqual(await error('mia', 'POST', path, { name: 'mias' }), [403, 'Permission denied', '']);
  assert.deepEqual(await error('mia', 'GET', `${path}/team-a`), [404, 'RESOURCE_DOES_NOT_EXIST', "Workspace 'team-a' not found"]);
  assert.deepEqual((await error('ada', 'PATCH', `${path}/team-a`, {})).at(-1), 'Workspace update must have at least one key');
  assert.deepEqual((await error('ada', 'DELETE', `${path}/default`)).slice(0, 2), [400, 'INVALID_PARAMETER_VALUE']);
  assert.match(String((await error('ada', 'DELETE', `${path}/team-a?mode=NONE`)).at(-1)), /Invalid deletion mode 'NONE'/);
  // Who may be in it.
  assert.deepEqual((await ask('ada', 'POST', `${path}/team-a/permissions`, { username: 'mia', permission: 'USE' })).status, 200);
  assert.equal((await ask('mia', 'GET', `${path}/team-a`)).status, 200);
  const { permissions } = (await ask('mia', 'GET', '/api/3.0/mlflow/workspace-permissions?username=mia')).json as {
    permissions: { workspace: string; permission: string }[];
  };
  assert.deepEqual(
    permissions.map((p) => [p.workspace, p.permission]),
    [
      ['default', 'USE'],
      ['team-a', 'USE'],
    ],
  );
  assert.equal((await ask('ada', 'DELETE', `${path}/team-a/permissions`, { username: 'mia' })).status, 200);
  assert.equal((await ask('mia', 'GET', `${path}/team-a`)).status, 404);
  const gone = await ask('ada', 'DELETE', `${path}/team-a`);
  assert.deepEqual([gone.status, gone.text], [204, '']);
  // What the server is can be asked by anybody, in whatever workspace.
  const info = await b.app.inject({ url: '/api/3.0/mlflow/server-info', headers: { host: '127.0.0.1', 'x-mlflow-workspace': 'none' } });
  assert.deepEqual(JSON.parse(info.payload), { store_type: 'SqlStore', workspaces_enabled: true });
});

test('bad input of users, permissions and roles is a 400 that says which', async (t) => {
  const { error } = await open(t);
  const at = (path: string, major = 3): string => `/api/${major}.0/mlflow/${path}`;
  const cases: readonly (readonly [string, string, object | undefined, RegExp])[] = [
    ['POST', at('users/create', 2), {}, /Username and password cannot be empty/],
    ['POST', at('users/create', 2), { username: 'a b', password: PASSWORD }, /Invalid username/],
    ['PATCH', at('users/update-admin', 2), { username: 'mia' }, /Missing value for required parameter 'is_admin'/],
    ['DELETE', at('users/delete', 2), { username: 'ada' }, /cannot delete their own account/],
    ['POST', at('experiments/permissions/create', 2), { experiment_id: '0', username: 'mia' }, /required parameter 'permission'/],
    [
      'POST',
      at('experiments/permissions/create', 2),
      { experiment_id: '0', username: 'mia', permission: 'ALL' },
      /Invalid permission 'ALL'/,
    ],
    ['GET', at('users/permissions/get?username=mia&resource_type=x&resource_id=1'), undefined, /Invalid resource type 'x'/],
    ['GET', at('users/permissions/get?username=mia&resource_type=workspace&resource_id=1'), undefined, /not supported by the per-user/],
    ['POST', at('roles/create'), { workspace: 'default' }, /Role name cannot be empty/],
    ['POST', at('roles/create'), { name: 'r' }, /Workspace cannot be empty/],
    ['POST', at('roles/create'), { workspace: 'default', name: '__user_1__' }, /reserved/],
    ['GET', at('roles/get?role_id=x'), undefined, /Parameter 'role_id' must be an integer/],
    ['PATCH', at('roles/update'), { role_id: 1 }, /At least one of/],
    [
      'POST',
      at('roles/permissions/add'),
      { role_id: 1, resource_type: 'workspace', resource_pattern: 'x', permission: 'USE' },
      /only wildcard/,
    ],
    [
      'POST',
      at('roles/permissions/add'),
      { role_id: 1, resource_type: 'workspace', resource_pattern: '*', permission: 'READ' },
      /Invalid permission 'READ' for resource_type='workspace'\. Workspace-wide grants accept only/,
    ],
  ];
  for (const [method, path, body, message] of cases) {
    const [status, code, said] = await error('ada', method, path, body);
    assert.deepEqual([status, code], [400, 'INVALID_PARAMETER_VALUE'], `${method} ${path}: ${String(said)}`);
    assert.match(String(said), message, path);
  }
  assert.deepEqual((await error('ada', 'GET', at('roles/get?role_id=7'))).slice(0, 2), [404, 'RESOURCE_DOES_NOT_EXIST']);
  assert.deepEqual((await error('ada', 'POST', at('roles/create'), { name: 'r', workspace: 'none' })).slice(0, 2), [
    404,
    'RESOURCE_DOES_NOT_EXIST',
  ]);
  // What is not there can be granted, as with MLflow, by whoever may grant everything.
  const ahead = { experiment_id: '77', username: 'mia', permission: 'READ' };
  assert.equal((await error('mia', 'POST', at('experiments/permissions/create', 2), ahead))[0], 403);
  assert.equal((await error('ada', 'POST', at('experiments/permissions/create', 2), ahead))[0], 200);
  const grant = { username: 'mia', resource_type: 'registered_model', resource_id: 'm', permission: 'NO_PERMISSIONS' };
  assert.match(
    String((await error('ada', 'POST', at('users/permissions/grant'), grant)).at(-1)),
    /^Invalid permission 'NO_PERMISSIONS' for resource_type='registered_model'\. Resource-level grants accept only: \('DENY', /,
  );
  const once = () => error('ada', 'POST', at('users/permissions/grant'), { ...grant, permission: 'READ' });
  assert.equal((await once())[0], 200);
  assert.deepEqual((await once()).slice(0, 2), [400, 'RESOURCE_ALREADY_EXISTS']);
  // A second grant of its own: grant-exists.
  const twice = () =>
    error('ada', 'POST', at('experiments/permissions/create', 2), { experiment_id: '0', username: 'mia', permission: 'EDIT' });
  assert.equal((await twice())[0], 200);
  assert.deepEqual((await twice()).slice(0, 2), [400, 'RESOURCE_ALREADY_EXISTS']);
});

test('code of a pipeline step that registers a model is told how it is done', async (t) => {
  const { b, error } = await open(t);
  const { secret } = await createToken(b.ctx(), {
    name: 's',
    role: 'step',
    scope: { trackingRunIds: [] },
    expiresMs: Number.MAX_SAFE_INTEGER,
  });
  const sent = (path: string) =>
    b.app.inject({
      method: 'POST',
      url: path,
      headers: { host: '127.0.0.1', authorization: `Bearer ${secret}`, 'content-type': 'application/json' },
      payload: '{"name":"m"}',
    });
  const reply = await sent('/api/2.0/mlflow/registered-models/create');
  assert.equal(reply.statusCode, 403);
  assert.match(reply.payload, /^Permission denied: code of a pipeline step .* register: \{ model: NAME, from: STEP\.model \}$/);
  assert.equal((await sent('/api/2.0/mlflow/users/create')).payload, 'Permission denied');
  // Of a person it is not said.
  assert.deepEqual(await error('mia', 'GET', '/api/2.0/mlflow/users/list'), [403, 'Permission denied', '']);
});
