import assert from 'node:assert/strict';
import { test } from 'node:test';
import { describeRelease, frozenLines, type Story } from './release-status.ts';

const story: Story = {
  release: {
    id: 'rel_1',
    endpoint: 'late-arrival',
    revision: 'epr_2',
    state: 'canary',
    candidate: { model: 'late-arrival', number: 7 },
    steps: [0.1, 0.5, 1],
    step: 0,
    share: 0.1,
    shadow: { share: 1, minSample: 300 },
    bakeUs: 3_600_000_000,
    approve: [false, true, false],
    waiting: { for: 'approval', since: '2013-06-02T00:00:00.000Z' },
    minSample: 300,
    reason: 'retrained',
    standing: 'held 12 h of 24 h',
    since: '2013-06-01T00:00:00.000Z',
    createdAt: '2026-01-01T00:00:00.000Z',
    figures: {
      state: 'canary',
      at: '2013-06-01T12:00:00.000Z',
      looks: 2,
      candidate: { requests: 41, errors: 0 },
      stable: { requests: 402, errors: 1 },
      ratio: { planned: 0.1, found: 0.0925, units: 443, pValue: 1 },
      harmed: { requests: 41, errors: 0, beyondStable: 0 },
      guardrails: [
        {
          metric: 'error_rate',
          step: 0,
          verdict: 'ok',
          then: 'rollback',
          candidate: 0,
          stable: 0.00249,
          difference: -0.00249,
          interval: { low: -0.02, level: 0.99 },
          n: 443,
          why: '',
        },
        {
          metric: 'roc_auc',
          step: 0,
          verdict: 'too-little-data',
          then: 'rollback',
          candidate: null,
          stable: null,
          difference: null,
          interval: null,
          n: 12,
          why: 'roc_auc: the candidate: 12 labels, 30 are needed',
        },
      ],
    },
  },
  transitions: [
    {
      from: 'warming',
      to: 'canary',
      share: 0.1,
      actor: { kind: 'system', id: 'system' },
      reason: 'retrained',
      at: '2013-06-01T00:00:00.000Z',
    },
  ],
};

test('the status of a release says where it stands, what it lacks, and each guardrail with its figures', () => {
  const lines = describeRelease(story);
  assert.deepEqual(lines.slice(0, 7), [
    'rel_1  late-arrival: version 7 canary, 10 % of the traffic since 2013-06-01T00:00:00.000Z',
    '  warm > shadow 100 % > [10 %] > !50 % > 100 % > bake',
    '  held 12 h of 24 h',
    '  waits for a person: gyre release approve late-arrival --reason "..."',
    '  sample: 41 of 300 requests, 0 failed; stable 402, 1 failed (look 2, 2013-06-01T12:00:00.000Z)',
    '  share found: 9.25 % of 443, planned 10 % (p = 1)',
    '  the candidate answered 41 requests since the release began, 0 failed, 0 more than the stable variant would have',
  ]);
  assert.match(lines[7]!, /GUARDRAIL +STEP +VERDICT +THEN +CANDIDATE +STABLE +WORSE BY +AT LEAST +N/);
  assert.match(lines[8]!, /error_rate +1 +ok +rollback +0 +0\.00249 +-0\.00249 +-0\.02 +443/);
  assert.match(lines[9]!, /roc_auc +1 +too-little-data +rollback +- +- +- +- +12/);
  assert.equal(lines[10], '  roc_auc: the candidate: 12 labels, 30 are needed');
  assert.match(lines.at(-1)!, /warming -> canary, 10 %, by the policy: retrained$/);
});

test('who or what freezes an endpoint is said, with how it moves again', () => {
  const frozen = { by: 'ada', since: '2013-06-01T00:00:00.000Z', reason: 'the data are being repaired' };
  const calendar = { until: '2013-06-03T08:00:00.000Z', reason: 'weekend' };
  assert.deepEqual(frozenLines('e', { frozen: null, calendar: null }), []);
  assert.deepEqual(frozenLines('e', { frozen, calendar }), [
    'e is frozen by ada since 2013-06-01T00:00:00.000Z: the data are being repaired ("gyre unfreeze e" lets it move)',
    'e is frozen by its calendar until 2013-06-03T08:00:00.000Z: weekend',
  ]);
});
