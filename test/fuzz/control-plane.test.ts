import { test } from 'node:test';
import { fuzzControlPlane } from './control-plane.ts';

const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));

test(
  'Every route of the control plane refuses what is hostile with a problem document, and then nothing has changed',
  { timeout: 120_000 },
  (t) => fuzzControlPlane(t, { seed, rounds: 5 }),
);

test('Every route of the control plane refuses what is hostile, whoever of its users sends it', { timeout: 120_000 }, (t) =>
  fuzzControlPlane(t, { seed, rounds: 5, users: true }),
);
