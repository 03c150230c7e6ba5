import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  cacheKey,
  doomedSteps,
  explainMiss,
  isReady,
  mayTryAgain,
  outcomeOf,
  shellQuote,
  substitute,
  substituteInShell,
  type KeyParts,
  type StepState,
  type StepStatus,
} from './model.ts';
import { wholeCharacters } from './service/attempts/step-log.ts';

const parts: KeyParts = {
  runner: '1',
  kind: 'run',
  definition: '{}',
  params: { a: 1 },
  code: { 'python/a.py': 'aa', 'python/b.py': 'bb' },
  inputs: { rows: 'r1' },
  environment: 'e1',
  variables: { V: '1' },
  secrets: { S: 'v1' },
};

test('the key does not depend on the order of names, and on every value', () => {
  assert.equal(cacheKey(parts), cacheKey({ ...parts, code: { 'python/b.py': 'bb', 'python/a.py': 'aa' } }));
  const others: KeyParts[] = [
    { ...parts, runner: '2' },
    { ...parts, kind: 'features' },
    { ...parts, definition: '{"a":1}' },
    { ...parts, params: { a: '1' } },
    { ...parts, code: { 'python/a.py': 'aa' } },
    { ...parts, code: { 'python/a.py': 'bb', 'python/b.py': 'aa' } },
    { ...parts, inputs: { rows: 'r2' } },
    { ...parts, environment: null },
    { ...parts, variables: { V: '2' } },
    { ...parts, secrets: { S: 'v2' } },
  ];
  assert.equal(new Set([parts, ...others].map(cacheKey)).size, others.length + 1);
  // Whatever moves the key is told as a difference.
  for (const other of others.filter((o) => typeof o.params.a === 'number'))
    assert.notEqual(explainMiss(parts, other)[0]!.part, 'cache', JSON.stringify(other));
});

test('a miss names each part with what it was and is', () => {
  assert.deepEqual(
    explainMiss(parts, { ...parts, code: { 'python/a.py': 'a2', 'python/c.py': 'cc' }, environment: 'e2' }).map((d) => [
      d.part,
      d.name,
      d.change,
      d.before,
      d.after,
    ]),
    [
      ['code', 'python/a.py', 'changed', 'aa', 'a2'],
      ['code', 'python/b.py', 'removed', 'bb', null],
      ['code', 'python/c.py', 'added', null, 'cc'],
      ['environment', 'environment', 'changed', 'e1', 'e2'],
    ],
  );
  assert.equal(explainMiss(undefined, parts)[0]!.part, 'history');
  assert.equal(explainMiss(parts, parts)[0]!.part, 'cache');
});

const step = (name: string, state: StepState, needs: string[] = []): StepStatus => ({ name, state, needs });

test('what needs a step that did not succeed is doomed, however far behind it stands', () => {
  const steps = [
    step('a', 'failed'),
    step('b', 'waiting', ['a']),
    step('c', 'waiting', ['b']),
    step('d', 'waiting'),
    step('e', 'waiting', ['d']),
  ];
  assert.deepEqual(
    doomedSteps(steps)
      .map((s) => s.name)
      .sort(),
    ['b', 'c'],
  );
  const map = new Map(steps.map((s) => [s.name, s]));
  assert.deepEqual(
    steps.filter((s) => isReady(s, map)).map((s) => s.name),
    ['d'],
  );
});

test('a run has ended when no step waits or runs, and failed if one did', () => {
  assert.equal(outcomeOf([step('a', 'succeeded'), step('b', 'waiting')]), undefined);
  assert.equal(outcomeOf([step('a', 'failed'), step('b', 'running')]), undefined);
  assert.equal(outcomeOf([step('a', 'failed'), step('b', 'skipped')]), 'failed');
  assert.equal(outcomeOf([step('a', 'succeeded'), step('b', 'cancelled')]), 'cancelled');
  assert.equal(outcomeOf([]), 'succeeded');
});

test('lost attempts are counted apart from failed ones', () => {
  const of = (...states: ('failed' | 'lost')[]) => states.map((state) => ({ state }));
  assert.equal(mayTryAgain(of(), 0), true);
  assert.equal(mayTryAgain(of('failed'), 0), false);
  assert.equal(mayTryAgain(of('failed'), 1), true);
  assert.equal(mayTryAgain(of('lost', 'lost', 'lost'), 0), true);
  assert.equal(mayTryAgain(of('lost', 'lost', 'lost', 'lost'), 5), false);
});

test('a parameter is put in place once, and names that nobody gave stay', () => {
  assert.equal(substitute('$a $b $toString', { a: '$b', b: 2 }), '$b 2 $toString');
  assert.equal(substituteInShell('run $a', { a: "it's; rm -rf" }), `run 'it'\\''s; rm -rf'`);
  assert.equal(substituteInShell(`run \\$a '\\' $b`, { a: 1, b: 2 }), `run \\$a '\\' 2`);
});

test('a parameter in a command is one text for the shell, in quotes and without', () => {
  const values = fc.sample(fc.string({ unit: fc.constantFrom('a', "'", '"', '$', '(', ')', ' ', '\\', '`', '\n', ';', '*') }), 100);
  const command = values.map((_, i) => `$v${i} "$v${i}" '$v${i}' a"\\"$v${i}"`).join(' ');
  const said = execFileSync('/bin/sh', [
    '-c',
    substituteInShell(`printf '%s\\0' ${command}`, Object.fromEntries(values.map((v, i) => [`v${i}`, v]))),
  ]);
  assert.deepEqual(
    said.toString().split('\0').slice(0, -1),
    values.flatMap((v) => [v, v, v, `a"${v}`]),
  );
});

test('a quoted value is one word for the shell, whatever is in it', () => {
  const values = fc.sample(fc.string({ unit: fc.constantFrom('a', "'", '"', '$', ' ', '\\', '`', '\n', ';', '|', '*', '~') }), 200);
  const words = execFileSync('/bin/sh', ['-c', `printf '%s\\0' ${values.map(shellQuote).join(' ')}`])
    .toString()
    .split('\0');
  assert.deepEqual(words.slice(0, -1), values);
});

test('text is cut between characters of UTF-8 only', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), fc.nat(), (text, at) => {
      const bytes = Buffer.from(text);
      const cut = bytes.subarray(0, at % (bytes.length + 1));
      const whole = cut.subarray(0, wholeCharacters(cut));
      assert.ok(cut.length - whole.length < 4);
      assert.equal(whole.toString().includes('\uFFFD'), text.slice(0, whole.toString().length).includes('\uFFFD'));
      assert.ok(text.startsWith(whole.toString()));
    }),
  );
  // What is no UTF-8 is not waited for.
  assert.equal(wholeCharacters(Buffer.from([0x61, 0x80, 0x80, 0x80, 0x80])), 5);
});
