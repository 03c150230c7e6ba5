import assert from 'node:assert/strict';
import { test } from 'node:test';
import { matchesAll, parseMatcher } from './matchers.ts';

const labels = { project: 'demo', monitor: 'late-arrival', rule: 'late-arrival-drift', severity: 'warn' };

for (const [matchers, silent] of [
  [['rule=late-arrival-drift'], true],
  [['rule="late-arrival-drift"'], true],
  [['rule=drift'], false],
  [['rule!=drift', 'severity=warn'], true],
  [['rule=~.*-drift'], true],
  [['rule=~drift'], false],
  [['severity=~warn|info'], true],
  [['severity!~page'], true],
  [['severity!~warn|page'], false],
  [['rule=late-arrival-drift', 'severity=page'], false],
  [['column='], true],
  [['column!='], false],
  [['column=~.+'], false],
] as const)
  test(`silence ${matchers.join(' ')}`, () => assert.equal(matchesAll(matchers, labels), silent));

test('a matcher that cannot be used is refused, as is one that could take for ever', () => {
  for (const bad of ['rule', '=x', 'rule=~(', 'rule=~(a+)+', 'rule=~(a|a)*x', `rule=~${'a'.repeat(300)}`])
    assert.throws(() => parseMatcher(bad), { code: 'silence-matcher-invalid' }, bad);
});

test('An expression that backtracks for hours is given up, and silences nothing, whichever way it is asked', () => {
  const names = { rule: 'a'.repeat(90) };
  for (const expression of ['((a*))*b', 'a*a*a*a*a*a*a*a*a*a*b', '(a|a)(a|a)((a+))+b'])
    for (const operator of ['=~', '!~']) {
      const from = performance.now();
      assert.equal(matchesAll([`rule${operator}"${expression}"`], names), false);
      assert.ok(performance.now() - from < 20_000);
    }
});

test('An expression cannot leave the group that anchors it', () => {
  assert.throws(() => parseMatcher('rule=~"x)|(.*"'), { code: 'silence-matcher-invalid' });
});
