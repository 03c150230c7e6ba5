import { test } from 'node:test';
import { fuzzControlPlane } from '../fuzz/control-plane.ts';
import { fuzzDataPlane } from '../fuzz/data-plane.ts';

const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));

test('Every route of the control plane refuses ten times as much of what is hostile', { timeout: 900_000 }, (t) =>
  fuzzControlPlane(t, { seed, rounds: 80 }),
);

test('Every protocol of the data plane refuses twenty times as much of what is hostile', { timeout: 600_000 }, (t) =>
  fuzzDataPlane(t, { seed, rounds: 800 }),
);
