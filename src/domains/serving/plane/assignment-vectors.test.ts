// The rule of assignment as other languages know it: the vectors, and the program in docs/domains/trials.md.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { assignVariant } from './assignment.ts';

interface Vector {
  readonly salt: string;
  readonly arms: readonly (readonly [id: string, weight: number])[];
  readonly key: string;
  readonly uniform: readonly number[];
  readonly arm: string;
}
const root = join(import.meta.dirname, '../../../..');
const file = join(import.meta.dirname, 'assignment-vectors.json');
const { vectors } = JSON.parse(readFileSync(file, 'utf8')) as { vectors: readonly Vector[] };

test('the vectors are what the data plane assigns', () => {
  assert.ok(vectors.length >= 80);
  for (const { salt, arms, key, uniform, arm } of vectors) {
    arms.forEach(([id], i) => {
      const digits = hash('sha256', `${salt}\u0000${id}\u0000${key}`, 'hex').slice(0, 13);
      assert.equal((Number.parseInt(digits, 16) + 0.5) / 2 ** 52, uniform[i]);
    });
    const variants = arms.map(([id, weight]) => ({ id, weight }));
    assert.equal(assignVariant(variants, salt, key).id, arm, `${salt} ${key}`);
  }
});

test('the Python program of the documentation assigns as the vectors say', () => {
  const page = readFileSync(join(root, 'docs/domains/trials.md'), 'utf8');
  const program = /```python\n(import hashlib[\s\S]*?)```/.exec(page)?.[1] ?? assert.fail('the page has no program');
  assert.ok(program.trim().split('\n').length <= 10);
  const check = `import json, sys\nfor v in json.load(open(sys.argv[1]))["vectors"]:\n    assert assign(v["arms"], v["salt"], v["key"]) == v["arm"], v\n    assert [uniform(v["salt"], a, v["key"]) for a, _ in v["arms"]] == v["uniform"], v\nprint("same")`;
  const python = join(root, '.cache/python/bin/python');
  assert.equal(execFileSync(python, ['-c', `${program}\n${check}`, file], { encoding: 'utf8' }).trim(), 'same');
});

test('whatever the weights become, a key moves only to an arm that grew beside the one it leaves', () => {
  const weights = [
    [0.5, 0.3, 0.2],
    [0.4, 0.4, 0.2],
    [0.2, 0.3, 0.5],
    [0.1, 0.1, 0.8],
    [0.6, 0.2, 0.2],
  ];
  const at = (step: number) => weights[step]!.map((weight, i) => ({ id: `v${i}`, weight }));
  for (let i = 0; i < 4000; i++)
    for (let step = 1; step < weights.length; step++) {
      const [before, after] = [assignVariant(at(step - 1), 's', `k${i}`).id, assignVariant(at(step), 's', `k${i}`).id];
      if (before === after) continue;
      const [from, to] = [Number(before.slice(1)), Number(after.slice(1))];
      const beside = (w: readonly number[]): number => w[to]! / w[from]!;
      assert.ok(beside(weights[step]!) > beside(weights[step - 1]!), `k${i} moved from ${before} to ${after}`);
    }
});
