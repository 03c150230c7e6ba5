import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { sql } from 'kysely';
import { emptyPostgres, openPlace, testFolder } from '../../../../test/support/database-places.ts';
import { eachDatabase, type DatabaseKind } from '../../../../test/support/databases.ts';
import { findBlobs, storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import { openFolderStore } from '../../../kernel/blobs/folder-store.ts';
import { wallClock } from '../../../kernel/clock.ts';
import { readSettings } from '../../../kernel/config/settings.ts';
import { makeCtx, systemActor, type Platform } from '../../../kernel/ctx.ts';
import { migrate } from '../../../kernel/db/migrate.ts';
import { sequenceEvents } from '../../../kernel/events/sequencer.ts';
import { systemIds } from '../../../kernel/ids.ts';
import { processStart } from '../../../kernel/process/process-start.ts';
import { migrations } from '../../migrations/migrations.ts';
import { measureShares, measureUsage } from '../usage/usage.ts';
import { examine } from './checks.ts';
import type { DoctorOptions } from './finding.ts';

async function openPatient(t: TestContext, kind: DatabaseKind) {
  const dir = testFolder(t);
  chmodSync(dir, 0o700);
  const databaseUrl = kind === 'postgres' ? await emptyPostgres(t) : '';
  const settings = readSettings({ GYRE_DIR: dir, GYRE_DATABASE_URL: databaseUrl, GYRE_DURABILITY: 'process' });
  const database = await openPlace(t, databaseUrl || `sqlite:///${join(dir, 'gyre.db').slice(1)}`);
  await migrate(database, migrations);
  const blobs = await openFolderStore({ dir, durability: 'process' });
  const platform = { database, blobs, clock: wallClock, ids: systemIds, wakeJobs: () => undefined, wakeSubscribers: () => undefined };
  const ctx = (workspace = 'default') => makeCtx(platform as unknown as Platform, { actor: systemActor, workspace });
  const run = (text: string) => database.tx(async (db) => void (await sql.raw(text).execute(db)));
  const states = async (options: DoctorOptions = {}) => {
    const found: Record<string, string> = {};
    for await (const f of examine(settings, options)) {
      found[f.check] = f.state;
      if (f.state !== 'ok') assert.notEqual(f.mend, '', `${f.check} says how to mend it`);
    }
    // Of this machine, not of the server.
    delete found['python'];
    delete found['disk'];
    return found;
  };
  const ill = async (options?: DoctorOptions) => Object.fromEntries(Object.entries(await states(options)).filter(([, s]) => s !== 'ok'));
  return { dir, settings, database, blobs, ctx, run, states, ill };
}

eachDatabase('a server that is well has nothing to mend, and each thing that goes wrong is found and named', async (t, kind) => {
  const { dir, database, blobs, ctx, run, states, ill } = await openPatient(t, kind);
  const [kept, changed, gone] = await storeBlobs(
    ctx(),
    ['kept', 'changed', 'x'.repeat(1_500_000)].map((text) => Buffer.from(text)),
  );
  await ctx().tx((tx) => tx.emit({ type: 'x.made', subject: { kind: 'x', id: '1' } }));
  await database.tx(async (db) => void (await sequenceEvents(db)));
  assert.deepEqual(Object.keys(await states({ deep: true })).sort(), [
    ...['audit chain', 'blob store', 'database', 'database pages', 'digests', 'folder', 'jobs', 'leftovers', 'orphans', 'packs'],
    ...['references', 'sequencer', 'server', 'settings'],
  ]);
  assert.deepEqual(await ill({ deep: true }), {});

  const entries = await findBlobs(database.reader, 'default', [kept!.digest, changed!.digest, gone!.digest]);
  const pack = entries.get(changed!.digest)!;
  const path = join(dir, 'cas', pack.pack.slice(0, 2), pack.pack);
  writeFileSync(path, 'kepTchanged');
  assert.deepEqual(await ill(), {});
  assert.deepEqual(await ill({ deep: true }), { digests: 'fault' });
  await blobs.removePack(entries.get(gone!.digest)!.pack);
  assert.deepEqual(await ill(), { packs: 'fault' });
  await run('delete from blobs');
  utimesSync(path, 1, 1);
  assert.deepEqual(await ill(), { orphans: 'warning' });
  await blobs.removePack(pack.pack);

  await run(`insert into tracking_params (workspace_id, run_id, key, value, short_value) values ('default', 'nobody', 'k', 'v', 'v')`);
  assert.deepEqual(await ill(), { references: 'fault' });
  await run('delete from tracking_params');
  await run(`update events set label = 'another'`);
  assert.deepEqual(await ill(), { 'audit chain': 'fault' });
  await run('delete from events');

  await ctx().tx((tx) => tx.emit({ type: 'x.made', subject: { kind: 'x', id: '2' } }));
  await run('update events set seq = null, hash = null');
  assert.deepEqual(await ill({ nowMs: Date.now() + 120_000 }), { sequencer: 'fault' });
  assert.deepEqual(await ill({ nowMs: Date.now() - 600_000 }), { sequencer: 'warning' });
  await run('delete from events');
  const job = (state: string, extra: string) =>
    run(`insert into jobs (id, workspace_id, name, payload, state, run_at_ms, attempt, fence, cancel_requested, rerun, created_ms, lease_until_ms, finished_ms)
      values ('${state}', 'default', 'some.job', '{}', '${state}', 0, 1, 1, 0, 0, 0, ${extra})`);
  await job('failed', `null, ${Date.now()}`);
  assert.deepEqual(await ill(), { jobs: 'warning' });
  await job('running', '1, null');
  assert.deepEqual(await ill(), { jobs: 'fault' });
  await run('delete from jobs');

  chmodSync(dir, 0o755);
  const oldWork = join(dir, 'attempts', 'old', 'a-1', 'work');
  mkdirSync(oldWork, { recursive: true });
  utimesSync(oldWork, 1, 1);
  mkdirSync(join(dir, 'run'), { recursive: true });
  writeFileSync(join(dir, 'run', 'up.pid'), `${process.pid} ${processStart(process.pid)}`);
  writeFileSync(join(dir, 'run', 'processes.json'), JSON.stringify({ control: { url: 'http://127.0.0.1:1' } }));
  assert.deepEqual(await ill(), { folder: 'warning', leftovers: 'warning', server: 'fault' });
});

eachDatabase('what takes room is told by kind and by whom, and what a sweep would free', async (t, kind) => {
  const { dir, settings, blobs, ctx, run } = await openPatient(t, kind);
  const large = Buffer.alloc(2_000_000, 'x');
  await storeBlobs(ctx(), [large, Buffer.from('small')]);
  await storeBlobs(ctx('other'), [large]);
  const batch = await blobs.begin();
  await batch.add(Buffer.alloc(3000, 'o'));
  await batch.commit();
  await blobs.paths.write('default/7/run/artifacts/a', Readable.from([Buffer.alloc(500)]));
  await blobs.paths.write('default/8/run/artifacts/b', Readable.from([Buffer.alloc(50)]));
  const work = join(dir, 'attempts', 'gone', 's-1', 'work');
  mkdirSync(work, { recursive: true });
  writeFileSync(join(work, 'in'), Buffer.alloc(70));
  writeFileSync(join(work, '..', 'log.txt'), 'said');
  utimesSync(work, 1, 1);
  mkdirSync(join(dir, 'staged'), { recursive: true });
  writeFileSync(join(dir, 'staged', 'x'), Buffer.alloc(100));
  await run(`insert into experiments (workspace_id, id, number, name, artifact_location, lifecycle, created_ms, updated_ms)
    values ('default', '7', 7, 'seven', 'mlflow-artifacts:/7', 'active', 0, 0)`);
  const usage = await measureUsage(settings);
  assert.deepEqual(usage.blobs, { liveBytes: 2_000_005, sharedBytes: 2_000_000, orphanedBytes: 3000, orphanedPacks: 1, holeBytes: 0 });
  assert.equal(usage.artifactBytes, 550);
  assert.deepEqual([usage.sweptAttemptBytes, existsSync(join(work, 'in'))], [70, true]);
  assert.ok(usage.databaseBytes > 10_000);
  assert.ok(usage.folders.some((f) => f.folder === 'staged' && f.bytes === 100 && f.madeAgain));
  assert.deepEqual(
    (await measureShares(settings, 'experiment')).map((s) => [s.name, s.files, s.bytes]),
    [
      ['seven', 1, 500],
      ['8 (no experiment)', 1, 50],
    ],
  );
  assert.deepEqual(
    (await measureShares(settings, 'workspace')).map((s) => [s.name, s.files, s.bytes]),
    [
      ['default', 2, 2_000_005],
      ['other', 1, 2_000_000],
    ],
  );
  for (const by of ['model', 'dataset', 'project'] as const) assert.deepEqual(await measureShares(settings, by), []);
});
