import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { BlobEntry, BlobStore } from '../../kernel/blobs/blob-store.ts';
import { openFolderStore } from '../../kernel/blobs/folder-store.ts';
import type { Attempt, AttemptOutcome, StepEngine, Workspace } from '../../domains/pipelines/public.ts';
import { openProcessEngine } from './process-engine.ts';

interface Bench {
  readonly folder: string;
  readonly blobs: BlobStore;
  readonly engine: StepEngine;
  readonly attempt: (change?: Partial<Attempt>) => Attempt;
  readonly run: (command: string, options?: Partial<Attempt> & Partial<Workspace>, signal?: AbortSignal) => Promise<AttemptOutcome>;
  readonly log: () => string;
  readonly store: (text: string) => Promise<BlobEntry>;
}

async function open(t: TestContext): Promise<Bench> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-engine-'));
  const blobs = await openFolderStore({ dir: folder, durability: 'process' });
  const engine = openProcessEngine(blobs);
  const dir = join(folder, 'attempts', 'a-1');
  t.after(async () => {
    await engine.end(dir);
    rmSync(folder, { recursive: true, force: true });
  });
  const attempt = (change: Partial<Attempt> = {}): Attempt => ({
    attemptId: 'a-1',
    fence: 1,
    dir,
    outputs: [],
    timeoutMs: 60_000,
    ...change,
  });
  return {
    folder,
    blobs,
    engine,
    attempt,
    run: (command, { attemptId, fence, dir: own, outputs, timeoutMs, ...workspace } = {}, signal = new AbortController().signal) =>
      engine.run(
        attempt(Object.fromEntries(Object.entries({ attemptId, fence, dir: own, outputs, timeoutMs }).filter(([, v]) => v !== undefined))),
        async () => ({ command, files: [], variables: {}, secrets: {}, bin: null, ...workspace }),
        signal,
      ),
    log: () => readFileSync(join(dir, 'log.txt'), 'utf8'),
    store: async (text) => {
      const batch = await blobs.begin();
      await batch.add(Buffer.from(text));
      return (await batch.commit())[0]!;
    },
  };
}

/** Waits for a file that a step writes; the step is a process of its own and tells nobody else. */
async function appears(path: string): Promise<string> {
  for (let i = 0; i < 1000; i++) {
    if (existsSync(path) && readFileSync(path, 'utf8') !== '') return readFileSync(path, 'utf8');
    await delay(5);
  }
  throw new Error(`${path} does not appear`);
}

const isAlive = (pid: number): boolean => {
  try {
    return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
};
async function dies(pid: number): Promise<void> {
  for (let i = 0; i < 1000 && isAlive(pid); i++) await delay(5);
  assert.equal(isAlive(pid), false, `process ${pid} still runs`);
}

const refusal = (outcome: AttemptOutcome): Extract<AttemptOutcome, { ok: false }> => {
  assert.equal(outcome.ok, false);
  return outcome as Extract<AttemptOutcome, { ok: false }>;
};

test('a step sees its files, inputs and declared variables, and nothing else of the server', async (t) => {
  const b = await open(t);
  process.env.NOT_DECLARED = 'x';
  t.after(() => delete process.env.NOT_DECLARED);
  const files = [
    { path: 'python/a.py', entry: await b.store('print(1)') },
    { path: 'in/rows/part.txt', entry: await b.store('row') },
  ];
  const outcome = await b.run('find . -type f | sort; cat in/rows/part.txt; echo; env | cut -d= -f1 | sort; pwd', {
    files,
    variables: { DECLARED: 'yes' },
    secrets: { KEY: 'hidden-value' },
  });
  assert.equal(outcome.ok, true);
  const lines = b.log().split('\n');
  assert.deepEqual(lines.slice(0, 3), ['./in/rows/part.txt', './python/a.py', 'row']);
  const names = lines.slice(3, -2).filter((n) => !['_', 'SHLVL', 'OLDPWD'].includes(n));
  assert.deepEqual(names, ['DECLARED', 'HOME', 'KEY', 'LANG', 'PATH', 'PWD', 'PYTHONHASHSEED', 'PYTHONUNBUFFERED', 'TZ']);
});

test('spec, exit and manifest tell of an attempt, and no secret is in any of them', async (t) => {
  const b = await open(t);
  await b.run('mkdir out/model; echo w > out/model/w.txt', { outputs: ['model'], secrets: { KEY: 'hidden-value' }, variables: { A: '1' } });
  const dir = b.attempt().dir;
  const spec = JSON.parse(readFileSync(join(dir, 'spec.json'), 'utf8'));
  assert.deepEqual([spec.command, spec.secrets, spec.variables], ['mkdir out/model; echo w > out/model/w.txt', ['KEY'], { A: '1' }]);
  assert.deepEqual(JSON.parse(readFileSync(join(dir, 'exit.json'), 'utf8')), { exitCode: 0 });
  const manifest = JSON.parse(readFileSync(join(dir, 'manifest.json'), 'utf8'));
  assert.equal(manifest.fence, 1);
  assert.equal(manifest.outcome.outputs.model[0].path, 'w.txt');
  for (const name of ['spec.json', 'pid.json', 'manifest.json', 'log.txt'])
    assert.doesNotMatch(readFileSync(join(dir, name), 'utf8'), /hidden-value/);
});

test('outputs are stored by content, folders and single files alike', async (t) => {
  const b = await open(t);
  const outcome = await b.run('mkdir -p out/a/deep; printf one > out/a/deep/x; printf two > out/a/y; printf one > out/b', {
    outputs: ['a', 'b'],
  });
  assert.ok(outcome.ok);
  assert.deepEqual(
    Object.entries(outcome.outputs).map(([name, files]) => [name, files.map((f) => f.path)]),
    [
      ['a', ['deep/x', 'y']],
      ['b', ['b']],
    ],
  );
  assert.equal(outcome.outputs.a![0]!.digest, outcome.outputs.b![0]!.digest);
  assert.equal(outcome.entries.length, 2);
});

test('an exit code fails the step and the end of the log says why', async (t) => {
  const b = await open(t);
  const outcome = refusal(await b.run('echo almost; echo broken >&2; exit 3'));
  assert.deepEqual([outcome.reason, outcome.exitCode], ['failed', 3]);
  assert.match(outcome.detail, /exit code 3\nalmost\nbroken/);
});

test('a high exit code is the command’s own; a signal is told as one', async (t) => {
  const b = await open(t);
  assert.deepEqual(refusal(await b.run('exit 255', { dir: join(b.folder, 'x1') })).reason, 'failed');
  const killed = refusal(await b.run('kill -SEGV $$', { dir: join(b.folder, 'x2') }));
  assert.equal(killed.reason, 'killed');
  assert.match(killed.detail, /signal 11/);
});

test('an output that was not written fails a step that ended well', async (t) => {
  const b = await open(t);
  const outcome = refusal(await b.run('echo done', { outputs: ['model'] }));
  assert.equal(outcome.reason, 'missing-output');
  assert.match(outcome.detail, /out\/model/);
});

test('a link that leaves out/ is refused, whether it is the output or inside it', async (t) => {
  const b = await open(t);
  const cases = [
    'ln -s /etc/passwd out/model',
    'mkdir out/model; ln -s /etc/passwd out/model/x',
    'mkdir out/model; ln -s ../../../../pid.json out/model/x',
    'ln -s /etc out/model',
    'mkdir out/model; ln -s nowhere out/model/x',
    'mkfifo out/model',
  ];
  for (const [i, command] of cases.entries()) {
    const outcome = refusal(await b.run(command, { outputs: ['model'], dir: join(b.folder, `l${i}`) }));
    assert.equal(outcome.reason, 'bad-output', command);
  }
});

test('a link to a file inside out/ stands for that file', async (t) => {
  const b = await open(t);
  const outcome = await b.run('mkdir -p out/m/blobs; echo w > out/m/blobs/1; ln -s blobs/1 out/m/weights', { outputs: ['m'] });
  assert.ok(outcome.ok);
  assert.deepEqual(
    outcome.outputs.m!.map((f) => f.path),
    ['blobs/1', 'weights'],
  );
});

test('an output name or a staged path that leaves the folder is refused', async (t) => {
  const b = await open(t);
  for (const [i, name] of ['../../escape', '/etc/passwd', '..', ''].entries())
    assert.equal(refusal(await b.run('true', { outputs: [name], dir: join(b.folder, `n${i}`) })).reason, 'bad-output');
  const entry = await b.store('x');
  for (const [i, path] of ['../escape', '/abs', 'a/../../b', 'a//b'].entries())
    await assert.rejects(b.run('true', { files: [{ path, entry }], dir: join(b.folder, `p${i}`) }), /leaves the folder/);
  assert.equal(existsSync(join(b.folder, 'escape')), false);
});

test('secrets are taken out of the log, however the output is cut into pieces', async (t) => {
  const b = await open(t);
  const secret = 'p.a*s[s]/w^o$r\\d&';
  await b.run(
    `python3 -c "
import os,sys,time
s=os.environ['KEY']
for part in ('start '+s[:5], s[5:9], s[9:]+' end\\n', 'x'*65530+s+'\\n', s+s):
    sys.stdout.write(part); sys.stdout.flush(); time.sleep(0.02)
"`,
    { secrets: { KEY: secret, OTHER: 'first-line\nsecond-line' } },
  );
  assert.equal(b.log().includes(secret), false);
  assert.match(b.log(), /^start \(redacted\) end\nx+\(redacted\)\n\(redacted\)\(redacted\)$/);
});

test('what fails shows no secret in its detail either', async (t) => {
  const b = await open(t);
  const outcome = refusal(await b.run('echo "token $KEY refused"; exit 1', { secrets: { KEY: 'hidden-value' } }));
  assert.match(outcome.detail, /token \(redacted\) refused/);
});

test('the log grows line by line while the step runs', async (t) => {
  const b = await open(t);
  const running = b.run('echo first; while [ ! -e stop ]; do sleep 0.01; done; echo last');
  assert.equal(await appears(join(b.attempt().dir, 'log.txt')), 'first\n');
  writeFileSync(join(b.attempt().dir, 'work', 'stop'), '');
  assert.equal((await running).ok, true);
  assert.equal(b.log(), 'first\nlast\n');
});

test('standard input is closed, and variables called as the launcher’s own are left alone', async (t) => {
  const b = await open(t);
  const outcome = await b.run('cat; echo "[$line] [$command] [$1]"', { variables: { line: 'mine', command: 'too' } });
  assert.equal(outcome.ok, true);
  assert.equal(b.log(), '[mine] [too] []\n');
});

test('bytes that are no UTF-8, lines without an end and very much output pass through', async (t) => {
  const b = await open(t);
  const outcome = await b.run(
    `python3 -c "
import sys
w=sys.stdout.buffer.write
w(b'\\xff\\xfe\\x00bad\\n'); w(b'z'*300000); w(b'\\n')
for i in range(20000): w(b'line %d\\n' % i)
w(b'no end')"`,
    { secrets: { KEY: 'hidden-value' } },
  );
  assert.equal(outcome.ok, true);
  const bytes = readFileSync(join(b.attempt().dir, 'log.txt'));
  assert.deepEqual([...bytes.subarray(0, 7)], [0xff, 0xfe, 0, 0x62, 0x61, 0x64, 0x0a]);
  assert.equal(bytes.toString('latin1').split('\n').length, 20_003);
  assert.equal(bytes.subarray(-6).toString(), 'no end');
});

test('a step that runs too long is ended with everything it started', async (t) => {
  const b = await open(t);
  const outcome = refusal(await b.run('sleep 100 & echo $! > pid; setsid true; sleep 100', { timeoutMs: 150 }));
  assert.equal(outcome.reason, 'timed-out');
  await dies(Number(readFileSync(join(b.attempt().dir, 'work', 'pid'), 'utf8')));
});

test('a process left in the background neither holds up the step nor outlives it', async (t) => {
  const b = await open(t);
  const outcome = await b.run('sleep 100 > /dev/null 2>&1 & echo $! > out/pid', { outputs: ['pid'] });
  assert.ok(outcome.ok);
  await dies(Number((await b.blobs.read(outcome.entries[0]!)).toString()));
});

test('ending an attempt ends its whole process group', async (t) => {
  const b = await open(t);
  const running = b.run('sleep 100 & echo $! > child; echo $$ > self; wait');
  const child = Number(await appears(join(b.attempt().dir, 'work', 'child')));
  const self = Number(await appears(join(b.attempt().dir, 'work', 'self')));
  await b.engine.end(b.attempt().dir);
  assert.equal(refusal(await running).reason, 'lost');
  await dies(child);
  await dies(self);
});

test('a runner that was killed is found out at once, and what it started ends', async (t) => {
  const b = await open(t);
  const running = b.run('sleep 100 & echo $! > child; wait');
  const child = Number(await appears(join(b.attempt().dir, 'work', 'child')));
  process.kill(JSON.parse(readFileSync(join(b.attempt().dir, 'pid.json'), 'utf8')).pid, 'SIGKILL');
  assert.equal(refusal(await running).reason, 'lost');
  await dies(child);
});

test('an aborted watcher looks away: the step goes on and the next engine takes it over', async (t) => {
  const b = await open(t);
  const abort = new AbortController();
  const watching = b.run(
    'echo once >> ../count; while [ ! -e stop ]; do sleep 0.01; done; echo made > out/x',
    { outputs: ['x'] },
    abort.signal,
  );
  await appears(join(b.attempt().dir, 'count'));
  abort.abort(new Error('the server stops'));
  await assert.rejects(watching, /the server stops/);
  const pid = JSON.parse(readFileSync(join(b.attempt().dir, 'pid.json'), 'utf8')).pid as number;
  assert.equal(isAlive(pid), true);
  const again = openProcessEngine(b.blobs).run(
    b.attempt({ fence: 2, outputs: ['x'] }),
    () => assert.fail('it has begun already'),
    new AbortController().signal,
  );
  writeFileSync(join(b.attempt().dir, 'work', 'stop'), '');
  assert.equal((await again).ok, true);
  assert.equal(readFileSync(join(b.attempt().dir, 'count'), 'utf8'), 'once\n');
});

test('a step that ended while nobody watched is collected, not run again', async (t) => {
  const b = await open(t);
  const abort = new AbortController();
  const watching = b.run('echo once >> ../count; echo made > out/x', { outputs: ['x'] }, abort.signal);
  await appears(join(b.attempt().dir, 'count'));
  abort.abort(new Error('stop'));
  await watching.catch(() => undefined);
  await appears(join(b.attempt().dir, 'exit.json'));
  const outcome = await b.run('echo twice >> ../count', { outputs: ['x'], fence: 2 });
  assert.equal(outcome.ok, true);
  assert.equal(readFileSync(join(b.attempt().dir, 'count'), 'utf8'), 'once\n');
});

test('a stored manifest is the answer for ever', async (t) => {
  const b = await open(t);
  const first = await b.run('echo once >> ../count; echo made > out/x', { outputs: ['x'] });
  assert.deepEqual(await b.run('echo twice >> ../count', { outputs: ['x'], fence: 9 }), first);
  assert.equal(readFileSync(join(b.attempt().dir, 'count'), 'utf8'), 'once\n');
});

test('a manifest of a newer claim wins over what an older holder would store', async (t) => {
  const b = await open(t);
  const older = b.run('while [ ! -e stop ]; do sleep 0.01; done', { fence: 1 });
  await appears(join(b.attempt().dir, 'pid.json'));
  const newer: AttemptOutcome = { ok: true, outputs: {}, entries: [], wallMs: 1 };
  writeFileSync(join(b.attempt().dir, 'manifest.json'), JSON.stringify({ fence: 2, outcome: newer }));
  writeFileSync(join(b.attempt().dir, 'work', 'stop'), '');
  assert.deepEqual(await older, newer);
  assert.equal(JSON.parse(readFileSync(join(b.attempt().dir, 'manifest.json'), 'utf8')).fence, 2);
});

test('a server killed before it gave the word leaves nothing running, and the step is begun again', async (t) => {
  const b = await open(t);
  const script = `
    import { openFolderStore } from ${JSON.stringify(join(import.meta.dirname, '../../kernel/blobs/folder-store.ts'))};
    import { openProcessEngine } from ${JSON.stringify(join(import.meta.dirname, 'process-engine.ts'))};
    const engine = openProcessEngine(await openFolderStore({ dir: ${JSON.stringify(b.folder)}, durability: 'process' }));
    await engine.run(${JSON.stringify(b.attempt())}, async () => ({ command: 'echo first >> ../count', files: [], variables: {}, secrets: {}, bin: null }), new AbortController().signal);`;
  const child = spawn(process.execPath, ['--no-warnings', '--input-type=module', '-e', script], {
    env: { ...process.env, GYRE_FAILPOINTS: 'engine.before-go=kill' },
    stdio: 'ignore',
  });
  await new Promise((resolve) => child.once('exit', resolve));
  const leader = JSON.parse(readFileSync(join(b.attempt().dir, 'pid.json'), 'utf8')).pid as number;
  await dies(leader);
  assert.equal(existsSync(join(b.attempt().dir, 'count')), false);
  assert.equal((await b.run('echo second >> ../count')).ok, true);
  assert.equal(readFileSync(join(b.attempt().dir, 'count'), 'utf8'), 'second\n');
});

test('a leader that had ended before it could be told apart is not waited for', async (t) => {
  const { attempt, run } = await open(t);
  const { dir } = attempt();
  mkdirSync(dir, { recursive: true });
  writeFileSync(join(dir, 'pid.json'), JSON.stringify({ pid: 2 ** 22 + 1, began: '', startedMs: Date.now() }));
  const outcome = await run('true', { timeoutMs: 5000 });
  assert.equal(outcome.ok, true, JSON.stringify(outcome));
});

test('a full disk while outputs are stored is told as such', async (t) => {
  const b = await open(t);
  const full: BlobStore = {
    ...b.blobs,
    begin: async () => ({
      ...(await b.blobs.begin()),
      add: () => Promise.reject(Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })),
    }),
  };
  const engine = openProcessEngine(full);
  await assert.rejects(
    engine.run(
      b.attempt({ outputs: ['x'] }),
      async () => ({ command: 'echo made > out/x', files: [], variables: {}, secrets: {}, bin: null }),
      new AbortController().signal,
    ),
    { code: 'storage-full' },
  );
  assert.equal(existsSync(join(b.attempt().dir, 'manifest.json')), false);
});

test('a staged folder is a copy: what a step does to its inputs never reaches the store', async (t) => {
  const b = await open(t);
  const entry = await b.store('row');
  await b.run('echo changed > in/rows/part.txt', { files: [{ path: 'in/rows/part.txt', entry }] });
  assert.equal((await b.blobs.read(entry)).toString(), 'row');
});
