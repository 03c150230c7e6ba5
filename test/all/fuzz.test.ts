import { test } from 'node:test';
import { fuzzControlPlane } from '../fuzz/control-plane.ts';
import { fuzzDataPlane } from '../fuzz/data-plane.ts';

const seed = Number(process.env.TEST_SEED ?? Math.floor(Math.random() * 1e9));

for (const kind of ['sqlite', 'postgres'] as const)
  for (const users of [false, true])
    test(
      `Every route of the control plane refuses ten times as much of what is hostile (${kind}, ${users ? 'with' : 'without'} users)`,
      { timeout: 900_000 },
      (t) => fuzzControlPlane(t, { seed, rounds: 40, kind, users }),
    );

test('Every protocol of the data plane refuses twenty times as much of what is hostile', { timeout: 600_000 }, (t) =>
  fuzzDataPlane(t, { seed, rounds: 800 }),
);
