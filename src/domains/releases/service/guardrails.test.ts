import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeGuardrail, type Compared, type Counted } from './guardrails.ts';

const counted = (change: Partial<Counted>): Counted => ({
  requests: 0,
  errors: 0,
  bins: Array.from({ length: 10 }, () => 0),
  latencyP95Us: null,
  scores: [],
  labels: [],
  ...change,
});
const compared = (candidate: Partial<Counted>, stable: Partial<Counted>): Compared => ({
  step: 0,
  share: 0.1,
  candidate: counted(candidate),
  stable: counted(stable),
  alpha: 0.025,
  expected: 3000,
});
const judge = (metric: string, candidate: Partial<Counted>, stable: Partial<Counted>, margin: number | null = null) =>
  judgeGuardrail({ metric, margin }, compared(candidate, stable));

test('errors up to the margin are tolerated, and none at all on either side is no harm', () => {
  assert.equal(judge('error_rate', { requests: 300, errors: 15 }, { requests: 2700 }).verdict, 'harm');
  assert.equal(judge('error_rate', { requests: 300, errors: 15 }, { requests: 2700 }, 0.04).verdict, 'ok');
  assert.equal(judge('error_rate', { requests: 300 }, { requests: 2700 }).verdict, 'ok');
  assert.equal(judge('error_rate', { requests: 300 }, {}).verdict, 'too-little-data');
});

test('scores that moved far are harm, those of a retrained model are not, and no scores say nothing', () => {
  const usual = [20, 40, 80, 60, 40, 30, 15, 10, 4, 1];
  const of = (bins: readonly number[], times: number) => ({ bins: bins.map((n) => n * times) });
  assert.equal(judge('prediction_drift', of(usual, 1), of(usual, 9)).verdict, 'ok');
  const retrained = judge('prediction_drift', of([15, 30, 70, 60, 50, 36, 20, 12, 5, 2], 1), of(usual, 9));
  assert.deepEqual([retrained.verdict, retrained.margin], ['ok', 0.3]);
  const constant = judge('prediction_drift', { bins: [300, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, of(usual, 9));
  assert.equal(constant.verdict, 'harm');
  assert.match(constant.why, /is more than 0\.3, and chance does not explain it/);
  assert.equal(judge('prediction_drift', {}, of(usual, 9)).verdict, 'too-little-data');
  // Far apart, yet too few to be sure.
  assert.equal(judge('prediction_drift', { bins: [1, 0, 0, 0, 0, 0, 0, 0, 0, 0] }, of(usual, 1)).verdict, 'ok');
});

test('latency is reported and decides nothing; a metric without labels says why', () => {
  assert.equal(judge('latency', { latencyP95Us: 9e9 }, { latencyP95Us: 1 }).verdict, 'reported');
  const none = judge('log_loss', { requests: 500 }, { requests: 4000 });
  assert.deepEqual([none.verdict, none.why], ['too-little-data', 'log_loss: the candidate: there are no rows']);
});
