// The tracking workload under kills at random instants: of the server on SQLite, of replicas on PostgreSQL, and of
// PostgreSQL itself. What was acknowledged is compared with what is there. TEST_SEED repeats a run's choices.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { seeded } from '../crash/campaign.ts';
import { startPostgres } from '../support/postgres.ts';
import { sharedFolders, startReplica, until, type Replica } from '../replicas/control-planes.ts';
import { compareTracked, startTracking, type Tracking } from '../replicas/tracked.ts';

const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));
const figures = ({ acknowledged }: Tracking): string =>
  Object.entries(acknowledged)
    .map(([kind, items]) => `${(items as unknown[]).length} ${kind}`)
    .join(', ');

test('tracking on SQLite loses nothing that was acknowledged in 15 kills of the control plane', { timeout: 300_000 }, async (t) => {
  t.diagnostic(`TEST_SEED=${seed}`);
  const random = seeded(seed);
  const dir = mkdtempSync(join(tmpdir(), 'gyre-tracking-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const server = await startReplica(t, { dir, databaseUrl: '', env: { GYRE_DURABILITY: 'process' } });
  const pidNow = async (): Promise<number> =>
    ((await server.get('/api/gyre/v1/status')).body as unknown as { control?: { pid: number } }).control?.pid ?? 0;
  const tracking = startTracking(() => [server], 6);
  t.after(() => tracking.stop());
  for (let i = 0; i < 15; i++) {
    const before = tracking.count();
    await until(async () => tracking.count() > before + 20, 30_000, 'work goes on');
    await delay(random() * 300);
    const pid = await pidNow();
    if (pid !== 0) process.kill(pid, 'SIGKILL');
    await until(async () => ![0, pid].includes(await pidNow()), 30_000, 'the supervisor starts it again');
  }
  await tracking.stop();
  t.diagnostic(figures(tracking));
  assert.deepEqual(tracking.complaints, []);
  await compareTracked(server.get, tracking);
});

test('tracking on PostgreSQL loses nothing when replicas and PostgreSQL are killed, 12 times', { timeout: 400_000 }, async (t) => {
  t.diagnostic(`TEST_SEED=${seed}`);
  const random = seeded(seed);
  const postgres = await startPostgres({ durable: true });
  t.after(() => postgres.stop());
  const folderOf = sharedFolders(t);
  const start = (name: string): Promise<Replica> => startReplica(t, { dir: folderOf(name), databaseUrl: postgres.url });
  const replicas = await Promise.all([start('r0'), start('r1')]);
  const tracking = startTracking(() => replicas, 6);
  t.after(() => tracking.stop());
  const halts = ['immediate', 'kill', 'fast'] as const;
  for (let i = 0; i < 12; i++) {
    const before = tracking.count();
    await until(async () => tracking.count() > before + 20, 30_000, 'work goes on');
    await delay(random() * 300);
    if (i % 2 === 0) {
      await postgres.halt(halts[(i / 2) % halts.length]!);
      await delay(random() * 1000);
      await postgres.start();
    } else {
      const at = random() < 0.5 ? 0 : 1;
      await replicas[at]!.kill();
      replicas[at] = await start(`again-${i}`);
    }
  }
  await tracking.stop();
  t.diagnostic(figures(tracking));
  assert.deepEqual(tracking.complaints, []);
  await compareTracked(replicas[0]!.get, tracking);
});

test('a database that is away for 10 s, or silent, loses nothing; it is back within 2 s after it', { timeout: 180_000 }, async (t) => {
  const postgres = await startPostgres({ durable: true });
  t.after(() => postgres.stop());
  const folderOf = sharedFolders(t);
  const two = await Promise.all(['one', 'other'].map((name) => startReplica(t, { dir: folderOf(name), databaseUrl: postgres.url })));
  const tracking = startTracking(() => two, 6);
  t.after(() => tracking.stop());
  await until(async () => tracking.count() > 50, 30_000, 'work has begun');
  await postgres.halt('immediate');
  await delay(10_000);
  await postgres.start();
  const back = await until(async () => (await two[0]!.get('/ready')).status === 200, 20_000, 'it is back');
  t.diagnostic(`ready ${Math.round(back)} ms after PostgreSQL`);
  assert.ok(back <= 2000, `${back} ms`);
  const before = tracking.count();
  await until(async () => tracking.count() > before + 50, 30_000, 'work goes on');
  // It keeps silent and breaks no connection: nobody is refused, and a check does not wait for it.
  const family = postgres.family();
  for (const pid of family) process.kill(pid, 'SIGSTOP');
  const asked = performance.now();
  assert.equal((await two[1]!.get('/ready')).status, 503);
  assert.ok(performance.now() - asked < 6000);
  assert.equal((await fetch(`${two[1]!.url}/health`)).status, 200);
  await delay(8000);
  for (const pid of family) process.kill(pid, 'SIGCONT');
  await until(async () => (await two[1]!.get('/ready')).status === 200, 20_000, 'it is back');
  const then = tracking.count();
  await until(async () => tracking.count() > then + 50, 30_000, 'work goes on');
  await tracking.stop();
  t.diagnostic(figures(tracking));
  assert.deepEqual(tracking.complaints, []);
  await compareTracked(two[1]!.get, tracking);
});
