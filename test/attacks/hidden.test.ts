// What tells of many things at once - lineage, monitors, reports, runs of pipelines - tells nobody of what is closed to them.
import assert from 'node:assert/strict';
import { grantLevel } from '../../src/domains/access/levels/grants.ts';
import { createUser } from '../../src/domains/access/service.ts';
import { createModel, registerVersion } from '../../src/domains/registry/public.ts';
import { createExperiment, createRun } from '../../src/domains/tracking/public.ts';
import { eachDatabase } from '../support/databases.ts';
import { openPipelines } from '../support/pipelines.ts';

const PROJECT = `project: demo
datasets:
  d: { source: 'd/*.parquet', key: [id] }
models:
  m: { gates: [ { metric: roc_auc, floor: 0.5 } ] }
endpoints:
  e: { model: m }
monitors:
  e: { window: 1d, labels: { from: feedback, within: 1d } }
pipelines:
  p: { steps: { s: { run: 'true' } } }
`;

const TRAINING = `project: training
datasets:
  trips: { source: 'd/*.parquet', key: [id], occurred_at: starts, known_at: ended }
features:
  views:
    v: { dataset: trips, entity: [id], columns: [x] }
  services: { trip: { views: [v], request: [id] } }
pipelines:
  train:
    steps:
      rows: { features: trip, spine: { dataset: trips, at: starts, label: late, between: [2013-01-01, 2013-03-01] } }
      fit: { run: python fit.py, in: [rows], code: [], out: { model: { logged: model } } }
      test: { evaluate: fit.model, on: { features: trip, spine: { dataset: trips, at: starts, label: late, between: [2013-03-01, 2013-04-01] } } }
      register: { model: late, from: fit.model, evaluation: test }
models: { late: { task: binary } }
`;

interface Reply {
  readonly code?: string;
  readonly detail?: string;
  readonly hidden?: number;
  readonly nodes?: readonly { kind: string; id: string }[];
  readonly edges?: readonly { from: { id: string }; to: { id: string } }[];
  readonly items?: readonly unknown[];
}

eachDatabase('who may not read something is told nothing of it by lineage, monitors and reports', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.apply(PROJECT);
  const ctx = b.ctx();
  for (const [name, role] of [
    ['ada', 'admin'],
    ['ed', 'editor'],
    ['vi', 'viewer'],
  ] as const)
    await createUser(ctx, { name, password: 'correct horse battery', role });
  const ask = async (who: string, method: 'GET' | 'POST', path: string, body?: object) =>
    b.send<Reply>(method, path, body, { authorization: `Basic ${Buffer.from(`${who}:correct horse battery`).toString('base64')}` });
  const make = async (name: string) => {
    const experiment = await createExperiment(ctx, { name });
    const { id: run } = await createRun(ctx, { experimentId: experiment, userId: '', name: 'r', startMs: 0, tags: [] });
    return { experiment, run };
  };
  const [secret, open] = [await make('secret'), await make('open')];
  await createModel(ctx, { name: 'public' });
  const version = async (trackingRunId: string) =>
    (
      await registerVersion(
        ctx,
        { model: 'public', loggedModelId: null, source: 's3://elsewhere/x', trackingRunId, evidence: {}, baseline: null },
        'lenient',
      )
    ).id;
  const [ofSecret, ofOpen] = [await version(secret.run), await version(open.run)];
  const from = (who: string, what: string, id: string, direction = 'from') =>
    ask(who, 'GET', `/lineage/${what}/${id}?direction=${direction}`);

  for (const who of ['ed', 'vi']) {
    const before = await from(who, 'model-version', ofSecret);
    assert.equal(before.status, 200, JSON.stringify(before.body));
    assert.deepEqual([before.body.hidden, before.body.nodes?.some((n) => n.id === secret.experiment)], [0, true]);
    await grantLevel(ctx, { user: who, kind: 'experiment', id: secret.experiment, level: 'NO_PERMISSIONS' });
    for (const [what, id] of [
      ['experiment', secret.experiment],
      ['tracking-run', secret.run],
    ] as const) {
      const { status, body } = await from(who, what, id);
      assert.deepEqual([status, body.code], [403, 'level-too-low'], `${who} ${what}`);
    }
    // The version may be read; of the run that made it only that there is something.
    const { status, body } = await from(who, 'model-version', ofSecret);
    assert.deepEqual([status, body.hidden], [200, 1]);
    assert.equal(JSON.stringify(body).includes(secret.run), false);
    assert.deepEqual(
      (await from(who, 'model', 'public', 'to')).body.nodes?.some((n) => n.id === ofSecret),
      true,
    );
    assert.deepEqual((await from(who, 'model-version', ofOpen)).body.hidden, 0);
    // What is not there, and what is nobody's, are told alike.
    assert.deepEqual((await from(who, 'tracking-run', 'f'.repeat(32))).body.code, 'lineage-unknown');

    assert.equal((await ask(who, 'GET', '/projects/demo/monitors')).body.items?.length, 1);
    assert.equal((await ask(who, 'GET', '/projects/demo/findings')).status, 200);
    assert.equal((await ask(who, 'GET', '/projects/demo/overview?format=json')).status, 200);
    await grantLevel(ctx, { user: who, kind: 'model', id: 'm', level: 'NO_PERMISSIONS' });
    assert.deepEqual((await ask(who, 'GET', '/projects/demo/monitors')).body.items, []);
    assert.deepEqual((await ask(who, 'GET', '/projects/demo/findings')).body.items, []);
    for (const path of ['monitors/e', 'monitors/e/windows', 'monitors/e/baseline', 'overview?format=json', 'delivery']) {
      const denied = await ask(who, 'GET', `/projects/demo/${path}`);
      assert.deepEqual([denied.status, denied.body.code], [403, 'level-too-low'], `${who} ${path}: ${JSON.stringify(denied.body)}`);
    }
    const report = await ask(who, 'POST', '/projects/demo/report', { format: 'json' });
    assert.deepEqual([report.status, report.body.code], [403, 'level-too-low']);
    await grantLevel(ctx, { user: who, kind: 'dataset', id: 'demo/d', level: 'NO_PERMISSIONS' });
    const document = await ask(who, 'GET', '/projects/demo/pipelines/p/document?format=json');
    assert.deepEqual([document.status, document.body.code], [403, 'level-too-low']);
    assert.equal((await from(who, 'dataset', 'demo%2Fd', 'to')).status, 403);
    assert.equal((await from(who, 'column', 'demo%2Fd.id', 'to')).status, 403);
    assert.equal((await ask(who, 'GET', '/lineage/impact?project=demo&dataset=d&column=id')).status, 403);
  }
  const comparison = await ask('ed', 'POST', '/projects/demo/comparison', { model: 'm', format: 'json' });
  assert.ok([403, 404].includes(comparison.status), JSON.stringify(comparison.body));
  // Steps act in the name of the program, so who starts them must be able to do what they do.
  await b.apply(TRAINING);
  const start = (who: string) => ask(who, 'POST', '/projects/training/pipelines/train/runs', {});
  await grantLevel(ctx, { user: 'ed', kind: 'model', id: 'late', level: 'READ' });
  const refused = await start('ed');
  assert.deepEqual([refused.status, refused.body.code], [403, 'level-too-low'], JSON.stringify(refused.body));
  assert.notEqual((await start('ada')).body.code, 'level-too-low');
  // An administrator is bounded by nothing.
  assert.equal((await from('ada', 'tracking-run', secret.run)).body.hidden, 0);
  assert.equal((await ask('ada', 'GET', '/projects/demo/overview?format=json')).status, 200);
});
