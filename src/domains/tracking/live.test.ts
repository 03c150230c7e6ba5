import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { startServer } from '../../../test/support/server.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { createExperiment, createRun, logBatch, setRunLifecycle, updateRun } from './public.ts';
import { addMetrics } from './store/runs.ts';

// What a test asks for is what it is about.
// oxlint-disable-next-line no-explicit-any
type Json = any;
interface Heard {
  readonly event: string;
  readonly id: string;
  readonly data: Json;
}

/** Follows a stream as a browser does; `next` waits for an event. */
async function follow(t: TestContext, url: string, headers: Record<string, string> = {}) {
  const abort = new AbortController();
  t.after(() => abort.abort());
  const reply = await fetch(url, { headers, signal: abort.signal });
  const reader = reply.body?.pipeThrough(new TextDecoderStream()).getReader();
  let held = '';
  const next = async (): Promise<Heard | undefined> => {
    for (;;) {
      const end = held.indexOf('\n\n');
      if (end >= 0) {
        const lines = held.slice(0, end).split('\n');
        held = held.slice(end + 2);
        const field = (name: string): string => lines.find((l) => l.startsWith(`${name}: `))?.slice(name.length + 2) ?? '';
        if (field('data') !== '') return { event: field('event'), id: field('id'), data: JSON.parse(field('data')) };
        continue;
      }
      const { value, done } = await reader!.read();
      if (done) return undefined;
      held += value;
    }
  };
  return { status: reply.status, reply, next, close: () => abort.abort() };
}

const newRun = async (ctx: Ctx, experimentId = '0', name = 'r'): Promise<string> =>
  (await createRun(ctx, { experimentId, userId: 'ada', name, startMs: 1, tags: [] })).id;
const point = (key: string, step: number, value = step / 10) => ({ key, value, timestampMs: 1000 + step, step });
const log = (ctx: Ctx, id: string, ...metrics: ReturnType<typeof point>[]) => logBatch(ctx, id, { metrics, params: [], tags: [] });
const told = (h: Heard | undefined) => [h!.data.key, h!.data.points.map((p: Json) => [p.step, p.value])];

eachDatabase('points of a run come as they are logged, whoever logs them, and go on where one stopped', async (t, kind) => {
  const { url, ctx } = await startServer(t, kind);
  const id = await newRun(ctx());
  await log(ctx(), id, point('loss', 1), point('loss', 2), point('auc', 1));
  const live = `${url}/api/gyre/v1/tracking-runs/${id}/metrics/live`;
  const stream = await follow(t, live);
  assert.equal(stream.reply.headers.get('content-type'), 'text/event-stream');
  assert.deepEqual(told(await stream.next()), ['auc', [[1, 0.1]]]);
  assert.deepEqual(told(await stream.next()), ['loss', [[2, 0.2]]]);
  await log(ctx(), id, point('loss', 3), point('loss', 4, Number.NaN));
  const third = await stream.next();
  assert.deepEqual(told(third), [
    'loss',
    [
      [3, 0.3],
      [4, 'NaN'],
    ],
  ]);
  // As another process would: nobody here is told.
  await ctx().tx((tx) => addMetrics(tx.db, tx.workspace, id, [point('auc', 5)]));
  assert.deepEqual(told(await stream.next()), ['auc', [[5, 0.5]]]);
  stream.close();
  const again = await follow(t, live, { 'last-event-id': third!.id });
  assert.deepEqual(told(await again.next()), ['auc', [[5, 0.5]]], 'what was sent is not sent again');
  const whole = await follow(t, `${live}?key=loss&from=start`);
  assert.deepEqual(told(await whole.next()), [
    'loss',
    [
      [1, 0.1],
      [2, 0.2],
      [3, 0.3],
      [4, 'NaN'],
    ],
  ]);
  await updateRun(ctx(), id, { status: 'FINISHED', endMs: 9 });
  const end = await again.next();
  assert.deepEqual([end!.event, end!.data], ['end', { run: id, status: 'FINISHED' }]);
  assert.equal(await again.next(), undefined, 'the stream is over');
  assert.equal((await whole.next())!.event, 'end');
  assert.equal((await follow(t, live, { 'last-event-id': end!.id })).status, 204, 'a browser does not come again');
  assert.equal((await follow(t, live, { 'last-event-id': 'rubbish,..,x.1' })).status, 200);
  assert.equal((await follow(t, `${url}/api/gyre/v1/tracking-runs/none/metrics/live`)).status, 404);
});

eachDatabase('runs of an experiment that begin, move and end are told', async (t, kind) => {
  const { url, ctx, clock } = await startServer(t, kind);
  const experiment = await createExperiment(ctx(), { name: 'e' });
  const done = await newRun(ctx(), experiment, 'done');
  await updateRun(ctx(), done, { status: 'FINISHED', endMs: 5 });
  const open = await newRun(ctx(), experiment, 'open');
  const live = `${url}/api/gyre/v1/experiments/${experiment}/runs/live`;
  const stream = await follow(t, live);
  const names = (h: Heard | undefined) => h!.data.runs.map((r: Json) => [r.name, r.status, r.lastStep]);
  const first = await stream.next();
  assert.deepEqual(names(first), [['open', 'RUNNING', null]]);
  await log(ctx(), open, point('loss', 3));
  assert.deepEqual(names(await stream.next()), [['open', 'RUNNING', 3]]);
  clock.advance(10);
  await updateRun(ctx(), open, { status: 'KILLED', endMs: clock.now() });
  assert.deepEqual(names(await stream.next()), [['open', 'KILLED', null]]);
  await setRunLifecycle(ctx(), done, 'deleted');
  assert.equal((await stream.next())!.data.runs[0].lifecycle, 'deleted');
  stream.close();
  const again = await follow(t, live, { 'last-event-id': first!.id });
  assert.deepEqual((await again.next())!.data.runs.map((r: Json) => r.name).sort(), ['done', 'open'], 'what ended meanwhile');
  assert.equal((await follow(t, `${url}/api/gyre/v1/experiments/99/runs/live`)).status, 404);
});

test('nobody holds more than a few streams, and a server that stops ends them', async (t) => {
  const server = await startServer(t);
  const id = await newRun(server.ctx());
  const live = `${server.url}/api/gyre/v1/tracking-runs/${id}/metrics/live`;
  const streams = await Promise.all(Array.from({ length: 20 }, () => follow(t, live)));
  const refused = await fetch(live);
  assert.deepEqual(
    [refused.status, ((await refused.json()) as Json).code, refused.headers.get('retry-after')],
    [429, 'too-many-streams', '10'],
  );
  streams[0]!.close();
  // The server hears of it in its own time.
  let status = 429;
  while (status === 429) status = (await follow(t, live)).status;
  assert.equal(status, 200);
  await server.close({ keepDatabase: true });
  for (const stream of streams.slice(1)) assert.equal(await stream.next(), undefined);
});
