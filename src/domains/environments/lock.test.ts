import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { isProblem } from '../../kernel/errors.ts';
import { diffLocks, environmentDigest, lockDigest, parseLock } from './lock.ts';

const hash = (x: string): string => `sha256:${x.repeat(64)}`;
const [A, B, C] = [hash('a'), hash('b'), hash('c')];
const faultsOf = (text: string, file = 'r.lock'): string[] => {
  try {
    parseLock(text, file);
  } catch (error) {
    assert.ok(isProblem(error, 'lock-invalid'), String(error));
    return error.faults.map((f) => `${f.pointer}: ${f.detail}`);
  }
  return [];
};

const requirements = `# made by uv\nNumPy==2.2.3 \\\n    --hash=${A} \\\n    --hash=${B}\n    # via app\nsix==1.17.0 ; python_version < "3.12" --hash=${C}\n`;
const pylock = `lock-version = "1.0"\ncreated-by = "x"\n[[packages]]\nname = "six"\nversion = "1.17.0"\nmarker = 'python_version < "3.12"'\nwheels = [{ name = "s.whl", hashes = { sha256 = "${'c'.repeat(64)}" } }]\n[[packages]]\nname = "numpy"\nversion = "2.2.3"\nsdist = { name = "n.tgz", hashes = { sha256 = "${'a'.repeat(64)}" } }\nwheels = [{ name = "n.whl", hashes = { sha256 = "${'b'.repeat(64)}" } }]\n`;
const uv = `version = 1
revision = 3
requires-python = ">=3.10"
[[package]]
name = "app"
version = "0.1.0"
source = { virtual = "." }
dependencies = [{ name = "numpy" }, { name = "six", marker = 'python_version < "3.12"' }]
[package.dev-dependencies]
dev = [{ name = "pytest" }]
[[package]]
name = "numpy"
version = "2.2.3"
source = { registry = "https://example.invalid/simple" }
sdist = { url = "https://example.invalid/n.tgz", hash = "${A}", size = 1 }
wheels = [{ url = "https://example.invalid/n.whl", hash = "${B}", size = 1 }]
[[package]]
name = "pytest"
version = "8.0.0"
source = { registry = "https://example.invalid/simple" }
wheels = [{ url = "https://example.invalid/p.whl", hash = "${A}" }]
[[package]]
name = "six"
version = "1.17.0"
source = { registry = "https://example.invalid/simple" }
wheels = [{ url = "https://example.invalid/s.whl", hash = "${C}" }]
`;

test('Requirements, pylock.toml and uv.lock of the same packages are the same lock', () => {
  const packages = [
    { name: 'numpy', version: '2.2.3', hashes: [A, B], marker: null },
    { name: 'six', version: '1.17.0', hashes: [C], marker: 'python_version < "3.12"' },
  ];
  for (const [text, file, format] of [
    [requirements, 'python/requirements.lock', 'requirements'],
    [requirements.replaceAll('\n', '\r\n'), 'requirements.txt', 'requirements'],
    [pylock, 'pylock.toml', 'pylock'],
    [pylock, 'a/pylock.training.toml', 'pylock'],
    [uv, 'uv.lock', 'uv'],
  ] as const) {
    const lock = parseLock(text, file);
    assert.deepEqual([lock.format, lock.packages], [format, packages], file);
    assert.equal(lockDigest(lock), lockDigest({ format: 'requirements', packages: packages as never }));
  }
});

test('The lock digest is of packages only; the environment digest adds interpreter, minor version and platform', () => {
  const lock = lockDigest(parseLock(requirements, 'r.lock'));
  const [first, second] = requirements.split(/(?=six==)/);
  assert.equal(lockDigest(parseLock(`${second}${first}`, 'r.lock')), lock);
  assert.notEqual(lockDigest(parseLock(requirements.replace('2.2.3', '2.2.4'), 'r.lock')), lock);
  assert.notEqual(lockDigest(parseLock(requirements.replace(`    --hash=${B}`, `    --hash=${C}`), 'r.lock')), lock);
  const on = { implementation: 'CPython', minor: '3.11', platform: 'linux-x86_64' };
  const digests = [on, { ...on, minor: '3.12' }, { ...on, platform: 'macosx' }, { ...on, implementation: 'PyPy' }].map((p) =>
    environmentDigest(lock, p),
  );
  assert.equal(new Set(digests).size, 4);
  assert.equal(environmentDigest(lock, { ...on, path: '/x', version: '3.11.9' } as never), digests[0]);
});

test('The lock of the flights example is read whole', () => {
  const lock = parseLock(
    readFileSync(join(import.meta.dirname, '../../../examples/flights/python/requirements.lock'), 'utf8'),
    'requirements.lock',
  );
  assert.ok(lock.packages.length > 20);
  assert.ok(lock.packages.every((p) => p.hashes.length > 0 && p.version !== ''));
});

test('What does not pin by hash is refused, with file and line', () => {
  assert.deepEqual(faultsOf('six==1.0\n'), ['r.lock:1: six has no --hash']);
  assert.deepEqual(faultsOf(`\nsix>=1.0 --hash=${A}`), [
    `r.lock:2: "six>=1.0 --hash=${A.slice(0, 44)}" does not pin one version: write name==version with --hash`,
  ]);
  assert.deepEqual(faultsOf('-r other.txt\n--index-url https://x'), [
    'r.lock:1: the option "-r" is not part of a lock; a lock names packages and hashes only',
    'r.lock:2: the option "--index-url" is not part of a lock; a lock names packages and hashes only',
  ]);
  assert.match(faultsOf('six==1.0 --hash=md5:0123')[0]!, /^r\.lock:1: "md5:0123" is not a SHA-256/);
  assert.match(faultsOf('six @ https://x/six.whl')[0]!, /does not pin one version/);
  assert.deepEqual(faultsOf('# nothing\n'), ['r.lock:1: locks no package']);
  assert.match(faultsOf('[[package]\n', 'uv.lock')[0]!, /^uv\.lock:1:/);
  assert.deepEqual(faultsOf(uv.replace(`, hash = "${C}"`, ''), 'uv.lock'), [
    `uv.lock:${uv.slice(0, uv.indexOf('name = "six"\n')).split('\n').length}: six has no file with a hash`,
  ]);
  assert.deepEqual(faultsOf(`[[packages]]\nname = "six"\nvcs = { type = "git" }`, 'pylock.toml'), [
    'pylock.toml:2: six has no file with a hash',
    'pylock.toml:2: six has no version',
  ]);
});

test('Of a uv.lock the conditions on the arrows, extras, forks and circles are followed', () => {
  const entry = (name: string, version: string, more: string): string =>
    `[[package]]\nname = "${name}"\nversion = "${version}"\nsource = { registry = "r" }\nwheels = [{ hash = "${A}" }]\n${more}\n`;
  const text = [
    `version = 1\n[[package]]\nname = "app"\nversion = "0"\nsource = { editable = "." }\ndependencies = [{ name = "a", extra = ["x"] }, { name = "n", version = "1", marker = "python_version < '3.11'" }, { name = "n", version = "2", marker = "python_version >= '3.11'" }, { name = "w", marker = "sys_platform == 'win32'" }]`,
    entry(
      'a',
      '1',
      `dependencies = [{ name = "b", marker = "os_name == 'nt' or os_name == 'x'" }]\n[package.optional-dependencies]\nx = [{ name = "c" }]\ny = [{ name = "unused" }]`,
    ),
    entry('b', '1', `dependencies = [{ name = "a" }, { name = "d", marker = "python_version < '3.12'" }]`),
    entry('c', '1', ''),
    entry('d', '1', ''),
    entry('n', '1', ''),
    entry('n', '2', ''),
    entry('unused', '1', ''),
    entry('w', '1', `dependencies = [{ name = "d" }]`),
  ].join('\n');
  assert.deepEqual(
    parseLock(text, 'uv.lock').packages.map((p) => [`${p.name} ${p.version}`, p.marker]),
    [
      ['a 1', null],
      ['b 1', "os_name == 'nt' or os_name == 'x'"],
      ['c 1', null],
      ['d 1', "((os_name == 'nt' or os_name == 'x') and python_version < '3.12') or (sys_platform == 'win32')"],
      ['n 1', "python_version < '3.11'"],
      ['n 2', "python_version >= '3.11'"],
      ['w 1', "sys_platform == 'win32'"],
    ],
  );
});

test('Two locks differ by package, the changes most likely to matter first', () => {
  const p = (name: string, version: string, hash = A!) => ({ name, version, hashes: [hash], marker: null });
  const changes = diffLocks(
    [p('same', '1'), p('major', '1.9.0'), p('minor', '1.1.0'), p('patch', '1.1.1'), p('gone', '1'), p('rebuilt', '1', A)],
    [p('same', '1'), p('major', '2.0.0'), p('minor', '1.2.0'), p('patch', '1.1.2'), p('new', '1'), p('rebuilt', '1', B)],
  );
  assert.deepEqual(
    changes.map((c) => `${c.change} ${c.name} ${c.before} ${c.after}`),
    [
      'major major 1.9.0 2.0.0',
      'added new null 1',
      'removed gone 1 null',
      'minor minor 1.1.0 1.2.0',
      'patch patch 1.1.1 1.1.2',
      'rebuilt rebuilt 1 1',
    ],
  );
  const forked = [p('n', '1'), p('n', '2')];
  assert.deepEqual(diffLocks(forked, forked), []);
  assert.deepEqual(
    diffLocks(forked, [p('n', '1')]).map((c) => [c.before, c.after]),
    [['1, 2', '1']],
  );
});
