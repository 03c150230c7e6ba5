import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines, type RunReply } from '../../../test/support/pipelines.ts';
import { traces, states, wholeLog, project, threeSteps, useCode } from './fixtures/projects.ts';

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
        'lost: { run: "cat no-such-file" }',
      ].join('\n'),
    ),
  );
  const run = await b.finish();
  const detail = (name: string): string => `${b.step(run, name).error?.code} ${b.step(run, name).error?.detail}`;
  assert.match(detail('missing'), /step-failed .*did not write out\/model/);
  assert.match(detail('link'), /step-failed .*link that leaves out\//);
  assert.match(detail('secret'), /secret-missing .*NO_SUCH_SECRET/);
  assert.match(detail('model'), /step-failed .*logged no model named "model"/);
  assert.match(detail('lost'), /step-failed .*exit code 1[^]*\nNo file of the project is named in its command/);
});

test('a command without a file runs as it is; a module brings its package along', async (t) => {
  const b = await openPipelines(t);
  const files = {
    'pack/__init__.py': '',
    'pack/fit.py': 'from pack.rows import N\nopen("out/n", "w").write(str(N))\n',
    'pack/rows.py': 'N = 7\n',
  };
  await b.apply(
    project('bare: { run: "echo hello > out/said", out: { said: folder } }\nfit: { run: "python3 -m pack.fit", out: { n: folder } }'),
    files,
  );
  const run = await b.finish();
  assert.equal(run.state, 'succeeded', JSON.stringify(run));
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

test('a run is of the revision that is named, though another has been applied since', async (t) => {
  const b = await openPipelines(t);
  const project = (says: string): string =>
    `project: demo\npipelines:\n  p:\n    steps:\n      one: { run: "echo ${says} > out/d/n.txt", code: [], out: { d: folder } }\n`;
  await b.apply(project('mine'));
  await b.apply(project('theirs'));
  const start = (body: object) => b.send<{ id: string; code: string; revision: string }>('POST', '/projects/demo/pipelines/p/runs', body);
  const [mine, newest, none] = [await start({ revision: 1 }), await start({}), await start({ revision: 3 })];
  assert.deepEqual([mine.status, newest.status, none.status, none.body.code], [201, 201, 404, 'not-found']);
  assert.notEqual(mine.body.revision, newest.body.revision);
  const { body } = await b.send<{ items: { id: string }[] }>('GET', '/projects/demo/revisions');
  assert.deepEqual(
    [newest.body.revision, mine.body.revision],
    body.items.map((r) => r.id),
  );
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
