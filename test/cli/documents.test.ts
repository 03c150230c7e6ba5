// gyre document, ci, lineage and report --markdown, as typed; and the scripts of a pipeline file, run in a shell.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { parse } from 'yaml';
import { openPipelines } from '../support/pipelines.ts';
import { scriptsOf, shellWord } from '../../src/app/ci-templates.ts';
import { startServer } from '../support/server.ts';
import { folder, gyre, main, writeFiles } from './gyre.ts';

const project = `project: demo
code: ["*.py"]
pipelines:
  train:
    params: { rows: 1000, note: all of it }
    steps:
      fit: { run: "echo $rows > out/model.txt", out: { model: { logged: model } } }
      test: { evaluate: fit.model, on: { features: s, spine: { dataset: d, at: ts, label: y, between: [2013-01-01, 2013-02-01] } } }
      register: { model: m, from: fit.model, evaluation: test }
  small:
    params: { rows: 1000, note: all of it }
    steps:
      one: { run: "mkdir -p out/d && echo $rows > out/d/n.txt", code: [], out: { d: folder } }
datasets: { d: { source: d.parquet, key: [id] } }
features: { services: { s: { views: [], request: [id] } } }
models: { m: { task: binary } }
`;

interface Step {
  readonly name?: string;
  readonly uses?: string;
  readonly run?: string;
  readonly if?: string;
  readonly env?: Readonly<Record<string, string>>;
}
interface Github {
  readonly permissions: unknown;
  readonly on: unknown;
  readonly jobs: Readonly<
    Record<string, { permissions?: Record<string, string>; env?: Record<string, string>; needs?: string; steps: Step[] }>
  >;
}

interface Job {
  readonly stage?: string;
  readonly script?: string[];
  readonly needs?: string[];
  readonly artifacts?: { readonly paths: string[]; readonly when: string };
}

/** Runs a script as a forge does: bash that stops at the first fault. */
const shell = (
  script: string,
  cwd: string,
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; out: string; err: string }> =>
  new Promise((resolve) => {
    execFile(
      'bash',
      ['-e', '-o', 'pipefail', '-c', script],
      { cwd, env: { PATH: process.env.PATH, HOME: cwd, ...env } },
      (error, out, err) => resolve({ code: error ? Number(error.code) : 0, out, err }),
    );
  });

async function written(t: TestContext, forge: string, ...more: string[]): Promise<{ root: string; text: string; file: string }> {
  const root = folder((f) => t.after(f));
  const locked = `environments: { training: { lock: requirements.lock, python: "3.11" } }\n${project}`;
  writeFiles(root, { 'gyre.yaml': locked.replace('model.txt", out:', 'model.txt", environment: training, out:') });
  const ran = await gyre('ci', 'init', forge, '-f', join(root, 'gyre.yaml'), ...more);
  assert.equal(ran.code, 0, ran.err);
  const file = ran.out.trim();
  return { root, file, text: readFileSync(join(root, file), 'utf8') };
}

test('gyre ci init github writes pinned actions, minimal permissions, secrets by reference, and nothing over what is there', async (t) => {
  const { root, file, text } = await written(
    t,
    'github',
    '--set',
    'rows=50',
    '--set',
    "note=it's $HOME; x",
    '--test',
    'python3 -m unittest',
  );
  assert.equal(file, '.github/workflows/gyre.yml');
  const flow = parse(text) as Github;
  assert.deepEqual(flow.permissions, { contents: 'read' });
  assert.deepEqual(flow.jobs.train!.permissions, { contents: 'read', 'pull-requests': 'write' });
  assert.deepEqual(flow.on, { pull_request: null, push: { branches: ['main'] } });
  assert.equal(flow.jobs.train!.needs, 'test');
  assert.deepEqual(flow.jobs.train!.env, {
    GYRE_URL: '${{ vars.GYRE_URL }}',
    GYRE_WORKSPACE: '${{ vars.GYRE_WORKSPACE }}',
    GYRE_TOKEN: '${{ secrets.GYRE_TOKEN }}',
  });
  const steps = Object.values(flow.jobs).flatMap((j) => j.steps);
  for (const { uses } of steps) if (uses !== undefined) assert.match(uses, /^[\w.-]+\/[\w.-]+@v\d+\.\d+\.\d+$/);
  for (const s of steps) assert.ok((s.run === undefined) !== (s.uses === undefined), JSON.stringify(s));
  for (const { run } of steps) {
    if (run === undefined) continue;
    // Whatever a forge puts in place of an expression would be run as code.
    assert.doesNotMatch(run, /\$\{\{/);
    assert.equal((await shell(`set -n\n${run}`, root)).err, '');
  }
  assert.equal(steps.find((s) => s.name === 'Test')!.run, 'python3 -m unittest');
  // Not every runner knows anchors; what the tests import is installed before them.
  assert.doesNotMatch(text, /[&*]a\d/);
  assert.equal(
    steps.find((s) => s.name === 'Packages')!.run,
    'python3 -m pip install --quiet -r requirements.lock\npython3 -m pip install --quiet pytest',
  );
  assert.match(
    steps.find((s) => s.name === 'Train on a sample')!.run!,
    /^gyre run train --param rows=50 --param 'note=it'\\''s \$HOME; x' --json/,
  );

  const again = await gyre('ci', 'init', 'github', '-f', join(root, 'gyre.yaml'));
  assert.equal(again.code, 5, again.err);
  assert.match(again.err, /ci-file-exists/);
  assert.equal(readFileSync(join(root, file), 'utf8'), text);
  assert.equal((await gyre('ci', 'init', 'github', '-f', join(root, 'gyre.yaml'), '--force')).code, 0);
  assert.doesNotMatch(readFileSync(join(root, file), 'utf8'), /rows=50/);
});

test('gyre ci init gitlab writes stages, rules and an artifact; what gyre.yaml does not declare is refused', async (t) => {
  const { root, file, text } = await written(t, 'gitlab', '--set', 'rows=50');
  assert.equal(file, '.gitlab-ci.yml');
  const flow = parse(text) as Readonly<Record<string, Job>>;
  const { stages } = parse(text) as { stages: string[] };
  const jobs = Object.entries(flow).filter(([, job]) => typeof job === 'object' && 'script' in job);
  assert.deepEqual(
    jobs.map(([name]) => name),
    ['test', 'train', 'champion'],
  );
  for (const [, job] of jobs) {
    assert.ok(stages.includes(job.stage!));
    for (const script of job.script!) {
      assert.equal(typeof script, 'string');
      assert.equal((await shell(`set -n\n${script}`, root)).err, '');
    }
    for (const need of job.needs ?? []) assert.ok(flow[need]);
  }
  assert.deepEqual([flow.train!.artifacts!.paths, flow.train!.artifacts!.when], [['gyre-report.md', 'gyre-report.json'], 'always']);
  assert.doesNotMatch(text, /GYRE_TOKEN: \S/);
  const at = ['-f', join(root, 'gyre.yaml'), '--force'];
  const unknown = await gyre('ci', 'init', 'gitlab', ...at, '--set', 'colums=3');
  assert.match(unknown.err, /ci-parameter-unknown/);
  assert.match((await gyre('ci', 'init', 'gitlab', ...at, '--pipeline', 'none')).err, /ci-pipeline-unclear/);
  assert.equal((await gyre('ci', 'init', 'jenkins', ...at)).code, 2);
  // Tests in Python get its image, others that of the rest.
  const images = async (test: string): Promise<unknown> => {
    assert.equal((await gyre('ci', 'init', 'gitlab', ...at, '--test', test)).code, 0);
    return (parse(readFileSync(join(root, file), 'utf8')) as { test: { image?: string } }).test.image;
  };
  assert.deepEqual([await images('python3 -m pytest -q'), await images('npm test')], ['python:3.11-bookworm', undefined]);
});

test('the scripts of a pipeline file run in a shell against a server, and the gate ends the job', { timeout: 120_000 }, async (t) => {
  const server = await startServer(t);
  const root = folder((f) => t.after(f));
  writeFiles(root, { 'gyre.yaml': project });
  mkdirSync(join(root, 'bin'));
  writeFileSync(join(root, 'bin/gyre'), `#!/bin/sh\nexec ${shellWord(process.execPath)} --no-warnings ${shellWord(main)} "$@"\n`);
  chmodSync(join(root, 'bin/gyre'), 0o755);
  const env = { PATH: `${root}/bin:${process.env.PATH}`, GYRE_URL: server.url, GYRE_LOG_LEVEL: 'error' };
  const s = scriptsOf({
    pipeline: 'small',
    python: null,
    sample: { rows: '50', note: "it's a sample" },
    test: 'test -e gyre.yaml',
    version: '0',
  });
  for (const script of [s.plan, s.test]) {
    const ran = await shell(script, root, env);
    assert.equal(ran.code, 0, ran.err);
  }
  const trained = await shell(s.train.replace('--json', '--no-data --json'), root, env);
  assert.equal(trained.code, 0, trained.err);
  const id = readFileSync(join(root, 'gyre-run-id'), 'utf8').trim();
  assert.match(id, /^run_/);
  const { params } = JSON.parse((await shell(`gyre runs --json`, root, env)).out)[0] as { params?: Record<string, unknown> };
  if (params) assert.deepEqual(params, { rows: 50, note: "it's a sample" });
  // A run that registered no version is nothing to judge: the job fails, and says why.
  const reported = await shell(s.report, root, env);
  assert.equal(reported.code, 4, reported.err);
  assert.match(reported.err, /report-model-missing/);
  assert.equal(existsSync(join(root, 'gyre-report.md')), false);
  // What becomes the champion is the version that the report was about.
  writeFileSync(join(root, 'gyre-report.json'), JSON.stringify({ candidate: { model: 'm', number: 7 } }));
  writeFileSync(join(root, 'bin/gyre'), '#!/bin/sh\necho "$*"\n');
  assert.equal((await shell(s.champion, root, env)).out, 'models alias m champion 7\n');
});

test('documents, delivery and lineage are asked for by name, and print data with --json', async (t) => {
  const b = await openPipelines(t);
  await b.apply(project.replace('code: ["*.py"]', 'code: []'));
  await b.drain();
  const url = await b.app.listen({ host: '127.0.0.1', port: 0 });
  const root = folder((f) => t.after(f));
  const say = async (code: number, ...args: string[]): Promise<string> => {
    const ran = await gyre(...args, '--url', url, '--project', 'demo');
    assert.equal(ran.code, code, `${args.join(' ')}: ${ran.err}`);
    return ran.out;
  };
  assert.match(await say(0, 'document', 'system'), /^# System overview: demo/);
  assert.match(await say(0, 'document', 'pipeline', 'small'), /^# Pipeline: small of demo/);
  const file = join(root, 'overview.md');
  assert.equal((await say(0, 'document', 'system', '-o', file)).trim(), file);
  assert.match(readFileSync(file, 'utf8'), /## Missing evidence/);
  assert.equal((JSON.parse(await say(0, 'document', 'system', '--json')) as { title: string }).title, 'System overview: demo');
  assert.match(await say(0, 'report', 'delivery'), /^# Delivery of demo/);
  assert.equal((JSON.parse(await say(0, 'report', 'delivery', '--json')) as { project: string }).project, 'demo');
  await say(4, 'datasets', 'card', 'd@3');
  await say(5, 'datasets', 'card', 'd');
  await say(4, 'report', '--markdown');
  await say(4, 'lineage', 'impact', 'd.nowhere');
  assert.match(await say(0, 'lineage', 'impact', 'd.id'), /^If d\.id goes, this breaks:\n {2}pipeline train: train\.test\.id/);
  // Any kind is a question of its own.
  const run = await b.finish('small');
  await b.drain();
  assert.match(await say(0, 'lineage', 'pipeline-run', run.id), /^pipeline run small run 1/);
  assert.match(await say(0, 'lineage', 'pipeline-run', run.id, '--down', '--depth', '1'), new RegExp(`step .*${run.id}`));
});
