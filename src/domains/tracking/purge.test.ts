import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase, openPlatform, type TestPlatform } from '../../../test/support/platform.ts';
import { startServer } from '../../../test/support/server.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { isProblem } from '../../kernel/errors.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { createToken, createUser } from '../access/public.ts';
import { createModel, registerVersion } from '../registry/public.ts';
import { purge as job, retention } from './jobs.ts';
import {
  createExperiment,
  createLoggedModel,
  createRun,
  deleteLoggedModel,
  getRun,
  logBatch,
  metricPoints,
  pathOfUri,
  setExperimentLifecycle,
  setExperimentTag,
  setRunLifecycle,
  setTag,
} from './public.ts';
import { getPurge, purgeMetric, requestPurge, type PurgeAsked } from './service/purge/request.ts';

// What a test asks for is what it is about.
// oxlint-disable-next-line no-explicit-any
type Json = any;

const asked: PurgeAsked = { experimentIds: undefined, runIds: undefined, olderThanMs: 0, dryRun: false, confirm: 'purge' };

async function makeRun(ctx: Ctx, experimentId: string, name: string): Promise<string> {
  const run = await createRun(ctx, { experimentId, userId: 'ada', name, startMs: 1, tags: [] });
  const metrics = [1, 2, 3].map((step) => ({ key: 'm', value: step, timestampMs: step, step }));
  await logBatch(ctx, run.id, { metrics, params: [{ key: 'p', value: 'x' }], tags: [] });
  await ctx.blobs.paths.write(`${pathOfUri('default', run.artifactUri)!}/a.txt`, Readable.from(['0123456789']));
  return run.id;
}
const makeModel = (ctx: Ctx, experimentId: string, sourceRunId: string | null) =>
  createLoggedModel(ctx, { experimentId, name: 'model', modelType: '', sourceRunId, params: [{ key: 'p', value: '1' }], tags: [] });

async function purged(p: TestPlatform, ctx: Ctx, more: Partial<PurgeAsked> = {}) {
  const { id } = await requestPurge(ctx, { ...asked, ...more }, job);
  await p.drain();
  return getPurge(ctx, id);
}

const TABLES = [
  'experiments',
  'tracking_runs',
  'metric_blocks',
  'latest_metrics',
  'tracking_params',
  'tracking_tags',
  'logged_models',
  'logged_model_entries',
];
async function rowsIn(ctx: Ctx): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const table of TABLES) {
    const { rows } = await sql<{ n: number }>`select count(*) as n from ${sql.table(table)}`.execute(ctx.db);
    counts[table] = Number(rows[0]!.n);
  }
  return counts;
}

eachDatabase('what is deleted goes for good, with all that belonged to it, and its name is free again', async (t, kind) => {
  const p = await openPlatform(t, { database: kind });
  const ctx = p.ctx();
  const doomed = await createExperiment(ctx, { name: 'doomed', tags: [{ key: 'team', value: 'x' }] });
  const stays = await createExperiment(ctx, { name: 'stays' });
  const run = await makeRun(ctx, doomed, 'a');
  await makeModel(ctx, doomed, run);
  const other = await makeRun(ctx, stays, 'b');
  const gone = await makeRun(ctx, stays, 'c');
  await setRunLifecycle(ctx, gone, 'deleted');
  await setExperimentLifecycle(ctx, doomed, 'deleted');
  const before = await rowsIn(ctx);

  const dry = await purged(p, ctx, { dryRun: true, confirm: undefined });
  assert.deepEqual(await rowsIn(ctx), before, 'a dry run removes nothing');
  const expected = {
    [doomed]: { runs: 1, loggedModels: 1, points: 3, files: 1, bytes: 10, experiment: true },
    [stays]: { runs: 1, loggedModels: 0, points: 3, files: 1, bytes: 10, experiment: false },
  };
  assert.deepEqual(dry.result.removed, expected);
  assert.equal(dry.state, 'done');

  const folder = (uri: string): string => join(p.folder, 'paths', pathOfUri('default', uri)!);
  const place = folder((await getRun(ctx, gone)).artifactUri);
  assert.equal(existsSync(place), true);
  const done = await purged(p, ctx);
  assert.deepEqual([done.state, done.result.removed, done.result.kept], ['done', expected, []]);
  assert.equal(existsSync(place), false);
  assert.equal(existsSync(folder((await getRun(ctx, other)).artifactUri)), true);
  assert.deepEqual(await rowsIn(ctx), {
    experiments: 2,
    tracking_runs: 1,
    metric_blocks: 1,
    latest_metrics: 1,
    tracking_params: 1,
    tracking_tags: 1,
    logged_models: 0,
    logged_model_entries: 0,
  });
  assert.equal((await metricPoints(ctx, other, 'm', 0, 10)).length, 3);
  await assert.rejects(getRun(ctx, gone), (e) => isProblem(e, 'tracking-run-not-found'));
  const again = await createExperiment(ctx, { name: 'doomed' });
  assert.equal(Number(again), Number(stays) + 1, 'no number is given twice');
  await setExperimentLifecycle(ctx, again, 'deleted');
  await purged(p, ctx);
  assert.equal(Number(await createExperiment(ctx, { name: 'doomed' })), Number(again) + 1);
  const events = await eventsIn(ctx.db)
    .selectFrom('events')
    .select('payload')
    .where('type', '=', 'tracking-purge.finished')
    .orderBy('id')
    .execute();
  assert.equal(events.length, 2);
  assert.deepEqual(JSON.parse(events[0]!.payload), {
    ...{ experiments: 1, runs: 2, loggedModels: 1, points: 6, files: 2, bytes: 20, kept: 0 },
    requestedBy: { kind: 'local', id: 'local' },
  });
});

eachDatabase('what a version, another record or a legal hold refers to stays, and it says why', async (t, kind) => {
  const p = await openPlatform(t, { database: kind });
  const ctx = p.ctx();
  const e = await createExperiment(ctx, { name: 'e' });
  const [byRun, byModel, byTag, byPath, live, free] = await Promise.all(['a', 'b', 'c', 'd', 'e', 'f'].map((n) => makeRun(ctx, e, n)));
  await createModel(ctx, { name: 'm' });
  const bare = { model: 'm', evidence: {}, baseline: null };
  await registerVersion(ctx, { ...bare, source: 's3://elsewhere/x', trackingRunId: byRun!, loggedModelId: null }, 'lenient');
  const model = await makeModel(ctx, e, byModel!);
  await registerVersion(ctx, { ...bare, source: `models:/${model.id}`, trackingRunId: null, loggedModelId: model.id }, 'lenient');
  await registerVersion(
    ctx,
    { ...bare, source: `s3://elsewhere/${byPath}/artifacts/m`, trackingRunId: null, loggedModelId: null },
    'lenient',
  );
  await setTag(ctx, byTag!, { key: 'gyre.legal_hold', value: 'case 12' });
  const kept = await makeModel(ctx, e, live!);
  await deleteLoggedModel(ctx, model.id);
  for (const id of [byRun, byModel, byTag, byPath, live, free]) await setRunLifecycle(ctx, id!, 'deleted');
  for (const dryRun of [true, false]) {
    const { result } = await purged(p, ctx, { dryRun });
    assert.equal(result.removed[e]!.runs, 1);
    const why = Object.fromEntries(result.kept.map((k) => [k.id, k.why]));
    assert.match(why[byRun!]!, /version 1 of the model "m" came from it/);
    assert.match(why[model.id]!, /version 2 of the model "m"/);
    assert.match(why[byModel!]!, new RegExp(`logged model ${model.id} came from it`));
    assert.match(why[byPath!]!, /version 3 of the model "m" lies in its artifacts/);
    assert.match(why[byTag!]!, /tag gyre.legal_hold/);
    assert.match(why[live!]!, new RegExp(kept.id));
    assert.equal(result.keptCount, 6);
  }
  await assert.rejects(getRun(ctx, free!), (x) => isProblem(x, 'tracking-run-not-found'));
  const held = await createExperiment(ctx, { name: 'held' });
  await setExperimentTag(ctx, held, { key: 'gyre.legal_hold', value: 'case 13' });
  await setExperimentLifecycle(ctx, held, 'deleted');
  await setExperimentLifecycle(ctx, e, 'deleted');
  const { result } = await purged(p, ctx);
  const experiments = result.kept.filter((k) => k.kind === 'experiment').map((k) => [k.id, k.why]);
  assert.deepEqual(experiments, [
    [e, 'runs or logged models of it have to stay'],
    [held, 'it has the tag gyre.legal_hold'],
  ]);
});

eachDatabase('the retention takes what was deleted long enough ago, of every workspace, and is off unless it is set', async (t, kind) => {
  const p = await openPlatform(t, { database: kind, environment: { GYRE_DELETED_RETENTION_DAYS: '30' } });
  const ctx = p.ctx();
  const old = await makeRun(ctx, '0', 'old');
  await setRunLifecycle(ctx, old, 'deleted');
  p.clock.advance(20 * 24 * 3600 * 1000);
  const young = await makeRun(ctx, '0', 'young');
  await setRunLifecycle(ctx, young, 'deleted');
  p.clock.advance(11 * 24 * 3600 * 1000);
  const run = () => ctx.tx((tx) => tx.enqueue({ job: retention, payload: {} }));
  await run();
  await p.drain();
  await assert.rejects(getRun(ctx, old), (e) => isProblem(e, 'tracking-run-not-found'));
  assert.equal((await getRun(ctx, young)).lifecycle, 'deleted');
  await run();
  await p.drain();
  const { rows } = await sql<{ n: number }>`select count(*) as n from tracking_purges`.execute(ctx.db);
  assert.equal(Number(rows[0]!.n), 1, 'a day without work leaves nothing');

  const off = await openPlatform(t, { database: kind });
  const id = await makeRun(off.ctx(), '0', 'old');
  await setRunLifecycle(off.ctx(), id, 'deleted');
  off.clock.advance(400 * 24 * 3600 * 1000);
  await off.ctx().tx((tx) => tx.enqueue({ job: retention, payload: {} }));
  await off.drain();
  assert.equal((await getRun(off.ctx(), id)).id, id);
});

eachDatabase('the history of one metric goes alone', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const id = await makeRun(ctx, '0', 'a');
  for (let i = 0; i < 3; i++)
    await logBatch(ctx, id, {
      params: [],
      tags: [],
      metrics: Array.from({ length: 1000 }, (_, step) => ({ key: 'long', value: i, timestampMs: i, step })),
    });
  assert.equal(await purgeMetric(ctx, id, 'long'), 3000);
  assert.deepEqual([(await rowsIn(ctx)).metric_blocks, (await rowsIn(ctx)).latest_metrics], [1, 1]);
  assert.deepEqual([(await metricPoints(ctx, id, 'long', 0, 10)).length, (await metricPoints(ctx, id, 'm', 0, 10)).length], [0, 3]);
  await assert.rejects(purgeMetric(ctx, id, 'long'), (e) => isProblem(e, 'metric-not-found'));
});

test('a purge is asked for with a word, of what is deleted, by who manages it', async (t) => {
  const { url, ctx, drain } = await startServer(t);
  let headers: Record<string, string> = {};
  const ask = async (method: string, path: string, body?: object) => {
    const init = body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } } : { headers };
    const reply = await fetch(`${url}/api/gyre/v1${path}`, { method, ...init });
    return { status: reply.status, body: (await reply.json()) as Json };
  };
  const id = await makeRun(ctx(), '0', 'a');
  for (const [body, status, code] of [
    [{}, 400, 'purge-unconfirmed'],
    [{ confirm: 'yes' }, 400, 'purge-unconfirmed'],
    [{ confirm: 'purge', runIds: [id] }, 409, 'purge-not-deleted'],
    [{ confirm: 'purge', runIds: ['none'] }, 404, 'tracking-run-not-found'],
    [{ confirm: 'purge', experimentIds: ['77'] }, 404, 'experiment-not-found'],
    [{ dryRun: true, olderThanDays: -1 }, 400, 'invalid-input'],
  ] as const) {
    const reply = await ask('POST', '/tracking-purges', body);
    assert.deepEqual([reply.status, reply.body.code], [status, code]);
  }
  await setRunLifecycle(ctx(), id, 'deleted');
  const begun = await ask('POST', '/tracking-purges', { confirm: 'purge', runIds: [id] });
  assert.equal(begun.status, 202);
  await drain();
  const { body } = await ask('GET', `/tracking-purges/${begun.body.id}`);
  assert.deepEqual(body.total, { experiments: 0, runs: 1, loggedModels: 0, points: 3, files: 1, bytes: 10 });
  assert.equal((await ask('GET', '/tracking-purges')).body.items[0].id, begun.body.id);
  assert.equal((await ask('GET', '/tracking-purges/none')).body.code, 'purge-not-found');
  assert.equal((await ask('DELETE', `/tracking-runs/${id}/metrics?key=m`)).body.code, 'tracking-run-not-found');
  // Who manages nothing neither sees it nor takes a history away.
  await createUser(ctx(), { name: 'ada', password: 'correct horse battery', role: 'admin' });
  await createUser(ctx(), { name: 'vic', password: 'correct horse battery', role: 'member' });
  headers = { authorization: `Bearer ${(await createToken(ctx(), { name: 't', role: 'member', ownerId: 'vic' })).secret}` };
  assert.deepEqual((await ask('GET', '/tracking-purges')).body.items, []);
  assert.equal((await ask('GET', `/tracking-purges/${begun.body.id}`)).body.code, 'purge-not-found');
});

const script = join(import.meta.dirname, 'fixtures/purge-child.ts');

test('a purge that is killed at any of its steps is gone on with, and counts each thing once', async (t) => {
  for (const point of ['tracking.purge-step=kill@1', 'tracking.purge-step=kill@9', 'tracking.purge-artifacts-removed=kill@1']) {
    const folder = mkdtempSync(join(tmpdir(), 'gyre-test-'));
    t.after(() => rmSync(folder, { recursive: true, force: true }));
    const run = async (failpoints: string, ...task: string[]) => {
      const env = { PATH: process.env.PATH, ...(failpoints ? { GYRE_FAILPOINTS: failpoints } : {}) };
      const child = spawn(process.execPath, ['--no-warnings', script, folder, ...task], { env, stdio: ['ignore', 'inherit', 'inherit'] });
      return (await once(child, 'exit')) as [number | null, string | null];
    };
    assert.deepEqual(await run(point, 'fill'), [null, 'SIGKILL'], point);
    const database = join(folder, 'gyre.db');
    // The lease of the dead process's job is over.
    const db = new DatabaseSync(database);
    db.exec('update jobs set lease_until_ms = 0');
    db.close();
    assert.deepEqual(await run(''), [0, null]);
    const after = new DatabaseSync(database);
    const [row] = after.prepare('select state, result from tracking_purges').all() as { state: string; result: string }[];
    assert.equal(row!.state, 'done', point);
    assert.deepEqual(
      Object.values(JSON.parse(row!.result).removed as object),
      [{ runs: 5, loggedModels: 0, points: 3000, files: 5, bytes: 50, experiment: true }],
      point,
    );
    for (const table of ['tracking_runs', 'metric_blocks', 'latest_metrics', 'tracking_params', 'tracking_tags'])
      assert.deepEqual({ ...after.prepare(`select count(*) as n from ${table}`).get() }, { n: 0 }, `${point}: ${table}`);
    after.close();
  }
});
