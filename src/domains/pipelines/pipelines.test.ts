import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { sql } from 'kysely';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines, type PipelineBench, type RunReply } from '../../../test/support/pipelines.ts';

/** A folder outside all steps, where they leave traces. */
function traces(t: TestContext): { dir: string; lines: (name: string) => string[] } {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-traces-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return {
    dir,
    lines: (name) => (existsSync(join(dir, name)) ? readFileSync(join(dir, name), 'utf8').split('\n').filter(Boolean) : []),
  };
}
async function until(what: string, is: () => boolean | Promise<boolean>): Promise<void> {
  for (let i = 0; i < 2000; i++) {
    if (await is()) return;
    await delay(5);
  }
  throw new Error(`${what} does not come`);
}
const states = (run: RunReply): string => run.steps.map((s) => `${s.name}:${s.state}`).join(' ');

async function wholeLog(b: PipelineBench, run: string, step: string): Promise<string> {
  let text = '';
  for (let from = 0, ended = false; !ended;) {
    const { body } = await b.send<{ text: string; next: number; ended: boolean }>('GET', `/runs/${run}/steps/${step}/log?from=${from}`);
    text += body.text;
    [from, ended] = [body.next, body.ended];
  }
  return text;
}

const project = (steps: string, params = '{}'): string => `project: demo
code: ["python/**"]
pipelines:
  p:
    params: ${params}
    steps:
${steps
  .split('\n')
  .map((l) => `      ${l}`)
  .join('\n')}
`;

const threeSteps = (dir: string, text = 'one'): string =>
  project(
    [
      `make: { run: "echo x >> ${dir}/make; echo $text > out/data", code: [], out: { data: folder } }`,
      `use: { run: "python3 python/use.py && echo x >> ${dir}/use", in: [make], out: { size: folder } }`,
      `last: { run: "cat in/use/size && echo x >> ${dir}/last", in: [use], code: [] }`,
    ].join('\n'),
    `{ text: ${text} }`,
  );
const useCode = {
  'python/use.py': 'import lib\nlib.write()\n',
  'python/lib.py': 'def write():\n    n = len(open("in/make/data").read())\n    open("out/size", "w").write(f"{n}\\n")\n',
};

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

test('a step sees only the code it declares, its inputs, parameters and variables', async (t) => {
  const b = await openPipelines(t);
  process.env.NOT_DECLARED = 'seen';
  t.after(() => delete process.env.NOT_DECLARED);
  await b.apply(
    project(
      [
        `a: { run: "mkdir out/d; echo 1 > out/d/x", code: [], out: { d: folder } }`,
        `s: { run: "find . -path ./out -prune -o -type f -print | sort > out/seen; env | cut -d= -f1 | sort >> out/seen; echo $who >> out/seen", code: ["python/one.py"], in: [a.d], env: { MINE: "$who" }, out: { seen: folder } }`,
      ].join('\n'),
      '{ who: "$(touch hacked); me" }',
    ),
    { 'python/one.py': '1', 'python/two.py': '2' },
  );
  const run = await b.finish();
  assert.equal(run.state, 'succeeded', JSON.stringify(run.error));
  const { body } = await b.send<{ text: string }>('GET', `/runs/${run.id}/steps/s/log`);
  assert.equal(body.text, '');
  const output = b.step(run, 's').outputs!.seen as unknown as { files: { digest: string }[] };
  const { findBlobs } = await import('../../kernel/blobs/blob-index.ts');
  const entry = (await findBlobs(b.ctx().db, 'default', [output.files[0]!.digest])).get(output.files[0]!.digest)!;
  const seen = (await b.platform.blobs.read(entry)).toString().split('\n');
  assert.deepEqual(seen.slice(0, 2), ['./in/a-d/x', './python/one.py']);
  assert.equal(seen.includes('NOT_DECLARED'), false);
  assert.equal(seen.includes('MINE'), true);
  // A parameter is one word of the command, whatever is in it.
  assert.equal(seen.at(-2), '$(touch hacked); me');
  assert.ok(['GYRE_RUN_ID', 'MLFLOW_TRACKING_URI', 'MLFLOW_TRACKING_TOKEN', 'MLFLOW_RUN_ID'].every((n) => seen.includes(n)));
});

eachDatabase('steps that do not need each other run at the same time', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const { dir } = traces(t);
  const meet = (mine: string, other: string): string =>
    `{ run: "touch ${dir}/${mine}; for i in $(seq 500); do [ -e ${dir}/${other} ] && exit 0; sleep 0.01; done; exit 1", code: [] }`;
  await b.apply(project(`a: ${meet('a', 'b')}\nb: ${meet('b', 'a')}`));
  assert.equal((await b.finish()).state, 'succeeded');
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

eachDatabase('a failed step is tried again as often as it says, then fails what needs it', async (t, kind) => {
  const b = await openPipelines(t, kind);
  const { dir, lines } = traces(t);
  await b.apply(
    project(
      [
        `ok: { run: "echo x >> ${dir}/ok; [ $(wc -l < ${dir}/ok) = 3 ]", code: [], retry: 2 }`,
        `bad: { run: "echo x >> ${dir}/bad; echo gone wrong; exit 4", code: [], retry: 1 }`,
        `after: { run: "true", code: [], needs: [bad] }`,
        `beside: { run: "true", code: [], needs: [ok] }`,
      ].join('\n'),
    ),
  );
  const run = await b.finish();
  assert.equal(run.state, 'failed');
  assert.equal(states(run), 'ok:succeeded bad:failed after:skipped beside:succeeded');
  assert.deepEqual([lines('ok').length, lines('bad').length], [3, 2]);
  assert.equal(run.error?.step, 'bad');
  assert.equal(b.step(run, 'bad').error?.code, 'step-failed');
  assert.match(b.step(run, 'bad').error!.detail, /exit code 4\ngone wrong/);
  const { body } = await b.send<{ items: { number: number; state: string; exitCode?: number }[] }>(
    'GET',
    `/runs/${run.id}/steps/bad/attempts`,
  );
  assert.deepEqual(
    body.items.map((a) => [a.number, a.state, a.exitCode]),
    [
      [1, 'failed', 4],
      [2, 'failed', 4],
    ],
  );
  // The log is that of all attempts, one after the other.
  assert.equal(await wholeLog(b, run.id, 'bad'), 'gone wrong\ngone wrong\n');
});

test('a step that takes too long is ended and says so', async (t) => {
  const b = await openPipelines(t);
  await b.apply(project(`s: { run: "sleep 60", code: [], timeout: 1s }`));
  const run = await b.finish();
  assert.match(b.step(run, 's').error!.detail, /longer than 1 s/);
});

test('missing outputs, links out of the folder and unknown secrets fail a step with a sentence', async (t) => {
  const b = await openPipelines(t);
  await b.apply(
    project(
      [
        'missing: { run: "true", code: [], out: { model: folder } }',
        'link: { run: "ln -s /etc/passwd out/model", code: [], out: { model: folder } }',
        'secret: { run: "true", code: [], secrets: { KEY: "env:NO_SUCH_SECRET" } }',
        'model: { run: "true", code: [], out: { model: { logged: model } } }',
        'noscript: { run: "true" }',
      ].join('\n'),
    ),
  );
  const run = await b.finish();
  const detail = (name: string): string => `${b.step(run, name).error?.code} ${b.step(run, name).error?.detail}`;
  assert.match(detail('missing'), /step-failed .*did not write out\/model/);
  assert.match(detail('link'), /step-failed .*link that leaves out\//);
  assert.match(detail('secret'), /secret-missing .*NO_SUCH_SECRET/);
  assert.match(detail('model'), /step-failed .*logged no model named "model"/);
  assert.match(detail('noscript'), /no-script/);
});

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

test('a log is followed live from a byte on, without cutting characters', async (t) => {
  const b = await openPipelines(t);
  const { dir } = traces(t);
  await b.apply(
    project(
      `s: { run: "echo erste Zeile; while [ ! -e ${dir}/1 ]; do sleep 0.01; done; echo größer; while [ ! -e ${dir}/2 ]; do sleep 0.01; done", code: [] }`,
    ),
  );
  const { id } = await b.start();
  const read = async (from: number): Promise<{ text: string; next: number; ended: boolean }> =>
    (await b.send<{ text: string; next: number; ended: boolean }>('GET', `/runs/${id}/steps/s/log?from=${from}&wait=20`)).body;
  const first = await read(0);
  assert.deepEqual(first, { text: 'erste Zeile\n', next: 12, ended: false });
  const second = read(first.next);
  writeFileSync(join(dir, '1'), '');
  assert.deepEqual(await second, { text: 'größer\n', next: 21, ended: false });
  // Asking with a byte in the middle of a line goes on there.
  assert.equal((await read(18)).text, 'er\n');
  const last = read(21);
  writeFileSync(join(dir, '2'), '');
  assert.deepEqual(await last, { text: '', next: 21, ended: true });
  await b.drain();
  assert.equal((await b.send<{ code: string }>('GET', `/runs/${id}/steps/none/log`)).body.code, 'step-not-found');
});

test('the token of a step and declared secrets are taken out of its log', async (t) => {
  const b = await openPipelines(t);
  const secret = join(b.folder, 'secret');
  writeFileSync(secret, 'hidden-value\n');
  await b.apply(project(`s: { run: "printenv KEY MLFLOW_TRACKING_TOKEN; exit 1", code: [], secrets: { KEY: "file:${secret}" } }`));
  const run = await b.finish();
  const { body } = await b.send<{ text: string }>('GET', `/runs/${run.id}/steps/s/log`);
  assert.equal(body.text, '(redacted)\n(redacted)\n');
  assert.doesNotMatch(JSON.stringify(run), /hidden-value|gyre_[A-Za-z0-9_-]{20}/);
  // Nothing of the token is left when the attempt has ended.
  const { rows } = await sql`select id from tokens`.execute(b.ctx().db);
  assert.deepEqual(rows, []);
});

test('the workspace of a step can be staged again, with the digests of its files', async (t) => {
  const b = await openPipelines(t);
  const { dir } = traces(t);
  await b.apply(threeSteps(dir), useCode);
  const run = await b.finish();
  interface Staged {
    dir: string;
    command: string;
    bin: string | null;
    files: { path: string; digest: string; sizeBytes: number }[];
    variables: Record<string, string>;
  }
  const { status, body } = await b.send<Staged>('POST', `/runs/${run.id}/steps/use/stage`);
  assert.equal(status, 200);
  assert.deepEqual(body.files.map((f) => f.path).sort(), ['in/make/data', 'python/lib.py', 'python/use.py']);
  assert.match(body.files[0]!.digest, /^[0-9a-f]{64}$/);
  assert.equal(readFileSync(join(body.dir, 'in/make/data'), 'utf8'), 'one\n');
  assert.match(body.command, /^python3 python\/use\.py/);
  assert.equal(body.variables.GYRE_RUN_ID, run.id);
  assert.equal((await b.send<{ code: string }>('POST', `/runs/${run.id}/steps/none/stage`)).body.code, 'step-not-found');
  assert.equal((await b.send<{ code: string }>('POST', `/runs/run_none/steps/use/stage`)).body.code, 'run-not-found');
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

test('bad parameters are refused before anything starts', async (t) => {
  const b = await openPipelines(t);
  await b.apply(project('s: { run: "echo $n $flag", code: [] }', '{ n: 3, flag: true, text: a }'));
  const code = async (params: object, pipeline = 'p'): Promise<string> =>
    (await b.send<{ code: string }>('POST', `/projects/demo/pipelines/${pipeline}/runs`, { params })).body.code ?? 'started';
  assert.equal(await code({ none: 1 }), 'parameter-invalid');
  assert.equal(await code({ constructor: 1 }), 'parameter-invalid');
  assert.equal(await code({ n: 'many' }), 'parameter-invalid');
  assert.equal(await code({ flag: 'perhaps' }), 'parameter-invalid');
  assert.equal(await code({ n: '4', flag: 'false', text: 5 }), 'started');
  assert.equal(await code({}, 'none'), 'pipeline-not-found');
  assert.equal(await code({}, 'constructor'), 'pipeline-not-found');
  const { body } = await b.send<{ items: { params: object }[] }>('GET', '/projects/demo/runs');
  assert.deepEqual(body.items[0]!.params, { n: 4, flag: false, text: '5' });
  await b.drain();
});

test('runs are listed newest first, page by page', async (t) => {
  const b = await openPipelines(t);
  await b.apply(project('s: { run: "true", code: [] }'));
  for (let i = 0; i < 5; i++) await b.finish();
  const page = async (cursor = ''): Promise<{ items: RunReply[]; nextCursor: string | null }> =>
    (await b.send<{ items: RunReply[]; nextCursor: string | null }>('GET', `/projects/demo/runs?limit=2${cursor}`)).body;
  const first = await page();
  const second = await page(`&cursor=${first.nextCursor}`);
  const third = await page(`&cursor=${second.nextCursor}`);
  assert.deepEqual(
    [first, second, third].map((p) => p.items.map((r) => r.number)),
    [[5, 4], [3, 2], [1]],
  );
  assert.equal(third.nextCursor, null);
  assert.equal((await b.send<{ code: string }>('GET', '/runs/none')).body.code, 'run-not-found');
});

test('a command writes to a counter outside; a run of it twice by the worker still runs it once', async (t) => {
  const b = await openPipelines(t);
  const { dir, lines } = traces(t);
  await b.apply(project(`s: { run: "echo x >> ${dir}/count", code: [] }`));
  const run = await b.finish();
  const { compose } = await import('../../app/compose.ts');
  const jobs = compose(b.platform.blobs, () => '').jobs;
  for (const name of ['pipelines.step', 'pipelines.advance', 'pipelines.step']) {
    const job = jobs.find((j) => j.name === name)!;
    await job.run(b.ctx(), { runId: run.id, step: 's', round: 0 } as never, { id: 'job', attempt: 1, fence: 9, report: () => undefined });
  }
  assert.equal(lines('count').length, 1);
  assert.equal((await b.run(run.id)).state, 'succeeded');
});
