import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ReleasePolicy } from '../projects/public.ts';
import { releaseMoves, splitBetween, type GuardrailFigures, type StepFigures, type Variant, type VariantFigures } from './model.ts';
import { judgeStep } from './service/judging/verdict.ts';

const HOUR = 3_600_000_000;
const policy: ReleasePolicy = {
  ...{ shadow: null, steps: [0.1, 0.5, 1], approve: [false, false, false], holdUs: 24 * HOUR, maxHoldUs: 72 * HOUR },
  ...{ afterMaxHold: 'rollback', minSample: 100, bakeUs: null, rollbackWindow: 10, guardrails: [] },
};
const release = { state: 'canary', step: 0, policy, sinceUs: 0, waiting: null } as const;

const variant = (requests: number): VariantFigures => ({
  ...{ variant: 'v', requests, errors: 0, errorShare: 0, scoreMean: 0.5, latencyUs: null, labels: 0 },
});
const guardrail = (verdict: GuardrailFigures['verdict']): GuardrailFigures => ({
  ...{
    metric: 'error_rate',
    step: 0,
    then: 'rollback',
    verdict,
    candidate: 0,
    stable: 0,
    difference: 0,
    interval: null,
    pValue: 1,
    margin: 0,
  },
  ...{ method: '', n: 1, why: `guardrail ${verdict}` },
});
const figures = (change: Partial<StepFigures> = {}): StepFigures => ({
  ...{
    state: 'canary',
    step: 0,
    share: 0.1,
    sinceUs: 0,
    atUs: 0,
    looks: 1,
    candidate: variant(150),
    stable: variant(1350),
    guardrails: [guardrail('ok')],
  },
  ratio: { planned: 0.1, found: 0.1, units: 1500, pValue: 1, chiSquareP: 1 },
  harmed: { requests: 150, errors: 0, beyondStable: 0 },
  ...change,
});
const kind = (f: StepFigures, hours: number, more: { frozen?: boolean; paused?: boolean } = {}): string =>
  judgeStep({ ...release, state: more.paused ? 'paused' : 'canary' }, f, hours * HOUR, more.frozen ? 'holidays' : undefined).kind;

test('what decides first decides: harm, the share, the hold, the sample, the freeze, and then the next step', () => {
  const harm = figures({ guardrails: [guardrail('harm')] });
  const skewed = figures({ ratio: { planned: 0.1, found: 0.2, units: 1500, pValue: 1e-9, chiSquareP: 1e-9 } });
  const few = figures({ candidate: variant(99) });
  assert.equal(kind(harm, 1), 'roll-back');
  assert.equal(kind(harm, 1, { paused: true, frozen: true }), 'roll-back', 'whatever else is');
  assert.equal(kind(skewed, 1), 'pause');
  assert.equal(kind(skewed, 99, { paused: true }), 'wait', 'a pause ends by hand');
  assert.equal(kind(figures(), 23), 'wait');
  assert.equal(kind(few, 24), 'hold');
  assert.equal(kind(figures({ stable: variant(0) }), 24), 'hold');
  assert.equal(kind(few, 72), 'roll-back');
  assert.equal(kind(figures(), 24, { frozen: true }), 'hold');
  assert.deepEqual(judgeStep(release, figures(), 24 * HOUR), {
    kind: 'next',
    step: 1,
    why: 'held 24 h, 150 requests; guardrail ok',
  });
});

test('without a longest hold a step waits for its sample', () => {
  const patient = { ...release, policy: { ...policy, maxHoldUs: null } };
  assert.equal(judgeStep(patient, figures({ candidate: variant(99) }), 9999 * HOUR).kind, 'hold');
});

test('weights of a split sum to 1, and what has ended goes nowhere', () => {
  const one: Variant = { id: 'v1', versionId: 'mv_1', model: 'm', number: 1, weight: 1 };
  for (const share of [0.01, 0.1, 0.3, 0.7])
    assert.equal(
      splitBetween(one, { ...one, id: 'v2' }, share).reduce((sum, v) => sum + v.weight, 0),
      1,
    );
  assert.deepEqual(
    splitBetween(one, { ...one, id: 'v2' }, 1).map((v) => [v.id, v.weight]),
    [['v2', 1]],
  );
  for (const end of ['promoted', 'rolled-back', 'aborted', 'failed'] as const) assert.deepEqual(releaseMoves[end], []);
});
