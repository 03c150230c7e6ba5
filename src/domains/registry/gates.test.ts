import assert from 'node:assert/strict';
import { test } from 'node:test';
import { judgeGate, seenInTraining, type Judged } from './gates.ts';
import {
  isAliasName,
  isCurrent,
  isModelName,
  signatureFaults,
  type Decision,
  type Evaluation,
  type Figure,
  type Gate,
  type ModelVersion,
} from './model.ts';

const figure = (value: number, n = 500): Figure => ({ ok: true, value, n });
const none: Figure = { ok: false, reason: 'all labels are the same', n: 40 };
const slice = (value: string, n: number, roc_auc: Figure) => ({ column: 'origin', value, n, metrics: { roc_auc } });
const evaluation = {
  metrics: { roc_auc: figure(0.7), brier: figure(0.2), pr_auc: none },
  slices: [slice('JFK', 400, figure(0.72)), slice('EWR', 90, figure(0.4, 90)), slice('LGA', 120, figure(0.61, 120))],
  window: { fromUs: 100, toUs: 200 },
} as unknown as Evaluation;
const judged: Judged = { evaluation, reported: new Map([['auc', 0.8]]), againstChampion: () => undefined };
const judge = (gate: Gate, more: Partial<Judged> = {}) => judgeGate(gate, { ...judged, ...more });

test('a floor and a ceiling take their own bound in and nothing beyond it', () => {
  assert.equal(judge({ metric: 'roc_auc', floor: 0.7 }).passed, true);
  assert.equal(judge({ metric: 'roc_auc', floor: 0.7001 }).passed, false);
  assert.equal(judge({ metric: 'brier', ceiling: 0.2 }).passed, true);
  assert.equal(judge({ metric: 'brier', ceiling: 0.1999 }).passed, false);
  assert.equal(judge({ metric: 'roc_auc', floor: 0.6, ceiling: 0.65 }).passed, false);
  assert.match(judge({ metric: 'roc_auc', floor: 0.75 }).why, /roc_auc 0\.7000 is below the floor 0\.75/);
  assert.match(judge({ metric: 'roc_auc', floor: 0.6 }).found, /0\.7000, n = 500/);
});

test('a figure that could not be computed, or is not there, never passes', () => {
  assert.match(judge({ metric: 'pr_auc', floor: 0 }).why, /could not be computed: all labels are the same/);
  assert.match(judge({ metric: 'f1', ceiling: 1 }).why, /the evaluation has no f1/);
  assert.match(judge({ metric: 'roc_auc', floor: 0 }, { evaluation: undefined }).why, /no evaluation made by Gyre/);
});

test('a gate without slices may ask for rows', () => {
  assert.equal(judge({ metric: 'roc_auc', floor: 0.6, minRows: 500 }).passed, true);
  assert.match(judge({ metric: 'roc_auc', floor: 0.6, minRows: 501 }).why, /rests on 500 rows, fewer than 501/);
});

test('every slice that is large enough must pass, and one at least must be', () => {
  const gate: Gate = { metric: 'roc_auc', slice: 'origin', floor: 0.6 };
  assert.deepEqual([judge(gate).passed, judge(gate).found], [true, '2 of 3 slices have at least 100 rows']);
  const strict = judge({ ...gate, minRows: 90 });
  assert.equal(strict.passed, false);
  assert.match(strict.why, /^origin = EWR \(n = 90\): roc_auc 0\.4000 is below the floor 0\.6$/);
  assert.match(judge({ ...gate, minRows: 1000 }).why, /no slice is large enough/);
  assert.match(judge({ ...gate, slice: 'carrier' }).why, /not sliced by carrier/);
});

test('the champion is met by the whole interval, less the margin; without one there is nothing to lose', () => {
  const gate: Gate = { metric: 'roc_auc', notWorseThan: 'champion', margin: 0.01 };
  const against = (low: number, high: number) => ({
    againstChampion: () => ({ ok: true as const, difference: (low + high) / 2, low, high, n: 500, method: 'paired DeLong, 95 %' }),
  });
  assert.equal(judge(gate).found, 'no champion');
  assert.equal(judge(gate, against(-0.01, 0.03)).passed, true);
  assert.equal(judge(gate, against(-0.0101, 0.5)).passed, false);
  assert.equal(judge({ ...gate, margin: 0 }, against(-0.001, 0.5)).passed, false);
  assert.match(judge(gate, against(-0.2, 0)).found, /improvement -0\.1000 \[-0\.2000, 0\.0000\], n = 500, paired DeLong/);
  assert.match(judge(gate, { againstChampion: () => ({ ok: false, reason: 'other rows' }) }).why, /could not be made: other rows/);
});

test('better than the champion is shown by the whole interval above the margin, and equal is not better', () => {
  const gate: Gate = { metric: 'roc_auc', betterThan: 'champion' };
  const against = (low: number, high: number) => ({
    againstChampion: () => ({ ok: true as const, difference: (low + high) / 2, low, high, n: 500, method: 'paired DeLong, 95 %' }),
  });
  assert.deepEqual([judge(gate).passed, judge(gate).found], [true, 'no champion'], 'the first one has nobody to beat');
  assert.equal(judge(gate, against(0.001, 0.05)).passed, true);
  assert.equal(judge(gate, against(0, 0.05)).passed, false);
  assert.equal(judge(gate, against(-0.01, 0.05)).passed, false);
  assert.match(judge(gate, against(-0.01, 0.05)).why, /not shown to be better than the champion/);
  assert.match(judge(gate, against(-0.01, 0.05)).found, /^improvement 0\.0200 \[-0\.0100, 0\.0500\], n = 500, paired DeLong, 95 %$/);
  assert.equal(judge({ ...gate, margin: 0.01 }, against(0.01, 0.05)).passed, false);
  assert.equal(judge({ ...gate, margin: 0.01 }, against(0.011, 0.05)).passed, true);
  assert.match(judge({ ...gate, margin: 0.01 }, against(0.011, 0.05)).why, /by more than 0\.01/);
  assert.match(judge(gate, { againstChampion: () => ({ ok: false, reason: 'other rows' }) }).why, /could not be made: other rows/);
  assert.equal(judge(gate, { evaluation: undefined }).passed, false);
  assert.equal(
    judge({ ...gate, trust: 'reported' }, { reported: new Map([['roc_auc', 0.9]]) }).passed,
    false,
    'reported figures have no rows',
  );
});

test('a reported figure counts only where the gate says so, and says whose word it is', () => {
  assert.equal(judge({ metric: 'auc', floor: 0.7 }).passed, false);
  const trusted: Gate = { metric: 'auc', floor: 0.7, trust: 'reported' };
  assert.equal(judge(trusted).passed, true);
  assert.match(judge(trusted).found, /0\.8000, reported by the training code/);
  assert.equal(judge(trusted, { evaluation: undefined }).passed, true);
  assert.equal(judge({ ...trusted, floor: 0.81 }).passed, false);
  assert.equal(judge({ ...trusted, metric: 'roc_auc' }).passed, false, 'what Gyre computed is not what was reported');
  assert.equal(judge({ ...trusted, slice: 'origin' }).passed, false);
  assert.equal(judge({ ...trusted, notWorseThan: 'champion' }).passed, false);
  assert.equal(judge(trusted, { reported: new Map([['auc', Number.NaN]]) }).passed, false);
});

test('rows that a fit may have seen say nothing about it', () => {
  const version = (number: number, trainingCutoffUs?: number) => ({ number, evidence: { trainingCutoffUs } }) as unknown as ModelVersion;
  assert.equal(seenInTraining(evaluation, [version(1, 100), version(2)]), undefined);
  assert.match(seenInTraining(evaluation, [version(1, 100), version(2, 101)])!, /cut-off of version 2/);
});

test('a decision is current while gates, evaluation and champion are what it was taken on', () => {
  const on = { gateDigest: 'g', evaluationId: 'e', championId: 'c' };
  const decision = on as unknown as Decision;
  assert.equal(isCurrent(decision, on), true);
  for (const change of [{ gateDigest: 'h' }, { evaluationId: 'f' }, { evaluationId: null }, { championId: null }, { championId: 'd' }])
    assert.equal(isCurrent(decision, { ...on, ...change }), false, JSON.stringify(change));
});

test('a model’s inputs must be columns of a type that fits', () => {
  const signature = {
    inputs: [
      { name: 'carrier', type: 'string', shape: ['N', 1] },
      { name: 'hour', type: 'int64', shape: ['N', 1] },
      { name: 'temp', type: 'float32', shape: ['N', 1] },
    ],
    outputs: [],
  };
  const columns = (types: Record<string, string>) => Object.entries(types).map(([name, type]) => ({ name, type }));
  assert.deepEqual(signatureFaults(signature, columns({ carrier: 'VARCHAR', hour: 'BIGINT', temp: 'DOUBLE', more: 'DATE' })), []);
  assert.deepEqual(signatureFaults(signature, columns({ carrier: "ENUM('a')", hour: 'UTINYINT', temp: 'BOOLEAN' })), []);
  assert.deepEqual(signatureFaults(signature, columns({ carrier: 'INTEGER', hour: 'VARCHAR' })), [
    'it reads "carrier" as string, and the column is INTEGER',
    'it reads "hour" as int64, and the column is VARCHAR',
    'it reads "temp", and there is no such column',
  ]);
});

test('names of models and aliases keep to MLflow’s rules', () => {
  for (const name of ['a', 'late arrival', 'ü.1', 'x'.repeat(256)]) assert.ok(isModelName(name), name);
  for (const name of ['', 'a/b', 'a:b', 'x'.repeat(257)]) assert.ok(!isModelName(name), name);
  for (const alias of ['champion', 'v', 'v1a', 'a-b_c', 'latest1']) assert.ok(isAliasName(alias), alias);
  for (const alias of ['', 'latest', 'Latest', 'v1', 'V22', 'a b', 'a.b', 'x'.repeat(256)]) assert.ok(!isAliasName(alias), alias);
});
