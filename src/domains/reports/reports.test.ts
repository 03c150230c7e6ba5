// The whole way on a real platform: data in, a sealed model scored and judged, a release to a running data
// plane, predictions over HTTP, their log shipped; then the report must say what the client knows.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test, type TestContext } from 'node:test';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import { duckdb, parquet } from '../../../test/support/parquet.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import { silentLog } from '../../kernel/log.ts';
import { moveTimeline } from '../../kernel/timeline/timeline.ts';
import { rocAuc } from '../../stats/auc.ts';
import { currentVersion } from '../datasets/public.ts';
import { openOnlineReader } from '../features/public.ts';
import { currentRevision } from '../projects/public.ts';
import { decide, evaluate, registerVersion, type Gate } from '../registry/public.ts';
import { liveAcks } from '../releases/public.ts';
import { shipSegments, startDataPlane } from '../serving/public.ts';
import { createLoggedModel, finishLoggedModel, pathOfUri } from '../tracking/public.ts';
import { makeReport } from './service/make-report.ts';

const HOUR_MS = 3_600_000;
const START_MS = Date.UTC(2013, 2, 1);
const PREDICTED = 120;

const definition = `
project: demo
description: Will a trip be late?
code: [fit.py]
timeline: { mode: replay, start: 2013-03-01T00:00:00Z }
datasets:
  trips: { source: trips.parquet, key: [trip], occurred_at: starts, known_at: starts + interval 1 hour }
features:
  services: { trip: { views: [], request: [trip, carrier, hour, temp, wind_speed] } }
pipelines:
  train:
    steps:
      rows: { features: trip, spine: { dataset: trips, at: starts, label: late, between: [2013-01-01, 2013-03-01] } }
      fit: { run: python fit.py, in: [rows], out: { model: { logged: model } } }
      test: { evaluate: fit.model, on: { features: trip, spine: { dataset: trips, at: starts, label: late = 1, where: late is not null, between: [2013-03-01, 2013-04-01] } } }
      register: { model: late, from: fit.model, evaluation: test }
models:
  late: { task: binary, score: probabilities, gates: [{ metric: roc_auc, floor: 0.5 }, { slice: carrier, metric: roc_auc, floor: 0.1, min_rows: 20 }] }
endpoints:
  late: { model: late, features: trip, missing: { temp: null } }
subjects: { traveller: trip }
`;

// One trip every half hour; windy ones tend to be late. The last ten have no outcome.
const TRIPS = `select 't' || i as trip, ['AA', 'DL', 'UA'][1 + i % 3] as carrier, (i // 2) % 24 as hour,
  (i % 11)::double as temp, (i * 7 % 40)::double as wind_speed, timestamp '2013-03-01' + to_minutes(30 * i) as starts,
  case when i < 190 then (hash(i) % 40 < (i * 7 % 40))::integer end as late from range(200) r(i)`;

interface Trip {
  readonly trip: string;
  readonly carrier: string;
  readonly hour: number;
  readonly temp: number | null;
  readonly wind_speed: number;
  readonly atMs: number;
  readonly late: number | null;
}

async function push(b: PipelineBench, dataset: string, bytes: Buffer): Promise<void> {
  const [stored] = await storeBlobs(b.ctx(), [bytes]);
  const { status, body } = await b.send('POST', `/projects/demo/datasets/${dataset}/versions`, {
    files: [{ path: `${dataset}.parquet`, digest: stored!.digest }],
  });
  assert.equal(status, 201, JSON.stringify(body));
}

/** A version of the model "late", evaluated, judged and registered. */
async function registered(b: PipelineBench): Promise<void> {
  const ctx = b.ctx();
  const revision = await currentRevision(ctx, 'demo');
  const trips = await currentVersion(ctx, 'demo', 'trips');
  const model = await createLoggedModel(ctx, { experimentId: '0', name: 'model', modelType: '', sourceRunId: null, params: [], tags: [] });
  const onnx = readFileSync(join(import.meta.dirname, '../serving/fixtures/late.onnx'));
  await ctx.blobs.paths.write(`${pathOfUri(ctx.workspace, model.artifactUri)!}/model.onnx`, Readable.from([onnx]));
  await finishLoggedModel(ctx, model.id, 'LOGGED_MODEL_READY', '');
  const table = join(b.folder, 'rows.parquet');
  writeFileSync(
    table,
    await parquet(
      `select trip as row_key, epoch_us(starts) as at_us, carrier, hour, temp, wind_speed, late::double as label from (${TRIPS}) where late is not null`,
    ),
  );
  const window = { fromUs: START_MS * 1000, toUs: (START_MS + 95 * HOUR_MS) * 1000 };
  const evaluation = await evaluate(ctx, {
    loggedModelId: model.id,
    table,
    datasetVersion: trips.id,
    datasetVersions: [trips.id],
    task: 'binary',
    score: 'probabilities',
    slices: ['carrier'],
    window,
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
      datasetVersions: [trips.id],
      evaluation: evaluation.id,
      parameters: { depth: 3 },
    },
  });
  await decide(ctx, version, revision.definition.models.late!.gates as readonly Gate[]);
}

async function served(
  t: TestContext,
  kind: DatabaseKind,
  mode: 'replay' | 'live' = 'replay',
): Promise<{ b: PipelineBench; answers: { trip: Trip; score: number; id: string }[] }> {
  const b = await openPipelines(t, kind);
  await b.apply(mode === 'live' ? definition.replace(/timeline: .*\n/, '') : definition, { 'fit.py': 'print(1)' });
  await push(b, 'trips', await parquet(TRIPS));
  await b.drain();
  await registered(b);
  const plane = await startDataPlane({
    dir: b.folder,
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    programVersion: 'test',
    dialects: [],
    openFacts: openOnlineReader,
    pollMs: 20,
    ...(mode === 'live' ? { now: b.clock.now } : {}),
  });
  t.after(() => plane.close());
  const released = await b.send('POST', '/projects/demo/endpoints/late/releases', { version: 'latest' });
  assert.equal(released.status, 201, JSON.stringify(released.body));
  const answers = await Promise.all(
    (await tripRows()).slice(0, PREDICTED).map(async (trip) => {
      const { atMs, late: _late, ...inputs } = trip;
      const reply = await fetch(`${plane.url}/endpoints/late/predict`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(mode === 'live' ? {} : { 'gyre-event-time': new Date(atMs).toISOString() }) },
        body: JSON.stringify({ inputs }),
      });
      const { predictionId, score } = (await reply.json()) as { predictionId: string; score: number };
      return { trip, score, id: predictionId };
    }),
  );
  if (mode === 'replay') await shipSegments(b.ctx(), () => liveAcks(b.ctx()));
  await b.drain();
  return { b, answers };
}

let loading: Promise<readonly Trip[]> | undefined;
/** The trips as their caller knows them; every tenth is asked without a temperature. */
const tripRows = (): Promise<readonly Trip[]> =>
  (loading ??= duckdb(`select *, epoch_ms(starts)::double as ms from (${TRIPS}) order by starts`).then((rows) =>
    rows.map((r, i) => ({
      trip: String(r.trip),
      carrier: String(r.carrier),
      hour: Number(r.hour),
      temp: i % 10 === 0 ? null : Number(r.temp),
      wind_speed: Number(r.wind_speed),
      atMs: Number(r.ms),
      late: r.late === null ? null : Number(r.late),
    })),
  ));

const reportOf = async (b: PipelineBench, body: object = {}): Promise<{ status: number; type: string; text: string; words: string }> => {
  const reply = await b.app.inject({
    method: 'POST',
    url: '/api/gyre/v1/projects/demo/report',
    headers: { host: '127.0.0.1', 'content-type': 'application/json' },
    payload: JSON.stringify(body),
  });
  const words = reply.payload
    .replace(/<style>[\s\S]*?<\/style>/, '')
    .replace(/<[^>]*>/g, ' ')
    .replace(/[\s\u00a0]+/g, ' ');
  return { status: reply.statusCode, type: String(reply.headers['content-type']), text: reply.payload, words };
};

eachDatabase('a report sets the predictions of the log against outcomes that were known by then', async (t, kind) => {
  const { b, answers } = await served(t, kind);
  const nowMs = START_MS + 50 * HOUR_MS;
  await moveTimeline(b.ctx(), 'demo', nowMs * 1000);
  const known = answers.filter(({ trip }) => trip.late !== null && trip.atMs + HOUR_MS <= nowMs);
  assert.ok(known.length > 90 && known.length < PREDICTED);
  // The temperature does not match where none was sent, so the trip alone joins.
  const { status, type, words } = await reportOf(b, { truth: { keys: ['trip'] } });
  assert.equal(status, 200, words);
  assert.match(type, /^text\/html/);
  const auc = rocAuc({ labels: known.map((k) => k.trip.late!), scores: known.map((k) => k.score) });
  assert.ok(auc.ok && auc.interval);
  const asData = await reportOf(b, { format: 'json', truth: { keys: ['trip'] } });
  const { live } = JSON.parse(asData.text) as { live: { metrics: { metric: string; figure: { value: number; n: number } }[] } };
  const { figure } = live.metrics.find((m) => m.metric === 'roc_auc')!;
  // Rows are summed in another order there.
  assert.ok(Math.abs(figure.value - auc.value) < 1e-12 && figure.n === auc.n, JSON.stringify(figure));
  assert.match(
    words,
    new RegExp(
      `answered ${PREDICTED} predictions\\. The outcome \\( late = 1 \\) of ${known.length} of them was known by 2013-03-03 02:00 UTC`,
    ),
  );
  assert.ok(
    words.includes(
      `ROC AUC, in service ${auc.value.toFixed(3)} 95 % interval ${auc.interval.low.toFixed(3)} to ${auc.interval.high.toFixed(3)} (DeLong, logit scale), n = ${known.length}`,
    ),
  );
  assert.match(words, /Input Missing in service Missing in training temp 10\.0 % 50\.0 %/);
  const last = known.at(-1)!;
  assert.ok(words.includes(`gyre why prediction ${last.id}`));
  assert.match(words, new RegExp(`late = 1 ${last.trip.late === 1 ? 'came true' : 'did not come true'}`));
  assert.match(words, /✓ passed 2 of 2 rules hold/);
  assert.match(words, /trip text none \d+ left out: personal carrier text none 3 AA to UA/);
  assert.match(words, /Model version late version 1 mv_/);

  // By default the moment and all shared columns join, so the trips asked without a temperature find no row.
  const matched = known.filter((k) => k.trip.temp !== null);
  assert.match((await reportOf(b)).words, new RegExp(`The outcome \\( late = 1 \\) of ${matched.length} of them`));
  // A window cuts predictions and outcomes alike.
  const day = await reportOf(b, { from: '2013-03-02', to: '2013-03-03', truth: { keys: ['trip'] } });
  assert.match(
    day.words,
    /On 2 Mar 2013 the endpoint late answered 48 predictions|From 2 Mar 2013 the endpoint late answered 48 predictions/,
  );
  // Outcomes that two rows tell are not guessed at.
  const twice = await reportOf(b, { truth: { keys: ['carrier'], at: null } });
  assert.match(twice.words, new RegExp(`of 0 of them was known .*; ${PREDICTED} that more than one row fits are left out`));

  assert.equal((await reportOf(b, { endpoint: 'nope' })).status, 404);
  // Another workspace sees nothing of it.
  const nothing = { endpoint: undefined, prediction: undefined, truth: undefined, window: {} };
  await assert.rejects(makeReport(b.ctx({ workspace: 'other' }), 'demo', nothing), { code: 'project-not-found' });
});

test('a report of a live project shows what was answered a moment ago', async (t) => {
  const { b } = await served(t, 'sqlite', 'live');
  const { status, words } = await reportOf(b, { truth: { keys: ['trip'], at: null } });
  assert.equal(status, 200, words);
  assert.match(words, new RegExp(`the endpoint late answered ${PREDICTED} predictions`));
});

eachDatabase('a report of a project that has nothing yet says what is missing', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.apply(definition, { 'fit.py': 'print(1)' });
  const { status, words } = await reportOf(b);
  assert.equal(status, 200, words);
  assert.match(
    words,
    /No model version is in service yet.*No dataset has a version yet.*No predictions of this endpoint have been shipped.*There is no prediction to trace yet/,
  );
});

test('what a caller says of the truth is checked: SQL that reads a file, a wrong column, a moment that is none', async (t) => {
  const { b } = await served(t, 'sqlite');
  await moveTimeline(b.ctx(), 'demo', (START_MS + 50 * HOUR_MS) * 1000);
  const code = async (body: object): Promise<string> => (JSON.parse((await reportOf(b, body)).text) as { code: string }).code;
  assert.equal(await code({ truth: { label: `(select 1 from read_csv('/etc/passwd'))` } }), 'compute-sql-refused');
  assert.equal(await code({ truth: { label: 'no_such_column' } }), 'compute-sql-invalid');
  assert.equal(await code({ truth: { keys: ['no_such_column'] } }), 'report-truth-unclear');
  assert.equal(await code({ from: 'yesterday' }), 'moment-invalid');
  assert.equal((await reportOf(b, { from: '-271821-04-20T00:00:00Z', to: '+275760-09-13T00:00:00Z' })).status, 200);
  assert.match(
    (await reportOf(b, { from: '2013-03-05', to: '2013-03-04' })).words,
    /No predictions of this endpoint|no predictions in the time asked for/,
  );
  assert.equal(await code({ prediction: 'r1.nothing.1' }), 'prediction-not-found');
  assert.equal(await code({ truth: { label: 1 } }), 'invalid-input');
});

eachDatabase('the model card of a version is Markdown with its evaluation, gate and lineage', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.apply(definition, { 'fit.py': 'print(1)' });
  await push(b, 'trips', await parquet(TRIPS));
  await registered(b);
  const reply = await b.app.inject({ method: 'GET', url: '/api/gyre/v1/models/late/versions/1/card', headers: { host: '127.0.0.1' } });
  assert.equal(reply.statusCode, 200);
  assert.match(String(reply.headers['content-type']), /^text\/markdown/);
  assert.match(reply.payload, /^# Model card: late, version 1/);
  assert.match(reply.payload, /\| ROC AUC \| 0\.\d{4} \| 0\.\d{4} to 0\.\d{4} \(95 %, DeLong, logit scale\) \| 190 \|/);
  assert.match(reply.payload, /Decision: \*\*passed\*\*/);
  assert.match(reply.payload, /\| evaluation \| `evl_/);
  assert.match(reply.payload, /environment it was trained in is not recorded/);
  assert.equal(
    (await b.app.inject({ method: 'GET', url: '/api/gyre/v1/models/late/versions/9/card', headers: { host: '127.0.0.1' } })).statusCode,
    404,
  );
});
