// Every route of the program, asked in every role and from another workspace.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compose } from '../../app/compose.ts';
import { serverRoutes } from '../../app/server-routes.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import type { AnyRoute } from '../../kernel/http/route.ts';
import { may, roles, type Role } from './model.ts';
import { createToken, createWorkspace } from './service.ts';

/** Routes that wait for work, or that change what the test itself needs. */
const notCalled = new Set([
  'POST /api/gyre/v1/settle',
  // Streams that go on.
  'GET /api/gyre/v1/tracking-runs/:id/metrics/live',
  'GET /api/gyre/v1/experiments/:id/runs/live',
]);

const routesOf = (b: PipelineBench): AnyRoute[] => [
  ...compose(b.platform.blobs, () => '').routes,
  ...serverRoutes(
    () => b,
    () => '',
  ),
];

interface Heard {
  readonly statusCode: number;
  readonly payload: string;
}

const ask = async (
  b: PipelineBench,
  route: AnyRoute,
  headers: Record<string, string>,
  value: (name: string) => string = () => 'x',
): Promise<Heard> => {
  const url = route.path.replace(/:(\w+)/g, (_, name: string) => encodeURIComponent(value(name))).replace('*', value('*'));
  const body =
    route.method === 'GET' || route.method === 'DELETE' ? {} : { headers: { 'content-type': 'application/json' }, payload: '{}' };
  const request = { method: route.method, url, ...body, headers: { host: '127.0.0.1', ...body.headers, ...headers } };
  const reply = await b.app.inject({ ...request, payloadAsStream: true });
  const stream = reply.stream();
  // A stream of events has no end; that it began is enough.
  if (String(reply.headers['content-type']).startsWith('text/event-stream')) {
    stream.destroy();
    return { statusCode: reply.statusCode, payload: '' };
  }
  const chunks: Buffer[] = [];
  for await (const chunk of stream as AsyncIterable<Buffer>) chunks.push(chunk);
  return { statusCode: reply.statusCode, payload: Buffer.concat(chunks).toString() };
};

/** The status as far as access is concerned: who was let in may still be told that nothing is there. */
const verdict = (reply: Heard): '401' | '403' | 'in' => {
  if (reply.statusCode === 401) return '401';
  // MLflow's clients are told in MLflow's words.
  return reply.statusCode === 403 &&
    (reply.payload.includes('the permission \\"') || /^Permission denied(: code of a pipeline step .*)?$/.test(reply.payload))
    ? '403'
    : 'in';
};

test('every route lets in exactly the roles that hold its permission', async (t) => {
  // A member may do then what its permissions let it; what single resources take is in levels/matrix.test.ts.
  const b = await openPipelines(t, 'sqlite', { GYRE_DEFAULT_PERMISSION: 'MANAGE' });
  const secrets = {} as Record<Role, string>;
  for (const role of roles)
    secrets[role] = (
      await createToken(b.ctx(), { name: role, role, ownerId: role, ...(role === 'step' ? { scope: { runId: 'r' } } : {}) })
    ).secret;
  await b.send('POST', '/users', { name: 'ada', password: 'correct horse battery', role: 'admin' });
  const routes = compose(b.platform.blobs, () => '').routes;
  assert.ok(routes.length > 100, `${routes.length} routes`);
  for (const route of routes) {
    const name = `${route.method} ${route.path}`;
    assert.equal(verdict(await ask(b, route, {})), route.permission === 'public' ? 'in' : '401', `${name} without credentials`);
    for (const role of roles) {
      const reply = await ask(b, route, { authorization: `Bearer ${secrets[role]}` });
      // Artifacts that belong to no experiment take MANAGE for all of them, which these two have for none.
      const isNobodys = /mlflow-artifacts\/(artifacts|presigned)/.test(route.path) && (role === 'viewer' || role === 'service');
      // Without a workspace in the question it is about all of them.
      const isOfAll = /mlflow\/roles\/list$/.test(route.path) && role !== 'admin';
      const expected = may([role], route.permission) && !isNobodys && !isOfAll ? 'in' : '403';
      assert.equal(verdict(reply), expected, `${name} as ${role}: ${reply.payload}`);
      // 501: a part of MLflow's protocol that a server may lack.
      assert.ok(reply.statusCode < 500 || reply.statusCode === 501, `${name} as ${role}: ${reply.payload}`);
    }
  }
});

test('reading asks for a reading permission, and changing something never does', async (t) => {
  const b = await openPipelines(t);
  // Questions that are asked by POST, for their bodies are long.
  const questions =
    /\/(search|search-datasets|presigned-download-url|search-versions|get-latest-versions|batch|plan|settle|get-history-bulk|preview|diff|query|resolve|online|report|count|compare)$|alerts\/test$|mlflow\/logged-models\/search|graphql/;
  for (const { method, path, permission } of routesOf(b)) {
    if (permission === 'public') continue;
    const reads = permission.endsWith(':read') || permission === 'system:admin' || permission.startsWith('access:');
    if (method === 'GET') assert.equal(reads, true, `${method} ${path} asks for ${permission}`);
    else if (permission.endsWith(':read')) assert.match(path, questions, `${method} ${path} asks for ${permission}`);
  }
});

test('no list and no record shows anything of another workspace', async (t) => {
  const b = await openPipelines(t);
  await createWorkspace(b.ctx(), 'b');
  const known = await fill(b);
  const answers = async (workspace: string): Promise<Map<string, string[]>> => {
    const shown = new Map<string, string[]>();
    for (const route of routesOf(b)) {
      const isQuestion = route.method === 'GET' || (route.method === 'POST' && route.permission.endsWith(':read'));
      if (!isQuestion || notCalled.has(`${route.method} ${route.path}`)) continue;
      const lists: string[] = [];
      for (const id of route.path.includes(':') || route.path.includes('*') ? known.ids : ['']) {
        const value = (name: string): string => known.named[name] ?? id;
        const reply = await ask(b, route, { 'x-gyre-workspace': workspace }, value);
        assert.ok(reply.statusCode < 500 || reply.statusCode === 501, `${route.method} ${route.path}: ${reply.payload}`);
        if (reply.statusCode < 300 && known.marks.some((mark) => reply.payload.includes(mark))) lists.push(`${id}: ${reply.payload}`);
      }
      if (lists.length > 0) shown.set(`${route.method} ${route.path}`, lists);
    }
    return shown;
  };
  const seen = await answers('default');
  // The test asks for something: at home these answer.
  assert.ok(seen.size >= 12, `only ${[...seen.keys()].join(', ')}`);
  assert.deepEqual([...(await answers('b'))], []);
});

/** Objects of the workspace "default" that bear a mark, and their ids. */
async function fill(b: PipelineBench): Promise<{ ids: string[]; named: Record<string, string>; marks: string[] }> {
  const mark = 'onlyhere';
  await b.apply(
    `project: demo\ndescription: ${mark}\npipelines:\n  p:\n    steps:\n      s: { run: "echo ${mark}; echo 1 > out/d", code: [], out: { d: folder } }\nmodels:\n  m: { gates: [ { metric: roc_auc, floor: 0.5 } ] }\nendpoints:\n  e: { model: m }\n`,
  );
  const run = await b.finish();
  const mlflow = async (path: string, body: object): Promise<Record<string, string>> =>
    JSON.parse(
      (
        await b.app.inject({
          method: 'POST',
          url: `/api/2.0/mlflow/${path}`,
          headers: { host: '127.0.0.1', 'content-type': 'application/json' },
          payload: JSON.stringify(body),
        })
      ).payload,
    ) as Record<string, string>;
  const { experiment_id = '' } = await mlflow('experiments/create', { name: `${mark}-experiment` });
  await mlflow('registered-models/create', { name: `${mark}-model` });
  await createToken(b.ctx(), { name: `${mark}-token`, role: 'viewer' });
  const trackingRun = b.step(run, 's').trackingRun!;
  const { items: revisions } = (await b.send<{ items: { id: string; snapshot: string }[] }>('GET', '/projects/demo/revisions')).body;
  const ids = [run.id, `${run.id}/s`, trackingRun, experiment_id, `${mark}-model`, revisions[0]!.id, revisions[0]!.snapshot];
  return {
    ids,
    named: { project: 'demo', pipeline: 'p', step: 's', endpoint: 'e', model: `${mark}-model`, kind: 'pipeline-run' },
    marks: [mark, run.id, trackingRun, revisions[0]!.id, revisions[0]!.snapshot],
  };
}
