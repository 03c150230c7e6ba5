import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePlan, describeReadout, describeTrial, type TrialRow } from './trial-status.ts';

const trial: TrialRow = {
  ...{ name: 'new-features', endpoint: 'late', state: 'running', standing: 'its arms answer', kind: 'ab', metric: 'brier' },
  ...{ effect: 0.01, alpha: 0.05, power: 0.8, rule: 'fixed-horizon', release: null, decision: null },
  arms: [
    { name: 'control', version: null, weight: 0.5 },
    { name: 'b', version: '7', weight: 0.5 },
  ],
  size: { units: 4000, unitsPerDay: 512.5, days: 8, baseline: { mean: 0.2, variance: 0.0251, from: 'log' }, reduction: 0.3 },
};

test('a trial, its plan and its readout in words', () => {
  assert.deepEqual(describeTrial(trial), ['new-features on late: running, its arms answer']);
  assert.deepEqual(describePlan(trial), [
    'trial on brier, by fixed-horizon: control 50 %, b=7 50 %',
    '  4000 units to find a difference of 0.01 with power 0.8 at alpha 0.05',
    '  8 days at 512.5 units a day',
    '  from a mean of 0.2 and a variance of 0.0251 (log); the covariate takes 30 % of it away',
  ]);
  const lines = describeReadout({
    ...{ kind: 'means', units: 1200, planned: 4000, ratio: { pValue: 1 }, exposedTwice: 0, reduction: 0.31 },
    arms: [
      { name: 'control', version: 6, assigned: 640, units: 610, value: 0.2011 },
      { name: 'b', version: 7, assigned: 620, units: 590, value: 0.1912 },
    ],
    comparisons: [{ arm: 'b', difference: -0.0099, relative: -0.0492, fixed: null, always: { low: -0.03, high: 0.011, adjustedP: 0.41 } }],
    verdict: { kind: 'continue', rule: 'fixed horizon at 4000 units', why: '1200 of 4000 planned units have an outcome' },
  });
  assert.deepEqual(lines, [
    'continue: 1200 of 4000 planned units have an outcome',
    '  by fixed horizon at 4000 units',
    '  control: 0.2011 from 610 units, 640 assigned, version 6',
    '  b: 0.1912 from 590 units, 620 assigned, version 7',
    '  b less control: -0.0099 (-4.9 %)',
    '    at the planned 4000 units: not yet',
    '    at every look: -0.03 to 0.011 (p 0.41)',
    '  sample ratio p 1 at every look; 0 units met several arms',
    '  the covariate took away 31 % of the variance',
  ]);
});
