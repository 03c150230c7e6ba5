import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { readSettings } from './config/settings.ts';
import { openText, sealText } from './sealed-text.ts';

test('a sealed text is opened by the same key for the same use, and by nothing else', (t) => {
  const folder = () => {
    const dir = mkdtempSync(join(tmpdir(), 'gyre-sealed-'));
    t.after(() => rmSync(dir, { recursive: true, force: true }));
    return dir;
  };
  const [a, b] = [readSettings({ GYRE_DIR: folder() }), readSettings({ GYRE_DIR: folder() })];
  const sealed = sealText(a, 'päss', 'whk_1');
  assert.doesNotMatch(sealed, /p.ss/);
  assert.notEqual(sealText(a, 'päss', 'whk_1'), sealed, 'equal secrets do not look equal');
  assert.equal(openText(a, sealed, 'whk_1'), 'päss');
  assert.equal(openText(a, sealed, 'whk_2'), undefined);
  assert.equal(openText(b, sealed, 'whk_1'), undefined);
  const changed = `${sealed.slice(0, -2)}${sealed.endsWith('AA') ? 'BB' : 'AA'}`;
  assert.equal(openText(a, changed, 'whk_1'), undefined);
  assert.equal(openText(a, 'not sealed', 'whk_1'), undefined);
  assert.equal(statSync(join(a.dir, 'run', 'secrets.key')).mode & 0o077, 0);
  // Several servers of one database are given one key.
  const shared = { GYRE_SECRETS_KEY: 'a key that is long enough for this' };
  const [c, d] = [readSettings({ GYRE_DIR: folder(), ...shared }), readSettings({ GYRE_DIR: folder(), ...shared })];
  assert.equal(openText(d, sealText(c, 'x', ''), ''), 'x');
});
