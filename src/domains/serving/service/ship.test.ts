import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { eachDatabase, openPlatform } from '../../../../test/support/platform.ts';
import { eventsIn } from '../../../kernel/events/events.ts';
import { silentLog } from '../../../kernel/log.ts';
import { openInferenceLog } from '../log/inference-log.ts';
import { servingPaths } from '../plan.ts';
import { stageFiles } from '../../datasets/public.ts';
import { jobsIn } from '../../../kernel/jobs/jobs.ts';
import { DAY_US, endpointOf, planOf, runPlane } from '../fixtures/plane.ts';
import { columnsOf, filesOfPredictions, inferenceFiles } from './inference-files.ts';
import { shipSegments } from './ship.ts';

const late = { project: 'flights', endpoint: 'late-arrival' };
const definition = (workspace: string) => ({
  workspace,
  project: 'flights',
  endpoint: 'late-arrival',
  revision: 1,
  variant: 'v1',
  model: 'late',
  modelVersion: '1',
  modelDigest: 'd',
  request: ['origin'],
  views: [],
  inputs: ['origin', 'temp'],
  types: { request: ['string' as const], inputs: ['string' as const, 'number' as const] },
});
const body = (eventTimeUs: number) => ({
  eventTimeUs,
  recordedMs: 1,
  latencyUs: 1,
  assignmentKey: null,
  assignment: 'random' as const,
  request: ['EWR'],
  facts: [],
  inputs: ['EWR', null],
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
  const files = await inferenceFiles(ctx, { ...late, fromUs: 0, toUs: 10 });
  assert.deepEqual(
    files.map((f) => [f.digest, f.records, f.fromUs, f.toUs]),
    [[digest, 2, 3, 5]],
  );
});

eachDatabase('Records come back with the types of their columns, also where columns differ, and by their ids', async (t, database) => {
  const platform = await openPlatform(t, { database });
  const ctx = platform.ctx();
  const log = openInferenceLog({ folder: join(servingPaths(platform.folder).log, 'r1'), replica: 'r1', log: silentLog });
  const types = { request: ['string'], inputs: ['integer', 'boolean', 'number'] } as const;
  const wider = { ...definition('default'), inputs: ['hour', 'Hour', 'temp'], types };
  const ids = log.append([
    { definition: definition('default'), body: body(5) },
    {
      definition: wider,
      body: {
        ...body(7),
        stagesUs: { parse: 1, features: 2, queue: 3, model: 4 },
        request: ['2013-01-01'],
        inputs: [2 ** 53 - 1, true, 0.5],
      },
    },
    { definition: { ...wider, variant: 'v2' }, body: { ...body(6), inputs: [null, null, null], score: null, error: 'no' } },
    { definition: { ...definition('default'), endpoint: 'other' }, body: body(8) },
    {
      definition: { ...definition('default'), request: [], types: { ...definition('').types, request: [] } },
      body: { ...body(9), request: [] },
    },
  ]);
  await log.close();
  assert.equal(await shipSegments(ctx, () => []), 5);
  const files = await inferenceFiles(ctx, { ...late, fromUs: 5, toUs: 8 });
  assert.deepEqual(
    files.map((f) => [f.records, f.fromUs, f.toUs, f.inputs.map((c) => c.name)]),
    [
      [1, 5, 5, ['origin', 'temp']],
      [2, 6, 7, ['hour', 'Hour_2', 'temp']],
    ],
  );
  const all = await inferenceFiles(ctx, { ...late, fromUs: 0, toUs: 10 });
  assert.equal(all.length, 3);
  assert.deepEqual((await filesOfPredictions(ctx, [ids[4]!, 'nobody', 'r1.zzz.0'])).length, 4, 'all files of its segment');
  assert.deepEqual(columnsOf(all), {
    request: [{ name: 'origin', type: 'string' }],
    inputs: [
      { name: 'origin', type: 'string' },
      { name: 'temp', type: 'number' },
      { name: 'hour', type: 'integer' },
      { name: 'Hour_2', type: 'boolean' },
    ],
  });
  const { rows } = await ctx.compute.run({
    what: 'the test',
    tables: {
      t: {
        files: await stageFiles(
          ctx,
          all.map((f) => f.digest),
        ),
      },
    },
    statements: [],
    rows: `select "eventTimeUs" as at, request.origin as origin, inputs.hour as hour, inputs.Hour_2 as b, inputs.temp as temp, score, error, variant,
      "stagesUs".model as model, typeof(inputs) as type from t order by 1`,
  });
  assert.equal(rows[0]!.type, 'STRUCT(origin VARCHAR, "temp" DOUBLE, "hour" BIGINT, Hour_2 BOOLEAN)');
  assert.deepEqual(
    rows.map(({ type: _type, ...row }) => Object.values(row)),
    [
      [5, 'EWR', null, null, null, 0.5, null, 'v1', null],
      [6, 'EWR', null, null, null, null, 'no', 'v2', null],
      [7, '2013-01-01', 2 ** 53 - 1, true, 0.5, 0.5, null, 'v1', 4],
      [9, null, null, null, null, 0.5, null, 'v1', null],
    ],
  );
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
    const files = await inferenceFiles(ctx, { ...late, fromUs: 0, toUs: 2 * platform.clock.now() * 1000 });
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
    const shipped = async () => (await inferenceFiles(ctx, { ...late, fromUs: 0, toUs: 2 * platform.clock.now() * 1000 })).length;
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
