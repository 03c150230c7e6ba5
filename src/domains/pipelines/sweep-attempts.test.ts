import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openPipelines, type PipelineBench, type RunReply } from '../../../test/support/pipelines.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { project } from './fixtures/projects.ts';
import { sweepWork } from './jobs.ts';
import { sweepAttempts } from './service/attempts/sweep-attempts.ts';
import { endsOf } from './store/runs.ts';

const text = project('s: { run: "echo said; exit 3", code: [] }', '{}');
const workOf = (b: PipelineBench, run: RunReply | string, attempt = 's-1'): string =>
  join(b.platform.settings.dir, 'attempts', typeof run === 'string' ? run : run.id, attempt, 'work');
const age = (path: string): void => utimesSync(path, 1, 1);
const sweep = (b: PipelineBench, beforeMs: number, dryRun = false) =>
  sweepAttempts({ dir: b.platform.settings.dir, endsOf: (ids) => endsOf(b.ctx().db, ids), beforeMs, dryRun });

eachDatabase('files that a failed step worked with go some time after its run; its log and how it ended stay', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.apply(text);
  const run = await b.finish();
  assert.equal(run.state, 'failed');
  const work = workOf(b, run);
  writeFileSync(join(work, 'left-behind'), Buffer.alloc(70));
  age(work);
  const ended = (await endsOf(b.ctx().db, [run.id]))[0]!.finished_ms!;
  assert.deepEqual(await sweep(b, ended), { folders: 0, bytes: 0 }, 'it ended no earlier');
  const told = await sweep(b, ended + 1, true);
  assert.ok(told.folders === 1 && told.bytes >= 70 && existsSync(work), 'a dry run removes nothing');
  assert.deepEqual(await sweep(b, ended + 1), told);
  assert.deepEqual([existsSync(work), await sweep(b, ended + 1)], [false, { folders: 0, bytes: 0 }]);
  assert.match((await b.send<{ text: string }>('GET', `/runs/${run.id}/steps/s/log`)).body.text, /said/);
  assert.ok(existsSync(join(work, '..', 'manifest.json')));
  // What is asked for again begins anew, in a folder of its own.
  assert.equal((await b.send('POST', `/runs/${run.id}/resume`)).status, 200);
  await b.drain();
  assert.deepEqual([existsSync(work), existsSync(workOf(b, run, 's-2'))], [false, true]);
});

test('files of a run that goes on, of a folder staged lately, and what is no such folder, stay', async (t) => {
  const b = await openPipelines(t);
  await b.apply(text);
  const ended = await b.finish();
  const open = await b.start('p', { noCache: true });
  const late = workOf(b, ended, 's-shell-1');
  const [going, unknown] = [workOf(b, open), workOf(b, 'run_of_nobody')];
  for (const folder of [late, going, unknown]) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'f'), 'f');
  }
  writeFileSync(join(b.platform.settings.dir, 'attempts', 'a-file'), '');
  for (const folder of [going, unknown, workOf(b, ended)]) age(folder);
  const hour = 3_600_000;
  const beforeMs = Math.min(statSync(late).mtimeMs, Date.now()) - 1;
  const before = Math.max(b.ctx().clock.now() + hour, 0);
  assert.equal((await sweep(b, Math.min(before, beforeMs))).folders, 2);
  assert.deepEqual(
    [late, going, unknown, workOf(b, ended)].map((f) => existsSync(f)),
    [true, true, false, false],
  );
  assert.deepEqual(readdirSync(join(b.platform.settings.dir, 'attempts')).includes('a-file'), true);
});

for (const [days, stays] of [
  ['30', false],
  ['0', true],
] as const)
  test(`the daily job keeps what GYRE_ATTEMPT_RETENTION_DAYS=${days} says`, async (t) => {
    const b = await openPipelines(t, 'sqlite', { GYRE_ATTEMPT_RETENTION_DAYS: days });
    const work = workOf(b, 'run_of_nobody');
    mkdirSync(work, { recursive: true });
    age(work);
    const job = { id: 'job', attempt: 1, fence: 1, report: async () => undefined, signal: new AbortController().signal };
    await sweepWork.run(b.ctx(), {}, job as never);
    assert.equal(existsSync(work), stays);
  });
