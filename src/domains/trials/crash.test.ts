// A trial whose server is killed goes on from wherever it was, and does each thing once; the data plane answers meanwhile.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { test } from 'node:test';
import { sql } from 'kysely';
import { openSqlite } from '../../kernel/db/sqlite.ts';
import { openCanary, type CanaryBench } from '../releases/fixtures/canary.ts';
import { findCurrentEndpointRevision } from '../releases/public.ts';
import { findPrediction, servingPaths } from '../serving/public.ts';
import { ask, at, day, monitored } from './fixtures/bench.ts';
import type { Step, Trial } from './model.ts';
import * as store from './store.ts';

async function run(b: CanaryBench, what: string, failpoint?: string): Promise<void> {
  const child = fork(join(import.meta.dirname, 'fixtures', 'trial-child.ts'), [b.folder, what], {
    execArgv: ['--no-warnings'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...(failpoint ? { GYRE_FAILPOINTS: `${failpoint}=kill` } : {}) },
  });
  const [code, signal] = (await once(child, 'exit')) as [number | null, string | null];
  assert.deepEqual([code, signal], failpoint ? [null, 'SIGKILL'] : [0, null], `${what} ${failpoint ?? ''}`);
}

interface Found {
  readonly trial: Trial;
  readonly steps: readonly Step[];
  readonly weights: readonly number[];
}

async function look(b: CanaryBench): Promise<Found> {
  const database = openSqlite(join(b.folder, 'gyre.db'), 'process');
  try {
    const trial = (await store.findByName(database.reader, 'default', { project: 'demo', endpoint: 'e' }, 't'))!;
    const steps = await store.listSteps(database.reader, 'default', trial.id, 0, 100);
    const current = await findCurrentEndpointRevision(database.reader, 'default', 'demo', 'e');
    return { trial, steps, weights: current!.variants.map((v) => v.weight) };
  } finally {
    await database.close();
  }
}

test('a bandit goes on from wherever its server is killed: start, update, decision and release are each made once', async (t) => {
  const b = await openCanary(t, 'sqlite', monitored, { GYRE_FAULT_INJECTION: '1' });
  await b.version();
  await b.begin('1');
  // Failures are the reward, so that nobody has to send labels to a process that is dead.
  await b.version('good', { 'gyre.fault.error_rate': '0.5' });
  const body = {
    ...{ name: 't', kind: 'bandit', arms: [{ name: 'b', version: '2' }], metric: 'error_rate', higherIsBetter: true, effect: 0.3 },
    ...{ given: { mean: 0.3, unitsPerDay: 100 }, guardrails: [], bandit: { minRewards: 30, floor: 0.1, cap: 0.8 } },
  };
  assert.equal((await b.send('POST', at, body)).status, 201);
  await sql.raw(`vacuum into '${join(b.folder, 'gyre.db')}'`).execute(b.platform.database.reader);

  await run(b, 'start', 'trials.before-plan');
  const between = await look(b);
  assert.deepEqual([between.trial.state, between.trial.settled, between.weights], ['running', false, [0.5, 0.5]]);
  // The control plane is away: what was planned last goes on being served.
  assert.ok((await ask(b, 0, 10, 0)).every((a) => a.variant === 'v1'));
  await run(b, 'recover');
  assert.equal((await look(b)).trial.standing, 'its arms answer');
  const propensities = async (n: number, first: number): Promise<Set<number | null>> =>
    new Set(
      (await ask(b, n, 150, first)).flatMap(({ id }) => (id === null ? [] : [findPrediction(servingPaths(b.folder).log, id)!.propensity])),
    );

  // Killed between the record of an update and its plan: the old weights answer, and the log says so.
  assert.deepEqual(await propensities(0, 100), new Set([0.5]));
  await run(b, String(day(1)), 'trials.after-judged');
  const judged = await look(b);
  assert.deepEqual([judged.trial.settled, judged.trial.steering!.updates, judged.weights], [false, 1, [0.2, 0.8]]);
  assert.deepEqual(await propensities(1, 300), new Set([0.5]));
  await run(b, 'recover');
  assert.deepEqual(await propensities(1, 500), new Set([0.2, 0.8]));

  // Killed before an update is recorded: the tick is taken again, and gives one update.
  await run(b, String(day(2)), 'trials.before-judged');
  assert.equal((await look(b)).trial.steering!.updates, 1);
  await run(b, 'recover');
  assert.equal((await look(b)).trial.steering!.updates, 2);

  // The kill switch, killed.
  for (const [place, share] of [
    ['trials.before-plan', 0.3],
    ['trials.before-settle', 0.4],
  ] as const) {
    await run(b, `freeze ${share}`, place);
    await run(b, 'recover');
    const { trial, weights } = await look(b);
    assert.deepEqual([trial.settled, trial.steering!.before, weights], [true, null, [Number((1 - share).toFixed(9)), share]]);
  }
  await ask(b, 2, 100, 700);
  await run(b, String(day(3)));
  const { trial, steps } = await look(b);
  assert.deepEqual(trial.steering!.weights, [0.6, 0.4]);
  assert.deepEqual(
    steps.map((s) => s.kind),
    ['started', 'weights', 'kept', 'frozen', 'frozen'],
  );

  await run(b, 'decide', 'trials.after-decided');
  assert.deepEqual([(await look(b)).trial.state, (await look(b)).trial.release], ['decided', null]);
  await run(b, 'recover');
  assert.deepEqual((await look(b)).weights, [1]);
  await run(b, 'decide', 'trials.before-promote');
  assert.equal((await look(b)).trial.release, null);
  await run(b, 'decide');
  const released = await look(b);
  assert.ok(released.trial.release);
  assert.equal(released.steps.filter((s) => s.kind === 'decided').length, 1);
});
