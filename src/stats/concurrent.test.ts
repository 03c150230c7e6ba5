import assert from 'node:assert/strict';
import { test } from 'node:test';
import { harm } from './concurrent.ts';

const rows = (n: number, worse = 0) => {
  const labels = Array.from({ length: n }, (_, i) => (((i * 7919) % 10007) / 10007 < 0.3 ? 1 : 0));
  const scores = labels.map((y, i) => {
    const noise = ((i * 104729) % 10007) / 10007;
    return Math.min(0.99, Math.max(0.01, 0.3 * y * (1 - worse) + 0.6 * noise));
  });
  return { labels, scores };
};

test('a worse model is told from an equal one by any metric, with a standard error', () => {
  for (const [metric, error] of [
    ['roc_auc', 0.05],
    ['pr_auc', 0.1],
    ['log_loss', 0.1],
    ['f1', 0.1],
  ] as const) {
    const equal = harm(metric, rows(400), rows(4000));
    const bad = harm(metric, rows(400, 0.9), rows(4000));
    assert.ok(equal.ok && bad.ok);
    assert.ok(Math.abs(equal.difference) < 2.5 * equal.standardError, `${metric}: ${JSON.stringify(equal)}`);
    assert.ok(bad.difference > 2.5 * bad.standardError, `${metric}: ${JSON.stringify(bad)}`);
    assert.ok(equal.standardError > 0 && equal.standardError < error);
  }
});

test('too few labels, or none of a class, give a reason and no figure', () => {
  const reason = (n: number): string => {
    const found = harm('roc_auc', rows(n), rows(4000));
    return found.ok ? '' : found.reason;
  };
  assert.match(reason(20), /the candidate: 20 labels, 30 are needed/);
  const positives = rows(40).labels.reduce<number>((sum, y) => sum + y, 0);
  assert.ok(positives < 20);
  const oneClass = { labels: rows(100).labels.map(() => 1), scores: rows(100).scores };
  const found = harm('roc_auc', rows(400), oneClass);
  assert.match(found.ok ? '' : found.reason, /the stable variant: 0 labels of the rarer class/);
  assert.equal(harm('none', rows(400), rows(400)).ok, false);
});

test('a metric of a regression is compared, too', () => {
  const truth = Array.from({ length: 300 }, (_, i) => (i * 7919) % 101);
  const found = harm(
    'rmse',
    { labels: truth, scores: truth.map((y, i) => y + (i % 7) * 3) },
    { labels: truth, scores: truth.map((y, i) => y + (i % 7)) },
  );
  assert.ok(found.ok && found.difference > 5 * found.standardError && found.difference > 0);
});
