// Environments made for real by uv, from wheels that a small index on this machine serves.
import assert from 'node:assert/strict';
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { openControl } from '../../../test/support/control.ts';
import { eachDatabase } from '../../../test/support/databases.ts';
import { isProblem } from '../../kernel/errors.ts';
import { processStart } from '../../kernel/process/process-start.ts';
import { parseLock } from './lock.ts';
import { declareEnvironment } from './public.ts';
import { findInterpreter } from './interpreter.ts';
import { realise, resolveEnvironment, type Realisation } from './realise.ts';
import { compileLock, type RealiseOptions } from './uv.ts';

const exec = promisify(execFile);

const WHEEL = `
import sys, zipfile, hashlib, base64
name, version, path = sys.argv[1:]
info = f'{name}-{version}.dist-info'
files = {f'{name}/__init__.py': f'version = "{version}"\\n', f'{info}/METADATA': f'Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n',
  f'{info}/WHEEL': 'Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n'}
record = ''.join(f"{p},sha256={base64.urlsafe_b64encode(hashlib.sha256(c.encode()).digest()).rstrip(b'=').decode()},{len(c)}\\n" for p, c in files.items())
files[f'{info}/RECORD'] = record + f'{info}/RECORD,,\\n'
with zipfile.ZipFile(path, 'w') as z:
  for p, c in files.items(): z.writestr(zipfile.ZipInfo(p, (2024, 1, 1, 0, 0, 0)), c)
`;

interface Index {
  readonly dir: string;
  readonly line: (name: string, version: string) => string;
  readonly make: (text: string, name?: string, signal?: AbortSignal) => Promise<Realisation>;
  readonly downloads: () => number;
}

async function openIndex(t: TestContext): Promise<Index> {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-env-'));
  const wheels = new Map<string, Buffer>();
  for (const [name, version] of [
    ['tiny', '1.0'],
    ['tiny', '2.0'],
    ['small', '1.0'],
  ] as const) {
    const file = `${name}-${version}-py3-none-any.whl`;
    execFileSync('python3', ['-c', WHEEL, name, version, join(dir, file)]);
    wheels.set(file, readFileSync(join(dir, file)));
  }
  let downloads = 0;
  const server = createServer((request, reply) => {
    const [, kind, name = ''] = request.url!.split('/');
    const files = [...wheels.keys()].filter((f) => f.startsWith(`${name}-`));
    if (kind === 'files' && wheels.has(name)) {
      downloads += request.method === 'GET' ? 1 : 0;
      return void reply.end(wheels.get(name));
    }
    if (kind !== 'simple' || files.length === 0) return void reply.writeHead(404).end();
    reply.setHeader('content-type', 'text/html');
    reply.end(`<!DOCTYPE html><html><body>${files.map((f) => `<a href="/files/${f}">${f}</a>`).join('')}</body></html>`);
  });
  await new Promise<void>((ready) => server.listen(0, '127.0.0.1', ready));
  const before = process.env.UV_DEFAULT_INDEX;
  process.env.UV_DEFAULT_INDEX = `http://127.0.0.1:${(server.address() as { port: number }).port}/simple`;
  t.after(() => {
    if (before === undefined) delete process.env.UV_DEFAULT_INDEX;
    else process.env.UV_DEFAULT_INDEX = before;
    server.close();
    server.closeAllConnections();
    rmSync(dir, { recursive: true, force: true });
  });
  const hash = (name: string, version: string): string =>
    createHash('sha256')
      .update(wheels.get(`${name}-${version}-py3-none-any.whl`)!)
      .digest('hex');
  return {
    dir,
    line: (name, version) => `${name}==${version} --hash=sha256:${hash(name, version)}\n`,
    make: async (text, name = 'requirements.lock', signal) =>
      realise(await resolveEnvironment(parseLock(text, name), null), text, name, {
        dir,
        uvCacheDir: '',
        environmentsDir: '',
        ...(signal ? { signal } : {}),
      }),
    downloads: () => downloads,
  };
}

/** Makes it in a process of its own; says whether that process was the one that made it. */
async function elsewhere(lock: string, options: RealiseOptions): Promise<string> {
  const program = `
    import { parseLock } from ${JSON.stringify(import.meta.resolve('./lock.ts'))};
    import { realise, resolveEnvironment } from ${JSON.stringify(import.meta.resolve('./realise.ts'))};
    const text = ${JSON.stringify(lock)};
    const made = await realise(await resolveEnvironment(parseLock(text, 'r.lock'), null), text, 'r.lock', ${JSON.stringify(options)});
    console.log(made.created);`;
  const { stdout } = await exec(process.execPath, ['--no-warnings', '--input-type=module', '-e', program], { env: process.env });
  return stdout.trim();
}

const says = (made: Realisation, code: string): string => execFileSync(made.python, ['-c', code], { encoding: 'utf8' }).trim();

test('An environment is made once, shared, and made again when a file of it is gone, changed or half written', async (t) => {
  const index = await openIndex(t);
  const lock = index.line('tiny', '1.0') + index.line('small', '1.0');
  const all = await Promise.all([1, 2, 3].map(() => index.make(lock)));
  assert.deepEqual(
    all.map((r) => r.python),
    Array(3).fill(all[0]!.python),
  );
  assert.equal(readdirSync(join(index.dir, 'environments'), { withFileTypes: true }).filter((e) => e.isDirectory()).length, 1);
  const root = join(all[0]!.bin, '..');
  assert.equal(says(all[0]!, 'import tiny, small; print(tiny.version, small.version)'), '1.0 1.0');
  assert.equal((await index.make(lock)).created, false);
  assert.equal(
    (await index.make(index.line('small', '1.0') + index.line('tiny', '1.0'))).created,
    false,
    'the order of the lock is no difference',
  );

  const site = join(root, 'lib', readdirSync(join(root, 'lib'))[0]!, 'site-packages');
  for (const [what, damage] of [
    ['the marker is missing, as after a crash', () => unlinkSync(join(root, 'whole.json'))],
    ['the marker is cut short', () => writeFileSync(join(root, 'whole.json'), '{"pack')],
    ['a package is gone', () => rmSync(join(site, 'tiny-1.0.dist-info'), { recursive: true })],
    ['the interpreter is gone', () => unlinkSync(join(root, 'bin', 'python'))],
  ] as const) {
    damage();
    const again = await index.make(lock);
    assert.equal(again.created, true, what);
    assert.equal(says(again, 'import tiny; print(tiny.version)'), '1.0', what);
  }
  assert.equal(index.downloads(), 2, 'what is made again comes from the cache');
});

test('What is asked for is locked with hashes, and what does not fit together says so', async (t) => {
  const index = await openIndex(t);
  const [interpreter, options] = [await findInterpreter(null), { dir: index.dir, uvCacheDir: '', environmentsDir: '' }];
  const lock = parseLock(await compileLock(['tiny<2', 'small'], interpreter, options), 'asked.lock');
  assert.deepEqual(
    lock.packages.map((p) => `${p.name} ${p.version} ${p.hashes.length}`),
    ['small 1.0 1', 'tiny 1.0 1'],
  );
  await assert.rejects(compileLock(['tiny==1.0', 'tiny>=2'], interpreter, options), { code: 'environment-unresolvable', message: /tiny/ });
});

test('A file of a package that is missing or has another size is noticed by the next process', async (t) => {
  const index = await openIndex(t);
  const lock = index.line('tiny', '2.0');
  const { bin } = await index.make(lock);
  const site = join(bin, '..', 'lib', readdirSync(join(bin, '..', 'lib'))[0]!, 'site-packages');
  const other = (): Promise<string> => elsewhere(lock, { dir: index.dir, uvCacheDir: '', environmentsDir: '' });
  assert.equal(await other(), 'false');
  unlinkSync(join(site, 'tiny', '__init__.py'));
  assert.equal(await other(), 'true');
  // A copy, so that the cache that uv links from stays as it was.
  const text = readFileSync(join(site, 'tiny', '__init__.py'));
  unlinkSync(join(site, 'tiny', '__init__.py'));
  writeFileSync(join(site, 'tiny', '__init__.py'), text);
  appendFileSync(join(site, 'tiny', '__init__.py'), 'x = 1\n');
  assert.equal(await other(), 'true');
  assert.equal(statSync(join(site, 'tiny', '__init__.py')).size, text.length);
});

test('Servers that share a folder of environments make each of them once, and one that was killed while it did holds nobody up', async (t) => {
  const index = await openIndex(t);
  const lock = index.line('tiny', '1.0') + index.line('small', '1.0');
  const environmentsDir = join(index.dir, 'shared');
  const optionsOf = (server: string): RealiseOptions => ({
    dir: join(index.dir, server),
    uvCacheDir: join(index.dir, 'cache'),
    environmentsDir,
  });
  const made = await Promise.all(['a', 'b', 'c'].map((server) => elsewhere(lock, optionsOf(server))));
  assert.deepEqual(made.toSorted(), ['false', 'false', 'true']);
  const { digest } = await resolveEnvironment(parseLock(lock, 'r.lock'), null);
  assert.equal(readdirSync(environmentsDir).includes(`${digest}.lock`), false, 'nobody holds it');
  // What a killed process leaves: its lock, and half an environment.
  writeFileSync(join(environmentsDir, `${digest}.lock`), '4194303 0');
  unlinkSync(join(environmentsDir, digest, 'whole.json'));
  assert.equal(await elsewhere(lock, optionsOf('d')), 'true');
  // Whoever waits for one that lives can be told to stop.
  writeFileSync(join(environmentsDir, `${digest}.lock`), `${process.pid} ${processStart(process.pid)}`);
  unlinkSync(join(environmentsDir, digest, 'whole.json'));
  const waiting = realise(await resolveEnvironment(parseLock(lock, 'r.lock'), null), lock, 'r.lock', {
    ...optionsOf('e'),
    signal: AbortSignal.timeout(300),
  });
  await assert.rejects(waiting, (error) => isProblem(error, 'environment-cancelled'));
});

test('pylock.toml and uv.lock install the same as requirements; markers of other platforms are skipped', async (t) => {
  const index = await openIndex(t);
  const hash = (name: string, version: string): string => index.line(name, version).split('sha256:')[1]!.trim();
  const pylock = `lock-version = "1.0"\ncreated-by = "t"\n[[packages]]\nname = "tiny"\nversion = "1.0"\nwheels = [{ name = "t.whl", hashes = { sha256 = "${hash('tiny', '1.0')}" } }]\n`;
  const uv = `version = 1\n[[package]]\nname = "app"\nversion = "0"\nsource = { virtual = "." }\ndependencies = [{ name = "tiny" }, { name = "small", marker = "sys_platform == 'never'" }]\n[[package]]\nname = "tiny"\nversion = "1.0"\nsource = { registry = "r" }\nwheels = [{ hash = "sha256:${hash('tiny', '1.0')}" }]\n[[package]]\nname = "small"\nversion = "1.0"\nsource = { registry = "r" }\nwheels = [{ hash = "sha256:${hash('small', '1.0')}" }]\n`;
  const first = await index.make(pylock, 'pylock.toml');
  assert.equal(says(first, 'import tiny; print(tiny.version)'), '1.0');
  assert.equal((await index.make(index.line('tiny', '1.0'))).created, false, 'the same packages are the same environment');
  const second = await index.make(uv, 'uv.lock');
  assert.equal(second.created, true);
  assert.equal(says(second, 'import tiny, importlib.util as u; print(tiny.version, u.find_spec("small"))'), '1.0 None');
});

test('Bytes that do not have the locked hash are not installed, and leave nothing behind', async (t) => {
  const index = await openIndex(t);
  for (const [lock, why] of [
    [index.line('tiny', '1.0').replace(/[0-9a-f]{64}/, 'f'.repeat(64)), /hash/i],
    [`nowhere==1.0 --hash=sha256:${'0'.repeat(64)}\n`, /nowhere/],
  ] as const)
    await assert.rejects(index.make(lock), (error: unknown) => {
      assert.ok(isProblem(error, 'environment-failed'), String(error));
      assert.match(error.message, why);
      return true;
    });
  assert.deepEqual(
    readdirSync(join(index.dir, 'environments'), { withFileTypes: true }).filter((e) => e.isDirectory()),
    [],
  );
});

test('Who waits for an environment gets it although the one who began was cancelled', async (t) => {
  const index = await openIndex(t);
  const abort = new AbortController();
  const [cancelled, waiting] = [index.make(index.line('small', '1.0'), 'r.lock', abort.signal), index.make(index.line('small', '1.0'))];
  abort.abort();
  await assert.rejects(cancelled, { code: 'environment-cancelled' });
  assert.ok(existsSync((await waiting).python));
});

test('A Python that is missing or too old is told in one sentence', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-path-'));
  const path = process.env.PATH;
  t.after(() => {
    process.env.PATH = path!;
    rmSync(folder, { recursive: true, force: true });
  });
  process.env.PATH = folder;
  await assert.rejects(findInterpreter(null), {
    message: 'Python 3.10 or newer is needed, and PATH has no Python; install it, or change "python" of the environment.',
  });
  const old = join(folder, 'python3');
  writeFileSync(old, `#!/bin/sh\necho '["/old/python3", "CPython", "3.8.19", "linux-x86_64"]'\n`);
  chmodSync(old, 0o755);
  mkdirSync(join(folder, 'more'));
  symlinkSync('/bin/sh', join(folder, 'sh'));
  process.env.PATH = `${folder}${delimiter}${join(folder, 'more')}`;
  await assert.rejects(findInterpreter(null), {
    message: 'Python 3.10 or newer is needed, and PATH has only Python 3.8.19; install it, or change "python" of the environment.',
  });
  await assert.rejects(findInterpreter('3.99'), { message: /^Python 3\.99 is needed, and PATH has only Python 3\.8\.19/ });
});

eachDatabase('Environments are declared once, found by the beginning of their digest, and compared', async (t, kind) => {
  const c = await openControl(t, kind);
  const line = (name: string, version: string): string => `${name}==${version} --hash=sha256:${'a'.repeat(64)}\n`;
  const a = await declareEnvironment(c.ctx, line('numpy', '1.26.0') + line('six', '1.0'), 'a.lock', null);
  const b = await declareEnvironment(c.ctx, line('numpy', '2.0.0') + line('pandas', '2.0'), 'b.lock', null);
  await Promise.all([1, 2].map(() => declareEnvironment(c.ctx, line('six', '1.0') + line('numpy', '1.26.0'), 'a.lock', null)));
  const listed = await c.call('GET', '/environments');
  assert.deepEqual(
    listed.get<{ packages: number }[]>('items').map((e) => e.packages),
    [2, 2],
  );
  const diff = await c.call('GET', `/environments/${a.digest}/diff/${b.digest.slice(0, 12)}`);
  assert.deepEqual([diff.get('python'), diff.get('platform')], [null, null]);
  assert.deepEqual(
    diff.get<{ change: string; name: string }[]>('packages').map((p) => `${p.change} ${p.name}`),
    ['major numpy', 'added pandas', 'removed six'],
  );
  assert.deepEqual((await c.call('GET', `/environments/${a.digest}/diff/${a.digest}`)).get('packages'), []);
  assert.equal((await c.call('GET', '/environments/ffffffffffff')).code, 'environment-not-found');
  assert.equal((await c.call('GET', '/environments/%25%25%25%25')).code, 'environment-not-found');
  assert.equal((await c.call('GET', '/environments/abc')).status, 400);
  await assert.rejects(declareEnvironment(c.ctx, 'six==1.0', 'x.lock', null), { code: 'lock-invalid' });
});
