// Two control planes on one PostgreSQL: they start at once, race, are stopped and killed, and lose their database.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { begin, leaderOf, sharedFolders, startReplica, statusOf, until, type Answer, type Replica } from './control-planes.ts';
import { startPostgres, type Postgres } from '../support/postgres.ts';
import { compareTracked, startTracking } from './tracked.ts';

async function openTwo(
  t: TestContext,
  durable = false,
): Promise<{ postgres: Postgres; folderOf: (name: string) => string; two: [Replica, Replica] }> {
  const postgres = await startPostgres({ durable });
  t.after(() => postgres.stop());
  const folderOf = sharedFolders(t);
  const [one, other] = await Promise.all(
    ['one', 'other'].map((name) => startReplica(t, { dir: folderOf(name), databaseUrl: postgres.url })),
  );
  return { postgres, folderOf, two: [one!, other!] };
}

test('replicas that start at once on an empty database share it, and of two that race one wins', { timeout: 240_000 }, async (t) => {
  const { two, folderOf, postgres } = await openTwo(t);
  const [one, other] = two;
  // Both say where they are, and one leads.
  await until(async () => (await statusOf(one)).replicas.filter((r) => r.url !== '').length === 2, 10_000, 'both are told of');
  const { replicas } = await statusOf(other);
  assert.deepEqual(replicas.map((r) => r.url).toSorted(), [one.url, other.url].toSorted());
  assert.equal(replicas.filter((r) => r.leads).length, 1);

  const race = async (path: string, body: object): Promise<Answer[]> => Promise.all(two.map((replica) => replica.post(path, body)));
  for (let i = 0; i < 5; i++) {
    for (const [path, body] of [
      ['experiments/create', { name: `experiment ${i}` }],
      ['registered-models/create', { name: `model-${i}` }],
    ] as const) {
      const answers = await race(path, body);
      assert.deepEqual(
        answers.map((a) => [a.status, a.body.error_code]).toSorted(),
        [
          [200, undefined],
          [400, 'RESOURCE_ALREADY_EXISTS'],
        ],
        `${path}: ${JSON.stringify(answers)}`,
      );
    }
  }
  // Versions are numbered without a gap; an alias is at one of those it was set to.
  const versions = await Promise.all(
    Array.from({ length: 8 }, (_, i) =>
      two[i % 2]!.post('model-versions/create', { name: 'model-0', source: 'mlflow-artifacts:/0/x/artifacts/m' }),
    ),
  );
  const numbers = versions.map((v) => Number((v.body as unknown as { model_version: { version: string } }).model_version?.version));
  assert.deepEqual(
    numbers.toSorted((a, b) => a - b),
    [1, 2, 3, 4, 5, 6, 7, 8],
    JSON.stringify(versions),
  );
  for (const answer of await Promise.all(
    two.map((r, i) => r.post('registered-models/alias', { name: 'model-0', alias: 'best', version: `${i + 1}` })),
  ))
    assert.equal(answer.status, 200);
  const alias = (replica: Replica) => replica.get('/api/2.0/mlflow/registered-models/alias?name=model-0&alias=best');
  assert.deepEqual((await alias(one)).body, (await alias(other)).body);

  // The same run name twice are two runs; the same metric of one run by both is one history with all of it.
  const runs = (await race('runs/create', { experiment_id: '0', run_name: 'twin', start_time: 1 })).map(
    (a) => (a.body as unknown as { run: { info: { run_id: string } } }).run.info.run_id,
  );
  assert.notEqual(runs[0], runs[1]);
  const logged = await Promise.all(
    Array.from({ length: 40 }, (_, step) =>
      two[step % 2]!.post('runs/log-metric', { run_id: runs[0], key: 'loss', value: step, timestamp: 1 + step, step }),
    ),
  );
  assert.deepEqual([...new Set(logged.map((a) => a.status))], [200], JSON.stringify(logged.find((a) => a.status !== 200)));
  const history = (await other.get(`/api/2.0/mlflow/metrics/get-history?run_id=${runs[0]}&metric_key=loss`)).body as unknown as {
    metrics: unknown[];
  };
  assert.equal(history.metrics.length, 40);
  const latest = (await one.get(`/api/2.0/mlflow/runs/get?run_id=${runs[0]}`)).body as unknown as {
    run: { data: { metrics: { value: number }[] } };
  };
  assert.deepEqual(
    latest.run.data.metrics.map((m) => m.value),
    [39],
  );
  // A param that both set to different values has one of them, and the other one is told.
  const params = await Promise.all(two.map((r, i) => r.post('runs/log-parameter', { run_id: runs[0], key: 'p', value: `${i}` })));
  assert.deepEqual(params.map((a) => a.status).toSorted(), [200, 400]);
  const audit = (await one.get('/api/gyre/v1/audit/verify')).body as unknown as { ok: boolean };
  assert.equal(audit.ok, true);

  // What cannot work is refused in one sentence.
  const refusal = async (options: Partial<Parameters<typeof begin>[0]>): Promise<string> => {
    const ended = await begin({ dir: folderOf(`further-${Math.random()}`), databaseUrl: postgres.url, ...options }).ended;
    assert.notEqual(ended.code, 0);
    return ended.err;
  };
  assert.match(
    await refusal({ env: { GYRE_SECRETS_KEY: 'a key that nobody else has got here' } }),
    /other keys in its folder.*\(replica-differs\)/s,
  );
  const apart = join(folderOf('root'), 'apart');
  mkdirSync(apart);
  assert.match(await refusal({ dir: apart }), /its bytes elsewhere.*\(replica-differs\)/s);
  assert.match(await refusal({ dir: one.dir }), /already-running/);
});

test('a replica that is killed or stands still loses nothing and is replaced within seconds', { timeout: 240_000 }, async (t) => {
  const { two } = await openTwo(t);
  const alive = new Set(two);
  const tracking = startTracking(() => [...alive], 4);
  t.after(() => tracking.stop());
  const lead = await until(async () => (await leaderOf(two[0])) !== undefined, 10_000, 'somebody leads').then(() => leaderOf(two[0]));
  const [leader, other] = two[0].url === lead ? [two[0], two[1]] : [two[1], two[0]];

  // It stands still, in the middle of whatever it does.
  process.kill(leader.pid, 'SIGSTOP');
  alive.delete(leader);
  const tookOver = await until(async () => (await leaderOf(other)) === other.url, 15_000, 'the other one leads');
  const before = tracking.count();
  await until(async () => tracking.count() > before + 50, 20_000, 'work goes on');
  process.kill(leader.pid, 'SIGCONT');
  alive.add(leader);
  await until(async () => (await leader.get('/ready')).status === 200, 10_000, 'it comes back');
  assert.equal(await leaderOf(other), other.url);

  // Now the new leader dies under the same load.
  await other.kill();
  alive.delete(other);
  const again = await until(async () => (await leaderOf(leader)) === leader.url, 15_000, 'the first one leads again');
  t.diagnostic(`taken over after ${Math.round(tookOver)} and ${Math.round(again)} ms`);
  await tracking.stop();
  assert.deepEqual(tracking.complaints, []);
  await compareTracked(leader.get, tracking);
});

test(
  'while the database is away requests are answered 503 and nothing acknowledged is lost; it is back by itself',
  { timeout: 240_000 },
  async (t) => {
    const { postgres, two } = await openTwo(t, true);
    const [one, other] = two;
    const tracking = startTracking(() => two, 4);
    t.after(() => tracking.stop());
    await until(async () => tracking.count() > 50, 20_000, 'work has begun');
    for (const how of ['fast', 'immediate'] as const) {
      await postgres.halt(how);
      await until(async () => (await one.get('/ready')).status === 503, 5000, 'it is not ready');
      assert.equal((await fetch(`${one.url}/health`)).status, 200);
      const refused = await other.post('experiments/create', { name: 'while it is away' });
      assert.deepEqual([refused.status, refused.body.error_code, refused.retryAfter], [503, 'TEMPORARILY_UNAVAILABLE', '1']);
      await postgres.start();
      const back = await until(async () => (await one.post('experiments/search', { max_results: 1 })).status === 200, 10_000, 'it is back');
      t.diagnostic(`back ${Math.round(back)} ms after PostgreSQL (${how})`);
      const before = tracking.count();
      await until(async () => tracking.count() > before + 30, 20_000, 'work goes on');
    }
    // A server that is there and keeps silent: nobody waits for a check, and what was asked is answered afterwards.
    await tracking.stop();
    assert.deepEqual(tracking.complaints, []);
    await compareTracked(one.get, tracking);
    const pids = await Promise.all(
      two.map(async (r) => ((await r.get('/api/gyre/v1/status')).body as unknown as { control: { pid: number } }).control.pid),
    );
    assert.deepEqual(pids, [one.pid, other.pid], 'no process has died of it');
  },
);
