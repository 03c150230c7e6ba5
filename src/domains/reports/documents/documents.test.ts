// Documents from the records of a small project: data, two versions of a model, a decision.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import type { DatabaseKind } from '../../../../test/support/databases.ts';
import { parquet } from '../../../../test/support/parquet.ts';
import { gyre } from '../../../../test/cli/gyre.ts';
import { openPipelines, type PipelineBench } from '../../../../test/support/pipelines.ts';
import { eachDatabase } from '../../../../test/support/platform.ts';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import { currentVersion } from '../../datasets/public.ts';
import { currentRevision } from '../../projects/public.ts';
import { decide, evaluate, registerVersion, setAlias, type Gate, type ModelVersion } from '../../registry/public.ts';
import { createLoggedModel, finishLoggedModel, pathOfUri } from '../../tracking/public.ts';
import type { Comparison } from './comparison.ts';
import type { RecordedDocument } from './document.ts';

const definition = `
project: demo
description: Will a trip be late?
code: [fit.py, trips.yaml]
timeline: { mode: replay, start: 2013-03-01T00:00:00Z }
datasets:
  trips: { source: trips.parquet, key: [trip], occurred_at: starts, known_at: starts + interval 1 hour, contract: trips.yaml, purposes: [service], legal_basis: contract }
features:
  services: { trip: { views: [], request: [trip, carrier, hour, temp, wind_speed] } }
pipelines:
  train:
    params: { depth: 3 }
    steps:
      rows: { features: trip, spine: { dataset: trips, at: starts, label: late, between: [2013-01-01, 2013-03-01] } }
      fit: { run: python fit.py, in: [rows], out: { model: { logged: model } } }
      test: { evaluate: fit.model, on: { features: trip, spine: { dataset: trips, at: starts, label: late = 1, where: late is not null, between: [2013-03-01, 2013-04-01] } } }
      register: { model: late, from: fit.model, evaluation: test }
models:
  late: { task: binary, score: probabilities, gates: [{ metric: roc_auc, floor: 0.5 }, { metric: roc_auc, better_than: champion }] }
endpoints:
  late: { model: late, features: trip, missing: { temp: null } }
monitors:
  late: { window: 1d, labels: { from: feedback, within: 1d }, performance: [roc_auc] }
subjects: { passenger: trip }
`;
const contract = `apiVersion: v3.1.0
kind: DataContract
id: trips
version: 1.0.0
status: active
schema:
  - name: trips
    properties:
      - { name: trip, logicalType: string, required: true, classification: personal }
      - { name: carrier, logicalType: string }
`;
const trips = (n: number): string => `select 't' || i as trip, ['AA', 'DL', 'UA'][1 + i % 3] as carrier, (i // 2) % 24 as hour,
  (i % 11)::double as temp, (i * 7 % 40)::double as wind_speed, timestamp '2013-03-01' + to_minutes(30 * i) as starts,
  (hash(i) % 40 < (i * 7 % 40))::integer as late from range(${n}) r(i)`;
const DAY_US = 86_400_000_000;
const START_US = Date.UTC(2013, 2, 1) * 1000;

async function push(b: PipelineBench, rows: string): Promise<void> {
  const [stored] = await storeBlobs(b.ctx(), [await parquet(rows)]);
  const { status, body } = await b.send('POST', '/projects/demo/datasets/trips/versions', {
    files: [{ path: 'trips.parquet', digest: stored!.digest }],
  });
  assert.equal(status, 201, JSON.stringify(body));
  await b.drain();
}

async function register(b: PipelineBench, parameters: Record<string, unknown>): Promise<ModelVersion> {
  const ctx = b.ctx();
  const revision = await currentRevision(ctx, 'demo');
  const data = await currentVersion(ctx, 'demo', 'trips');
  const model = await createLoggedModel(ctx, { experimentId: '0', name: 'model', modelType: '', sourceRunId: null, params: [], tags: [] });
  const onnx = readFileSync(join(import.meta.dirname, '../../serving/fixtures/late.onnx'));
  await ctx.blobs.paths.write(`${pathOfUri(ctx.workspace, model.artifactUri)!}/model.onnx`, Readable.from([onnx]));
  await finishLoggedModel(ctx, model.id, 'LOGGED_MODEL_READY', '');
  const table = join(b.folder, 'rows.parquet');
  writeFileSync(
    table,
    await parquet(
      `select trip as row_key, epoch_us(starts) as at_us, carrier, hour, temp, wind_speed, late::double as label from (${trips(150)})`,
    ),
  );
  const evaluation = await evaluate(ctx, {
    loggedModelId: model.id,
    table,
    datasetVersion: data.id,
    datasetVersions: [data.id],
    task: 'binary',
    score: 'probabilities',
    slices: [],
    window: { fromUs: START_US, toUs: START_US + 4 * DAY_US },
  });
  const version = await registerVersion(ctx, {
    model: 'late',
    loggedModelId: model.id,
    source: model.artifactUri,
    trackingRunId: null,
    project: 'demo',
    baseline: { rows: 10, columns: [{ name: 'temp', rows: 10, nulls: 5 }] },
    evidence: {
      projectRevision: revision.id,
      codeSnapshot: revision.snapshot,
      datasetVersions: [data.id],
      evaluation: evaluation.id,
      trainingCutoffUs: START_US - DAY_US,
      parameters,
    },
  });
  await decide(ctx, version, revision.definition.models.late!.gates as readonly Gate[]);
  await b.drain();
  return version;
}

async function bench(t: TestContext, kind?: DatabaseKind): Promise<{ b: PipelineBench; first: ModelVersion; second: ModelVersion }> {
  const b = await openPipelines(t, kind);
  await b.apply(definition, { 'fit.py': 'print(1)', 'trips.yaml': contract });
  await push(b, trips(150));
  const first = await register(b, { depth: 3 });
  await setAlias(b.ctx(), 'late', 'champion', 1);
  await push(b, `select * exclude (late), late, 'x' as note from (${trips(160)}) where trip <> 't5'`);
  await b.apply(definition, { 'fit.py': 'print(2)', 'trips.yaml': contract });
  await b.drain();
  return { b, first, second: await register(b, { depth: 4 }) };
}

const text = async (b: PipelineBench, method: 'GET' | 'POST', path: string, payload?: object): Promise<string> => {
  const reply = await b.app.inject({
    method,
    url: `/api/gyre/v1${path}`,
    headers: { host: '127.0.0.1', ...(payload ? { 'content-type': 'application/json' } : {}) },
    ...(payload ? { payload: JSON.stringify(payload) } : {}),
  });
  assert.equal(reply.statusCode, 200, reply.payload);
  return reply.payload;
};

eachDatabase(
  'a version beside the champion: figures on the same rows, gate, data, parameters, code; the same bytes twice',
  async (t, kind) => {
    const { b, first, second } = await bench(t, kind);
    const { body: c } = await b.send<Comparison & { passes: boolean }>('POST', '/projects/demo/comparison', { format: 'json' });
    assert.deepEqual([c.candidate.id, c.champion?.id], [second.id, first.id]);
    // The same model cannot be shown to be better than itself, so the gate fails.
    assert.deepEqual([c.gate?.outcome, c.gateHolds, c.passes], ['failed', true, false]);
    assert.ok(!('absent' in c.metrics));
    const auc = c.metrics.find((m) => m.metric === 'roc_auc')!;
    assert.deepEqual(auc.candidate, auc.champion);
    assert.ok(auc.improvement.ok && auc.improvement.difference === 0 && auc.improvement.n === 150);
    assert.deepEqual(c.parameters, [{ name: 'depth', before: '3', after: '4' }]);
    assert.ok('changed' in c.code);
    assert.deepEqual(
      c.code.changed.map((x) => x.name),
      ['fit.py'],
    );
    assert.deepEqual(c.data[0]!.rows, { added: 10, removed: 1, changed: 0, unchanged: 149 });
    assert.ok(c.data[0]!.columns.some((x) => x.column === 'note' && x.change === 'added'));
    assert.deepEqual(c.environment, { absent: 'The environment of the champion is not recorded' });

    const asked = { link: 'https://gyre.example/' };
    const page = await text(b, 'POST', '/projects/demo/comparison', asked);
    assert.equal(await text(b, 'POST', '/projects/demo/comparison', asked), page);
    assert.equal(page.split('\n')[0], '<!-- gyre-report ["demo","late"] -->');
    assert.match(page, /## ❌ Gate failed: late version 2/);
    assert.match(page, /\| ROC AUC \(higher is better\) \| [\d.]+ \[[\d.]+, [\d.]+\], n = 150 \|/);
    assert.match(page, /\[version 2\]\(https:\/\/gyre\.example\/api\/gyre\/v1\/models\/late\/versions\/2\)/);
    assert.match(page, /10 added, 1 removed, 0 changed, 149 unchanged/);
    assert.match(page, /`trips\.note` \| added/);
    // A comment names no passenger.
    assert.match(page, /`trips\.trip` \| statistics/);
    assert.doesNotMatch(page, /\bt\d+\b/);
    // As a pipeline asks for it: the file is written, and the gate ends the job.
    const url = await b.app.listen({ host: '127.0.0.1', port: 0 });
    const output = join(b.folder, 'gyre-report.md');
    const as = ['report', '--markdown', '--project', 'demo', '--url', url, '--link', asked.link, '-o', output];
    assert.equal((await gyre(...as)).code, 0);
    assert.equal(readFileSync(output, 'utf8'), page);
    assert.equal((await gyre(...as, '--decide', '--fail-on-gate')).code, 1);
    assert.equal((await gyre(...as, '--candidate', '1', '--fail-on-gate')).code, 0);
    // The first version has nothing to stand up to.
    const alone = await text(b, 'POST', '/projects/demo/comparison', { version: '1' });
    assert.match(alone, /Champion: none yet/);
    for (const [body, code] of [
      [{ run: 'run_none' }, 'run-not-found'],
      [{ version: '9' }, 'model-version-not-found'],
    ] as const)
      assert.equal((await b.send<{ code: string }>('POST', '/projects/demo/comparison', body)).body.code, code);
  },
);

eachDatabase('dataset card, pipeline document, overview and model card rest on records, and name what is missing', async (t, kind) => {
  const { b, first, second } = await bench(t, kind);
  const paths = [
    '/projects/demo/datasets/trips/card',
    '/projects/demo/pipelines/train/document',
    '/projects/demo/overview',
    '/models/late/versions/1/card',
  ];
  const [card, pipeline, overview, model] = await Promise.all(paths.map((p) => text(b, 'GET', p)));
  assert.deepEqual(await Promise.all(paths.map((p) => text(b, 'GET', p))), [card, pipeline, overview, model]);

  const version = await currentVersion(b.ctx(), 'demo', 'trips');
  assert.match(card!, new RegExp(`Version 2 of trips, current, 159 rows.*\`${version.id}\``));
  assert.match(card!, /It may be used for: service/);
  assert.match(card!, /trip names one passenger/);
  // The least value of a personal column is somebody's.
  assert.match(card!, /\| trip \| VARCHAR .* \| \\\(personal\\\) \| \\\(personal\\\) \|/);
  assert.ok(!/\| trip \|.*t99/.test(card!));
  assert.match(card!, new RegExp(`model-version \\| late version 2 \\| \`${second.id}\``));
  assert.match(card!, /## Missing evidence\n\n- a description of the dataset[^]*retention period/);
  const older = await text(b, 'GET', '/projects/demo/datasets/trips/card?version=1');
  assert.match(older, /Version 1 of trips, superseded, 150 rows/);
  assert.match(older, /late version 1/);

  assert.match(pipeline!, /registers versions of the model late/);
  assert.match(pipeline!, /\| rows \| features \|/);
  assert.match(pipeline!, /- a run of it/);
  assert.match(pipeline!, /- the purpose for which its runs use data/);

  assert.match(overview!, /\| models \| 1: late \| 2 versions \|/);
  assert.match(overview!, /- a release of the endpoint late: it serves nothing/);
  assert.match(overview!, /- a closed data window of the monitor late/);
  assert.match(overview!, /No alert is open/);

  assert.match(model!, /A profile of 1 columns of 10 rows|Monitoring compares windows of/);
  assert.match(model!, /It was never released/);
  const { body } = await b.send<RecordedDocument>('GET', '/projects/demo/overview?format=json');
  assert.ok(body.sections.length > 5 && body.missing.length > 0);

  // A version leads to the columns that its signature names.
  const { body: impact } = await b.send<{ modelVersions: { id: string; inputs: string[]; serving: string[] }[] }>(
    'GET',
    '/lineage/impact?project=demo&dataset=trips&column=wind_speed',
  );
  assert.deepEqual(
    impact.modelVersions.map((v) => [v.id, v.inputs, v.serving]),
    [first, second].map((v) => [v.id, ['trip.wind_speed'], []]),
  );
});

test('what a document is asked about has to be there', async (t) => {
  const b = await openPipelines(t);
  await b.apply('project: demo\ndatasets: { t: { source: t.parquet, key: [id] } }\n');
  const code = async (path: string, method: 'GET' | 'POST' = 'GET'): Promise<string> =>
    (await b.send<{ code: string }>(method, `/projects/demo${path}`, method === 'POST' ? {} : undefined)).body.code;
  assert.equal(await code('/datasets/none/card'), 'report-dataset-missing');
  assert.equal(await code('/datasets/t/card'), 'dataset-empty');
  assert.equal(await code('/datasets/t/card?version=3'), 'report-dataset-missing');
  assert.equal(await code('/pipelines/none/document'), 'report-pipeline-missing');
  assert.equal(await code('/comparison', 'POST'), 'report-model-missing');
  assert.equal(await code('/delivery?endpoint=none'), 'report-endpoint-missing');
  assert.match(await text(b, 'GET', '/projects/demo/delivery?format=markdown'), /The project has no endpoint/);
  assert.match(await text(b, 'GET', '/projects/demo/overview'), /Missing evidence/);
});
