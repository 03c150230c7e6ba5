// A loop that goes round while its server dies: once without a death, then once for each list of deaths. All must come to
// the same.
import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import { startReceiver } from '../../scripts/demo/receiver.ts';
import { goRound } from './loop-client.ts';
import { outcomeOf, type Outcome } from './loop-outcome.ts';
import { makeFirstChampion, receiverEnv } from './loop-project.ts';
import { System } from './system.ts';

const SECRET = 'a secret of the test';
const PATIENCE_MS = 240_000;

export interface Loops {
  /** What the loop comes to if nobody dies. */
  readonly reference: Outcome;
  /** Lets a loop die at these places, one after the other ("name" or "name@pass"); answers what it came to. */
  readonly dyingAt: (places: readonly string[]) => Promise<Died>;
  /** The same with kills of whole processes, at moments that `random` says. */
  readonly dyingAnywhere: (random: () => number) => Promise<Outcome>;
  /** Lets a loop go round while something happens beside each of its barriers. */
  readonly beside: (atBarrier: (day: number) => Promise<unknown>) => Promise<Outcome>;
}
export interface Died {
  readonly outcome: Outcome;
  /** Places that nobody came by. */
  readonly notReached: readonly string[];
}

/** Records in PostgreSQL instead of a file. */
export interface LoopDatabases {
  /** An empty database; its address. */
  readonly create: () => Promise<string>;
  /** A copy of one that nobody is connected to. */
  readonly copy: (url: string) => Promise<string>;
}

export async function openLoops(t: TestContext, databases?: LoopDatabases): Promise<Loops> {
  const firstUrl = await databases?.create();
  const first = await makeFirstChampion(inDatabase(firstUrl));
  t.after(() => first.remove());
  const go = async (meanwhile: (system: System) => Meanwhile): Promise<Outcome> => {
    const receiver = await startReceiver(SECRET);
    const url = firstUrl && (await databases!.copy(firstUrl));
    const system = new System({ stateOf: first.dir, env: { ...receiverEnv(receiver.url, SECRET), ...inDatabase(url) } });
    try {
      await system.start();
      const { atBarrier, end } = meanwhile(system);
      try {
        await goRound(system, atBarrier);
      } finally {
        await end?.();
      }
      return await outcomeOf(system, receiver);
    } catch (error) {
      t.diagnostic(`the server’s log: ${system.log()}`);
      throw error;
    } finally {
      await system.stop().catch(() => undefined);
      system.remove();
      await receiver.close();
    }
  };
  return {
    reference: await go(() => ({})),
    dyingAt: async (places) => {
      const notReached: string[] = [];
      const outcome = await go((system) => {
        const over = new AbortController();
        const struck = strikeAll(system, places, over.signal);
        return {
          end: async () => {
            over.abort();
            notReached.push(...(await struck));
          },
        };
      });
      return { outcome, notReached };
    },
    beside: (atBarrier) => go(() => ({ atBarrier })),
    dyingAnywhere: (random) =>
      go((system) => ({
        // Predictions are answered by a process that is not the loop's; test/crash/campaign.ts kills that one, too.
        atBarrier: async () => {
          await delay(random() * 800);
          await system.kill((['control', 'supervisor', 'everything'] as const)[Math.floor(random() * 3)]!);
        },
      })),
  };
}

const inDatabase = (url: string | undefined): Readonly<Record<string, string>> => (url === undefined ? {} : { GYRE_DATABASE_URL: url });

interface Meanwhile {
  readonly atBarrier?: (day: number) => Promise<unknown>;
  readonly end?: () => Promise<void>;
}

/** Arms one place after the other; answers those at which nobody died until the end. */
async function strikeAll(system: System, places: readonly string[], over: AbortSignal): Promise<readonly string[]> {
  for (const [i, place] of places.entries()) {
    const [name, pass] = place.split('@');
    system.arm(name!, Number(pass ?? 1));
    if (!(await system.struck(PATIENCE_MS, over))) return places.slice(i);
  }
  return [];
}

/** Fails with all that differs. */
export function assertSame(found: Outcome, reference: Outcome, what: string): void {
  for (const part of Object.keys(reference) as (keyof Outcome)[]) assert.deepEqual(found[part], reference[part], `${what}: ${part}`);
}
