import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { KeptText } from './kept-text.ts';
import { isGone, processMark } from './left-behind.ts';
import { keptVariables, lockFiles } from './machine.ts';
import { datasetsOf, inputFiles, isData, readFirst, type InputFile } from './opened-files.ts';
import { outputsBefore, outputsWritten } from './outputs.ts';
import { watchGroup } from './process-group.ts';
import { readRecord, type Opened } from './python-shim.ts';
import { isSecretFile, isSecretName, redactedWords, redactor, withoutCredentials } from './secrets.ts';
import { computesExperiment, experimentIn, namedPaths, programOf, quoted, sourceOf } from './words.ts';

function folder(t: TestContext): string {
  const path = realpathSync(mkdtempSync(join(tmpdir(), 'gyre-track-')));
  t.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
const never = new AbortController().signal;
const opened = (path: string, how: 'r' | 'w' = 'r'): Opened => ({ path, how, size: null, modifiedNs: null, seenBy: 'python' });

test('secrets go by the names of variables, options and files, and by their own form', () => {
  for (const name of ['API_KEY', 'api-key', 'apiKey', 'HF_TOKEN', 'AWS_SECRET_ACCESS_KEY', 'password', 'DB_PASSWORD', 'auth'])
    assert.ok(isSecretName(name), name);
  for (const name of ['PATH', 'KEYBOARD', 'max-tokens', 'tokenizer', 'author', 'monkey', 'lr']) assert.ok(!isSecretName(name), name);
  const redact = redactor({ MY_TOKEN: 'abcdef-1', PATH: '/usr/bin', SHORT_TOKEN: 'on' }, ['the-login']);
  assert.equal(redact('abcdef-1 the-login /usr/bin on'), '(redacted) (redacted) /usr/bin on');
  assert.equal(redact('see https://ada:pass@host/x and AKIAIOSFODNN7EXAMPLE'), 'see https://(redacted)@host/x and (redacted)');
  assert.equal(redact('-----BEGIN RSA PRIVATE KEY-----\nx\n-----END RSA PRIVATE KEY-----'), '(redacted)\n(redacted)\n(redacted)');
  assert.equal(
    redact('+k = "-----BEGIN PRIVATE KEY-----\n+MIIE\n+-----END PRIVATE KEY-----"\n+x'),
    '+k = "(redacted)\n+(redacted)\n+(redacted)"\n+x',
  );
  assert.equal(redact(`password = "hush-hush"; token: ''`), `password = "(redacted)"; token: ''`);
  const words = ['t.py', '--api-key', 'k', '--token=t', 'PASSWORD=p', '--password', '--lr', '0.1', '--max-tokens', '5'];
  assert.deepEqual(redactedWords(words, redact), [
    ...['t.py', '--api-key', '(redacted)', '--token=(redacted)', 'PASSWORD=(redacted)'],
    ...['--password', '--lr', '0.1', '--max-tokens', '5'],
  ]);
  for (const name of ['.env', '.env.local', 'server.pem', 'id_rsa', 'credentials.json', '.netrc', 'secrets.yaml'])
    assert.ok(isSecretFile(name), name);
  for (const name of ['env.py', 'keys.py', 'train.py', 'environment.yml']) assert.ok(!isSecretFile(name), name);
  assert.equal(withoutCredentials('https://ada:x@h/r.git'), 'https://h/r.git');
  assert.equal(withoutCredentials('git@h:r.git'), 'git@h:r.git');
});

test('of a long stream the beginning and the end are kept, in bounded memory', () => {
  const short = new KeptText();
  short.add(Buffer.from('naïve'));
  assert.equal(short.text(), 'naïve');
  const long = new KeptText();
  for (let i = 0; i < 20_000; i++) long.add(Buffer.from(`${String(i).padStart(999)}\n`));
  const text = long.text();
  assert.equal(long.total, 20_000_000);
  assert.ok(text.length < 4.3 * 1024 * 1024, String(text.length));
  assert.match(text, /^ +0\n/);
  assert.match(text, / 19999\n$/);
  const gone = Number(/\n\.\.\. (\d+) bytes were not kept \.\.\.\n/.exec(text)![1]);
  assert.equal(text.length - `\n... ${gone} bytes were not kept ...\n`.length + gone, 20_000_000);
});

test('the words of a command tell its script, its experiment and the files it names', (t) => {
  const cwd = folder(t);
  mkdirSync(join(cwd, 'data'));
  writeFileSync(join(cwd, 'train.py'), '');
  writeFileSync(join(cwd, 'run'), '', { mode: 0o755 });
  assert.deepEqual(sourceOf(['python', '-u', 'train.py'], cwd), { name: 'train.py', script: join(cwd, 'train.py') });
  assert.deepEqual(sourceOf(['python', '-m', 'pkg.train'], cwd), { name: '-m pkg.train', script: null });
  assert.deepEqual(sourceOf(['./run', '-m'], cwd), { name: './run', script: null });
  assert.deepEqual(namedPaths(['python', 'train.py', './data', '--in=data/none', '/', `--data=${cwd}/data`], cwd), [join(cwd, 'data')]);
  assert.equal(programOf('run', '/', cwd), join(cwd, 'run'));
  assert.equal(programOf('./run', cwd, ''), join(cwd, 'run'));
  assert.throws(() => programOf('none', cwd, cwd), { code: 'command-not-found' });
  assert.throws(() => programOf('./data', cwd, ''), { code: 'command-not-executable' });
  assert.equal(quoted(['a b', `it's`, 'x=1', '']), `'a b' 'it'\\''s' x=1 ''`);
  assert.equal(experimentIn('import mlflow\n# mlflow.set_experiment("old")\nmlflow.set_experiment("new one")\n'), 'new one');
  assert.equal(experimentIn(`mlflow.set_experiment(experiment_name='x', artifact_location="y")`), 'x');
  assert.equal(experimentIn('mlflow.set_experiment(name)'), undefined);
  assert.deepEqual(
    ['mlflow.set_experiment(name)', 'set_experiment("x")', '# set_experiment(y)', ''].map((script) => computesExperiment(script)),
    [true, false, false, false],
  );
});

test('inputs are data that was read before it was written; code, hidden files and environments are none', () => {
  for (const path of ['data/a.csv', 'a.parquet', '../x/y.json', 'model.onnx']) assert.ok(isData(path), path);
  for (const path of ['a.py', '.env', '.git/config', 'venv/x.json', 'lib/site-packages/x.json', 'x.so.1', 'mlruns/0/meta.yaml'])
    assert.ok(!isData(path), path);
  const { read, written } = readFirst(
    [
      opened('/w/a'),
      opened('/w/made', 'w'),
      opened('/w/made'),
      opened('/w/a', 'w'),
      opened('/elsewhere/b'),
      opened('/w2/c'),
      opened('/d/one.csv'),
    ],
    ['/w', '/d/one.csv'],
  );
  assert.deepEqual(
    read.map((f) => f.path),
    ['/w/a', '/d/one.csv'],
  );
  assert.deepEqual(written, ['/w/made', '/w/a']);
});

test('inputs have digests; what changed, vanished or is the same file twice is told so', async (t) => {
  const cwd = folder(t);
  for (const name of ['a', 'b', 'c']) writeFileSync(join(cwd, name), name);
  symlinkSync(join(cwd, 'a'), join(cwd, 'link'));
  const files = await inputFiles(
    [
      opened(join(cwd, 'a')),
      opened(join(cwd, 'link')),
      { ...opened(join(cwd, 'b')), size: 5, modifiedNs: 1n },
      opened(join(cwd, 'gone')),
      opened(cwd),
    ],
    cwd,
    never,
  );
  assert.deepEqual(
    files.map((f) => [f.path, f.sha256?.slice(0, 8) ?? null, f.changed ?? false]),
    [
      ['a', 'ca978112', false],
      ['b', '3e23e816', true],
      ['gone', null, false],
    ],
  );
});

test('files become datasets with digests that MLflow takes; a folder of many is one', () => {
  const file = (path: string): InputFile => ({ path, sizeBytes: 1, sha256: 'ab'.repeat(32), seenBy: 'proc' });
  const images = Array.from({ length: 21 }, (_, i) => file(`images/${i}.png`));
  const datasets = datasetsOf([file('a.csv'), ...images, { path: 'gone', sizeBytes: null, sha256: null, seenBy: 'proc' }], '/w');
  assert.deepEqual(
    datasets.map((d) => [d.name, d.source, d.tags['gyre.files']]),
    [
      ['a.csv', '{"uri":"/w/a.csv"}', undefined],
      ['images/', '{"uri":"/w/images/"}', '21'],
    ],
  );
  assert.ok(datasets.every((d) => d.digest.length <= 36 && d.tags['gyre.sha256']!.startsWith(d.digest)));
});

test('a record that was cut off by a kill is read up to its last line', () => {
  const path = Buffer.from('/w/ä b.csv').toString('hex');
  const {
    opened: files,
    pythons,
    full,
  } = readRecord(`python 7 ${Buffer.from('/bin/py').toString('hex')} 332e3132 -\nr 7 3 99 ${path}\nfull 7\nw 7 -1 -1 2f77`);
  assert.deepEqual(files, [{ path: '/w/ä b.csv', how: 'r', size: 3, modifiedNs: 99n, seenBy: 'python' }]);
  assert.deepEqual([pythons, full], [[{ pid: 7, executable: '/bin/py', version: '3.12', prefix: '' }], true]);
});

test('of outputs what is new or changed is taken; a link that leads out is not', async (t) => {
  const cwd = folder(t);
  mkdirSync(join(cwd, 'out/deep'), { recursive: true });
  writeFileSync(join(cwd, 'out/old'), '1');
  writeFileSync(join(cwd, 'out/changed'), '1');
  writeFileSync(join(cwd, 'secret'), '1');
  const before = await outputsBefore(['out', 'none'], cwd);
  writeFileSync(join(cwd, 'out/changed'), '22');
  writeFileSync(join(cwd, 'out/deep/new'), '333');
  symlinkSync(join(cwd, 'secret'), join(cwd, 'out/leak'));
  symlinkSync(join(cwd, 'out/deep/new'), join(cwd, 'out/best'));
  assert.deepEqual(
    (await outputsWritten(['out', 'none'], cwd, before)).map((o) => [o.artifact, o.sizeBytes]),
    [
      ['outputs/out/best', 3],
      ['outputs/out/changed', 2],
      ['outputs/out/deep/new', 3],
    ],
  );
});

test('files that any program holds open are seen, with how they were opened', async (t) => {
  const cwd = folder(t);
  writeFileSync(join(cwd, 'read.bin'), 'x');
  const child = spawn('sh', ['-c', 'exec 3<read.bin 4>made.bin; echo ready; read end'], {
    cwd,
    detached: true,
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  const { opened: seen, peakRssBytes, peakProcesses } = watchGroup(child.pid!, [cwd], true).stop();
  assert.deepEqual(seen.map((f) => [f.path.slice(cwd.length + 1), f.how, f.seenBy]).sort(), [
    ['made.bin', 'w', 'proc'],
    ['read.bin', 'r', 'proc'],
  ]);
  assert.ok(peakRssBytes! > 10_000);
  assert.equal(peakProcesses, 1);
});

test('a process is gone when its number is another’s or the machine began anew; of other containers nothing is said', () => {
  const mark = processMark(process.pid);
  const [pid, start, boot, namespace] = mark.split(' ');
  assert.equal(isGone(mark), false);
  assert.equal(isGone(`${pid} ${Number(start) - 1} ${boot} ${namespace}`), true);
  assert.equal(isGone(`${pid} ${Number(start) - 1} ${boot} pid:[1]`), false);
  assert.equal(isGone(''), false);
});

test('lock files are told by digest, variables only by their names', async (t) => {
  const cwd = folder(t);
  writeFileSync(join(cwd, 'requirements.txt'), 'a');
  writeFileSync(join(cwd, 'uv.lock'), 'b');
  writeFileSync(join(cwd, 'data.txt'), 'c');
  assert.deepEqual(Object.keys(await lockFiles([cwd, cwd])), [join(cwd, 'requirements.txt'), join(cwd, 'uv.lock')]);
  const env = { CUDA_VISIBLE_DEVICES: '0', OTHER: 'x', MY_KEY: 'k', API_KEY: 's' };
  assert.deepEqual(keptVariables(env, ['OTHER', 'API_KEY', 'NONE']), { CUDA_VISIBLE_DEVICES: '0', OTHER: 'x', API_KEY: '(redacted)' });
});
