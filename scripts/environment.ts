// What programs started from a checkout share: uv as set-up.sh installed it, one cache of Python packages, and the environments made of them.
import { join } from 'node:path';

const repository = join(import.meta.dirname, '..');

/** The interpreter with the packages of examples/flights/python/requirements.lock. */
export const testPython = join(repository, '.cache/python/bin/python');

/** The environment for a server or a test run of this checkout. */
export const checkoutEnvironment = (): NodeJS.ProcessEnv => ({
  ...process.env,
  PATH: `${join(repository, 'node_modules/.bin')}:${process.env.PATH ?? ''}:${join(repository, '.cache/uv-tool/bin')}`,
  GYRE_UV_CACHE_DIR: process.env.GYRE_UV_CACHE_DIR ?? join(repository, '.cache/uv'),
  GYRE_ENVIRONMENTS_DIR: process.env.GYRE_ENVIRONMENTS_DIR ?? join(repository, '.cache/environments'),
});
