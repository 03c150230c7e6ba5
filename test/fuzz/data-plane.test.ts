import { test } from 'node:test';
import { fuzzDataPlane } from './data-plane.ts';

const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));

test('Every protocol of the data plane refuses what is hostile in its own shape, and logs none of it', { timeout: 120_000 }, (t) =>
  fuzzDataPlane(t, { seed, rounds: 40 }),
);
