import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eachDatabase, openPlatform } from '../../../../test/support/platform.ts';
import { eventsIn } from '../../../kernel/events/events.ts';
import { silentLog } from '../../../kernel/log.ts';
import { openInferenceLog } from '../log/inference-log.ts';
import { servingPaths } from '../plan.ts';
import { jobsIn } from '../../../kernel/jobs/jobs.ts';
import { DAY_US, endpointOf, planOf, runPlane } from '../fixtures/plane.ts';
import { inferenceFiles, shipSegments } from './ship.ts';

const definition = (workspace: string) => ({
  workspace,
  project: 'flights',
  endpoint: 'late',
  revision: 1,
  variant: 'v1',
  model: 'late',
  modelVersion: '1',
  modelDigest: 'd',
  request: ['origin'],
  views: [],
  inputs: ['origin'],
});
const body = (eventTimeUs: number) => ({
  eventTimeUs,
  recordedMs: 1,
  latencyUs: 1,
  assignmentKey: null,
  assignment: 'random' as const,
  request: ['EWR'],
  facts: [],
  inputs: ['EWR'],
  score: 0.5,
  error: null,
});

eachDatabase('A segment is shipped once, told once, and each workspace hears of its own records', async (t, database) => {
  const platform = await openPlatform(t, { database });
  const ctx = platform.ctx();
  const log = openInferenceLog({ folder: join(servingPaths(platform.folder).log, 'r1'), replica: 'r1', log: silentLog });
  log.append([
    { definition: definition('default'), body: body(5) },
    { definition: definition('default'), body: body(3) },
    { definition: definition('other'), body: body(4) },
  ]);
  await log.close();
  assert.equal(await shipSegments(ctx, () => []), 3);
  assert.equal(await shipSegments(ctx, () => []), 0);
  const events = await eventsIn(ctx.db)
    .selectFrom('events')
    .selectAll()
    .where('type', '=', 'inference-segment.shipped')
    .orderBy('workspace_id')
    .execute();
  const told = events.map((e) => {
    const { records, fromUs, toUs } = JSON.parse(e.payload) as Record<string, number>;
    return [e.workspace_id, records, fromUs, toUs, e.occurred_us];
  });
  assert.deepEqual(told, [
    ['default', 2, 3, 5, 5],
    ['other', 1, 4, 4, 4],
  ]);
  const { digest } = JSON.parse(events[0]!.payload) as { digest: string };
  assert.deepEqual(await inferenceFiles(ctx, 0, 10), [digest]);
});

const MINUTE_MS = 60_000;
const flight = { inputs: { origin: 'EWR', carrier: 'AA', hour: 1 } };

eachDatabase('What a live endpoint answered is shipped within a minute, once, and nothing is written without news', async (t, database) => {
  const platform = await openPlatform(t, { database });
  const ctx = platform.ctx();
  const live = endpointOf({ timeline: { mode: 'live', nowUs: 0 } });
  const plane = await runPlane(t, { dir: platform.folder, plan: planOf(1, [live]), now: platform.clock.now });
  const minute = async () => {
    platform.clock.advance(MINUTE_MS);
    await platform.drain();
    const rows = await eventsIn(ctx.db).selectFrom('events').select('payload').where('type', '=', 'inference-segment.shipped').execute();
    const failed = await jobsIn(ctx.db).selectFrom('jobs').select('error').where('state', '=', 'failed').execute();
    assert.deepEqual(failed, []);
    const counts = rows.map((r) => (JSON.parse(r.payload) as { records: number }).records);
    const files = await inferenceFiles(ctx, 0, 2 * platform.clock.now() * 1000);
    return { counts, files: files.length, log: readdirSync(join(servingPaths(platform.folder).log, plane.replica)).length };
  };
  assert.deepEqual(await minute(), { counts: [], files: 0, log: 0 });
  for (let i = 0; i < 3; i++) assert.equal((await plane.send('/endpoints/late-arrival/predict', flight)).status, 200);
  assert.deepEqual(await minute(), { counts: [3], files: 1, log: 1 });
  const asked = t.mock.method(globalThis, 'fetch');
  assert.deepEqual(await minute(), { counts: [3], files: 1, log: 1 });
  assert.equal(asked.mock.callCount(), 0, 'a data plane without news is not asked');
  await plane.send('/endpoints/late-arrival/predict', flight);
  assert.deepEqual(await minute(), { counts: [3, 1], files: 2, log: 2 });
});

eachDatabase(
  'A log whose data plane is away waits without an error; where all timelines are replays, the barrier ships',
  async (t, database) => {
    const platform = await openPlatform(t, { database });
    const ctx = platform.ctx();
    const plane = await runPlane(t, { dir: platform.folder, now: platform.clock.now });
    const shipped = async () => (await inferenceFiles(ctx, 0, 2 * platform.clock.now() * 1000)).length;
    const folder = join(servingPaths(platform.folder).log, 'r0');
    const other = openInferenceLog({ folder, replica: 'r0', log: silentLog });
    other.append([{ definition: definition('default'), body: body(5) }]);
    await plane.send('/endpoints/late-arrival/predict', flight);
    platform.clock.advance(MINUTE_MS);
    await platform.drain();
    assert.equal(await shipped(), 0);
    await plane.publish(planOf(2, [endpointOf({ timeline: { mode: 'live', nowUs: DAY_US } })]));
    platform.clock.advance(MINUTE_MS);
    await platform.drain();
    assert.equal(await shipped(), 1);
    assert.deepEqual(await jobsIn(ctx.db).selectFrom('jobs').select('error').where('state', '=', 'failed').execute(), []);
    // One that was stopped in good order has sealed what it had.
    await other.close();
    platform.clock.advance(MINUTE_MS);
    await platform.drain();
    assert.equal(await shipped(), 2);
  },
);
