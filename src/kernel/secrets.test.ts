import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { redactorOf, resolveSecret } from './secrets.ts';

test('a reference is resolved where it points, and to nothing where there is nothing', (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-secrets-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, 'key:with:colons');
  writeFileSync(file, '  value\n');
  const env = { KEY: 'from the environment', EMPTY: '' };
  assert.equal(resolveSecret('env:KEY', env), 'from the environment');
  assert.equal(resolveSecret('env:EMPTY', env), '');
  assert.equal(resolveSecret('env:NONE', env), undefined);
  assert.equal(resolveSecret(`file:${file}`, env), '  value');
  assert.equal(resolveSecret(`file:${folder}/none`, env), undefined);
  assert.equal(resolveSecret(`file:${folder}`, env), undefined);
  // A value that somebody wrote down instead of a reference is no reference.
  for (const plain of ['hunter2', 'KEY', '', 'vault://x', 'https://x'] as const) assert.equal(resolveSecret(plain, env), undefined);
});

test('redaction takes out every form of a secret, the longest first, and leaves short ones alone', () => {
  const redact = redactorOf(['abcd', 'abcdef', 'with "quotes"\nand lines', 'ä ö', 'no']);
  assert.equal(redact('abcdefabcd'), '(redacted)(redacted)');
  assert.equal(redact(JSON.stringify({ x: 'with "quotes"\nand lines' })), '{"x":"(redacted)"}');
  assert.equal(redact(encodeURIComponent('ä ö')), '(redacted)');
  assert.equal(redact('no harm'), 'no harm');
});
