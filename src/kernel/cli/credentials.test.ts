import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { findCredential, forgetCredential, keepCredential } from './credentials.ts';

test('tokens are kept per server in a file that only its owner can read', (t) => {
  const home = mkdtempSync(join(tmpdir(), 'gyre-home-'));
  t.after(() => rmSync(home, { recursive: true, force: true }));
  const of = (token: string) => ({ user: 'ada', workspace: 'default', tokenId: 'tok_1', token });
  assert.equal(findCredential('http://a:1', home), undefined);
  const file = keepCredential('http://a:1/', of('one'), home);
  writeFileSync(file, readFileSync(file), { mode: 0o644 });
  keepCredential('https://b', of('two'), home);
  assert.equal(statSync(file).mode & 0o777, 0o600);
  assert.equal(statSync(join(home, '.config', 'gyre')).mode & 0o777, 0o700);
  assert.deepEqual([findCredential('http://a:1', home)?.token, findCredential('https://b/x', home)?.token], ['one', 'two']);
  assert.equal(findCredential('http://a:2', home), undefined);
  forgetCredential('http://a:1', home);
  assert.deepEqual([findCredential('http://a:1', home), findCredential('https://b', home)?.token], [undefined, 'two']);
  // A damaged file is no reason to fail; the next login mends it.
  writeFileSync(file, '{"half":');
  assert.equal(findCredential('https://b', home), undefined);
  keepCredential('https://b', of('three'), home);
  assert.equal(findCredential('https://b', home)?.token, 'three');
});
