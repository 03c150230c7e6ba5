// As src/dialects/oip/mixed-requests.test.ts, ten times as many.
import { test } from 'node:test';
import { runMixed } from '../../src/dialects/oip/fixtures/mixed-requests.ts';

test('Of a hundred thousand requests of every kind at once each gets its own answer, as if it were alone', { timeout: 280_000 }, (t) =>
  runMixed(t, 100_000),
);
