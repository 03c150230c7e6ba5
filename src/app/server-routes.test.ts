import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { openPipelines } from '../../test/support/pipelines.ts';
import { eachDatabase } from '../../test/support/platform.ts';
import { authorise, identify } from '../domains/access/public.ts';
import { buildServer } from '../kernel/http/server.ts';
import { serverRoutes } from './server-routes.ts';

eachDatabase('the barrier does not say that all is done while a subscriber is behind, and goes on when asked again', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const app = buildServer({
    platform: b.platform,
    routes: serverRoutes(
      () => b,
      () => '',
    ),
    access: { identify: (request) => identify(b.platform, request.headers), authorise },
    readiness: async () => ({}),
  });
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
