import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describePlan, describeReadout, describeStep, describeSteering, describeTrial, type TrialRow } from './trial-status.ts';

const trial: TrialRow = {
  ...{ name: 'new-features', endpoint: 'late', state: 'running', standing: 'its arms answer', kind: 'ab', metric: 'brier' },
  ...{ effect: 0.01, alpha: 0.05, power: 0.8, rule: 'fixed-horizon', release: null, decision: null },
  ...{ guardrails: [{ metric: 'error_rate', margin: 0 }], maxDurationDays: 14, bandit: null, steering: null, guards: [], managedBy: 'api' },
  arms: [
    { name: 'control', version: null, weight: 0.5 },
    { name: 'b', version: '7', weight: 0.5 },
  ],
  size: { units: 4000, unitsPerDay: 512.5, days: 8, baseline: { mean: 0.2, variance: 0.0251, from: 'log' }, reduction: 0.3 },
};

test('a trial, its plan and its readout in words', () => {
  assert.deepEqual(describeTrial(trial), ['new-features on late: running, its arms answer']);
  assert.deepEqual(describeTrial({ ...trial, state: 'stopped', standing: 'stopped: enough' }), ['new-features on late: stopped: enough']);
  assert.deepEqual(describePlan(trial), [
    'trial on brier, by fixed-horizon: control 50 %, b=7 50 %',
    '  4000 units to find a difference of 0.01 with power 0.8 at alpha 0.05',
    '  8 days at 512.5 units a day',
    '  from a mean of 0.2 and a variance of 0.0251 (log); the covariate takes 30 % of it away',
    '  stopped by harm in error_rate',
    '  ends after 14 days at the latest',
  ]);
  const lines = describeReadout({
    ...{ kind: 'means', units: 1200, planned: 4000, ratio: { pValue: 1 }, exposedTwice: 0, reduction: 0.31, asRun: null },
    arms: [
      { name: 'control', version: 6, assigned: 640, units: 610, value: 0.2011, weighted: null },
      { name: 'b', version: 7, assigned: 620, units: 590, value: 0.1912, weighted: null },
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

test('a bandit in words: its plan, where it stands, its readout and its history', () => {
  const bandit: TrialRow = {
    ...{
      ...trial,
      kind: 'bandit',
      name: 'greedy',
      metric: 'accuracy',
      rule: 'confidence-sequence',
      maxDurationDays: null,
      managedBy: 'file',
    },
    guardrails: [{ metric: 'latency_ms', margin: 5 }],
    bandit: {
      ...{ reward: 'binary', everyHours: 6, floor: 0.05, cap: 0.9, minRewards: 100, halfLifeHours: 240, delayHours: 24, missing: 0 },
      assign: 'key',
    },
    steering: {
      ...{ weights: { control: 0.2, b: 0.8 }, updates: 3, nextAt: '2030-01-05T00:00:00Z' },
      fixed: null,
    },
    guards: [
      { metric: 'latency_ms', arm: 'b', verdict: 'ok', units: 900, worse: 0.4, atLeast: -1 },
      { metric: 'error_rate', arm: 'b', verdict: 'too-little-data', units: 9, worse: null, atLeast: null },
      { metric: 'mae', arm: 'b', verdict: 'harm', units: 900, worse: 0.4, atLeast: 0.1 },
    ],
  };
  assert.deepEqual(describePlan(bandit), [
    'bandit on accuracy, by confidence-sequence: control 50 %, b=7 50 %',
    '  4000 units to find a difference of 0.01 with power 0.8 at alpha 0.05',
    '  8 days at 512.5 units a day',
    '  from a mean of 0.2 and a variance of 0.0251 (log); the covariate takes 30 % of it away',
    '  binary rewards, weights move every 6 h from 100 rewards in each arm on, each between 5 % and 90 %',
    '  an arm for each key; predictions count after 1 d, and without a reward as 0; a reward weighs half after 10 d',
    '  stopped by harm in latency_ms beyond 5',
    '  from gyre.yaml',
  ]);
  assert.deepEqual(describeSteering(bandit), [
    '  weights: control 20 %, b 80 %, after 3 updates',
    '  next update at 2030-01-05T00:00:00Z',
    '  guardrail latency_ms of b: no harm shown, worse by 0.4 (900 units)',
    '  guardrail error_rate of b: too little data yet (9 units)',
    '  guardrail mae of b: HARM, worse by at least 0.1 (900 units)',
  ]);
  const fixed = { reason: 'it looks odd', at: '2030-01-04T00:00:00Z' };
  assert.equal(
    describeSteering({ ...bandit, steering: { ...bandit.steering!, updates: 1, fixed }, guards: [] }).join('; '),
    '  weights: control 20 %, b 80 %, after 1 update;   fixed since 2030-01-04T00:00:00Z: it looks odd; "gyre trial thaw-weights" lets them go',
  );
  const lines = describeReadout({
    ...{ kind: 'weighted', units: 1200, planned: 4000, ratio: { pValue: 1 }, exposedTwice: 12, reduction: null },
    asRun: { value: 0.61, waiting: 40 },
    arms: [
      {
        ...{ name: 'control', version: 6, assigned: 340, units: 310, value: 0.55 },
        weighted: { share: 0.2, chance: 0.03, plain: 0.54, snips: { value: 0.55, low: 0.5, high: 0.6 }, effectiveSize: 280 },
      },
      {
        ...{ name: 'b', version: 7, assigned: 920, units: 890, value: null },
        weighted: { share: 0.8, chance: null, plain: null, snips: null, effectiveSize: 0 },
      },
    ],
    comparisons: [{ arm: 'b', difference: 0.05, relative: 0.09, fixed: null, always: { low: -0.03, high: 0.11, adjustedP: 0.41 } }],
    verdict: { kind: 'continue', rule: 'a sequence', why: 'nothing is shown yet' },
  });
  assert.deepEqual(lines, [
    'continue: nothing is shown yet',
    '  by a sequence',
    '  control: 0.55 from 310 rewards, 340 units assigned, version 6',
    '    0.5 to 0.6, effective sample 280, plain mean 0.54; chance to be best 3 %, share now 20 %',
    '  b: no value from 890 rewards, 920 units assigned, version 7',
    '    effective sample 0, plain mean none; chance to be best not known, share now 80 %',
    '  b less control: 0.05 (9 %)',
    '    at every look: -0.03 to 0.11 (p 0.41)',
    '  sample ratio p 1 at every look; 12 units met several arms as the weights moved',
    '  as it ran: 0.61 a request; 40 predictions are too young to count',
    '  values are weighted by 1 / propensity (SNIPS); plain means of a bandit are biased, mostly downwards',
  ]);
  const by = { kind: 'system', id: 'system' };
  const update = { seed: 7, arms: [{ name: 'b', rewards: 120, chance: 0.9, share: 0.8 }] };
  assert.deepEqual(describeStep({ kind: 'weights', weights: { control: 0.2, b: 0.8 }, why: 'w', update, by, at: 'T' }), [
    'T  weights  control 20 %, b 80 %  (system)',
    '  seed 7; b: 120 rewards, chance to be best 90 %, share 80 %',
  ]);
  assert.deepEqual(describeStep({ kind: 'stopped', weights: null, why: 'harm', update: null, by: { kind: 'user', id: 'ada' }, at: 'T' }), [
    'T  stopped  harm  (user ada)',
  ]);
});
