// gyre run -- COMMAND: what a person sees, and what any MLflow client finds afterwards.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { folder, gyre, start, writeFiles, written, type Ran, type Started } from './gyre.ts';

const home = folder((remove) => after(remove));
const up = start(['up', '--dir', join(home, 'server'), '--port', '0', '--no-data-plane'], {
  cwd: home,
  env: { GYRE_DURABILITY: 'process' },
});
after(async () => {
  up.child.kill('SIGTERM');
  await up.ended;
});
const url = (await written(up, /ready at (http:\S+)/))[1]!;
const python = [process.env.TEST_PYTHON, join(import.meta.dirname, '../../.cache/python/bin/python')].find((p) => p && existsSync(p))!;
assert.ok(python, 'There is no Python for tests: run "sh scripts/set-up.sh --python".');

let folders = 0;
function project(files: Readonly<Record<string, string>>): string {
  const path = join(home, `project-${++folders}`);
  mkdirSync(path);
  writeFiles(path, files);
  return path;
}
const begin = (cwd: string, args: readonly string[], env: Record<string, string> = {}): Started =>
  start(['run', ...args], { cwd, env: { GYRE_URL: url, MLFLOW_DISABLE_TELEMETRY: 'true', GIT_PYTHON_REFRESH: 'quiet', ...env } });
const run = (cwd: string, args: readonly string[], env: Record<string, string> = {}): Promise<Ran> => begin(cwd, args, env).ended;

interface Recorded {
  readonly info: {
    readonly run_id: string;
    readonly experiment_id: string;
    readonly run_name: string;
    readonly status: string;
    readonly end_time?: number;
  };
  readonly data: { readonly metrics?: { key: string; value: number }[]; readonly tags: { key: string; value: string }[] };
  readonly inputs: {
    readonly dataset_inputs?: { tags: { key: string; value: string }[]; dataset: { name: string; digest: string; source: string } }[];
  };
}
const idOf = (text: string): string => /\(([0-9a-f]{32})\)/.exec(text)![1]!;
async function recorded(id: string): Promise<Recorded & { tags: Record<string, string> }> {
  const reply = (await (await fetch(`${url}/api/2.0/mlflow/runs/get?run_id=${id}`)).json()) as { run: Recorded };
  return { ...reply.run, tags: Object.fromEntries(reply.run.data.tags.map((t) => [t.key, t.value])) };
}
async function artifact(id: string, path: string): Promise<Buffer | undefined> {
  const reply = await fetch(`${url}/get-artifact?run_id=${id}&path=${encodeURIComponent(path)}`);
  return reply.ok ? Buffer.from(await reply.arrayBuffer()) : undefined;
}
const text = async (id: string, name: string): Promise<string> => (await artifact(id, `gyre/${name}`))?.toString() ?? '';

test('a script that tracks by itself resumes the run, and everything it came from is found by an MLflow client', async () => {
  const cwd = project({
    'data/train.csv': 'a,b\n1,2\n',
    'data/never.csv': 'x\n',
    'models/old.bin': 'old',
    '.env': 'PASSWORD=hidden-in-a-file\n',
    'train.py': `
import os, sys, mlflow
mlflow.set_experiment("churn")
open("data/train.csv").read()
open("made.csv", "w").write("z"); open("made.csv").read()
os.makedirs("models/deep", exist_ok=True)
open("models/deep/new.bin", "wb").write(bytes(range(256)))
with mlflow.start_run() as run:
    mlflow.log_metric("auc", 0.9)
    mlflow.log_param("rate", 0.1)
    with mlflow.start_run(nested=True):
        mlflow.log_metric("fold", 1)
print("run", run.info.run_id, os.environ["API_TOKEN"])
print("to the other", file=sys.stderr)
`,
  });
  const { code, out, err } = await run(
    cwd,
    [
      '--name',
      'try-7',
      '--tag',
      'data=may',
      '--output',
      'models',
      '--env',
      'CHOSEN',
      '--',
      python,
      'train.py',
      '--api-key',
      'k-123456',
      '--rate=0.1',
    ],
    { API_TOKEN: 'very-secret-value', CHOSEN: 'yes', GYRE_TOKEN: '' },
  );
  assert.equal(code, 0, err);
  const id = idOf(err);
  assert.match(out, new RegExp(`run ${id} very-secret-value`), 'the terminal shows what the script wrote');
  assert.match(err, /^to the other$/m);
  assert.match(err, /FINISHED in .*, exit code 0\n {2}1 metric, 1 param, 1 file read, 2 written, 1 output kept/);

  const found = await recorded(id);
  assert.equal(found.info.status, 'FINISHED');
  assert.equal(found.info.run_name, 'try-7');
  assert.deepEqual(
    found.data.metrics?.map((m) => [m.key, m.value]),
    [['auc', 0.9]],
  );
  const { experiment } = (await (
    await fetch(`${url}/api/2.0/mlflow/experiments/get?experiment_id=${found.info.experiment_id}`)
  ).json()) as {
    experiment: { name: string };
  };
  assert.equal(experiment.name, 'churn', 'the experiment that the script sets');
  const { tags } = found;
  assert.equal(tags['mlflow.source.name'], 'train.py');
  assert.equal(tags['mlflow.source.type'], 'LOCAL');
  assert.equal(tags.data, 'may');
  assert.equal(tags['gyre.command'], `${python} train.py --api-key '(redacted)' --rate=0.1`);
  assert.equal(tags['gyre.exit_code'], '0');
  assert.match(tags['gyre.python.version']!, /^3\.\d+\.\d+$/);
  assert.ok(Number(tags['gyre.wall_s']) > 0);
  assert.deepEqual(
    found.inputs.dataset_inputs?.map((d) => [d.dataset.name, d.dataset.digest, JSON.parse(d.dataset.source)]),
    [['data/train.csv', '492d5ea496056f1a6a6592241032fab7', { uri: join(cwd, 'data/train.csv') }]],
    'what was read, not what the script had made itself',
  );
  assert.deepEqual(await artifact(id, 'outputs/models/deep/new.bin'), Buffer.from(Array.from({ length: 256 }, (_, i) => i)));
  assert.equal(await artifact(id, 'outputs/models/old.bin'), undefined, 'what was there before is no output');
  assert.match(await text(id, 'requirements.txt'), /^mlflow-skinny==3/m);
  assert.equal(await text(id, 'stderr.txt'), 'to the other\n');
  const stdout = await text(id, 'stdout.txt');
  assert.match(stdout, /\(redacted\)/);
  const document = await text(id, 'run.json');
  assert.equal((JSON.parse(document) as { variables: Record<string, string> }).variables.CHOSEN, 'yes');
  const archive = execFileSync('tar', ['-tzf', '-'], { input: (await artifact(id, 'gyre/code.tar.gz'))! }).toString();
  assert.equal(archive, 'train.py\n');
  for (const [name, content] of Object.entries({ stdout, document, tags: JSON.stringify(tags), rerun: await text(id, 'rerun.sh') }))
    assert.doesNotMatch(content, /very-secret-value|k-123456|hidden-in-a-file/, name);

  const child = (await (
    await fetch(`${url}/api/2.0/mlflow/runs/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ experiment_ids: [found.info.experiment_id], filter: `tags.mlflow.parentRunId = '${id}'` }),
    })
  ).json()) as { runs: Recorded[] };
  assert.deepEqual(
    child.runs.map((r) => r.data.metrics?.[0]?.key),
    ['fold'],
  );
});

test('the exit code is the command’s, and its streams come through byte by byte', async () => {
  const cwd = project({});
  const bytes = await run(cwd, [
    '--quiet',
    '--',
    'sh',
    '-c',
    String.raw`printf '\033[1mbold\r\n\000end'; printf 'no newline' > /dev/stderr; exit 37`,
  ]);
  assert.deepEqual(bytes, { code: 37, out: '\u001b[1mbold\r\n\0end', err: 'no newline' });
  const failed = await run(cwd, ['--json', '--', 'sh', '-c', 'exit 3']);
  assert.equal(failed.code, 3);
  const told = JSON.parse(failed.out) as { runId: string; status: string; exitCode: number };
  assert.deepEqual([told.status, told.exitCode], ['FAILED', 3]);
  const { info, tags } = await recorded(told.runId);
  assert.equal(info.status, 'FAILED');
  assert.ok(info.end_time);
  assert.equal(tags['gyre.exit_code'], '3');
});

test('a script that ends its run as failed and goes on well keeps that status', async () => {
  // What mlflow.end_run("FAILED") sends.
  const cwd = project({
    'own.py': `
import json, os, urllib.request
body = json.dumps({"run_id": os.environ["MLFLOW_RUN_ID"], "status": "FAILED"}).encode()
url = os.environ["MLFLOW_TRACKING_URI"] + "/api/2.0/mlflow/runs/update"
urllib.request.urlopen(urllib.request.Request(url, body, {"Content-Type": "application/json"})).read()
`,
  });
  const { code, err } = await run(cwd, ['--', python, 'own.py']);
  assert.equal(code, 0, err);
  assert.equal((await recorded(idOf(err))).info.status, 'FAILED');
});

test('a script that computes its experiment is left its own runs, unless the experiment is named', async () => {
  const cwd = project({
    'own.py': 'import os\n\ndef begin(mlflow, n):\n    mlflow.set_experiment(n)\n\nprint("MLFLOW_RUN_ID" in os.environ)\n',
  });
  const own = await run(cwd, ['--', python, 'own.py']);
  assert.equal(own.out, 'False\n');
  assert.match(own.err, /Name it with --experiment/);
  assert.equal((await run(cwd, ['--experiment', 'n', '--', python, 'own.py'])).out, 'True\n');
});

test('Ctrl-C reaches all that the command started, once, and the run ends as killed', async () => {
  const cwd = project({
    'wait.py': `
import signal, subprocess, sys
times = 0
def hear(*_):
    global times
    times += 1
signal.signal(signal.SIGINT, hear)
child = subprocess.Popen([sys.executable, "-c", "import time; print('inner', flush=True); time.sleep(600)"])
child.wait()
print("heard", times, "inner ended with", child.returncode, flush=True)
sys.exit(9)
`,
  });
  const started = begin(cwd, ['--', python, 'wait.py']);
  await written(started, /inner/);
  started.child.kill('SIGINT');
  const { code, out, err } = await started.ended;
  assert.match(out, /heard 1 inner ended with -2/);
  assert.equal(code, 9);
  const { info, tags } = await recorded(idOf(err));
  assert.deepEqual([info.status, tags['gyre.exit_code']], ['KILLED', '9']);
});

test('who does not end by Ctrl-C is killed by the second', async () => {
  const started = begin(project({}), ['--', 'sh', '-c', 'trap "echo heard" INT; echo ready; while :; do sleep 0.05; done']);
  await written(started, /ready/);
  started.child.kill('SIGINT');
  await written(started, /heard/);
  started.child.kill('SIGINT');
  const { code, err } = await started.ended;
  assert.equal(code, 137);
  assert.match(err, /KILLED in .*, ended by SIGKILL/);
  const { info, tags } = await recorded(idOf(err));
  assert.deepEqual([info.status, tags['gyre.signal']], ['KILLED', 'SIGKILL']);
});

test('a run whose gyre was killed is ended by the next one, once its command is gone too', async () => {
  const cwd = project({});
  const lost = begin(cwd, ['--', 'sh', '-c', 'echo pid $$; exec sleep 600']);
  const pid = Number((await written(lost, /pid (\d+)/))[1]);
  const id = idOf((await written(lost, /Run \S+ \([0-9a-f]{32}\)/))[0]);
  for (;;) if ((await recorded(id)).tags['gyre.process']) break;
  lost.child.kill('SIGKILL');
  await lost.ended;
  const beside = await run(cwd, ['--', 'true']);
  assert.equal(beside.code, 0);
  assert.equal((await recorded(id)).info.status, 'RUNNING', 'a command that goes on may still log');
  process.kill(pid, 'SIGKILL');
  const next = await run(cwd, ['--', 'true']);
  assert.match(next.err, new RegExp(`Run ${id} was left behind`));
  const { info, tags } = await recorded(id);
  assert.deepEqual([info.status, tags['gyre.end_reason']], ['KILLED', 'gyre was ended before its command']);
});

test('commit, branch, remote and changes tell the code; the printed commands bring it back', async () => {
  const cwd = project({
    'train.py': 'print("one")\n',
    'notes.md': 'n\n',
    '.gitignore': '.env\ndata\n',
    'data/x.csv': 'seven',
    '.env': 'TOKEN=in-the-env-file\n',
  });
  const git = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=ada', '-c', 'user.email=ada@example.com', ...args], {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  git('init', '-q', '-b', 'work');
  git('remote', 'add', 'origin', 'https://ada:pass-word@example.com/team/repo.git');
  git('add', '.');
  git('commit', '-qm', 'begin');
  const clean = await recorded(idOf((await run(cwd, ['--', 'true'])).err));
  assert.equal(clean.tags['mlflow.source.git.dirty'], 'False');

  writeFiles(cwd, {
    'train.py': 'import extra\nprint("two", open("data/x.csv").read())\napi_key = "sk-live-1234567890"\n',
    'extra.py': 'print("more")\n',
    'deploy.pem': 'key',
  });
  const status = git('status', '--porcelain');
  const { code, out, err } = await run(cwd, ['--', python, 'train.py']);
  assert.deepEqual([code, out], [0, 'more\ntwo seven\n']);
  const id = idOf(err);
  const { tags } = await recorded(id);
  assert.equal(tags['mlflow.source.git.commit'], git('rev-parse', 'HEAD').trim());
  assert.equal(tags['mlflow.source.git.branch'], 'work');
  assert.equal(tags['mlflow.source.git.repoURL'], 'https://example.com/team/repo.git');
  assert.equal(tags['mlflow.source.git.dirty'], 'True');
  assert.equal(tags['gyre.code.redacted'], 'true');
  const diff = await text(id, 'code.diff');
  assert.match(diff, /^\+print\("more"\)$/m);
  assert.match(diff, /^\+api_key = "\(redacted\)"$/m);
  assert.doesNotMatch(diff, /in-the-env-file|sk-live|deploy\.pem/);
  assert.equal(git('status', '--porcelain').replace(/^\?\? __pycache__\/\n/m, ''), status, 'the user’s own index is as it was');

  assert.match(err, new RegExp(`again: curl .*run_id=${id}&path=gyre/rerun\\.sh' \\| sh`));
  writeFiles(cwd, { 'train.py': 'print("three")\n' });
  const commands = (await text(id, 'rerun.sh')).replace(/^gyre run .* -- /m, '');
  const again = (): string => execFileSync('sh', ['-c', `{ ${commands}\n} 2>&1`], { cwd: home, encoding: 'utf8' });
  assert.match(again(), /more\ntwo seven\n$/);
  git('worktree', 'remove', '--force', `gyre-${id.slice(0, 8)}`);
  writeFiles(cwd, { 'data/x.csv': 'eight' });
  assert.match(again(), /data\/x\.csv is not what it was\nmore\ntwo eight\n$/);
});

test('what a shim does is invisible: a sitecustomize of the user runs, and --no-inputs leaves none', async () => {
  const cwd = project({
    'mine/sitecustomize.py': 'print("mine")\n',
    'look.py': `
import os, sys
print("sitecustomize" in sys.modules and sys.modules["sitecustomize"].__file__)
print([p for p in sys.path if "gyre-run" in p], "gyre-run" in os.environ.get("PYTHONPATH", ""))
open("data.csv").read()
`,
    'data.csv': 'x',
  });
  const env = { PYTHONPATH: join(cwd, 'mine') };
  const seen = await run(cwd, ['--', python, 'look.py'], env);
  assert.equal(seen.out, `mine\n${join(cwd, 'mine/sitecustomize.py')}\n[] True\n`);
  assert.match(seen.err, /1 file read/);
  const unseen = await run(cwd, ['--no-inputs', '--', python, 'look.py'], env);
  assert.equal(unseen.out, `mine\n${join(cwd, 'mine/sitecustomize.py')}\n[] False\n`);
  assert.match(unseen.err, /0 files read/);
});

test('a command inside a tracked command becomes its child', async () => {
  const cwd = project({});
  const outer = await run(cwd, [
    '--',
    process.execPath,
    '--no-warnings',
    join(import.meta.dirname, '../../src/app/main.ts'),
    'run',
    '--',
    'echo',
    'inner',
  ]);
  assert.equal(outer.code, 0, outer.err);
  const [outerId, innerId] = [...outer.err.matchAll(/^Run \S+ \(([0-9a-f]{32})\) in/gm)].map((m) => m[1]!);
  assert.equal((await recorded(innerId!)).tags['mlflow.parentRunId'], outerId);
});

test('--start brings a server for the time of the command', async () => {
  const cwd = project({});
  const env = { GYRE_URL: '', GYRE_DURABILITY: 'process' };
  const away = await run(cwd, ['--url', 'http://127.0.0.1:9', '--', 'true'], env);
  assert.equal(away.code, 7);
  assert.match(away.err, /gyre up[\s\S]*server-unreachable/);
  assert.match(away.err, /gyre run --start/);
  const { code, out, err } = await run(cwd, ['--start', '--url', 'http://127.0.0.1:9', '--', 'sh', '-c', 'echo $MLFLOW_TRACKING_URI'], env);
  assert.equal(code, 0, err);
  assert.match(err, /FINISHED/);
  await assert.rejects(fetch(out.trim()), 'it is gone with the command');
  assert.ok(existsSync(join(cwd, '.gyre/gyre.db')), 'and what it recorded is there');
  assert.equal(readFileSync(join(cwd, '.gyre/gyre.db')).subarray(0, 6).toString(), 'SQLite');
});

test('a server with users takes a token or MLflow’s name and password, and nothing of it is kept or shown', async () => {
  const cwd = project({ password: 'a-long-password-1' });
  const closed = start(
    [
      'up',
      '--dir',
      join(cwd, 'server'),
      '--port',
      '0',
      '--no-data-plane',
      '--auth',
      'basic',
      '--admin-user',
      'ada',
      '--admin-password-file',
      'password',
    ],
    { cwd, env: { GYRE_DURABILITY: 'process' } },
  );
  try {
    const GYRE_URL = (await written(closed, /ready at (http:\S+)/))[1]!;
    const command = ['--experiment', 'x', '--', 'sh', '-c', 'echo "$MLFLOW_TRACKING_TOKEN" "$MLFLOW_TRACKING_PASSWORD"'];
    const denied = await run(cwd, command, { GYRE_URL });
    assert.equal(denied.code, 6, denied.err);
    assert.match(denied.err, /gyre login[\s\S]*tracking-denied/);
    const MLFLOW = { GYRE_URL, MLFLOW_TRACKING_USERNAME: 'ada', MLFLOW_TRACKING_PASSWORD: 'a-long-password-1' };
    const named = await run(cwd, command, MLFLOW);
    assert.deepEqual([named.code, named.out], [0, ' a-long-password-1\n'], named.err);
    const authorization = `Basic ${Buffer.from('ada:a-long-password-1').toString('base64')}`;
    const made = await fetch(`${GYRE_URL}/api/gyre/v1/tokens`, {
      method: 'POST',
      headers: { authorization, 'content-type': 'application/json' },
      body: JSON.stringify({ name: 'for-runs', role: 'admin' }),
    });
    const { secret: token } = (await made.json()) as { secret: string };
    const held = await run(cwd, command, { GYRE_URL, GYRE_TOKEN: token });
    assert.deepEqual([held.code, held.out], [0, `${token} \n`], held.err);
    assert.doesNotMatch(held.err, new RegExp(token));
    const id = idOf(held.err);
    const listed = await fetch(`${GYRE_URL}/api/2.0/mlflow/artifacts/list?run_id=${id}&path=gyre`, { headers: { authorization } });
    const names = ((await listed.json()) as { files: { path: string }[] }).files.map((f) => f.path);
    assert.ok(names.includes('gyre/stdout.txt') && names.includes('gyre/rerun.sh'));
    for (const name of names) {
      const file = await fetch(`${GYRE_URL}/get-artifact?run_id=${id}&path=${encodeURIComponent(name)}`, { headers: { authorization } });
      assert.ok(!(await file.text()).includes(token), name);
    }
  } finally {
    closed.child.kill('SIGTERM');
    await closed.ended;
  }
});

test('what the server refuses is told in its words, and a server that cannot be started in its own', async () => {
  const cwd = project({ file: 'x' });
  const refused = await run(cwd, ['--experiment', 'x'.repeat(501), '--', 'true']);
  assert.equal(refused.code, 3);
  assert.match(refused.err, /maximum length[\s\S]*tracking-refused/);
  const broken = await run(cwd, ['--start', '--url', 'http://127.0.0.1:9', '--', 'true'], { GYRE_URL: '', GYRE_DIR: join(cwd, 'file') });
  assert.equal(broken.code, 8);
  assert.match(broken.err, /--start asks for did not start[\s\S]*own-server-failed/);
});

test('a command line that is neither or both is refused with the way out; a command that is none makes no run', async () => {
  const cwd = project({ 'plain.txt': 'x' });
  for (const [args, expected, message] of [
    [[], 2, /name a pipeline of gyre\.yaml, or a command after "--"/],
    [['--'], 2, /there is no command after "--"/],
    [['python', 'train.py'], 2, /gyre run -- python train\.py/],
    [['train', '--', 'python'], 2, /either a pipeline or a command/],
    [['--name', 'x', 'train'], 2, /--name belongs to a command/],
    [['--param', 'a=1', '--', 'true'], 2, /--param belongs to a pipeline/],
    [['--tag', 'no-value', '--', 'true'], 2, /parameter-form/],
    [['--', 'no-such-command'], 127, /There is no command "no-such-command"[\s\S]*command-not-found/],
    [['--', join(cwd, 'plain.txt')], 126, /chmod \+x[\s\S]*command-not-executable/],
  ] as const) {
    const { code, err } = await gyre('run', ...args);
    assert.equal(code, expected, err);
    assert.match(err, message);
    assert.doesNotMatch(err, /^Run /m);
  }
});
