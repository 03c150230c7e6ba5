import assert from 'node:assert/strict';
import { test } from 'node:test';
import { resolve } from 'node:path';
import { isProblem } from '../errors.ts';
import { editDistance, nearest, readSettings, settingsTable } from './settings.ts';

const refusal = (env: Record<string, string>): string => {
  try {
    readSettings(env);
  } catch (error) {
    if (isProblem(error)) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'accepted';
};

test('without settings the defaults hold, and the folder is absolute', () => {
  const settings = readSettings({ PATH: '/bin', HOME: '/' });
  assert.deepEqual([settings.port, settings.host, settings.dir], [7400, '127.0.0.1', resolve('.gyre')]);
  assert.equal(readSettings({}, { port: 1234 }).port, 1234);
});

test('a misspelt setting is refused, with the one that was probably meant', () => {
  assert.match(refusal({ GYRE_PROT: '1' }), /^setting-unknown: GYRE_PROT is not a setting of Gyre\. Did you mean GYRE_PORT\?/);
  assert.match(refusal({ GYRE_DATABASE_ULR: 'x' }), /Did you mean GYRE_DATABASE_URL\?/);
  assert.match(refusal({ GYRE_PROT: '1', GYRE_HOTS: 'x' }), /GYRE_PROT, GYRE_HOTS are not settings/);
  assert.doesNotMatch(refusal({ GYRE_XYZZY_PLUGH_FROB: '1' }), /Did you mean/);
  assert.equal(refusal({ GYREPORT: '1', NOT_GYRE_PORT: '1', gyre_port: '1' }), 'accepted');
});

test('a value that cannot be used is refused with what is expected, and a secret one is not repeated', () => {
  for (const [name, value] of [
    ['GYRE_PORT', '65536'],
    ['GYRE_PORT', '-1'],
    ['GYRE_PORT', '80 '],
    ['GYRE_PORT', ''],
    ['GYRE_PORT', '1e3'],
    ['GYRE_DURABILITY', 'Power'],
    ['GYRE_LOG_LEVEL', 'loud'],
    ['GYRE_COMPUTE_THREADS', '0'],
    ['GYRE_TRUST_PROCESS_ENGINE', 'yes'],
    ['GYRE_URL', 'localhost:7400'],
  ] as const)
    assert.match(refusal({ [name]: value }), new RegExp(`^setting-invalid: ${name}=.* is expected`), `${name}=${value}`);
  const secret = refusal({ GYRE_DATABASE_URL: 'mysql://user:hunter2@host/db' });
  assert.match(secret, /^setting-invalid: GYRE_DATABASE_URL=/);
  assert.doesNotMatch(secret, /hunter2/);
});

test('every setting is documented, has its own name, and takes its own default', () => {
  const entries = Object.values(settingsTable);
  assert.equal(new Set(entries.map((e) => e.env)).size, entries.length);
  for (const entry of entries) {
    assert.match(entry.env, /^GYRE_[A-Z0-9_]+$/);
    assert.ok(entry.doc.length > 10 && entry.expected.length > 0, entry.env);
    if (entry.default !== '') assert.equal(refusal({ [entry.env]: String(entry.default) }), 'accepted', entry.env);
  }
});

test('the nearest word is one that differs little', () => {
  assert.equal(editDistance('kitten', 'sitting'), 3);
  assert.equal(editDistance('', 'abc'), 3);
  assert.equal(nearest('colunms', ['rows', 'columns', 'column']), 'columns');
  assert.equal(nearest('zebra', ['rows', 'columns']), '');
});
