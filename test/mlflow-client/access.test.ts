// What the unmodified MLflow client sends to a server with logins. The checks are in access.py.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { interpreter, runChecks, serve, temporaryFolder } from './served.ts';

test('the unmodified MLflow client at a server with logins', { timeout: 180_000 }, async (t) => {
  const password = join(temporaryFolder(t), 'password');
  writeFileSync(password, 'admin-has-a-password');
  const { url } = await serve(t, { BOOTSTRAP_AUTH: 'basic', BOOTSTRAP_ADMIN_USER: 'admin', BOOTSTRAP_ADMIN_PASSWORD_FILE: password });
  const count = await runChecks(t, { python: interpreter('python'), script: [join(import.meta.dirname, 'access.py')], url });
  assert.equal(count, 7);
});
