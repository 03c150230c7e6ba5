// Trials that gyre.yaml declares.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { isProblem } from '../../kernel/errors.ts';
import { parseProject, trialMetricNames } from '../projects/public.ts';
import { openCanary, withStable } from '../releases/fixtures/canary.ts';
import { act, ask, day, get, monitored, tick, weightsServed } from './fixtures/bench.ts';
import { trialMetrics } from './model.ts';

const trials = (text: string): string => `${monitored}trials:\n${text}`;
const bandit = (more = ''): string =>
  trials(
    `  t: { endpoint: e, arms: { b: 2 }, metric: accuracy, effect: 0.1, bandit: { every: 1d, floor: 10%, cap: 80%, min_rewards: 30 }, start: true${more} }\n`,
  );

eachDatabase(
  'a declared trial waits for traffic and a version, starts by itself, and is detached when the file forgets it',
  async (t, kind) => {
    const b = await openCanary(t, kind, monitored);
    await b.apply(bandit());
    await b.drain();
    const declared = await get(b);
    assert.deepEqual([declared.state, declared.managedBy], ['declared', 'file'], JSON.stringify(declared));
    assert.match(declared.standing, /does not tell anything for what is served now/);
    assert.equal((await act(b, 'start')).body.code, 'trial-action-not-possible');

    await withStable(b);
    await b.label(await ask(b, 0, 60, 0));
    await tick(b, day(1));
    const planned = await get(b);
    assert.equal(planned.state, 'planned');
    assert.match(planned.standing, /^planned; not started: Model "m" has no version or alias "2"/);
    assert.ok(planned.size.units > 0);

    await b.version();
    await tick(b, day(2));
    const running = await get(b);
    assert.deepEqual([running.state, await weightsServed(b)], ['running', [0.5, 0.5]], JSON.stringify(running));
    // The same file again changes nothing.
    await b.apply(bandit());
    await b.drain();
    assert.deepEqual((await get(b)).standing, running.standing);

    // A plan that has begun stays; the file is told of.
    await b.apply(bandit(', alpha: 0.01'));
    await b.drain();
    assert.match((await get(b)).standing, /gyre.yaml has another plan of this name by now/);
    await b.apply(monitored);
    await b.drain();
    const detached = await get(b);
    assert.deepEqual([detached.state, detached.managedBy, (await weightsServed(b)).length], ['running', 'detached', 2]);
    await b.label(await ask(b, 2, 120, 100), 100);
    await tick(b, day(3));
    assert.equal((await get(b)).steering.updates, 1);
    // Declared again, it is the file's again.
    await b.apply(bandit());
    await b.drain();
    assert.equal((await get(b)).managedBy, 'file');
    assert.equal((await act(b, 'stop')).body.state, 'stopped');
    await tick(b, day(4));
    assert.equal((await get(b)).state, 'stopped');
  },
);

test('a declared plan that has not begun follows the file, and is not started without a word', async (t) => {
  const b = await openCanary(t, 'sqlite', monitored);
  await withStable(b);
  await b.version();
  const one = (effect: number): string =>
    trials(
      `  t: { endpoint: e, arms: { b: { version: latest, weight: 30% } }, metric: accuracy, effect: ${effect}, given: { mean: 0.7, units_per_day: 100 } }\n`,
    );
  await b.apply(one(0.1));
  await b.drain();
  const first = await get(b);
  assert.deepEqual([first.state, first.managedBy], ['planned', 'file'], JSON.stringify(first));
  await b.apply(one(0.2));
  await b.drain();
  const second = await get(b);
  assert.ok(second.size.units < first.size.units && second.id === first.id);
  assert.deepEqual((await act(b, 'start')).body.state, 'running');
  assert.deepEqual(await weightsServed(b), [0.7, 0.3]);
});

test('the metrics of the file are those of trials', () => {
  assert.deepEqual([...trialMetricNames], Object.keys(trialMetrics));
});

test('faults of a declared trial name their line and column', () => {
  const faults = (text: string): string => {
    try {
      parseProject(trials(text));
    } catch (error) {
      if (isProblem(error, 'project-invalid')) return (error.faults ?? []).map((f) => `${f.pointer} ${f.detail}`).join('\n');
      throw error;
    }
    return assert.fail('it was taken');
  };
  const of = (more: string, arms = '{ b: 2 }', metric = 'accuracy'): string =>
    `  t: { endpoint: e, arms: ${arms}, metric: ${metric}, effect: 0.1${more} }\n`;
  assert.match(faults(of('', '{ control: 2 }')), /"control" is the name of what the endpoint serves/);
  assert.match(faults(of('', '{ b: {} }')), /needs a version/);
  assert.match(faults(of(', kind: aa')), /every arm serves what the control serves/);
  assert.match(faults(of('', '{ b: { version: 2, weight: 100% } }')), /leave nothing for the control/);
  assert.match(faults(of(', kind: ab, bandit: {}')), /goes with kind: bandit/);
  assert.match(faults(of(', bandit: { floor: 50% }')), /leaves nothing to move/);
  assert.match(faults(of(', bandit: { cap: 40% }')), /does not give out all traffic/);
  assert.match(faults(of(', kind: bandit, covariate: { column: good }')), /weights rewards by their propensity/);
  assert.match(faults(of('', '{ b: 2 }', 'auc')), /metric/);
  assert.match(faults('  t: { endpoint: x, arms: { b: 2 }, metric: error_rate, effect: 0.1 }\n'), /there is no endpoint "x"/);
  const two = `${of(', start: true')}${of(', start: true').replace('t:', 'u:')}`;
  assert.match(faults(two), /one trial at a time, and "t" starts on "e" too/);
  // Line and column, as everywhere in the file.
  assert.match(faults(of('', '{ control: 2 }')), /^gyre\.yaml:\d+:\d+ trials\.t\.arms\.control /);
  assert.throws(
    () => parseProject(trials(of('')).replace('monitors:\n  e: { window: 1d }\n', '')),
    (error: unknown) => isProblem(error, 'project-invalid') && /needs outcomes, and no monitor/.test(JSON.stringify(error.faults)),
  );
});
