// Which variant answers. Weighted rendezvous hashing: variant i gets u_i = SHA-256(salt, id, key) in (0, 1)
// and the one with the largest ln(u_i) / weight_i wins. Each wins in proportion to its weight; the same key
// gets the same variant everywhere; when a weight grows, keys move only to that variant, so nobody flips back.
// Wang and Ravishankar, "Weighted rendezvous hashing". Canaries and trials both use it; assignment-vectors.json and
// docs/domains/trials.md say it for other languages.
import { hash } from 'node:crypto';

export interface Weighted {
  readonly id: string;
  readonly weight: number;
}

/** 52 bits of SHA-256 as a number in (0, 1). */
function uniform(salt: string, id: string, key: string): number {
  const digest = hash('sha256', `${salt}\u0000${id}\u0000${key}`, 'hex');
  return (Number.parseInt(digest.slice(0, 13), 16) + 0.5) / 2 ** 52;
}

/** The variant for a key. At least one weight must be positive. */
export function assignVariant<V extends Weighted>(variants: readonly V[], salt: string, key: string): V {
  const [only] = variants;
  if (variants.length === 1 && only) return only;
  let best: V | undefined;
  let bestScore = -Infinity;
  for (const variant of variants) {
    if (variant.weight <= 0) continue;
    const score = Math.log(uniform(salt, variant.id, key)) / variant.weight;
    if (best === undefined || score > bestScore) [best, bestScore] = [variant, score];
  }
  if (!best) throw new Error('no variant has a positive weight');
  return best;
}
