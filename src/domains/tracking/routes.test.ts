import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { startServer } from '../../../test/support/server.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { createToken } from '../access/public.ts';
import { createExperiment, createRun, logBatch, updateRun } from './public.ts';

// What a test asks for is what it is about.
// oxlint-disable-next-line no-explicit-any
type Json = any;

async function open(t: TestContext, kind: 'sqlite' | 'postgres') {
  const server = await startServer(t, kind);
  const ask = async (
    method: string,
    path: string,
    body?: object,
    headers: Record<string, string> = {},
  ): Promise<{ status: number; body: Json }> => {
    const reply = await fetch(`${server.url}/api/gyre/v1${path}`, {
      method,
      ...(body ? { body: JSON.stringify(body), headers: { 'content-type': 'application/json', ...headers } } : { headers }),
    });
    const text = await reply.text();
    return { status: reply.status, body: text === '' ? null : JSON.parse(text) };
  };
  return { ...server, ask };
}

const run = async (ctx: Ctx, experimentId: string, name: string, auc: number): Promise<string> => {
  const { id } = await createRun(ctx, { experimentId, userId: 'ada', name, startMs: 1000, tags: [{ key: 'team', value: 'x' }] });
  const point = (step: number) => ({ key: 'auc', value: step === 3 ? auc : 0.1 * step, timestampMs: 1000 + step, step });
  await logBatch(ctx, id, { metrics: [1, 2, 3].map(point), params: [{ key: 'depth', value: name }], tags: [] });
  return id;
};

eachDatabase('experiments are listed with any expression, page by page, and show how many runs they have', async (t, kind) => {
  const { ask, ctx } = await open(t, kind);
  for (const name of ['a', 'b', 'c']) await createExperiment(ctx(), { name, tags: name === 'b' ? [{ key: 'team', value: 'x' }] : [] });
  const names = (body: Json): string[] => body.items.map((e: Json) => e.name as string);
  const first = await ask('GET', '/experiments?limit=3');
  assert.deepEqual(names(first.body), ['c', 'b', 'a']);
  assert.deepEqual(names((await ask('GET', `/experiments?limit=3&cursor=${first.body.nextCursor}`)).body), ['Default']);
  const filter = encodeURIComponent("tags.team IS NULL AND name NOT IN ('Default') OR name = 'b'");
  assert.deepEqual(names((await ask('GET', `/experiments?filter=${filter}`)).body), ['c', 'b', 'a']);
  const id = first.body.items[0].id as string;
  const done = await run(ctx(), id, '1', 0.5);
  await updateRun(ctx(), done, { status: 'FINISHED', endMs: 5 });
  const gone = await run(ctx(), id, '2', 0.5);
  assert.equal((await ask('DELETE', `/tracking-runs/${gone}`)).status, 204);
  assert.deepEqual((await ask('GET', `/experiments/${id}`)).body.runs, { active: 1, deleted: 1, byStatus: { FINISHED: 1 } });
  assert.equal((await ask('POST', `/tracking-runs/${gone}/restore`)).status, 204);
  assert.equal((await ask('DELETE', `/experiments/${id}`)).status, 204);
  assert.deepEqual(names((await ask('GET', '/experiments?lifecycle=deleted')).body), ['c']);
  assert.equal((await ask('POST', `/experiments/${id}/restore`)).status, 204);
  assert.equal((await ask('GET', `/experiments/${id}`)).body.runs.active, 2);
  for (const [path, status, code] of [
    ['/experiments/77', 404, 'experiment-not-found'],
    ['/experiments/x', 400, 'tracking-invalid'],
    ['/experiments?cursor=x', 400, 'cursor-invalid'],
    ['/experiments?filter=metrics.a%20%3D%201', 400, 'filter-invalid'],
    ['/tracking-runs/none', 404, 'tracking-run-not-found'],
    [`/tracking-runs/${gone}?fields=colour`, 400, 'field-unknown'],
    ['/tracking-metrics/sample?run=a&key=m&fromStep=2&toStep=1', 400, 'tracking-invalid'],
  ] as const) {
    const reply = await ask('GET', path);
    assert.deepEqual([reply.status, reply.body.code], [status, code], path);
  }
});

eachDatabase('runs are searched, counted, shown with the fields asked for, and sampled', async (t, kind) => {
  const { ask, ctx } = await open(t, kind);
  const a = await run(ctx(), '0', '4', Number.NaN);
  const b = await run(ctx(), '0', '6', 0.9);
  const filter = "params.depth IN ('4', '6') AND NOT metrics.auc > 2";
  const found = await ask('POST', '/tracking-runs/search', {
    experimentIds: ['0'],
    filter,
    orderBy: ['metrics.auc DESC'],
    fields: ['metrics.auc', 'params.*'],
    count: true,
    limit: 1,
  });
  assert.deepEqual(found.body, {
    items: [{ id: b, metrics: { auc: { value: 0.9, step: 3, timestampMs: 1003 } }, params: { depth: '6' } }],
    nextCursor: found.body.nextCursor,
    count: 2,
  });
  const next = { experimentIds: ['0'], filter, orderBy: ['metrics.auc DESC'], cursor: found.body.nextCursor, fields: ['metrics'] };
  assert.deepEqual((await ask('POST', '/tracking-runs/search', next)).body, {
    items: [{ id: a, metrics: { auc: { value: 'NaN', step: 3, timestampMs: 1003 } } }],
    nextCursor: null,
  });
  assert.deepEqual((await ask('POST', '/tracking-runs/count', { by: 'params.depth' })).body, {
    count: 2,
    groups: [
      { value: '4', count: 1 },
      { value: '6', count: 1 },
    ],
  });
  const whole = (await ask('GET', `/tracking-runs/${a}`)).body;
  assert.deepEqual(
    [whole.info.name, whole.info.startedAt, whole.info.endedAt, whole.tags.team, whole.inputs, whole.models],
    ['4', '1970-01-01T00:00:01.000Z', null, 'x', [], []],
  );
  const { items } = (await ask('GET', `/tracking-metrics/sample?key=auc&run=${a}&run=${b}&points=2`)).body;
  assert.deepEqual(
    items.map((i: Json) => [i.run, i.points.map((p: Json) => [p.step, p.value])]),
    [
      [
        a,
        [
          [1, 0.1],
          [3, 'NaN'],
        ],
      ],
      [
        b,
        [
          [1, 0.1],
          [3, 0.9],
        ],
      ],
    ],
  );
  const wrong = await ask('POST', '/tracking-runs/search', { filter: 'metrics.auc >' });
  assert.deepEqual([wrong.status, wrong.body.code, wrong.body.errors[0].pointer], [400, 'filter-invalid', '/filter']);
  assert.match(wrong.body.detail, /column 14: a number is expected, not the end of the filter/);
  assert.equal((await ask('POST', '/tracking-runs/search', { cursor: 'x' })).body.code, 'page-token-invalid');
  assert.equal((await ask('POST', '/tracking-runs/search', { orderBy: ['run_id', 'run_id'] })).body.code, 'order-repeated');
});

eachDatabase('nobody finds or counts runs of experiments that are not theirs to read', async (t, kind) => {
  const { ask, ctx } = await open(t, kind);
  const mine = await createExperiment(ctx(), { name: 'mine' });
  const other = await createExperiment(ctx(), { name: 'other' });
  await run(ctx(), mine, '1', 1);
  const hidden = await run(ctx(), other, '2', 1);
  const { secret } = await createToken(ctx(), {
    name: 'narrow',
    role: 'viewer',
    ownerId: 'local',
    scope: { resources: [`experiment:${mine}`] },
  });
  const headers = { authorization: `Bearer ${secret}` };
  assert.equal((await ask('POST', '/tracking-runs/search', { filter: '' }, headers)).body.items.length, 1);
  assert.equal((await ask('POST', '/tracking-runs/count', {}, headers)).body.count, 1);
  assert.equal((await ask('POST', '/tracking-runs/count', { by: 'status' }, headers)).body.count, 1);
  assert.deepEqual(
    (await ask('GET', '/experiments', undefined, headers)).body.items.map((e: Json) => e.name),
    ['mine'],
  );
  assert.equal((await ask('GET', `/tracking-runs/${hidden}`, undefined, headers)).status, 403);
  assert.deepEqual((await ask('GET', `/tracking-metrics/sample?key=auc&run=${hidden}`, undefined, headers)).body.items, []);
});
