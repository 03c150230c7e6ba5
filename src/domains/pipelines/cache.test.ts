import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines, type PipelineBench } from '../../../test/support/pipelines.ts';
import { traces, until, states, project, threeSteps, useCode } from './fixtures/projects.ts';

eachDatabase('a run performs its steps in order and a second one takes all from the cache', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const { dir, lines } = traces(t);
  await b.apply(threeSteps(dir), useCode);
  const first = await b.finish();
  assert.equal(first.state, 'succeeded', JSON.stringify(first.error));
  assert.equal(states(first), 'make:succeeded use:succeeded last:succeeded');
  const second = await b.finish();
  assert.deepEqual(
    second.steps.map((s) => [s.name, s.cachedFrom]),
    ['make', 'use', 'last'].map((n) => [n, first.id]),
  );
  assert.deepEqual(
    ['make', 'use', 'last'].map((n) => lines(n).length),
    [1, 1, 1],
  );
  // The hit shows the tracking run of the run that did the work.
  assert.equal(b.step(second, 'use').trackingRun, b.step(first, 'use').trackingRun);
  assert.match(String(b.step(first, 'use').trackingRun), /^[0-9a-f]{32}$/);
});

test('a changed line of a script, or of a module it imports, is named as the reason of a miss', async (t) => {
  const b = await openPipelines(t);
  const { dir, lines } = traces(t);
  await b.apply(threeSteps(dir), useCode);
  assert.deepEqual(b.step(await b.finish(), 'use').explanation, [
    { part: 'history', name: 'first run of this step', change: 'added', before: null, after: null },
  ]);
  for (const path of ['python/use.py', 'python/lib.py']) {
    await b.apply(threeSteps(dir), { ...useCode, [path]: `${useCode[path as keyof typeof useCode]}# changed\n` });
    const run = await b.finish();
    assert.equal(b.step(run, 'make').cached, true);
    assert.equal(b.step(run, 'use').cached, false);
    const changed = b.step(run, 'use').explanation!.filter((d) => d.name === path);
    assert.deepEqual(
      changed.map((d) => [d.part, d.change]),
      [['code', 'changed']],
    );
    // It wrote the same bytes, so what comes after is a hit.
    assert.equal(b.step(run, 'last').cached, true);
  }
  assert.deepEqual(
    ['make', 'use', 'last'].map((n) => lines(n).length),
    [1, 3, 1],
  );
});

test('each part of the key is told apart in the reason of a miss', async (t) => {
  const b = await openPipelines(t);
  const secret = join(b.folder, 'secret');
  writeFileSync(secret, 'first-value');
  const step = (o: { env?: string; command?: string; key?: string } = {}): string =>
    project(
      `s: { run: "${o.command ?? 'echo $used'}", code: [], env: { A: "${o.env ?? '1'}" }, secrets: { KEY: "file:${secret}" } }`,
      `{ used: ${o.key ?? 'a'}, unused: b }`,
    );
  const why = async (text: string, body: object = {}): Promise<string[]> => {
    await b.apply(text);
    const s = b.step(await b.finish('p', body), 's');
    return s.cached ? ['hit'] : s.explanation!.map((d) => `${d.part} ${d.name}`);
  };
  assert.deepEqual(await why(step()), ['history first run of this step']);
  assert.deepEqual(await why(step()), ['hit']);
  assert.deepEqual(await why(step(), { params: { unused: 'c' } }), ['hit']);
  assert.deepEqual(await why(step(), { params: { used: 'c' } }), ['parameter used']);
  assert.deepEqual(await why(step({ env: '2' })), ['parameter used', 'variable A']);
  assert.deepEqual(await why(step({ env: '2', command: 'echo again $used' })), ['definition definition']);
  writeFileSync(secret, 'second-value');
  assert.deepEqual(await why(step({ env: '2', command: 'echo again $used' })), ['secret KEY']);
  assert.deepEqual(await why(step({ env: '2', command: 'echo again $used' }), { noCache: true }), [
    'cache the run was started without the cache',
  ]);
  await b.apply(project('s: { run: "exit 1", code: [] }'));
  await b.finish();
  assert.deepEqual(
    b.step(await b.finish(), 's').explanation!.map((d) => d.name),
    ['nothing changed, but no result of it is kept'],
  );
});

eachDatabase('identical work of two runs in flight is done once', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const { dir, lines } = traces(t);
  await b.apply(project(`s: { run: "echo x >> ${dir}/count; sleep 0.1; echo made > out/d", code: [], out: { d: folder } }`));
  const runs = await Promise.all([b.start(), b.start(), b.start()]);
  await b.drain();
  const ended = await Promise.all(runs.map((r) => b.run(r.id)));
  assert.deepEqual(
    ended.map((r) => r.state),
    ['succeeded', 'succeeded', 'succeeded'],
  );
  assert.deepEqual(ended.map((r) => r.number).sort(), [1, 2, 3]);
  assert.equal(lines('count').length, 1);
  assert.equal(ended.filter((r) => r.steps[0]!.cached).length, 2);
});

test('who waits for identical work does it when that work fails or is cancelled', async (t) => {
  const b = await openPipelines(t);
  const { dir, lines } = traces(t);
  await b.apply(
    project(
      `s: { run: "echo x >> ${dir}/count; [ $(wc -l < ${dir}/count) = 2 ] || { while [ ! -e ${dir}/go ]; do sleep 0.01; done; exit 1; }", code: [] }`,
    ),
  );
  const first = await b.start();
  await until('the first', () => lines('count').length === 1);
  const second = await b.start();
  await until('the second', async () => (await b.run(second.id)).steps[0]!.state === 'waiting');
  writeFileSync(join(dir, 'go'), '');
  await b.drain();
  assert.equal((await b.run(first.id)).state, 'failed');
  assert.equal((await b.run(second.id)).state, 'succeeded');
});

test('a table that a step writes is known by its rows: the same rows in another file cut off what follows', async (t) => {
  const b = await openPipelines(t);
  const { dir, lines } = traces(t);
  const files = await twoWritings(b);
  const text = (name: string): string =>
    project(
      [
        `rows: { run: "mkdir out/t; cp ${files[name as 'a']} out/t/part.parquet", code: [], out: { t: table } }`,
        `use: { run: "echo x >> ${dir}/use", in: [rows], code: [] }`,
      ].join('\n'),
    );
  await b.apply(text('a'));
  const first = await b.finish();
  assert.equal(first.state, 'succeeded', JSON.stringify(first.error));
  await b.apply(text('b'));
  const second = await b.finish();
  assert.equal(b.step(second, 'rows').cached, false);
  assert.equal(b.step(second, 'rows').outputs!.t!.digest, b.step(first, 'rows').outputs!.t!.digest);
  assert.equal(b.step(second, 'use').cached, true);
  assert.equal(lines('use').length, 1);
  await b.apply(project('rows: { run: "mkdir out/t; echo no > out/t/part.parquet", code: [], out: { t: table } }'));
  assert.equal((await b.finish()).state, 'failed');
});

/** The same rows in two files of different bytes. */
async function twoWritings(b: PipelineBench): Promise<{ a: string; b: string }> {
  const paths = { a: join(b.folder, 'a.parquet'), b: join(b.folder, 'b.parquet') };
  for (const [name, order] of [
    ['a', 'asc'],
    ['b', 'desc'],
  ] as const)
    await b.platform.compute.run(
      {
        what: 'rows',
        tables: {},
        writes: [paths[name]],
        statements: [
          { sql: `copy (select i, i::varchar as s from range(100) r(i) order by i ${order}) to '${paths[name]}' (format parquet)` },
        ],
        rows: 'select 1',
      },
      new AbortController().signal,
    );
  return paths;
}
