import assert from 'node:assert/strict';
import { test } from 'node:test';
import { retrainingTables } from '../../app/migrations/0001/retraining.ts';
import type { RetrainingDefinition } from '../projects/public.ts';
import {
  isUseful,
  isUseless,
  judge,
  lastTick,
  openStates,
  resolveParams,
  span,
  statesBefore,
  transitions,
  triggerStates,
  type Facts,
} from './model.ts';

const DAY = 86_400_000_000;
const at = (text: string): number => Date.parse(text) * 1000;
const NOW = at('2013-06-10T12:00:00Z');

const policy: RetrainingDefinition = {
  name: 'keep-good',
  pipeline: 'train',
  endpoint: 'e',
  on: [],
  params: {},
  cooldownUs: 14 * DAY,
  budget: { runs: 2, perUs: 60 * DAY },
  minNewLabels: 100,
  approval: 'auto',
  approveWithinUs: 7 * DAY,
  stopAfter: 3,
  release: true,
};
const free: Facts = {
  nowUs: NOW,
  stop: undefined,
  freeze: undefined,
  open: undefined,
  releaseUnderWay: undefined,
  lastAccepted: undefined,
  lastSame: undefined,
  acceptedInSpan: 0,
  newLabels: { labels: 100, sinceUs: at('2013-05-01') },
  broken: [],
  mutedMonitors: [],
  useless: 0,
  halted: false,
};
const refusal = (facts: Partial<Facts>, change: Partial<RetrainingDefinition> = {}, forced = false): string => {
  const verdict = judge({ ...policy, ...change }, { ...free, ...facts }, forced);
  return verdict.accepted ? 'accepted' : `${verdict.guard}: ${verdict.reason}`;
};
const last = { id: 'trg_1', acceptedUs: NOW - 14 * DAY + 1 };

test('each guard rail says no with its figures, and not a moment longer than it must', () => {
  assert.equal(refusal({}), 'accepted');
  assert.equal(
    refusal({ stop: { scope: 'project demo', by: 'ada', reason: 'audit' } }),
    'stopped: retraining of project demo was stopped by ada: audit',
  );
  assert.equal(refusal({ freeze: { by: 'bob', reason: 'holiday' } }), 'frozen: endpoint e was frozen by bob: holiday');
  assert.equal(refusal({ open: { id: 'trg_0', state: 'running' } }), 'one-at-a-time: trigger trg_0 of this policy is still running');
  assert.equal(refusal({ releaseUnderWay: 'rel_1' }), 'one-at-a-time: release rel_1 of endpoint e is under way');
  assert.match(refusal({ lastSame: last }), /^duplicate: the same cause was acted on at 2013-05-27T12:00:00\.000Z by trigger trg_1$/);
  assert.equal(refusal({ lastSame: { ...last, acceptedUs: NOW - 14 * DAY } }), 'accepted');
  assert.match(
    refusal({ lastSame: { ...last, acceptedUs: 0 } }, { cooldownUs: 0 }),
    /^duplicate/,
    'without a cooldown it is acted on once',
  );
  assert.equal(
    refusal({ lastAccepted: last }),
    'cooldown: the last trigger was accepted at 2013-05-27T12:00:00.000Z; the cooldown of 14d ends at 2013-06-10T12:00:00.000Z',
  );
  assert.equal(refusal({ lastAccepted: { ...last, acceptedUs: NOW - 14 * DAY } }), 'accepted');
  assert.equal(refusal({ acceptedInSpan: 2 }), 'budget: 2 of 2 runs per 60d are used');
  assert.equal(refusal({ acceptedInSpan: 1 }), 'accepted');
  assert.equal(refusal({ acceptedInSpan: 9 }, { budget: null }), 'accepted');
  assert.equal(
    refusal({ newLabels: { labels: 99, sinceUs: at('2013-05-01') } }),
    'new-labels: 99 rows were labelled since the champion’s training cut-off at 2013-05-01T00:00:00.000Z; 100 are needed',
  );
  assert.equal(refusal({ newLabels: { labels: 7, sinceUs: 0 } }), 'new-labels: 7 rows were labelled; 100 are needed');
  assert.match(refusal({ newLabels: undefined }), /^new-labels: .* no monitor of the endpoint counts them$/);
  assert.equal(refusal({ newLabels: undefined }, { minNewLabels: 0 }), 'accepted');
  assert.match(
    refusal({ broken: [{ dataset: 'flights', version: 'dsv_1', number: 4 }] }),
    /^broken-data: version 4 of dataset flights broke its contract/,
  );
  assert.equal(refusal({ mutedMonitors: ['m'] }), 'broken-data: a quality alert of monitor m pages: its data are broken');
  assert.match(
    refusal({ halted: true, useless: 3 }),
    /^halted: the last 3 tries in a row did not help .*"gyre retraining resume keep-good"/,
  );
});

test('the first guard rail in their order is the reason', () => {
  const all: Partial<Facts> = {
    stop: { scope: 'all projects', by: 'ada', reason: 'x' },
    freeze: { by: 'ada', reason: 'x' },
    open: { id: 'trg_0', state: 'running' },
    lastSame: last,
    lastAccepted: last,
    acceptedInSpan: 2,
    newLabels: { labels: 0, sinceUs: 0 },
    mutedMonitors: ['m'],
    halted: true,
  };
  const order: string[] = [];
  const steps = ['stop', 'freeze', 'open', 'lastSame', 'lastAccepted', 'acceptedInSpan', 'newLabels', 'mutedMonitors', 'halted'] as const;
  for (let i = 0; i < steps.length; i++) {
    const lifted = Object.fromEntries(steps.slice(0, i).map((s) => [s, free[s]]));
    order.push(refusal({ ...all, ...lifted }).split(':')[0]!);
  }
  assert.deepEqual(order, ['stopped', 'frozen', 'one-at-a-time', 'duplicate', 'cooldown', 'budget', 'new-labels', 'broken-data', 'halted']);
});

test('who asks with force waives what keeps habit in check, and nothing that prevents harm', () => {
  const habit: Partial<Facts> = { lastSame: last, lastAccepted: last, acceptedInSpan: 9, newLabels: undefined, halted: true, useless: 5 };
  assert.equal(refusal(habit, {}, true), 'accepted');
  assert.match(refusal({ ...habit, stop: { scope: 'all projects', by: 'ada', reason: 'x' } }, {}, true), /^stopped/);
  assert.match(refusal({ ...habit, freeze: { by: 'ada', reason: 'x' } }, {}, true), /^frozen/);
  assert.match(refusal({ ...habit, open: { id: 'trg_0', state: 'deciding' } }, {}, true), /^one-at-a-time/);
  assert.match(refusal({ ...habit, mutedMonitors: ['m'] }, {}, true), /^broken-data/);
});

test('"now" and what lies before it become days of event time; all else stays as it is written', () => {
  assert.deepEqual(
    resolveParams(
      { to: 'now', from: 'now - 60d', week: 'now-1w', hours: 'now - 13h', rate: 0.1, text: 'now and then', day: '2013-01-01', flag: true },
      NOW,
    ),
    {
      to: '2013-06-10',
      from: '2013-04-11',
      week: '2013-06-03',
      hours: '2013-06-09',
      rate: 0.1,
      text: 'now and then',
      day: '2013-01-01',
      flag: true,
    },
  );
});

test('of a schedule the last moment that was passed counts, however many were', () => {
  const tick = (pattern: string, from: string, to: string): string | undefined => {
    const found = lastTick(pattern, at(from), at(to));
    return found === undefined ? undefined : new Date(found / 1000).toISOString();
  };
  assert.equal(tick('0 3 * * 1', '2013-06-03T03:00:00Z', '2013-06-10T02:59:59Z'), undefined, 'the one at the beginning was seen');
  assert.equal(tick('0 3 * * 1', '2013-06-03T03:00:00Z', '2013-06-10T03:00:00Z'), '2013-06-10T03:00:00.000Z');
  assert.equal(tick('0 3 * * 1', '2013-05-01', '2013-06-09'), '2013-06-03T03:00:00.000Z', 'a month is passed over at once');
  assert.equal(tick('0 0 1 * *', '2013-01-15', '2013-02-01'), '2013-02-01T00:00:00.000Z');
  assert.equal(tick('0 0 29 2 *', '2013-01-15', '2015-01-01'), undefined);
  assert.equal(tick('* * * * *', '2012-06-01', '2013-06-01T10:00:30Z'), '2013-06-01T10:00:00.000Z');
  // Berlin has no 02:30 on that day and New York none; a schedule is in UTC and does not care.
  assert.equal(tick('30 2 31 3 *', '2013-03-30', '2013-04-02'), '2013-03-31T02:30:00.000Z');
  assert.equal(tick('30 7 10 3 *', '2013-03-09', '2013-03-12'), '2013-03-10T07:30:00.000Z');
});

test('every state is reached, and every end is one', () => {
  const reached = new Set(Object.values(transitions).flat());
  assert.deepEqual(
    triggerStates.filter((s) => !reached.has(s)),
    ['recorded'],
  );
  assert.deepEqual(retrainingTables[0]!.oneOf!.state, triggerStates, 'the table knows the same states');
  assert.deepEqual(statesBefore('running'), ['accepted']);
  for (const state of openStates) assert.ok(transitions[state].length > 0, state);
  const ends = triggerStates.filter((s) => transitions[s].length === 0);
  assert.deepEqual(ends.filter(isUseless), ['failed', 'refused', 'rolled-back']);
  assert.deepEqual(ends.filter(isUseful), ['passed', 'promoted']);
});

test('spans are said in the largest unit that fits', () => {
  assert.deepEqual([span(14 * DAY), span(36 * 3600e6), span(90e6), span(30e6), span(0)], ['14d', '36h', '90s', '30s', '0s']);
});
