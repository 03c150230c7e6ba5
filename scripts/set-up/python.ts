// The Python environment of examples/flights, made where the servers of this checkout look for it (scripts/environment.ts),
// and compiled, so that no training of a demo or a test has to wait for that. `.cache/python` leads to it.
import { execFileSync } from 'node:child_process';
import { globSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { realiseRequirements } from '../../src/domains/environments/public.ts';
import { checkoutEnvironment } from '../environment.ts';

const repository = join(import.meta.dirname, '../..');
const cache = join(repository, '.cache');
const { PATH, GYRE_UV_CACHE_DIR: uvCacheDir = '', GYRE_ENVIRONMENTS_DIR: environmentsDir = '' } = checkoutEnvironment();
// uv and the interpreter are found as a server of this checkout finds them.
process.env.PATH = PATH;
const text = readFileSync(join(repository, 'examples/flights/python/requirements.lock'), 'utf8');
const { bin, python } = await realiseRequirements(
  { text, file: 'requirements.lock', python: null },
  { dir: cache, uvCacheDir, environmentsDir },
);
const root = join(bin, '..');
// Files that some packages bring for other versions of Python do not compile, and are never imported.
execFileSync(python, ['-m', 'compileall', '-qq', '-j', '0', ...globSync('lib/python*/site-packages', { cwd: root })], {
  cwd: root,
  stdio: 'inherit',
});
const link = join(cache, 'python');
rmSync(link, { recursive: true, force: true });
symlinkSync(relative(cache, root), link);
