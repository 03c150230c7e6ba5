import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { folderKey } from './folder-key.ts';

test('A folder keeps its key, which nobody else may read and no other folder has', (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gyre-key-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const [a, b] = [join(dir, 'a', 'own.key'), join(dir, 'b', 'own.key')];
  const key = folderKey(a);
  assert.equal(key.length, 32);
  assert.deepEqual(folderKey(a), key);
  assert.notDeepEqual(folderKey(b), key);
  assert.equal(statSync(a).mode & 0o077, 0);
  assert.deepEqual(readdirSync(join(dir, 'a')), ['own.key']);
});
