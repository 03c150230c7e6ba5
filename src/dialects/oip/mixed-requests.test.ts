import { test } from 'node:test';
import { runMixed } from './fixtures/mixed-requests.ts';

test('Of ten thousand requests of every kind at once each gets its own answer, as if it were alone', { timeout: 120_000 }, (t) =>
  runMixed(t, 10_000),
);
