import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { FastifyInstance } from 'fastify';
import { sql } from 'kysely';
import { openPipelines, type PipelineBench } from '../../test/support/pipelines.ts';
import { eachDatabase } from '../../test/support/platform.ts';
import { accessOf } from '../domains/access/public.ts';
import { openInferenceLog } from '../domains/serving/log/inference-log.ts';
import { servingPaths } from '../domains/serving/public.ts';
import { eventsIn } from '../kernel/events/events.ts';
import { buildServer } from '../kernel/http/server.ts';
import { silentLog } from '../kernel/log.ts';
import { serverRoutes } from './server-routes.ts';

const appOf = (b: PipelineBench): FastifyInstance =>
  buildServer({
    platform: b.platform,
    routes: serverRoutes(
      () => b,
      () => '',
    ),
    access: accessOf(b.platform),
    readiness: async () => ({}),
  });

eachDatabase('the barrier does not say that all is done while a subscriber is behind, and goes on when asked again', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const app = appOf(b);
  t.after(() => app.close());
  const post = async (url: string, payload: object) => {
    const headers = { host: '127.0.0.1', 'content-type': 'application/json' };
    const reply = await app.inject({ method: 'POST', url: `/api/gyre/v1${url}`, headers, payload });
    return { status: reply.statusCode, body: JSON.parse(reply.payload) as Record<string, unknown> };
  };
  const advance = () => post('/projects/demo/timeline/advance', { to: '2013-03-02T00:00:00Z' });
  await b.drain();
  const rename = (from: string, to: string) =>
    b.platform.database.tx((db) => sql`alter table ${sql.table(from)} rename to ${sql.table(to)}`.execute(db));
  await rename('lineage_nodes', 'lineage_nodes_away');
  await b.apply('project: demo\ntimeline: { mode: replay, start: 2013-03-01T00:00:00Z }\n');
  for (const { status, body } of [await advance(), await post('/settle', {})]) {
    assert.deepEqual([status, body.code], [503, 'barrier-incomplete'], JSON.stringify(body));
    assert.match(String(body.detail), /lineage/);
  }
  await rename('lineage_nodes_away', 'lineage_nodes');
  const { status, body } = await advance();
  assert.deepEqual([status, body.now], [200, '2013-03-02T00:00:00.000Z'], JSON.stringify(body));
});

eachDatabase('The barrier ships the log before event time moves, so that a tick sees every record', async (t, database) => {
  const b = await openPipelines(t, database);
  await b.apply('project: demo\ntimeline: { mode: replay, start: 2013-03-01T00:00:00Z }\n');
  const app = appOf(b);
  t.after(() => app.close());
  const log = openInferenceLog({ folder: join(servingPaths(b.folder).log, 'r1'), replica: 'r1', log: silentLog });
  const definition = {
    ...{ workspace: 'default', project: 'demo', endpoint: 'e', revision: 1, variant: 'v', model: 'm', modelVersion: '1', modelDigest: 'd' },
    ...{ request: [], views: [], inputs: ['x'], types: { request: [], inputs: ['number' as const] } },
  };
  const body = {
    ...{ eventTimeUs: Date.UTC(2013, 2, 1) * 1000, recordedMs: 1, latencyUs: 1, assignmentKey: null, assignment: 'random' as const },
    ...{ request: [], facts: [], inputs: [1], score: 1, error: null },
  };
  log.append([{ definition, body }]);
  await log.close();
  const reply = await app.inject({
    method: 'POST',
    url: '/api/gyre/v1/projects/demo/timeline/advance',
    headers: { host: '127.0.0.1', 'content-type': 'application/json' },
    payload: { to: '2013-03-02T00:00:00Z' },
  });
  assert.deepEqual([reply.statusCode, JSON.parse(reply.payload)], [200, { now: '2013-03-02T00:00:00.000Z', records: 1 }]);
  const events = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .select('type')
    .where('type', 'in', ['inference-segment.shipped', 'timeline.advanced'])
    .orderBy('seq')
    .execute();
  assert.deepEqual(
    events.map((e) => e.type),
    ['inference-segment.shipped', 'timeline.advanced'],
  );
});
