// What ends or pauses a trial without a person: harm, a fault of the measurement, its longest time; and clocks that jump.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { canaryProject, openCanary, policy, withStable, type CanaryBench } from '../releases/fixtures/canary.ts';
import { shipLog } from '../releases/jobs.ts';
import { assignVariant } from '../serving/plane/assignment.ts';
import { readPlan } from '../serving/public.ts';
import { act, ask, at, day, get, history, monitored, tick, weightsServed, type TrialReply } from './fixtures/bench.ts';
import { judgeLive } from './service/tick.ts';

const plan = (b: CanaryBench, more: object = {}) =>
  b.send<TrialReply>('POST', at, {
    ...{ name: 't', arms: [{ name: 'b', version: '2' }], metric: 'accuracy', effect: 0.1, given: { mean: 0.7, unitsPerDay: 200 } },
    ...more,
  });
const units = async (b: CanaryBench): Promise<number> => (await b.send<{ units: number }>('GET', `${at}/t/readout`)).body.units;

eachDatabase('an arm that does harm stops the trial: all traffic to the control, and the figures on record', async (t, kind) => {
  const b = await openCanary(t, kind, monitored, { GYRE_FAULT_INJECTION: '1' });
  await withStable(b);
  await b.version('good', { 'gyre.fault.error_rate': '0.3' });
  const planned = await plan(b, { guardrails: [{ metric: 'error_rate', margin: 0.01 }, 'latency_ms'] });
  assert.equal(planned.status, 201, JSON.stringify(planned.body));
  await act(b, 'start');
  // Too few units say nothing, however bad they look.
  await ask(b, 0, 60, 0);
  await tick(b, day(1));
  const early = await get(b);
  assert.deepEqual([early.state, early.guards.map((g) => g.verdict)], ['running', ['too-little-data', 'too-little-data']]);
  await ask(b, 1, 300, 60);
  await tick(b, day(2));
  const stopped = await get(b);
  assert.equal(stopped.state, 'stopped', JSON.stringify(stopped));
  assert.match(
    stopped.standing,
    /^stopped: harm: error_rate of b is 0\.\d+, that of the control 0: worse by at least 0\.\d+ at every look, 0.01 is tolerated/,
  );
  assert.deepEqual(await weightsServed(b), [1]);
  assert.deepEqual(
    (await history(b)).map((s) => [s.kind, s.by.kind]),
    [
      ['started', 'local'],
      ['stopped', 'system'],
    ],
  );
  // Nothing more happens to it.
  await tick(b, day(3));
  assert.equal((await history(b)).length, 2);
  assert.equal((await act(b, 'resume')).body.code, 'trial-action-not-possible');
});

test('harm stops a bandit, by propensity', async (t) => {
  const b = await openCanary(t, 'sqlite', monitored, { GYRE_FAULT_INJECTION: '1' });
  await withStable(b);
  await b.version('good', { 'gyre.fault.error_rate': '0.4' });
  await plan(b, { kind: 'bandit', bandit: { minRewards: 30 } });
  await act(b, 'start');
  await b.label(await ask(b, 0, 500, 0));
  await tick(b, day(1));
  assert.match((await get(b)).standing, /^stopped: harm: error_rate of b/);
});

eachDatabase('units that do not go where they were sent pause the trial, and a resumed one counts anew', async (t, kind) => {
  const b = await openCanary(t, kind, monitored);
  await withStable(b);
  await b.version();
  await plan(b);
  await act(b, 'start');
  const { salt, variants } = readPlan(b.folder)!.endpoints[0]!;
  // Somebody before us drops half of what would go to the arm.
  const keys = Array.from({ length: 900 }, (_, i) => `k${i}`).filter(
    (key, i) => i % 3 > 0 || assignVariant(variants, salt, key).id === 'control',
  );
  await b.label(await b.traffic(keys.length, day(0), day(1) - 1, { keyOf: (i) => keys[i]! }));
  await tick(b, day(1));
  const paused = await get(b);
  assert.equal(paused.state, 'paused', JSON.stringify(paused));
  assert.match(paused.standing, /^paused: the units did not go where they were sent/);
  assert.deepEqual(await weightsServed(b), [1]);
  assert.equal((await act(b, 'decide')).body.code, 'trial-action-not-possible');
  const resumed = await act(b, 'resume', { reason: 'the proxy is mended' });
  assert.deepEqual([resumed.status, resumed.body.state], [200, 'running'], JSON.stringify(resumed.body));
  assert.equal(await units(b), 0);
  await b.label(await ask(b, 1, 100, 2000), 2000);
  await tick(b, day(2));
  assert.deepEqual([(await get(b)).state, await units(b)], ['running', 100]);
});

eachDatabase('a trial ends after its longest time, with what its rule says then', async (t, kind) => {
  const b = await openCanary(t, kind, monitored);
  await b.version('poor');
  await b.begin('1');
  await b.version('good');
  await plan(b, { rule: 'confidence-sequence', effect: 0.25, maxDuration: '2d' });
  await act(b, 'start');
  await b.label(await ask(b, 0, 50, 0));
  await tick(b, day(1));
  assert.equal((await get(b)).state, 'running');
  await b.label(await ask(b, 1, 600, 50), 50);
  await tick(b, day(2));
  const decided = await get(b);
  assert.deepEqual(
    [decided.state, decided.decision?.verdict.kind, decided.decision?.by.kind],
    ['decided', 'winner', 'system'],
    JSON.stringify(decided),
  );
  // No release without a person.
  assert.deepEqual([decided.release, await weightsServed(b)], [null, [1]]);
  assert.ok((await act(b, 'decide', { reason: 'release it', promote: true })).body.release);
  await b.drain();
  await b.steer('abort');

  await plan(b, { name: 'u', maxDuration: '1d' });
  await act(b, 'start', {}, 'u');
  await tick(b, day(3));
  assert.match(
    (await get(b, 'u')).standing,
    /^stopped: it has run for its longest time of 1 days without a result: 0 of \d+ planned units/,
  );
});

eachDatabase('a paused trial lets others use the endpoint, and goes on only with the control it had', async (t, kind) => {
  const b = await openCanary(t, kind, monitored.replace('steps: [10%, 50%, 100%]', 'steps: [100%]'));
  await withStable(b);
  await b.version();
  await plan(b);
  await plan(b, { name: 'u' });
  await plan(b, { name: 'v' });
  await act(b, 'start');
  assert.equal((await act(b, 'start', {}, 'u')).body.code, 'endpoint-in-trial');
  assert.equal((await act(b, 'pause')).body.standing, 'paused: test');
  assert.equal((await act(b, 'start', {}, 'u')).body.state, 'running');
  assert.equal((await act(b, 'resume')).body.code, 'endpoint-in-trial');
  assert.equal((await act(b, 'stop', undefined, 'u')).body.state, 'stopped');
  assert.equal((await act(b, 'resume')).body.state, 'running');
  await act(b, 'pause');
  // A plan that is not needed any more is stopped without ever having started.
  assert.equal((await act(b, 'stop', undefined, 'v')).body.state, 'stopped');
  await b.version();
  await b.begin('3');
  await b.drain();
  if ((await weightsServed(b)).length > 1) await b.steer('promote');
  await b.drain();
  const refused = await act(b, 'resume');
  assert.match(refused.body.detail ?? '', /not its control any more/, JSON.stringify(refused.body));
});

eachDatabase('a wall clock that jumps makes one update and no more, and one that goes back makes none', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject(policy(), 'monitors:\n  e: { window: 1d }\n', ''));
  await withStable(b);
  await b.version();
  const planned = await plan(b, {
    kind: 'bandit',
    metric: 'error_rate',
    effect: 0.3,
    given: { mean: 0.5, unitsPerDay: 100 },
    bandit: { minRewards: 10, every: '1h' },
  });
  assert.equal(planned.status, 201, JSON.stringify(planned.body));
  await act(b, 'start');
  await b.traffic(100, 0, 0, { live: true });
  const minute = async (ms: number): Promise<void> => {
    b.clock.advance(ms);
    await shipLog.run(b.ctx(), {}, { id: 'job', attempt: 1, fence: 1, report: () => undefined });
    await judgeLive(b.ctx());
  };
  const updates = async (): Promise<number> => (await get(b)).steering.updates;
  await minute(60_000);
  assert.equal(await updates(), 0);
  await minute(3_600_000);
  assert.equal(await updates(), 1, (await get(b)).standing);
  await minute(-7_200_000);
  assert.equal(await updates(), 1);
  await minute(7_200_000 + 60_000);
  assert.equal(await updates(), 1);
  await minute(90 * 86_400_000);
  assert.equal(await updates(), 2);
  await minute(60_000);
  assert.deepEqual([await updates(), (await get(b)).state], [2, 'running']);
});
