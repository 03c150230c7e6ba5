// Logged predictions beside the oracle.
import { path, type Client } from '../../src/kernel/cli/client.ts';
import { leaks, type Sample, type Served } from './oracle.ts';

/** For each sample, what its logged prediction has that it must not have. */
export async function leaksOf(client: Client, samples: readonly Sample[], ids: readonly string[]): Promise<string[][]> {
  const found: string[][] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < samples.length; i = next++) {
      const { prediction } = await client.get<{ prediction: Served }>(path`/predictions/${ids[i]!}/why`);
      const sample = samples[i]!;
      found[i] = leaks(sample, prediction).map((l) => `${sample.inputs.flight_id} at ${sample.atUs} (${sample.from}): ${l}`);
    }
  };
  await Promise.all(Array.from({ length: 4 }, worker));
  return found;
}
