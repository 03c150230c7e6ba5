// Users' scripts with the newest client of MLflow 3.
import { test } from 'node:test';
import { runScenario, serve } from './served.ts';

test('scripts with the newest MLflow 3, an embedded database and a folder', { timeout: 280_000 }, async (t) => {
  await runScenario(t, '3', await serve(t));
});
