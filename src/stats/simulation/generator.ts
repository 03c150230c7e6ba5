// Random numbers with a seed, for simulations.
import { normalQuantile } from '../normal.ts';

/** mulberry32: small, seeded, and good enough for this. */
export function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** A standard normal number from a uniform one. */
export const normalOf = (random: () => number): number => normalQuantile(random() * (1 - 1e-12) + 5e-13);
