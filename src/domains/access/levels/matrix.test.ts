// Every route that reads or changes single resources, asked with each level for the resource it names. A route that
// is neither in the table nor among those that name none is a fault, so that no new one is forgotten.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LightMyRequestResponse } from 'fastify';
import { compose } from '../../../app/compose.ts';
import { nameOf, namesNone, needOf } from '../../../../scripts/generate/route-levels.ts';
import { openPipelines, type PipelineBench } from '../../../../test/support/pipelines.ts';
import type { AnyRoute } from '../../../kernel/http/route.ts';
import { atLeast, levels, type ResourceKind } from '../../../kernel/levels.ts';
import { createModel, registerVersion } from '../../registry/public.ts';
import { createExperiment, createLoggedModel, createRun, logBatch } from '../../tracking/public.ts';
import { may } from '../model.ts';
import { createToken, createUser, createWorkspace } from '../service.ts';
import { grantLevel, revokeLevel } from './grants.ts';

const AREAS = ['tracking', 'models', 'datasets', 'releases'];

interface Resource {
  readonly experiment: string;
  readonly run: string;
  readonly loggedModel: string;
  readonly model: string;
}

async function make(b: PipelineBench, name: string): Promise<Resource> {
  const ctx = b.ctx();
  const experiment = await createExperiment(ctx, { name });
  const run = await createRun(ctx, { experimentId: experiment, userId: '', name: 'r', startMs: 0, tags: [] });
  await logBatch(ctx, run.id, { metrics: [{ key: 'k', value: 1, timestampMs: 1, step: 0 } as never], params: [], tags: [] });
  const logged = await createLoggedModel(ctx, {
    experimentId: experiment,
    name: 'l',
    modelType: '',
    sourceRunId: null,
    params: [],
    tags: [],
  });
  await createModel(ctx, { name });
  await registerVersion(
    ctx,
    { model: name, loggedModelId: null, source: 's3://elsewhere/x', trackingRunId: null, evidence: {}, baseline: null },
    'lenient',
  );
  return { experiment, run: run.id, loggedModel: logged.id, model: name };
}

/** A request that names the resource in every way that a route may ask for. */
function ask(b: PipelineBench, route: AnyRoute, of: Resource, headers: Record<string, string>): Promise<LightMyRequestResponse> {
  const folder = `${of.experiment}/${of.run}/artifacts`;
  // Without a path of their own these name the file in the request.
  const isListed = /mlflow-artifacts\/artifacts$/.test(route.path);
  const values: Record<string, string> = {
    ...{
      model_id: of.loggedModel,
      model: of.model,
      version: '1',
      alias: 'a',
      key: 'k',
      endpoint: 'e',
      project: 'demo',
      dataset: 'd',
      release: 'x',
      id: route.path.includes('/experiments/') ? of.experiment : of.run,
    },
    '*': `${folder}/f`,
  };
  const url = route.path.replace(/:(\w+)/g, (_, name: string) => values[name] ?? 'x').replace('*', values['*']!);
  const named: Record<string, unknown> = {
    ...{
      experiment_id: of.experiment,
      run_id: of.run,
      run_uuid: of.run,
      experiment_name: of.model,
      metric_key: 'k',
      path: isListed ? folder : 'f',
      artifact_file_path: 'f',
      upload_id: 'u',
      parts: [{ part_number: 1, etag: 'e', url: 'u' }],
    },
    ...{
      name: of.model,
      version: '1',
      alias: 'a',
      key: 'k',
      value: '1',
      username: 'max',
      permission: 'READ',
      stage: 'None',
      source: 's3://x/y',
    },
    ...{
      new_name: of.model,
      status: route.path.includes('logged-models') ? 'LOGGED_MODEL_READY' : 'RUNNING',
      timestamp: 1,
      params: [],
      tags: [],
      model_json: '{}',
      run_ids: of.run,
      max_results: 5,
    },
    ...{ models: [{ model_id: of.loggedModel, step: 0 }], metrics: [], datasets: [] },
    // `logged-models` itself takes a name that is no model's.
    ...(route.path.endsWith('/logged-models') ? { name: 'l' } : {}),
  };
  const own = {
    ...(/\/freeze$|\/trials\/:trial\/(stop|decide|pause|resume|freeze-weights|thaw-weights)$|\/release\/\w+$/.test(route.path)
      ? { reason: 'r' }
      : {}),
    ...(route.path.endsWith('/trials') ? { name: 't', arms: [{ name: 'b', version: '1' }], metric: 'label', effect: 0.1 } : {}),
    ...(route.path.endsWith('/aliases/:alias') ? { version: 1 } : {}),
    ...(route.path.endsWith('/endpoints/:endpoint/releases') ? { version: '1' } : {}),
    ...(route.path.endsWith('/:dataset/versions') ? { files: [] } : {}),
    ...(route.path.endsWith('/tracking-runs/compare') ? { runIds: [of.run, of.run] } : {}),
  };
  const isOwn = route.path.startsWith('/api/gyre/');
  const query = new URLSearchParams(Object.entries(named).flatMap(([k, v]) => (Array.isArray(v) ? [] : [[k, String(v)]])));
  const ownQuery = route.path.endsWith('/metrics') ? '?key=k' : '';
  const withBody = route.method !== 'GET' && !(isOwn && route.method === 'DELETE');
  // A stream of events goes on as long as somebody listens.
  const isLive = route.path.endsWith('/live');
  const asked = b.app.inject({
    payloadAsStream: isLive,
    method: route.method,
    url: isOwn ? url + ownQuery : route.method === 'GET' || route.body === 'stream' ? `${url}?${query.toString()}` : url,
    headers: { host: '127.0.0.1', ...headers, ...(withBody ? { 'content-type': 'application/json' } : {}) },
    ...(withBody ? { payload: JSON.stringify(isOwn ? own : named) } : {}),
  });
  if (isLive) void asked.then((reply) => reply.stream().destroy());
  return asked;
}

test('every route asks for the level of the resource that it names, whatever the level is and whose the resource', async (t) => {
  const b = await openPipelines(t, 'sqlite', { GYRE_DEFAULT_PERMISSION: 'NO_PERMISSIONS' });
  await b.apply(
    "project: demo\ndatasets:\n  d: { source: 'd/*.parquet', key: [id] }\nmodels:\n  m: { gates: [ { metric: roc_auc, floor: 0.5 } ] }\nendpoints:\n  e: { model: m }\n",
  );
  const other = await make(b, 'other');
  await createUser(b.ctx(), { name: 'ada', password: 'correct horse battery', role: 'admin' });
  for (const name of ['mia', 'max']) await createUser(b.ctx(), { name, password: 'correct horse battery', role: 'member' });
  const bearer = async (role: 'member' | 'viewer' | 'admin', ownerId: string) => ({
    authorization: `Bearer ${(await createToken(b.ctx(), { name: `${role} of ${ownerId}`, role, ownerId })).secret}`,
  });
  const mia = await bearer('member', 'mia');
  const admin = await bearer('admin', 'ada');
  const routes = compose(b.platform.blobs, () => '').routes.filter((r) => AREAS.includes(r.permission.split(':')[0]!));
  const forgotten = routes.filter((r) => !needOf(r) && !namesNone(r)).map(nameOf);
  assert.deepEqual(forgotten, [], 'these routes are in no table');
  let asked = 0;
  const wrong: string[] = [];
  for (const [i, held] of levels.entries()) {
    const own = await make(b, `own${i}`);
    const grants: readonly (readonly [ResourceKind, string])[] = [
      ...(['experiment'] as const).map((k) => [k, own.experiment] as const),
      ['model', own.model],
      ['endpoint', 'e'],
      ['dataset', 'demo/d'],
    ];
    for (const [kind, id] of grants) await grantLevel(b.ctx(), { user: 'mia', kind, id, level: held });
    for (const route of routes) {
      const need = needOf(route);
      if (!need) continue;
      const reply = await ask(b, route, own, mia);
      const isDenied = reply.statusCode === 403;
      // No level makes up for what the role may not do at all.
      if (isDenied === (atLeast(held, need[1]) && may(['member'], route.permission)))
        wrong.push(`${nameOf(route)} with ${held}: ${reply.statusCode} ${reply.payload.slice(0, 200)}`);
      assert.ok(reply.statusCode < 500 || reply.statusCode === 501, `${nameOf(route)}: ${reply.payload}`);
      asked++;
      // What is somebody else's stays closed whatever one has for one's own.
      if (need[0] !== 'endpoint' && need[0] !== 'dataset')
        if ((await ask(b, route, other, mia)).statusCode !== 403) wrong.push(`${nameOf(route)} of another with ${held} for one’s own`);
      // A deletion that was let through must not stand in the way of the routes after it.
      if (!isDenied && (/delete$|:model_id$/.test(route.path) || route.method === 'DELETE')) await undo(b, own);
    }
    for (const [kind, id] of grants) await revokeLevel(b.ctx(), 'mia', kind, id).catch(() => undefined);
  }
  assert.deepEqual(wrong, []);
  assert.ok(asked > 500, `only ${asked} were asked`);
  // An administrator is asked for no level, and a viewer is bound by the role.
  for (const route of routes) if (needOf(route)) assert.notEqual((await ask(b, route, other, admin)).statusCode, 403, nameOf(route));
});

test('what is of another workspace is not there, whichever way it is asked for', async (t) => {
  const b = await openPipelines(t);
  const of = await make(b, 'onlyhere');
  await createWorkspace(b.ctx(), 'elsewhere');
  const wrong: string[] = [];
  let asked = 0;
  for (const route of compose(b.platform.blobs, () => '').routes) {
    if (!needOf(route) || !/mlflow/.test(route.path)) continue;
    const reply = await ask(b, route, of, { 'x-mlflow-workspace': 'elsewhere' });
    asked++;
    // A history of what is not there is empty, as MLflow's is, and so is what is deleted of it.
    if (![400, 404, 501].includes(reply.statusCode) && !['{}', ''].includes(reply.payload))
      wrong.push(`${nameOf(route)}: ${reply.statusCode} ${reply.payload.slice(0, 200)}`);
  }
  assert.deepEqual(wrong, []);
  assert.ok(asked > 100, `only ${asked} were asked`);
  // At home the same requests find it.
  const [get] = compose(b.platform.blobs, () => '').routes.filter((r) => nameOf(r) === 'GET /api/2.0/mlflow/runs/get');
  assert.equal((await ask(b, get!, of, {})).statusCode, 200);
});

/** Brings back what a deletion took away. */
async function undo(b: PipelineBench, of: Resource): Promise<void> {
  const post = (path: string, payload: object) =>
    b.app.inject({
      method: 'POST',
      url: `/api/2.0/mlflow/${path}`,
      headers: {
        host: '127.0.0.1',
        'content-type': 'application/json',
        authorization: `Basic ${Buffer.from('ada:correct horse battery').toString('base64')}`,
      },
      payload: JSON.stringify(payload),
    });
  await post('experiments/restore', { experiment_id: of.experiment });
  await post('runs/restore', { run_id: of.run });
  if ((await post('registered-models/create', { name: of.model })).statusCode === 200)
    await grantLevel(b.ctx(), { user: 'mia', kind: 'model', id: of.model, level: 'MANAGE' });
  await post('model-versions/create', { name: of.model, source: 's3://elsewhere/x' });
}
