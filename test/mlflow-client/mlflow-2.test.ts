// Users' scripts with the last client of MLflow 2.
import { test } from 'node:test';
import { runScenario, serve } from './served.ts';

test('scripts with the last MLflow 2, an embedded database and a folder', { timeout: 280_000 }, async (t) => {
  await runScenario(t, '2', await serve(t));
});
