import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseCondition, parseProject } from '../projects/public.ts';
import { kindOfSignal, ruleOf } from './model.ts';
import { rulesOf } from './rules.ts';
import { judge, watch, type Found, type Signal, type SignalWindow } from './signals.ts';

const window = (signals: Record<string, Signal>, found: Record<string, Found[]> = {}, n = 900): SignalWindow => ({
  id: 'win_1',
  kind: 'performance',
  fromUs: 0,
  toUs: 10,
  closedUs: 12,
  generation: 1,
  n,
  signals,
  found,
});
const judged = (when: string, w: SignalWindow) => judge(parseCondition(when)!, w);
const auc = (value: number, standardError: number): SignalWindow =>
  window({
    roc_auc: {
      value,
      n: 6300,
      method: '7 windows pooled',
      windows: 7,
      standardError,
      baseline: 0.7,
      baselineStandardError: 0.001,
      spread: 0,
    },
  });

test('a fall below the baseline must be large enough, and one that chance does not make', () => {
  const when = 'e.roc_auc below baseline by 0.03';
  assert.equal(judged(when, auc(0.66, 0.005)).breach, true);
  assert.equal(judged(when, auc(0.68, 0.005)).breach, false);
  const few = judged(when, auc(0.66, 0.05));
  assert.equal(few.breach, false);
  assert.match(few.method, /7 windows pooled; baseline 0\.7; worse by 0\.04, at least -0\.0/);
  assert.ok(few.threshold! < 0.67, 'with few rows more is needed than the margin');
  assert.equal(judged('e.roc_auc below baseline by 5%', auc(0.66, 0.001)).breach, true);
  assert.equal(judged('e.roc_auc below baseline by 6%', auc(0.66, 0.001)).breach, false);
  assert.equal(judged('e.roc_auc above baseline by 0.03', auc(0.66, 0.001)).breach, false);
  assert.equal(judged('e.roc_auc above baseline by 0.03', auc(0.74, 0.001)).breach, true);
});

test('a bound must lie beyond the whole interval; a figure without chance is compared as it is', () => {
  assert.equal(judged('e.roc_auc below 0.67', auc(0.66, 0.001)).breach, true);
  assert.equal(judged('e.roc_auc below 0.67', auc(0.66, 0.01)).breach, false);
  assert.equal(judged('e.roc_auc above 0.65', auc(0.66, 0.001)).breach, true);
  const volume = window({ volume: { value: 10, n: 10, method: 'records' } });
  assert.deepEqual(judged('e.volume below 20', volume).breach, true);
  assert.deepEqual(judged('e.volume above 20', volume).breach, false);
  const errors = window({ error_rate: { value: 0.06, n: 100, method: 'share', interval: { low: 0.02, high: 0.12, level: 0.95 } } });
  assert.equal(judged('e.error_rate above 0.05', errors).breach, false);
  assert.equal(judged('e.error_rate above 0.01', errors).breach, true);
  // Beyond the interval of 95 % that it comes with, within the one of 99 % that a rule asks for.
  assert.equal(judged('e.error_rate above 0.015', errors).breach, false);
});

test('what cannot be told is no data, with its reason', () => {
  const none = judged('e.roc_auc below 0.6', window({ roc_auc: { value: null, n: 3, method: '', reason: 'too few labels' } }));
  assert.deepEqual([none.breach, none.method], [null, 'too few labels']);
  assert.equal(judged('e.f1 below 0.6', window({})).breach, null);
  const noBaseline = judged('e.f1 below baseline', window({ f1: { value: 0.4, n: 9, method: 'F1' } }));
  assert.deepEqual([noBaseline.breach, noBaseline.method], [null, 'there is no baseline to compare with']);
  assert.equal(judged('e.quality found', window({}, {}, 0)).breach, null);
});

test('a finding brings its own figures', () => {
  const found = { subject: 'dep_delay', value: 0.4, threshold: 0.01, n: 900, method: 'share of nulls' };
  const seen = judged('e.quality found', window({ quality: { value: 1, n: 900, method: 'findings' } }, { quality: [found, found] }));
  assert.deepEqual(seen, {
    window: 'win_1',
    atUs: 10,
    knownUs: 12,
    breach: true,
    value: 0.4,
    threshold: 0.01,
    n: 900,
    method: 'dep_delay: share of nulls; 2 findings in this window',
  });
  assert.equal(judged('e.quality found', window({ quality: { value: 0, n: 900, method: 'findings' } })).breach, false);
});

test('the dead man counts from the last window with records', () => {
  assert.equal(watch(100, null, 1000).breach, null);
  assert.equal(watch(100, 900, 1000).breach, false);
  assert.equal(watch(100, 900, 1001).breach, true);
});

test('signals are read from the kind of window that has them', () => {
  for (const s of ['drift', 'drift.dep_delay', 'prediction_drift', 'quality', 'volume', 'error_rate', 'windows', 'estimated.roc_auc'])
    assert.equal(kindOfSignal(s), 'data', s);
  for (const s of ['roc_auc', 'log_loss', 'coverage']) assert.equal(kindOfSignal(s), 'performance', s);
});

const definition = (more: string) =>
  parseProject(`project: p
models: { m: {} }
endpoints: { e: { model: m } }
monitors: { e: { window: 6h, performance: [log_loss, roc_auc] } }
${more}`);

test('every monitor gets rules, each replaced by one of the project for the same signal', () => {
  const plain = rulesOf(definition(''), []);
  assert.deepEqual(
    plain.map((r) => [r.name, r.when, r.for, r.severity, r.receivers]),
    [
      ['e-quality', 'e.quality found', { windows: 1, of: 1 }, 'warn', []],
      ['e-log_loss', 'e.log_loss above baseline by 0.03', { windows: 2, of: 2 }, 'warn', []],
      ['e-drift', 'e.drift found', { windows: 2, of: 3 }, 'warn', []],
      ['e-prediction_drift', 'e.prediction_drift found', { windows: 2, of: 3 }, 'warn', []],
      ['e-windows', 'e.windows stopped for 18h', { windows: 1, of: 1 }, 'warn', []],
    ],
  );
  for (const r of plain) assert.deepEqual(parseCondition(r.when), { monitor: r.monitor, signal: r.signal, condition: r.condition });
  const own = rulesOf(
    definition(`alerts: [{ name: e-drift, when: e.quality above 3 }, { when: e.log_loss above 0.7 }]
receivers: { default: { webhook: { url: "https://example.org" } } }`),
    [],
  );
  assert.deepEqual(
    own.map((r) => `${r.name} ${r.managedBy} ${r.receivers.join()}`),
    [
      'e-drift file ',
      'e-log_loss file ',
      'e-drift-default default default',
      'e-prediction_drift default default',
      'e-windows default default',
    ],
  );
});

test('a regression is measured in units of its outcome, so its default margin is a share of the baseline', () => {
  const d = parseProject('project: p\nmonitors: { far: { task: regression, window: 1d, baseline: { first: 7d } } }');
  const rule = rulesOf(d, []).find((r) => r.signal === 'mae')!;
  assert.deepEqual(rule.condition, { kind: 'above-baseline', by: 0.1, relative: true });
});

test('a rule of the API acts while its monitor is there and the file has no rule of its name', () => {
  const api = ruleOf({ ...definition('alerts: [{ name: mine, when: e.volume below 5 }]').alerts.mine! }, 'api');
  assert.equal(rulesOf(definition(''), [api]).find((r) => r.name === 'mine')?.managedBy, 'api');
  assert.equal(
    rulesOf(definition('alerts: [{ name: mine, when: e.volume below 9 }]'), [api]).find((r) => r.name === 'mine')?.managedBy,
    'file',
  );
  assert.equal(
    rulesOf(definition(''), [{ ...api, monitor: 'gone' }]).some((r) => r.name === 'mine'),
    false,
  );
});
