import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import { silentLog } from '../../kernel/log.ts';
import { openOnlineReader } from '../features/online-store.ts';
import { startDataPlane } from '../serving/plane/data-plane.ts';
import { createToken } from '../access/public.ts';
import { readPlan, servingPaths } from '../serving/plan.ts';
import { decide, registerVersion, type ModelVersion } from '../registry/public.ts';
import { createLoggedModel } from '../tracking/public.ts';
import { releaseJobs } from './jobs.ts';
import { checkSignature, planColumns, publishPlan } from './service/publish.ts';
import { beginRelease } from './service/release.ts';
import { settle } from './service/settle.ts';

const GATES = [{ metric: 'accuracy', floor: 0.7, trust: 'reported' as const }];
const project = (gate = 'floor: 0.7'): string =>
  `project: demo\nmodels:\n  m: { score: score, gates: [ { metric: accuracy, ${gate}, trust: reported } ] }\nendpoints:\n  e: { model: m }\n`;

interface Bench extends PipelineBench {
  /** A sealed version of "m" that reports this accuracy; decided unless told otherwise. */
  readonly version: (accuracy?: number, decided?: boolean) => Promise<ModelVersion>;
  readonly release: (version: number, endpoint?: string) => Promise<{ status: number; body: Record<string, unknown> }>;
  readonly served: () => Promise<{ number: number; variants: { number: number }[]; decision: string } | null>;
}

async function open(t: TestContext, kind: DatabaseKind = 'sqlite', plane = true): Promise<Bench> {
  const b = await openPipelines(t, kind);
  await b.apply(project());
  if (plane) {
    const running = await startDataPlane({
      dir: b.folder,
      host: '127.0.0.1',
      port: 0,
      log: silentLog,
      programVersion: '0',
      dialects: [],
      openFacts: openOnlineReader,
      pollMs: 20,
    });
    t.after(() => running.close());
  }
  const onnx = readFileSync(join(import.meta.dirname, '../serving/fixtures/flat.onnx'));
  const api = async (method: 'POST' | 'PATCH' | 'PUT', url: string, payload: object | Buffer): Promise<void> => {
    const reply = await b.app.inject({
      method,
      url,
      headers: { host: '127.0.0.1', 'content-type': Buffer.isBuffer(payload) ? 'application/octet-stream' : 'application/json' },
      payload: Buffer.isBuffer(payload) ? payload : JSON.stringify(payload),
    });
    assert.ok(reply.statusCode < 300, reply.payload);
  };
  return {
    ...b,
    version: async (accuracy = 0.9, decided = true) => {
      const ctx = b.ctx();
      const logged = await createLoggedModel(ctx, { experimentId: '0', name: 'm', modelType: '', sourceRunId: null, params: [], tags: [] });
      const created = await b.app.inject({
        method: 'POST',
        url: '/api/2.0/mlflow/runs/create',
        headers: { host: '127.0.0.1', 'content-type': 'application/json' },
        payload: '{"experiment_id":"0"}',
      });
      const runId = JSON.parse(created.payload).run.info.run_id as string;
      await api('POST', '/api/2.0/mlflow/runs/log-metric', { run_id: runId, key: 'accuracy', value: accuracy, timestamp: 1, step: 0 });
      // Each model is a little different, or all would be one.
      await api('PUT', `/api/2.0/mlflow-artifacts/artifacts/0/models/${logged.id}/artifacts/model.onnx`, onnx);
      await api('PUT', `/api/2.0/mlflow-artifacts/artifacts/0/models/${logged.id}/artifacts/name.txt`, Buffer.from(logged.id));
      await api('PATCH', `/api/2.0/mlflow/logged-models/${logged.id}`, { model_id: logged.id, status: 'LOGGED_MODEL_READY' });
      const version = await registerVersion(ctx, {
        model: 'm',
        loggedModelId: logged.id,
        source: logged.artifactUri,
        trackingRunId: runId,
        evidence: {},
        baseline: null,
      });
      assert.equal(version.state, 'sealed');
      if (decided) await decide(ctx, version, GATES);
      return version;
    },
    release: (version, endpoint = 'e') => b.send('POST', `/projects/demo/endpoints/${endpoint}/releases`, { version: String(version) }),
    served: async () => (await b.send<{ items: { current: never }[] }>('GET', '/projects/demo/endpoints')).body.items[0]!.current,
  };
}

test('what the endpoint or a contract calls personal is not written to the inference log as it is', async (t) => {
  const b = await open(t);
  const contract = (classification: string): string =>
    `apiVersion: v3.1.0\nkind: DataContract\nid: d\nversion: 1.0.0\nstatus: draft\nschema:\n  - name: d\n    properties:\n      - { name: email, classification: ${classification} }\n      - { name: x, classification: public }\n`;
  await b.apply(
    `${project().replace('e: { model: m }', 'e: { model: m, personal: [phone] }')}datasets:\n  d: { source: d.parquet, key: [email], contract: d.yaml }\n`,
    { 'd.yaml': contract('Personal') },
  );
  await b.version();
  assert.equal((await b.release(1)).status, 201);
  assert.deepEqual(readPlan(b.folder)!.endpoints[0]!.log.personal, [
    { column: 'phone', how: 'hmac' },
    { column: 'email', how: 'hmac' },
  ]);
});

eachDatabase('a passed version is served when the data plane has taken it, and revisions never change', async (t, kind) => {
  const b = await open(t, kind);
  assert.equal(await b.served(), null);
  await b.version();
  const first = await b.release(1);
  assert.deepEqual([first.status, first.body.state], [201, 'promoted'], JSON.stringify(first.body));
  assert.equal(first.body.planNumber, readPlan(b.folder)!.number);
  const one = await b.served();
  assert.equal(one!.number, 1);
  await b.version();
  assert.equal((await b.release(2)).status, 201);
  assert.equal((await b.served())!.variants[0]!.number, 2);
  const { body } = await b.send<{ items: { number: number }[] }>('GET', '/projects/demo/endpoints/e/revisions');
  assert.deepEqual(
    body.items.map((r) => r.number),
    [2, 1],
  );
  assert.deepEqual(body.items[1], one);
  const plan = readPlan(b.folder)!;
  assert.deepEqual([plan.endpoints[0]!.revision, plan.endpoints[0]!.variants[0]!.modelVersion], [2, '2']);
});

test('no version gets traffic without a recorded decision that still holds', async (t) => {
  const b = await open(t, 'sqlite', false);
  const refused = async (version: number, why: RegExp): Promise<void> => {
    const { status, body } = await b.release(version);
    assert.deepEqual([status, body.code], [409, 'gate-not-passed'], JSON.stringify(body));
    assert.match(String(body.detail), why);
  };
  const undecided = await b.version(0.9, false);
  await refused(undecided.number, /no gate decision is recorded/);
  const weak = await b.version(0.6);
  await refused(weak.number, /below the floor/);
  const good = await b.version();
  // The gates change after the decision: it holds no longer.
  await b.apply(project('floor: 0.8'));
  await refused(good.number, /expired/);
  assert.equal(await b.served(), null);
  const { body } = await b.send<{ items: unknown[] }>('GET', '/projects/demo/endpoints/e/releases');
  assert.deepEqual(body.items, []);
});

test('a decision expires when another version has become the champion', async (t) => {
  const b = await open(t);
  await b.version();
  await b.version();
  assert.equal((await b.release(1)).status, 201);
  assert.equal((await b.release(2)).body.code, 'gate-not-passed');
});

test('a release that a data plane cannot take leaves the revision before in place', async (t) => {
  const b = await open(t);
  await b.version();
  assert.equal((await b.release(1)).status, 201);
  const two = await b.version();
  for (const name of readdirSync(join(b.folder, 'models', two.digest!)))
    writeFileSync(join(b.folder, 'models', two.digest!, name), 'no model any more');
  const { status, body } = await b.release(2);
  assert.deepEqual([status, body.code], [409, 'release-not-taken'], JSON.stringify(body));
  assert.equal((await b.served())!.number, 1);
  assert.equal(readPlan(b.folder)!.endpoints[0]!.revision, 1);
  const { body: list } = await b.send<{ items: { state: string; reason: string }[] }>('GET', '/projects/demo/endpoints/e/releases');
  assert.deepEqual(
    list.items.map((r) => r.state),
    ['failed', 'promoted'],
  );
  assert.match(list.items[0]!.reason, /model/i);
});

test('without a data plane a release fails and says so', async (t) => {
  const b = await open(t, 'sqlite', false);
  await b.version();
  const id = await beginRelease(b.ctx(), { project: 'demo', endpoint: 'e', version: '1', reason: 'test' });
  const ended = await settle(b.ctx(), id, 30);
  assert.deepEqual([ended.state, ended.reason], ['failed', 'no data plane is running']);
  assert.equal(await b.served(), null);
});

eachDatabase('one release of an endpoint at a time; the other one is told which is under way', async (t, kind) => {
  const b = await open(t, kind, false);
  await b.version();
  const begun = await Promise.allSettled(
    [1, 2, 3].map(() => beginRelease(b.ctx(), { project: 'demo', endpoint: 'e', version: '1', reason: 'test' })),
  );
  const started = begun.flatMap((r) => (r.status === 'fulfilled' ? [r.value] : []));
  assert.equal(started.length, 1);
  for (const r of begun) if (r.status === 'rejected') assert.equal((r.reason as { code: string }).code, 'release-under-way');
  const { body } = await b.release(1);
  assert.deepEqual([body.code, (body.parameters as { release: string }).release], ['release-under-way', started[0]]);
});

test('a release whose server died is brought to its end by a job, once', async (t) => {
  const b = await open(t);
  await b.version();
  const id = await beginRelease(b.ctx(), { project: 'demo', endpoint: 'e', version: '1', reason: 'test' });
  // The server dies here; the next one finds the job.
  b.clock.advance(3000);
  await b.drain();
  assert.equal((await b.served())!.number, 1);
  const { body } = await b.send<{ items: { id: string; state: string }[] }>('GET', '/projects/demo/endpoints/e/releases');
  assert.deepEqual(
    body.items.map((r) => [r.id, r.state]),
    [[id, 'promoted']],
  );
  const before = readPlan(b.folder)!.number;
  await releaseJobs[0]!.run(b.ctx(), { releaseId: id } as never, { id: 'job', attempt: 2, fence: 2, report: () => undefined });
  assert.equal(readPlan(b.folder)!.number, before);
});

eachDatabase('an endpoint goes back to a revision that was served before, on the decision of that time', async (t, kind) => {
  const b = await open(t, kind);
  const back = (body: object = {}): Promise<{ status: number; body: Record<string, unknown> }> =>
    b.send('POST', '/projects/demo/endpoints/e/rollback', body);
  assert.equal((await back()).body.code, 'rollback-not-possible');
  await b.version();
  await b.release(1);
  assert.equal((await back()).body.code, 'rollback-not-possible');
  const first = await b.served();
  await b.version();
  assert.equal((await b.release(2)).status, 201);
  const { status, body } = await back({ reason: 'it was better' });
  assert.deepEqual([status, body.state, body.reason], [201, 'promoted', 'it was better']);
  const now = await b.served();
  // A new revision, with what the old one had.
  assert.deepEqual([now!.number, now!.variants[0]!.number, now!.decision], [3, 1, first!.decision]);
  assert.equal((await back({ revision: 2 })).status, 201);
  assert.equal((await b.served())!.variants[0]!.number, 2);
  assert.equal((await back({ revision: 99 })).body.code, 'rollback-not-possible');
});

test('the plan is signed, numbered upwards, and one that was edited is refused', async (t) => {
  const b = await open(t, 'sqlite', false);
  const numbers = await Promise.all([1, 2, 3, 4].map(() => publishPlan(b.ctx())));
  assert.deepEqual(numbers, [1, 2, 3, 4]);
  assert.equal(readPlan(b.folder)!.number, 4);
  const { plan } = servingPaths(b.folder);
  writeFileSync(plan, readFileSync(plan, 'utf8').replace('"number":4', '"number":5'));
  assert.throws(() => readPlan(b.folder), { code: 'plan-invalid' });
});

test('what is not there, or belongs to another project, is told apart', async (t) => {
  const b = await open(t);
  await b.version();
  const code = async (path: string, body: object = { version: '1' }): Promise<unknown> => (await b.send('POST', path, body)).body.code;
  assert.equal(await code('/projects/none/endpoints/e/releases'), 'project-not-found');
  assert.equal(await code('/projects/demo/endpoints/constructor/releases'), 'endpoint-not-found');
  assert.equal(await code('/projects/demo/endpoints/e/releases', { version: '9' }), 'model-version-not-found');
  assert.equal((await b.release(1)).status, 201);
  await b.apply(project().replace('project: demo', 'project: other'));
  assert.equal(await code('/projects/other/endpoints/e/releases'), 'endpoint-name-taken');
  assert.equal((await b.served())!.number, 1);
  assert.equal((await b.send('GET', '/projects/demo/endpoints/none/releases')).body.code, 'endpoint-not-found');
});

test('a model that reads a column nobody provides is refused by name', async (t) => {
  const b = await open(t, 'sqlite', false);
  const version = await b.version();
  const names = version.signature!.inputs.map((i) => i.name);
  checkSignature('e', version, new Set(names));
  assert.throws(
    () => checkSignature('e', version, new Set(names.slice(1))),
    (error: { code: string; params: { columns: string } }) =>
      error.code === 'endpoint-signature-mismatch' && error.params.columns === names[0],
  );
});

test('a token that may predict is in the plan from its creation to its revocation, and no other is', async (t) => {
  const b = await open(t);
  await b.version();
  await b.release(1);
  const create = (name: string, role: string) =>
    b.send<{ token: { id: string }; secret: string }>('POST', '/tokens', { name, role }).then((r) => r.body);
  const digests = async (): Promise<string[]> => {
    await b.drain();
    return readPlan(b.folder)!.access.tokens.map((token) => token.digest);
  };
  const caller = await create('a caller', 'service');
  await create('a reader', 'viewer');
  assert.deepEqual(await digests(), [hash('sha256', caller.secret, 'hex')]);
  await b.send('DELETE', `/tokens/${caller.token.id}`);
  assert.deepEqual(await digests(), []);
});

test('a token leaves the plan when its owner may no longer predict', async (t) => {
  const b = await open(t);
  await b.version();
  await b.release(1);
  const password = 'correct horse battery';
  const as = { authorization: `Basic ${Buffer.from(`ada:${password}`).toString('base64')}` };
  await b.send('POST', '/users', { name: 'ada', password, role: 'admin' });
  await b.send('POST', '/users', { name: 'bob', password, role: 'admin' }, as);
  await createToken(b.ctx(), { name: 'a caller', role: 'service', ownerId: 'bob' });
  const planned = async (): Promise<number> => {
    await b.drain();
    return readPlan(b.folder)!.access.tokens.length;
  };
  assert.equal(await planned(), 1);
  await b.send('PATCH', '/users/bob', { role: 'viewer' }, as);
  assert.equal(await planned(), 0);
  await b.send('PATCH', '/users/bob', { role: 'editor' }, as);
  assert.equal(await planned(), 1);
});

test('a revision serves what the project said when it was released; an endpoint that left the file is still served', async (t) => {
  const b = await open(t);
  await b.version();
  await b.release(1);
  const before = readPlan(b.folder)!.endpoints;
  await b.apply(project().replace(/endpoints:[^]*/, ''));
  await publishPlan(b.ctx());
  assert.deepEqual(readPlan(b.folder)!.endpoints, before);
});

test('what the model reads must be sent unless the project says what stands for it', () => {
  const version = {
    signature: {
      inputs: [
        { name: 'a', type: 'float32', shape: [] },
        { name: 'b', type: 'float32', shape: [] },
        { name: 'c', type: 'float32', shape: [] },
      ],
      outputs: [],
    },
  };
  const endpoint = {
    name: 'e',
    model: 'm',
    service: null,
    assignBy: [],
    personal: [],
    retentionUs: null,
    logShare: 1,
    release: null,
    freeze: [],
    follow: null,
    missing: { b: { kind: 'null' }, c: { kind: 'default', value: 7 } },
  } as const;
  const { request } = planColumns(endpoint, [version as unknown as ModelVersion], null);
  assert.deepEqual(
    request.map((c) => c.missing),
    ['reject', null, { default: 7 }],
  );
});
