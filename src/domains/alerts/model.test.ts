import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fresh, owed, step, transitions, type Holding, type Memory, type Observation, type Rule } from './model.ts';

const DAY = 86_400e6;
type Logic = Pick<Rule, 'for' | 'keepFiringUs' | 'signal'>;

const look = (day: number, breach: boolean | null): Observation => ({
  window: `w${day}`,
  atUs: day * DAY,
  knownUs: day * DAY,
  breach,
  value: 0,
  threshold: 0,
  n: 1,
  method: 'seen',
});

/** "b" breaches, "." does not, "?" has no data. */
const outcomeOf: Readonly<Record<string, boolean | null>> = { b: true, '.': false, '?': null };

function statesOf(rule: Logic, days: string): string {
  let memory: Memory = fresh;
  return [...days]
    .map((c, i) => {
      memory = step(rule, memory, look(i + 1, outcomeOf[c]!)).memory;
      return { normal: 'n', pending: 'p', firing: 'F', recovering: 'r', resolved: 'x' }[memory.state];
    })
    .join('');
}

const rule = (holding: Holding, keepFiringDays = 0, signal = 'roc_auc'): Logic => ({
  for: holding,
  keepFiringUs: keepFiringDays * DAY,
  signal,
});
const windows = (k: number, of = k): Holding => ({ windows: k, of });

for (const [name, logic, days, states] of [
  ['one window fires at once', rule(windows(1)), '.bb.', 'nFFx'],
  ['two windows in a row', rule(windows(2)), 'b.bb.b', 'pnpFxp'],
  ['three in a row, broken once', rule(windows(3)), 'bb.bbb', 'ppnppF'],
  ['two of three need not follow each other', rule(windows(2, 3)), 'b.b..', 'ppFxx'],
  ['two of three, too far apart', rule(windows(2, 3)), 'b..b..', 'ppnppn'],
  ['two of three goes on while two of the last three breach', rule(windows(2, 3)), 'bb.b..', 'pFFFxx'],
  ['a window without data neither counts nor resets', rule(windows(2)), 'b?b?.', 'ppFFx'],
  ['no data keeps what fires', rule(windows(1)), 'b???.', 'FFFFx'],
  ['no data from the start is normal', rule(windows(1)), '??', 'nn'],
  ['for a duration, from the first breach on', rule({ us: 2 * DAY }), 'bbb.', 'ppFx'],
  ['a duration begins anew after a break', rule({ us: 2 * DAY }), 'bb.bbb', 'ppnppF'],
  ['keep_firing_for holds the alert, and a relapse is the same alert', rule(windows(1), 2), 'b..b...', 'FrrFrrx'],
  ['the dead man has no windows to count', rule(windows(3), 0, 'windows'), 'b.', 'Fx'],
] as const)
  test(`state machine: ${name}`, () => assert.equal(statesOf(logic, days), states));

test('a newer generation takes the place of the older one, and what is older than the memory changes nothing', () => {
  const logic = rule(windows(2));
  let { memory } = step(logic, fresh, look(1, true));
  memory = step(logic, memory, look(2, false)).memory;
  assert.equal(memory.state, 'normal');
  const late = step(logic, memory, { ...look(2, true), knownUs: 4 * DAY });
  assert.deepEqual([late.transition?.to, late.transition?.seen.knownUs], ['firing', 4 * DAY]);
  assert.deepEqual(step(logic, late.memory, look(0, false)), { memory: late.memory });
  const none = step(logic, late.memory, { ...look(2, null), knownUs: 5 * DAY });
  assert.equal(none.memory.noDataSinceUs, null);
  const better = step(logic, late.memory, { ...look(1, false), knownUs: 5 * DAY });
  assert.equal(better.transition?.to, 'resolved');
});

test('no data is visible until there is some', () => {
  const logic = rule(windows(1));
  let { memory } = step(logic, fresh, { ...look(1, null), method: 'too few labels' });
  memory = step(logic, memory, { ...look(2, null), method: 'still too few' }).memory;
  assert.deepEqual([memory.noDataSinceUs, memory.noDataReason], [DAY, 'still too few']);
  assert.equal(step(logic, memory, look(3, false)).memory.noDataSinceUs, null);
});

const holding = fc.oneof(
  fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 })).map(([k, more]): Holding => windows(k, k + more)),
  fc.integer({ min: 0, max: 4 }).map((days): Holding => ({ us: days * DAY })),
);
const days = fc.array(fc.constantFrom(true, false, null), { maxLength: 60 });

test('only transitions of the table happen, and memory that was written down and read again goes on the same', () => {
  fc.assert(
    fc.property(holding, fc.integer({ min: 0, max: 3 }), days, (h, keep, seen) => {
      const logic = rule(h, keep);
      let [a, b]: [Memory, Memory] = [fresh, fresh];
      for (const [i, breach] of seen.entries()) {
        const before = a.state;
        const next = step(logic, a, look(i + 1, breach));
        a = next.memory;
        b = JSON.parse(JSON.stringify(step(logic, b, look(i + 1, breach)).memory)) as Memory;
        assert.deepEqual(a, b);
        if (next.transition) assert.ok((transitions[before] as readonly string[]).includes(a.state), `${before} -> ${a.state}`);
        else assert.equal(a.state, before);
      }
    }),
  );
});

test('k of n fires exactly when k of the last n windows with data breach', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 3 }), days, (k, more, seen) => {
      const logic = rule(windows(k, k + more));
      let memory = fresh;
      const known: boolean[] = [];
      for (const [i, breach] of seen.entries()) {
        memory = step(logic, memory, look(i + 1, breach)).memory;
        if (breach !== null) known.push(breach);
        assert.equal(memory.state === 'firing', known.slice(-k - more).filter(Boolean).length >= k);
      }
    }),
  );
});

test('a receiver is owed what it does not know yet', () => {
  const receiver = { repeatUs: 4 * 3_600e6, sendResolved: true };
  const firing = { state: 'firing', muted: '' } as const;
  const resolved = { state: 'resolved', muted: '' } as const;
  const at = (nowUs: number, silenced = false) => ({ nowUs, silenced });
  const told = (status: 'firing' | 'resolved', atUs: number) => ({ status, atUs });
  assert.equal(owed(firing, receiver, undefined, at(0)), 'fired');
  assert.equal(owed(firing, receiver, undefined, at(0, true)), undefined);
  assert.equal(owed({ ...firing, muted: 'broken' }, receiver, undefined, at(0)), undefined);
  assert.equal(owed(firing, receiver, told('firing', 0), at(receiver.repeatUs - 1)), undefined);
  assert.equal(owed(firing, receiver, told('firing', 0), at(receiver.repeatUs)), 'repeat');
  assert.equal(owed(resolved, receiver, told('firing', 0), at(1)), 'resolved');
  assert.equal(owed(resolved, receiver, undefined, at(1)), undefined);
  assert.equal(owed(resolved, receiver, told('resolved', 1), at(2)), undefined);
  assert.equal(owed(resolved, { ...receiver, sendResolved: false }, told('firing', 0), at(1)), undefined);
  assert.equal(owed({ state: 'dropped', muted: '' }, receiver, undefined, at(0)), undefined);
});
