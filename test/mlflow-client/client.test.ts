// The protocol call by call, with the unmodified MLflow client that the example pins. The checks are in client.py.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { interpreter, runChecks, serve } from './served.ts';

test('the unmodified MLflow client', { timeout: 180_000 }, async (t) => {
  const { url } = await serve(t);
  const count = await runChecks(t, { python: interpreter('python'), script: [join(import.meta.dirname, 'client.py')], url });
  assert.ok(count > 30, `only ${count} checks ran`);
});
