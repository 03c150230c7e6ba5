import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines, type RunReply } from '../../../test/support/pipelines.ts';
import { traces, until, states, project } from './fixtures/projects.ts';

eachDatabase('a cancelled run ends its processes, and nothing of it starts any more', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const { dir, lines } = traces(t);
  await b.apply(
    project(
      [
        `s: { run: "sleep 100 & echo $! > ${dir}/child; wait", code: [] }`,
        `after: { run: "echo x > ${dir}/after", code: [], needs: [s] }`,
      ].join('\n'),
    ),
  );
  const { id } = await b.start();
  await until('the child', () => lines('child').length === 1);
  assert.equal((await b.send('POST', `/runs/${id}/cancel`)).status, 204);
  assert.equal((await b.send<{ code: string }>('POST', `/runs/${id}/cancel`)).body.code, 'run-ended');
  await b.drain();
  const child = Number(lines('child')[0]);
  await until('the end of the child', () => !existsSync(`/proc/${child}`));
  const run = await b.run(id);
  assert.equal(run.state, 'cancelled');
  assert.equal(states(run), 's:cancelled after:cancelled');
  assert.equal(lines('after').length, 0);
  const tracking = await b.app.inject({
    url: `/api/2.0/mlflow/runs/get?run_id=${b.step(run, 's').trackingRun}`,
    headers: { host: '127.0.0.1' },
  });
  assert.equal(JSON.parse(tracking.payload).run.info.status, 'KILLED');
});

test('cancelling a run whose step has not been claimed yet frees the work for others', async (t) => {
  const b = await openPipelines(t);
  const { dir, lines } = traces(t);
  const busy = (n: number): string => `b${n}: { run: "echo x >> ${dir}/busy; while [ ! -e ${dir}/go ]; do sleep 0.01; done", code: [] }`;
  await b.apply(`${project([1, 2, 3, 4].map(busy).join('\n'))}  q:\n    steps:\n      s: { run: "echo x >> ${dir}/q", code: [] }\n`);
  await b.start('p');
  await until('four busy steps', () => lines('busy').length === 4);
  const waiting = await b.start('q');
  assert.equal((await b.send('POST', `/runs/${waiting.id}/cancel`)).status, 204);
  writeFileSync(join(dir, 'go'), '');
  const other = await b.finish('q');
  assert.equal(other.state, 'succeeded');
  assert.equal(lines('q').length, 1);
  assert.equal((await b.run(waiting.id)).state, 'cancelled');
});

eachDatabase('a failed run is resumed in place: what succeeded is not run again', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const { dir, lines } = traces(t);
  await b.apply(
    project(
      [
        `a: { run: "echo x >> ${dir}/a; echo 1 > out/d", code: [], out: { d: folder } }`,
        `b: { run: "echo x >> ${dir}/b; test -e ${dir}/ready", code: [], in: [a] }`,
        `c: { run: "echo x >> ${dir}/c", code: [], needs: [b] }`,
      ].join('\n'),
    ),
  );
  const failed = await b.finish();
  assert.equal(states(failed), 'a:succeeded b:failed c:skipped');
  writeFileSync(join(dir, 'ready'), '');
  const { status, body } = await b.send<RunReply>('POST', `/runs/${failed.id}/resume`);
  assert.deepEqual([status, body.state], [200, 'running']);
  await b.drain();
  const run = await b.run(failed.id);
  assert.equal(run.state, 'succeeded');
  assert.equal(run.error, null);
  assert.deepEqual(
    ['a', 'b', 'c'].map((n) => lines(n).length),
    [1, 2, 1],
  );
  // Each round has a tracking run of its own.
  assert.notEqual(b.step(run, 'b').trackingRun, b.step(failed, 'b').trackingRun);
  assert.equal((await b.send<{ code: string }>('POST', `/runs/${failed.id}/resume`)).body.code, 'run-not-resumable');
});

test('a run that was cancelled is resumed while its old process is still being ended', async (t) => {
  const b = await openPipelines(t);
  const { dir, lines } = traces(t);
  await b.apply(project(`s: { run: "echo $$ >> ${dir}/pid; [ -e ${dir}/go ] || sleep 100", code: [] }`));
  const { id } = await b.start();
  await until('the process', () => lines('pid').length === 1);
  await b.send('POST', `/runs/${id}/cancel`);
  writeFileSync(join(dir, 'go'), '');
  await b.send('POST', `/runs/${id}/resume`);
  await b.drain();
  assert.equal((await b.run(id)).state, 'succeeded');
  assert.equal(lines('pid').length, 2);
  await until('the end of the old process', () => !existsSync(`/proc/${lines('pid')[0]}`));
});

test('steps that take long do not hold up the short work of other runs', async (t) => {
  const b = await openPipelines(t);
  const { dir, lines } = traces(t);
  const slots = Math.max(4, availableParallelism());
  const busy = (_: unknown, n: number): string =>
    `b${n}: { run: "echo x >> ${dir}/busy; while [ ! -e ${dir}/go ]; do sleep 0.02; done", code: [] }`;
  await b.apply(`${project(Array.from({ length: slots + 1 }, busy).join('\n'))}  q:\n    steps:\n      s: { run: "true", code: [] }\n`);
  const quick = await b.finish('q');
  const long = await b.start('p');
  await until('the busy steps', () => lines('busy').length === slots);
  const cached = await b.start('q');
  await until('the cached run', async () => (await b.run(cached.id)).state === 'succeeded');
  assert.equal((await b.run(cached.id)).steps[0]!.cachedFrom, quick.id);
  assert.equal(lines('busy').length, slots);
  writeFileSync(join(dir, 'go'), '');
  await b.drain();
  assert.equal((await b.run(long.id)).state, 'succeeded');
});

test('what nobody looks after any more is ended when its run is cancelled', async (t) => {
  const b = await openPipelines(t);
  const { dir, lines } = traces(t);
  await b.apply(project(`s: { run: "echo $$ > ${dir}/pid; while true; do sleep 0.05; done", code: [] }`));
  const { id } = await b.start();
  await until('the process', () => lines('pid').length === 1);
  // As if the server that looked after the step had died, and its job were not claimed again.
  await b
    .ctx()
    .tx(({ db }) =>
      sql`update jobs set state = 'cancelled', fence = fence + 1, unique_key = null where name = 'pipelines.step'`.execute(db),
    );
  assert.equal((await b.send('POST', `/runs/${id}/cancel`)).status, 204);
  await b.drain();
  await until('the end of the process', () => !existsSync(`/proc/${lines('pid')[0]}`));
  const { body } = await b.send<{ items: { state: string; reason: string }[] }>('GET', `/runs/${id}/steps/s/attempts`);
  assert.deepEqual(
    body.items.map((a) => [a.state, a.reason]),
    [['lost', 'cancelled']],
  );
});
