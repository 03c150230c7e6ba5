import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { startServer } from '../../../test/support/server.ts';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import { openValidator } from '../../kernel/http/validation.ts';
import { permissionsOf } from '../access/model.ts';
import { createToken, createUser } from '../access/public.ts';
import { finishLoggedModel } from '../tracking/public.ts';
import { identityModel, logModel, scoreRows } from './fixtures/models.ts';
import { evaluate, registerVersion } from './public.ts';
import { registryRoutes } from './routes.ts';

async function open(t: TestContext, kind: DatabaseKind = 'sqlite') {
  const server = await startServer(t, kind);
  const ctx = server.ctx();
  const call = async (method: string, path: string, body?: object, token?: string) => {
    const response = await fetch(`${server.url}/api/gyre/v1${path}`, {
      method,
      headers: { ...(body ? { 'content-type': 'application/json' } : {}), ...(token ? { authorization: `Bearer ${token}` } : {}) },
      ...(body ? { body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    return { status: response.status, body: (text ? JSON.parse(text) : null) as Record<string, unknown> };
  };
  const logged = await logModel(ctx, { 'model.onnx': identityModel({ good: 'float' }) });
  const evaluated = async () => {
    const evaluation = await evaluate(ctx, {
      loggedModelId: logged.id,
      table: await scoreRows(server.folder, 300),
      datasetVersion: 'dsv_1',
      datasetVersions: ['dsv_1'],
      task: 'binary',
      score: 'score',
      slices: ['origin'],
      window: { fromUs: 1_000_000_000, toUs: 2_000_000_000 },
    });
    await register({ evaluation: evaluation.id });
    return evaluation;
  };
  const register = (evidence: object = {}) =>
    registerVersion(ctx, {
      model: 'm',
      loggedModelId: logged.id,
      source: logged.source,
      trackingRunId: logged.runId,
      evidence,
      baseline: null,
    });
  return { ...server, ctx, call, logged, register, evaluated };
}

eachDatabase('models, versions, evaluations and decisions are read page by page over HTTP', async (t, kind) => {
  const { call, evaluated, register, logged } = await open(t, kind);
  const evaluation = await evaluated();
  for (let i = 0; i < 4; i++) await register();
  const models = await call('GET', '/models');
  assert.deepEqual(
    [models.body.items, models.body.nextCursor].map((x: unknown) => (Array.isArray(x) ? x.map((m: { name: string }) => m.name) : x)),
    [['m'], null],
  );
  const numbers: number[] = [];
  let cursor: string | null = '';
  while (cursor !== null) {
    const page: { items: { number: number }[]; nextCursor: string | null } = (
      await call('GET', `/models/m/versions?limit=2${cursor ? `&cursor=${encodeURIComponent(cursor)}` : ''}`)
    ).body as never;
    numbers.push(...page.items.map((v) => v.number));
    cursor = page.nextCursor;
  }
  assert.deepEqual(numbers, [5, 4, 3, 2, 1]);
  const version = (await call('GET', '/models/m/versions/1')).body as unknown as Record<string, unknown>;
  assert.deepEqual([version.state, version.trackingRunId, version.decision], ['sealed', logged.runId, null]);
  assert.deepEqual(
    (version.files as { path: string }[]).map((f) => f.path),
    ['model.onnx'],
  );
  assert.deepEqual(version.evidence as object, { evaluation: evaluation.id });
  const read = (await call('GET', `/evaluations/${evaluation.id}`)).body as unknown as typeof evaluation;
  assert.deepEqual([read.metrics, read.slices.length, read.rows], [evaluation.metrics, 3, 300]);

  assert.equal((await call('PUT', '/models/m/aliases/prod', { version: 1 })).status, 204);
  assert.deepEqual((await call('GET', '/models/m')).body.aliases as object, { prod: 1 });
  const first = await call('POST', '/models/m/versions/prod/decide');
  assert.deepEqual([first.status, first.body.outcome as string], [200, 'passed']);
  await call('POST', '/models/m/versions/2/decide');
  const decisions = (await call('GET', '/models/m/decisions?limit=1')).body as unknown as {
    items: { outcome: string }[];
    nextCursor: string;
  };
  assert.deepEqual([decisions.items[0]!.outcome, typeof decisions.nextCursor], ['failed', 'string']);
  assert.equal((await call('DELETE', '/models/m/aliases/prod')).status, 204);
  assert.equal((await call('DELETE', '/models/m/aliases/prod')).status, 204);
});

test('what is not there, or cannot be, is a problem with its code', async (t) => {
  const { call, register } = await open(t);
  await register();
  const cases: readonly (readonly [string, string, object | undefined, number, string])[] = [
    ['GET', '/models/none', undefined, 404, 'model-not-found'],
    ['GET', '/models/none/versions', undefined, 404, 'model-not-found'],
    ['GET', '/models/m/versions/9', undefined, 404, 'model-version-not-found'],
    ['GET', '/models/m/versions/99999999999999999999', undefined, 404, 'model-version-not-found'],
    ['GET', '/models/m/versions/nobody', undefined, 404, 'model-version-not-found'],
    ['GET', '/models/m/versions?cursor=x', undefined, 400, 'cursor-invalid'],
    ['GET', `/models/m/versions?cursor=${Buffer.from('[1e300]').toString('base64url')}`, undefined, 400, 'cursor-invalid'],
    ['GET', '/evaluations/evl_none', undefined, 404, 'evaluation-not-found'],
    ['PUT', '/models/m/aliases/latest', { version: 1 }, 400, 'alias-invalid'],
    ['PUT', '/models/m/aliases/a', { version: 9 }, 404, 'model-version-not-found'],
    ['PUT', '/models/m/aliases/a', { version: 1e300 }, 400, 'invalid-input'],
    ['PUT', '/models/m/aliases/a', { version: '1' }, 400, 'invalid-input'],
    ['DELETE', '/models/none/aliases/a', undefined, 404, 'model-not-found'],
    ['POST', '/models/none/versions/1/decide', undefined, 404, 'model-version-not-found'],
    ['POST', '/models/m/versions/1/override', { reason: 'short' }, 400, 'override-needs-reason'],
    ['POST', '/models/m/versions/1/override', {}, 400, 'invalid-input'],
  ];
  for (const [method, path, body, status, code] of cases) {
    const reply = await call(method, path, body);
    assert.deepEqual([reply.status, reply.body.code as string], [status, code], `${method} ${path}`);
  }
});

test('an unsealed version is decided by nobody, and sealed over HTTP once its files have come', async (t) => {
  const { ctx, call } = await open(t);
  const open_ = await logModel(ctx, { 'model.onnx': identityModel({ x: 'float' }) }, { ready: false });
  await registerVersion(ctx, {
    model: 'n',
    loggedModelId: open_.id,
    source: open_.source,
    trackingRunId: null,
    evidence: {},
    baseline: null,
  });
  for (const [path, body] of [
    ['decide', undefined],
    ['override', { reason: 'It is only for a moment.' }],
  ] as const)
    assert.equal((await call('POST', `/models/n/versions/1/${path}`, body)).body.code as string, 'version-unsealed');
  assert.equal((await call('POST', '/models/n/versions/1/seal')).body.code as string, 'model-not-loadable');
  await finishLoggedModel(ctx, open_.id, 'LOGGED_MODEL_READY', '');
  const sealed = await call('POST', '/models/n/versions/1/seal');
  assert.deepEqual([sealed.status, sealed.body.state as string], [200, 'sealed']);
  assert.equal((await call('POST', '/models/n/versions/1/decide')).body.outcome as string, 'failed', 'nothing was evaluated');
});

test('nobody can make the figures and pass the gate: no route writes an evaluation, and only an administrator overrides', async (t) => {
  const { ctx, call, evaluated } = await open(t);
  await evaluated();
  assert.deepEqual(
    registryRoutes.filter((r) => r.path.includes('/evaluations') && r.method !== 'GET').map((r) => `${r.method} ${r.path}`),
    [],
  );
  assert.equal(registryRoutes.find((r) => r.path.endsWith('/override'))!.permission, 'gates:decide');
  const deciders = Object.entries(permissionsOf).flatMap(([role, held]) => (held.has('gates:decide') ? [role] : []));
  assert.deepEqual(deciders, ['admin']);
  await createUser(ctx, { name: 'ada', password: 'a long password', role: 'admin' });
  const tokenOf = async (role: 'admin' | 'editor' | 'viewer' | 'service') =>
    (await createToken(ctx, { name: role, role, ownerId: role === 'admin' ? 'ada' : role })).secret;
  const reason = { reason: 'The old model is down; agreed with operations.' };
  for (const role of ['editor', 'viewer', 'service'] as const)
    assert.equal((await call('POST', '/models/m/versions/1/override', reason, await tokenOf(role))).body.code as string, 'forbidden', role);
  const decision = (await call('POST', '/models/m/versions/1/override', reason, await tokenOf('admin'))).body as unknown as Record<
    string,
    unknown
  >;
  assert.deepEqual([decision.outcome, decision.reason, (decision.actor as { id: string }).id], ['overridden', reason.reason, 'ada']);
});

test('every reply has the members that its schema says, and no others', async (t) => {
  const { call, ctx, evaluated } = await open(t);
  const evaluation = await evaluated();
  // Of its own flavor, with what runs on loading; and one that is not sealed.
  const pickled = await logModel(ctx, {
    MLmodel: Buffer.from('flavors: {sklearn: {}}\nmlflow_version: 3.0.0\n'),
    'model.pkl': Buffer.from('cposix\nsystem\n.', 'latin1'),
  });
  const plain = { model: 'm', trackingRunId: null, evidence: {}, baseline: null };
  await registerVersion(ctx, { ...plain, loggedModelId: pickled.id, source: pickled.source }, 'lenient');
  await registerVersion(ctx, { ...plain, loggedModelId: null, source: 's3://elsewhere/x' }, 'lenient');
  await call('PUT', '/models/m/aliases/prod', { version: 1 });
  const validator = openValidator({ allErrors: true, strict: false });
  const asked: readonly (readonly [string, string, string, object?])[] = [
    ['POST', '/models/:model/versions/:version/decide', '/models/m/versions/1/decide'],
    ['POST', '/models/:model/versions/:version/override', '/models/m/versions/1/override', { reason: 'it is known to be fine' }],
    ['POST', '/models/:model/versions/:version/seal', '/models/m/versions/1/seal'],
    ['GET', '/models', '/models'],
    ['GET', '/models/:model', '/models/m'],
    ['GET', '/models/:model/versions', '/models/m/versions'],
    ['GET', '/models/:model/versions/:version', '/models/m/versions/1'],
    ['GET', '/models/:model/versions/:version', '/models/m/versions/2'],
    ['GET', '/models/:model/versions/:version', '/models/m/versions/3'],
    ['GET', '/models/:model/decisions', '/models/m/decisions'],
    ['GET', '/evaluations/:id', `/evaluations/${evaluation.id}`],
  ];
  for (const [method, route, path, body] of asked) {
    const { reply } = registryRoutes.find((r) => r.method === method && r.path === `/api/gyre/v1${route}`)!;
    const answer = await call(method, path, body);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    const validate = validator.compile(closed(reply![200]!));
    assert.equal(validate(answer.body), true, `${path}: ${JSON.stringify(validate.errors)}`);
  }
});

/** The schema, where objects have no members but those it names. */
const closed = (schema: unknown): object =>
  Array.isArray(schema)
    ? schema.map(closed)
    : typeof schema !== 'object' || schema === null
      ? (schema as unknown as object)
      : {
          ...Object.fromEntries(Object.entries(schema).map(([key, value]) => [key, closed(value)])),
          ...('properties' in schema && 'type' in schema ? { additionalProperties: false } : {}),
        };
