import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { request } from 'node:http';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { openLoop, postBytes, quantile } from '../fixtures/open-loop.ts';
import { endpointOf, folder, planOf, runPlane, sealModel, type RunningPlane } from '../fixtures/plane.ts';
import { findPrediction } from '../log/segment.ts';
import { readAck, servingPaths, writePlan } from '../plan.ts';
import type { PlanVariant } from '../schema.ts';

const path = '/endpoints/late-arrival/predict';
const inputs = { origin: 'EWR', carrier: 'UA', hour: 20 };
const rowsOf = (count: number) => Array.from({ length: count }, (_, i) => ({ ...inputs, hour: i % 24 }));

const variantOf = (change: Partial<PlanVariant> = {}): PlanVariant => ({
  ...{ id: 'stable', model: 'late-arrival', modelVersion: '1', modelDigest: 'late', modelPath: 'models/late', weight: 1 },
  ...change,
});
const own = (number: number) => planOf(number, [endpointOf({ revision: number, variants: [variantOf({ process: 'own' })] })]);

/** Processes that this one started and that hold a model. */
const modelProcesses = (): number[] =>
  execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, parent, ...args]) => Number(parent) === process.pid && args.join(' ').includes('session-process'))
    .map(([pid]) => Number(pid));

async function metric(plane: RunningPlane, pattern: RegExp): Promise<string[]> {
  return pattern.exec(String((await plane.send('/metrics')).body))?.slice(1) ?? assert.fail(`no ${pattern}`);
}

test('A variant in a process of its own answers as one in the thread does, is logged alike, and says what its time went into', async (t) => {
  const here = await runPlane(t);
  const there = await runPlane(t, { plan: own(1), replica: 'r2' });
  const rows = rowsOf(30);
  const scores = async (plane: RunningPlane) => {
    const replies = await Promise.all(rows.map((row) => plane.send(path, { inputs: row })));
    for (const { status, headers, body } of replies) {
      assert.equal(status, 200, JSON.stringify(body));
      assert.match(
        headers.get('server-timing')!,
        /^total;dur=[\d.]+, parse;dur=[\d.]+, features;dur=[\d.]+(, queue;dur=[\d.]+)?, model;dur=[\d.]+, log;dur=[\d.]+(, serialise;dur=[\d.]+)?$/,
      );
    }
    const record = findPrediction(servingPaths(plane.dir).log, String(replies[0]!.body.predictionId))!;
    assert.deepEqual([record.score, record.error], [Number(replies[0]!.body.score), null]);
    return replies.map((r) => r.body.score);
  };
  const expected = await scores(here);
  const [model] = modelProcesses();
  process.kill(model!, 'SIGSTOP');
  const asked = scores(there);
  asked.catch(() => undefined);
  const waiting = async (): Promise<number> =>
    Number((await metric(there, /gyre_serving_queued_rows\{endpoint="late-arrival",variant="stable"\} (\d+)/))[0]);
  while ((await waiting()) < 29) await delay(5);
  process.kill(model!, 'SIGCONT');
  assert.deepEqual(await asked, expected);
  await metric(there, /gyre_serving_model_row_seconds\{endpoint="late-arrival",variant="stable",where="process"\} NaN/);
  await metric(here, /gyre_serving_model_row_seconds\{endpoint="late-arrival",variant="stable",where="inline"\} ([\d.e-]+)/);
  await metric(there, /gyre_serving_queued_rows\{endpoint="late-arrival",variant="stable"\} (0)/);
  await metric(there, /gyre_serving_stage_seconds_count\{endpoint="late-arrival",variant="stable",stage="model"\} (30)/);
  // The first was in the process when it stood still, the others together after it.
  const [batches] = await metric(there, /gyre_serving_batch_rows_count\{endpoint="late-arrival",variant="stable"\} (\d+)/);
  assert.equal(Number(batches), 2);
});

test('When the process of a model is killed what is in it fails, and nothing else', async (t) => {
  const plane = await runPlane(t, { plan: own(1) });
  assert.equal((await plane.send(path, { inputs })).status, 200);
  const [pid] = modelProcesses();
  process.kill(pid!, 'SIGSTOP');
  const lost = plane.send(path, { inputs });
  await metricUntil(plane, /gyre_serving_running_batches\{[^}]*\} 1/);
  const waiting = [plane.send(path, { inputs }), plane.send(path, { inputs })];
  await metricUntil(plane, /gyre_serving_queued_rows\{[^}]*\} 2/);
  process.kill(pid!, 'SIGKILL');
  const { status, body } = await lost;
  assert.deepEqual([status, body.code], [500, 'model-run-failed']);
  for (const reply of await Promise.all(waiting)) assert.equal(reply.status, 200, JSON.stringify(reply.body));
  assert.notDeepEqual(modelProcesses(), [pid]);
});

async function metricUntil(plane: RunningPlane, pattern: RegExp): Promise<void> {
  for (let i = 0; i < 500; i++) if (pattern.test(String((await plane.send('/metrics')).body))) return;
  assert.fail(`never ${pattern}`);
}

test('A full queue, a deadline that passes in it and a caller that goes are told or forgotten at once', async (t) => {
  const plane = await runPlane(t, { plan: own(1), queue: { maxQueuedRows: 4 } });
  assert.equal((await plane.send(path, { inputs })).status, 200);
  const [pid] = modelProcesses();
  process.kill(pid!, 'SIGSTOP');
  const running = plane.send(path, { inputs });
  await metricUntil(plane, /gyre_serving_running_batches\{[^}]*\} 1/);
  const late = plane.send(path, { inputs }, { 'gyre-timeout-ms': '50' });
  const patient = plane.send(path, { rows: rowsOf(2) }, { 'gyre-timeout-ms': '60000' });
  await metricUntil(plane, /gyre_serving_queued_rows\{[^}]*\} 3/);
  const gone = request(plane.url + path, { method: 'POST', headers: { 'content-type': 'application/json' } });
  gone.on('error', () => undefined);
  gone.end(JSON.stringify({ inputs }));
  await metricUntil(plane, /gyre_serving_queued_rows\{[^}]*\} 4|serving-deadline-exceeded"\} 1/);
  const refused = await plane.send(path, { rows: rowsOf(4) });
  assert.deepEqual([refused.status, refused.body.code, refused.headers.get('retry-after')], [503, 'serving-overloaded', '1']);
  const expired = await late;
  assert.deepEqual([expired.status, expired.body.code], [504, 'serving-deadline-exceeded']);
  gone.destroy();
  await metricUntil(plane, /gyre_serving_refused_total\{dialect="gyre",code="client-gone"\} 1/);
  await metricUntil(plane, /gyre_serving_queued_rows\{[^}]*\} 2/);
  process.kill(pid!, 'SIGCONT');
  assert.deepEqual([(await running).status, (await patient).status], [200, 200]);
  for (const bad of ['0', '-1', '1.5', 'soon', '']) {
    const reply = await plane.send(path, { inputs }, { 'gyre-timeout-ms': bad });
    assert.deepEqual([reply.status, reply.body.code], [400, 'serving-timeout-invalid'], bad);
  }
});

test('What is in a process when the plane closes is answered', async (t) => {
  const plane = await runPlane(t, { plan: own(1) });
  assert.equal((await plane.send(path, { inputs })).status, 200);
  const [pid] = modelProcesses();
  process.kill(pid!, 'SIGSTOP');
  const running = [plane.send(path, { inputs }), plane.send(path, { inputs })];
  await metricUntil(plane, /gyre_serving_queued_rows\{[^}]*\} 1/);
  const closed = plane.close();
  process.kill(pid!, 'SIGCONT');
  assert.deepEqual(
    (await Promise.all(running)).map((r) => r.status),
    [200, 200],
  );
  await closed;
});

test('A hundred revisions under load: no request fails, and each is seen within a moment of its plan', async (t) => {
  const plane = await runPlane(t);
  const load = openLoop({ url: plane.url, requests: [postBytes(path, JSON.stringify({ inputs }))], perSecond: 200, seconds: 8 });
  const visibleMs: number[] = [];
  for (let number = 2; number <= 101; number++) {
    // Every one with a model that was not loaded before.
    const modelPath = sealModel(plane.dir, 'late', `late-${number}`);
    const endpoint = endpointOf({
      revision: number,
      variants: [variantOf({ modelVersion: String(number), modelDigest: `late-${number}`, modelPath })],
    });
    const written = performance.now();
    writePlan(plane.dir, planOf(number, [endpoint]));
    for (;;) {
      const { status, body } = await plane.send(path, { inputs });
      assert.equal(status, 200, JSON.stringify(body));
      if (Number(body.revision) === number) break;
    }
    visibleMs.push(performance.now() - written);
    await delay(10);
  }
  const { statuses } = await load;
  assert.deepEqual([...statuses.keys()], [200]);
  visibleMs.sort((a, b) => a - b);
  t.diagnostic(`visible after ${quantile(visibleMs, 0.5).toFixed(0)} ms, at most ${visibleMs.at(-1)!.toFixed(0)} ms`);
  // With a machine to itself none takes longer; the test runs beside others.
  assert.ok(quantile(visibleMs, 0.5) <= 50, String(visibleMs));
});

test('A revision whose model file is not what was sealed is not taken; the one before goes on, also for a later start', async (t) => {
  const plane = await runPlane(t, { dir: folder(t) });
  const modelPath = sealModel(plane.dir, 'late', 'other');
  const variants = [variantOf({ modelVersion: '2', modelDigest: 'a'.repeat(64), modelPath })];
  await plane.publish(planOf(2, [endpointOf({ revision: 2, variants })]));
  const [failure] = readAck(plane.dir, 'r1')!.failures;
  assert.equal(failure!.code, 'model-files-changed');
  const { status, body } = await plane.send(path, { inputs });
  assert.deepEqual([status, body.revision, body.modelVersion], [200, 1, '1']);
});
