import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { sql } from 'kysely';
import { openSqlite } from '../../kernel/db/sqlite.ts';
import { canaryProject, DAY_US, openCanary, START_US, withStable, type CanaryBench } from './fixtures/canary.ts';
import type { Release, Transition } from './model.ts';
import * as endpoints from './store/endpoints.ts';
import * as store from './store/releases.ts';

interface Found {
  readonly release: Release;
  readonly transitions: readonly Transition[];
  readonly weights: readonly number[];
}

/** The bench's database as the file of its folder, for processes that are killed. */
const handOver = (b: CanaryBench): Promise<unknown> =>
  sql.raw(`vacuum into '${join(b.folder, 'gyre.db')}'`).execute(b.platform.database.reader);

async function run(b: CanaryBench, what: string, failpoint?: string): Promise<void> {
  const child = fork(join(import.meta.dirname, 'fixtures', 'judge-child.ts'), [b.folder, what], {
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...(failpoint ? { GYRE_FAILPOINTS: `${failpoint}=kill` } : {}) },
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.deepEqual([code, signal], failpoint ? [null, 'SIGKILL'] : [0, null], `${what} ${failpoint ?? ''}`);
}

async function look(b: CanaryBench): Promise<Found> {
  const database = openSqlite(join(b.folder, 'gyre.db'), 'process');
  try {
    const [release] = await store.listReleases(database.reader, 'default', 'e', '~', 1);
    const transitions = await store.listTransitions(database.reader, 'default', release!.id);
    const current = await endpoints.findCurrent(database.reader, 'default', 'demo', 'e');
    return { release: release!, transitions, weights: current!.variants.map((v) => v.weight) };
  } finally {
    await database.close();
  }
}

/** A canary whose database is handed over. */
async function open(t: TestContext, release: string, tags: Record<string, string> = {}): Promise<CanaryBench> {
  const b = await openCanary(t, 'sqlite', canaryProject(release), { GYRE_FAULT_INJECTION: '1' });
  await withStable(b);
  await b.version('good', tags);
  await handOver(b);
  return b;
}

test('a release goes on from wherever its server is killed, and takes each step once', async (t) => {
  const b = await open(t, '{ steps: [20%, 40%, 60%, 80%, 100%], hold: 1d, min_sample: 1 }');
  await run(b, 'begin', 'releases.before-settle');
  await run(b, 'recover');
  const places = ['releases.before-judged', 'releases.after-judged', 'releases.after-plan', 'releases.after-settle'];
  for (const [i, place] of places.entries()) {
    const { release } = await look(b);
    assert.deepEqual([release.state, release.step, release.move], ['canary', i, null], `before ${place}`);
    await b.traffic(40, START_US + i * DAY_US, START_US + (i + 1) * DAY_US - 1, { first: 40 * i });
    await run(b, String(START_US + (i + 1) * DAY_US), place);
    await run(b, 'recover');
  }
  const { release, transitions, weights } = await look(b);
  assert.deepEqual([release.state, weights], ['promoted', [1]]);
  assert.deepEqual(
    transitions.map((x) => x.share),
    [0, 0.2, 0.4, 0.6, 0.8, 1],
  );
});

test('a rollback whose server is killed is brought to its end', async (t) => {
  const b = await open(t, '{ steps: [50%, 100%], hold: 1d, min_sample: 1 }', { 'gyre.fault.error_rate': '0.5' });
  await run(b, 'begin');
  await b.traffic(100, START_US, START_US + DAY_US - 1);
  await run(b, String(START_US + DAY_US), 'releases.before-plan');
  const between = await look(b);
  assert.deepEqual([between.release.state, between.release.move?.to, between.weights], ['canary', 'rolled-back', [1]]);
  await run(b, 'recover');
  const { release, transitions } = await look(b);
  assert.deepEqual([release.state, transitions.length], ['rolled-back', 3]);
  assert.ok((await b.traffic(50, START_US + DAY_US, START_US + 2 * DAY_US)).every((a) => a.variant === 'v1'));
});

test('a release that is killed while it warms up, runs in the shadow, bakes or ends goes on from there', async (t) => {
  const b = await open(t, '{ shadow: { hold: 1d, min_sample: 30 }, steps: [50%, 100%], hold: 1d, min_sample: 20, bake: 1d }');
  // On its way to the data planes, before and after they have it.
  await run(b, 'begin', 'releases.before-plan');
  assert.deepEqual([(await look(b)).release.state, (await look(b)).release.move?.to], ['pending', 'warming']);
  await run(b, 'recover', 'releases.after-settle');
  const warm = await look(b);
  assert.deepEqual([warm.release.state, warm.release.move?.to, warm.weights], ['warming', 'shadow', [1, 0]]);
  await run(b, 'recover');
  const day = async (n: number, place: string): Promise<Found> => {
    await b.traffic(n === 2 ? 600 : 120, START_US + n * DAY_US, START_US + (n + 1) * DAY_US - 1, { first: 1000 * n });
    await run(b, String(START_US + (n + 1) * DAY_US), place);
    return look(b);
  };
  assert.equal((await look(b)).release.state, 'shadow');
  const judged = await day(0, 'releases.after-judged');
  assert.deepEqual([judged.release.state, judged.release.move?.to, judged.weights], ['shadow', 'canary', [0.5, 0.5]]);
  await run(b, 'recover');
  const split = await day(1, 'releases.before-settle');
  assert.deepEqual([split.release.state, split.release.move?.to, split.weights], ['canary', 'baking', [1, 0]]);
  await run(b, 'recover');
  assert.equal((await look(b)).release.state, 'baking');
  const baked = await day(2, 'releases.after-plan');
  assert.deepEqual([baked.release.state, baked.release.move?.to, baked.weights], ['baking', 'promoted', [1]]);
  await run(b, 'recover');
  const { release, transitions } = await look(b);
  assert.deepEqual(
    [release.state, transitions.map((x) => x.to)],
    ['promoted', ['warming', 'shadow', 'canary', 'baking', 'promoted']],
    'each once',
  );
});
