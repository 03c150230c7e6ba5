// Kills, one after the other, while the client works; then the oracle. The seed decides who dies when.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestContext } from 'node:test';
import assert from 'node:assert/strict';
import { insist } from './http.ts';
import { Journal } from './journal.ts';
import { checkAll } from './oracle.ts';
import { applyProject, makeRows } from './project.ts';
import { System, victims, type Victim } from './system.ts';
import { startWorkload } from './workload.ts';

/** Every place where a process can be made to die, before and after each durable step. */
export const places = [
  'db.before-commit',
  'db.after-commit',
  'blobs.before-sync',
  'blobs.before-rename',
  'blobs.after-rename',
  'blobs.after-sync',
  'blobs.before-index',
  'blobs.after-index',
  'paths.before-rename',
  'paths.after-rename',
  'idempotency.after-claim',
  'idempotency.before-reply-kept',
  'idempotency.after-reply-kept',
  'datasets.before-version',
  'datasets.after-version',
  'engine.before-go',
  'engine.after-exit',
  'engine.before-manifest',
  'engine.after-manifest',
  'pipelines.before-step-recorded',
  'pipelines.after-step-recorded',
  'tracking.before-seal',
  'tracking.after-seal',
  'registry.before-folder',
  'registry.after-folder',
  'releases.before-plan',
  'serving.before-file-replaced',
  'serving.after-file-replaced',
  'releases.after-plan',
  'releases.before-settle',
  'releases.after-settle',
  'features.before-online-commit',
  'features.after-online-commit',
  'features.before-online-recorded',
  'features.after-online-recorded',
  'serving.log.append',
  'serving.log.before-seal',
  'serving.log.after-seal',
  'serving.before-shipped',
  'serving.after-shipped',
] as const;

/** A sequence of numbers from 0 to 1 that a seed repeats (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

// A slow machine is waited for: patience hides nothing, for a place that nobody passes by is found all the same.
const PATIENCE_MS = 90_000;

type Kill = { readonly victim: Victim } | { readonly place: string; readonly pass: number };

export interface Campaign {
  readonly seed: number;
  /** Kills of a process chosen at random, at a moment chosen at random. */
  readonly random: number;
  /** How many of the named places, or all of them; each once. */
  readonly placed: number | 'all';
}

export async function campaign(t: TestContext, { seed, random: wanted, placed }: Campaign): Promise<void> {
  t.diagnostic(`TEST_SEED=${seed}`);
  const random = seeded(seed);
  const shuffled = <T>(items: readonly T[]): T[] =>
    items
      .map((item) => ({ item, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item);
  const kills: Kill[] = shuffled([
    // Every kind of process dies, then whoever the seed says.
    ...Array.from({ length: wanted }, (_, i) => ({ victim: victims[i < victims.length ? i : Math.floor(random() * victims.length)]! })),
    ...shuffled(places)
      .slice(0, placed === 'all' ? places.length : placed)
      .map((place) => ({ place, pass: place.startsWith('db.') ? 1 + Math.floor(random() * 60) : 1 })),
  ]);

  const system = new System();
  const journal = new Journal(join(system.root, 'journal.ndjson'));
  writeFileSync(system.counter, '');
  t.after(() => {
    journal.close();
    system.remove();
  });
  const [rows] = await Promise.all([makeRows(), system.start()]);
  await applyProject(system);
  const workload = await startWorkload({ system, journal, rows, random });
  const seen = { killed: 0, notReached: [] as string[] };
  try {
    for (const kill of kills) {
      if (await strike(system, kill, random)) seen.killed += 1;
      else if ('place' in kill) seen.notReached.push(kill.place);
      await insist({ url: `${system.url}/ready` });
    }
  } catch (error) {
    workload.abandon();
    throw error;
  }
  await workload.stop();
  t.diagnostic(`${seen.killed} kills; places that nobody passed by: ${seen.notReached.join(', ') || 'none'}`);
  t.diagnostic(
    `acknowledged: ${(['batch', 'artifact', 'version', 'run', 'ended', 'release', 'prediction'] as const)
      .map((kind) => `${journal.read(kind).length} ${kind}`)
      .join(', ')}`,
  );
  assert.deepEqual(workload.complaints.slice(0, 5), [], `the client complained (TEST_SEED=${seed}); the log: ${system.log()}`);
  await checkAll(system, journal);
  // Once more after a death of everything at rest: nothing lived in memory only.
  await system.kill('everything');
  await insist({ url: `${system.url}/ready` });
  await checkAll(system, journal);
  assert.equal(await system.stop(), 0, 'it stops in good order');
  assert.deepEqual(seen.notReached, [], 'every named place is on somebody’s way');
  assert.ok(seen.killed >= kills.length, `${seen.killed} of ${kills.length} kills`);
}

/** Answers whether somebody died of it. */
async function strike(system: System, kill: Kill, random: () => number): Promise<boolean> {
  if ('place' in kill) {
    system.arm(kill.place, kill.pass);
    return system.struck(PATIENCE_MS);
  }
  await delay(random() * 250);
  // A process that is not there just now is waited for.
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await system.kill(kill.victim))) {
    if (performance.now() > deadline) return false;
    await delay(20);
  }
  return true;
}
