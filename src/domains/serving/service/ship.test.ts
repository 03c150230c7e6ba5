import assert from 'node:assert/strict';
import { join } from 'node:path';
import { eachDatabase, openPlatform } from '../../../../test/support/platform.ts';
import { eventsIn } from '../../../kernel/events/events.ts';
import { silentLog } from '../../../kernel/log.ts';
import { openInferenceLog } from '../log/inference-log.ts';
import { servingPaths } from '../plan.ts';
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
