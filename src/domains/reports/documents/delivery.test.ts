import assert from 'node:assert/strict';
import { test } from 'node:test';
import { renderDelivery } from './delivery-text.ts';
import { deliveryOf, median, type Told } from './delivery.ts';

const DAY = 86_400_000_000;
let number = 0;
const told = (
  type: string,
  id: string,
  at: number,
  payload: Record<string, unknown> = {},
  edges: Record<string, [string, string]> = {},
): Told => {
  const subject = { kind: type.slice(0, type.indexOf('.')), id };
  return {
    id: `evt_${++number}`,
    type,
    subject,
    payload,
    edges: Object.entries(edges).map(([relation, [kind, to]]) => ({ from: subject, to: { kind, id: to }, relation })),
    recordedMs: (at * DAY) / 1000,
    occurredUs: at * DAY,
  };
};
const release = (id: string, version: string, at: number, end: string, more: Record<string, unknown> = {}): Told[] => [
  told('release.started', id, at, { endpoint: 'late', version, ...more }),
  told('release.stepped', id, at, { endpoint: 'late', version, share: 0.1 }),
  told(`release.${end}`, id, at + 1, { endpoint: 'late', version, share: end === 'promoted' ? 1 : 0 }),
];
const version = (id: string, run: string): Told => told('model-version.sealed', id, 0, {}, { 'produced-by': ['pipeline-run', run] });

test('each deployment has its kind, its three lead times and its failure, each led back to its evidence', () => {
  const events = [
    told('project-revision.applied', 'rev_1', 2, { commit: 'abc' }),
    told('pipeline-run.started', 'run_1', 2, {}, { definition: ['project-revision', 'rev_1'] }),
    version('mdv_1', 'run_1'),
    ...release('rel_1', 'mdv_1', 3, 'promoted'),
    told('alert.firing', 'alr_1', 20, { monitor: 'late', severity: 'page' }),
    told('alert.firing', 'alr_2', 20, { monitor: 'late', severity: 'info' }),
    told('trigger.recorded', 'trg_1', 20, { accepted: true }, { 'caused-by': ['alert', 'alr_1'] }),
    told('pipeline-run.started', 'run_2', 20, {}, { 'started-by': ['trigger', 'trg_1'] }),
    version('mdv_2', 'run_2'),
    ...release('rel_2', 'mdv_2', 21, 'promoted'),
    told('alert.resolved', 'alr_1', 25, { monitor: 'late' }),
    // A bad one is rolled back in its canary; another holds, and is rolled back by hand two days later.
    ...release('rel_3', 'mdv_3', 30, 'rolled-back'),
    ...release('rel_4', 'mdv_4', 40, 'promoted'),
    ...release('rel_5', 'mdv_2', 42, 'promoted', { rollbackTo: 2 }),
    // One without traffic is no deployment, and another endpoint’s is not ours.
    told('release.started', 'rel_6', 43, { endpoint: 'late', version: 'mdv_5' }),
    told('release.failed', 'rel_6', 43, { endpoint: 'late', version: 'mdv_5', share: 0 }),
    told('release.promoted', 'rel_7', 43, { endpoint: 'other', version: 'mdv_6', share: 1 }),
  ];
  const d = deliveryOf({
    project: 'p',
    fromUs: 0,
    toUs: 70 * DAY,
    endpoints: new Map([['late', ['late']]]),
    events,
    cutoffs: new Map([
      ['mdv_1', 1 * DAY],
      ['mdv_2', 19 * DAY],
    ]),
    failWithinUs: 7 * DAY,
  });
  const [late] = d.endpoints;
  assert.deepEqual(
    late!.deployments.map((x) => [x.release, x.kind, x.outcome, x.failed?.why ?? null, x.fixesIncident]),
    [
      ['rel_1', 'change', 'promoted', null, false],
      ['rel_2', 'retraining', 'promoted', null, true],
      ['rel_3', 'change', 'rolled-back', 'rolled back in its canary', false],
      ['rel_4', 'change', 'promoted', 'it was rolled back', false],
      ['rel_5', 'rollback', 'promoted', null, true],
    ],
  );
  assert.deepEqual(late!.frequency, { perWeek: 0.5, n: 5, weeks: 10 });
  assert.deepEqual(late!.leadTimeUs.commit, { ok: true, value: DAY, n: 1 });
  assert.deepEqual(late!.leadTimeUs.data, { ok: true, value: 2 * DAY, n: 2 });
  assert.deepEqual(late!.leadTimeUs.alert, { ok: true, value: DAY, n: 1 });
  assert.deepEqual([late!.changeFailRate.ok && late!.changeFailRate.value, late!.changeFailRate.n], [0.4, 5]);
  assert.deepEqual([late!.reworkRate.ok && late!.reworkRate.value, late!.reworkRate.n], [0.4, 5]);
  // The page of day 20 ended when a new version had all requests, a day after its canary and before the alert itself resolved.
  assert.deepEqual(late!.recoveryUs, { ok: true, value: 2 * DAY, n: 1 });
  const page = renderDelivery(d);
  assert.match(page, /Change fail rate \(within 7 d\) \| 40\.0 % \[\d+\.\d %, \d+\.\d %\], n = 5/);
  assert.match(page, /`rel_3` \| rolled-back \| rolled back in its canary/);
  assert.equal(page, renderDelivery(d));
});

test('without deployments each measure says why there is none', () => {
  const d = deliveryOf({
    project: 'p',
    fromUs: 0,
    toUs: DAY,
    endpoints: new Map([['late', []]]),
    events: [],
    cutoffs: new Map(),
    failWithinUs: DAY,
  });
  const [e] = d.endpoints;
  for (const f of [e!.leadTimeUs.commit, e!.leadTimeUs.data, e!.leadTimeUs.alert, e!.changeFailRate, e!.recoveryUs, e!.reworkRate]) {
    assert.equal(f.ok, false);
    assert.equal(f.n, 0);
  }
  assert.match(renderDelivery(d), /Nothing was deployed in this time/);
});

test('a median has its interval from six values on, and it is that of the binomial', () => {
  assert.deepEqual(median([3, 1, 2], ''), { ok: true, value: 2, n: 3 });
  const six = median([1, 2, 3, 4, 5, 6], '');
  // 1 - 2 / 2^6
  assert.deepEqual(six.ok && six.interval, { low: 1, high: 6, level: 0.9688, method: 'order statistics' });
  const ten = median([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], '');
  // Ranks 2 and 9 miss with 2 * 11 / 2^10.
  assert.deepEqual(ten.ok && ten.interval, { low: 2, high: 9, level: 0.9785, method: 'order statistics' });
});
