import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseProject } from './parse.ts';
import { brokenLimits, datasetsOfPipeline, limitsOf } from './purposes.ts';

const definition = parseProject(`
project: shop
code: [sql/*.sql]
datasets:
  orders: { source: o.parquet, key: [order], occurred_at: at, known_at: at, purposes: [fraud, billing], legal_basis: contract }
  clicks: { source: c.parquet, key: [id], occurred_at: at, known_at: at }
  totals: { sql: sql/totals.sql, from: [orders, clicks], key: [order], occurred_at: at, known_at: at }
  counts: { sql: sql/counts.sql, from: [orders], key: [day], occurred_at: day, known_at: day, purposes: [statistics] }
features:
  views:
    v: { dataset: counts, entity: [day], columns: [n] }
  services:
    s: { views: [v], request: [day] }
pipelines:
  p:
    purpose: fraud
    steps:
      rows: { features: s, spine: { dataset: totals, at: at, label: bad, between: ['2024-01-01', '2024-02-01'] } }
`);

test('What SQL makes is limited as what it is made from, unless it says its own purposes', () => {
  assert.deepEqual(limitsOf(definition, 'totals'), [{ dataset: 'orders', purposes: ['fraud', 'billing'] }]);
  assert.deepEqual(limitsOf(definition, 'counts'), [{ dataset: 'counts', purposes: ['statistics'] }]);
  assert.deepEqual(limitsOf(definition, 'clicks'), []);
});

test('Scores are limited as the rows and features that they were made of, declared or not, and a circle of steps ends', () => {
  const scoring = parseProject(`
project: shop
code: [sql/*.sql]
datasets:
  orders: { source: o.parquet, key: [order], occurred_at: at, known_at: at, purposes: [fraud, billing], legal_basis: contract }
  clicks: { source: c.parquet, key: [order], occurred_at: at, known_at: at }
  totals: { sql: sql/totals.sql, from: [orders], key: [order], occurred_at: at, known_at: at }
  kept: { key: [order] }
  open: { key: [order], purposes: [statistics] }
features:
  views: { v: { dataset: orders, entity: [order], columns: [n] } }
  services: { s: { views: [v], request: [order] } }
models: { m: { task: binary } }
pipelines:
  p:
    purpose: fraud
    steps:
      derived: { predict: m, on: { dataset: totals }, out: { dataset: a } }
      joined: { predict: m, on: { features: s, spine: { dataset: clicks } }, out: { dataset: kept } }
      free: { predict: m, on: { dataset: clicks }, out: { dataset: b } }
      said: { predict: m, on: { dataset: orders }, out: { dataset: open } }
      there: { predict: m, on: { dataset: a }, out: { dataset: z } }
      back: { predict: m, on: { dataset: z }, out: { dataset: a } }
  q:
    purpose: fraud
    steps:
      rows: { features: s, spine: { dataset: clicks, at: at, label: bad, between: ['2024-01-01', '2024-02-01'] } }
      scores: { predict: m, on: rows, out: { dataset: c } }
`);
  const limits = (name: string): string[] => limitsOf(scoring, name).map((l) => l.dataset);
  assert.deepEqual(['a', 'kept', 'b', 'open', 'c'].map(limits), [['orders'], ['orders'], [], ['open'], ['orders']]);
});

test('A pipeline reads its spines and the datasets of its views, and each must allow its purpose', () => {
  const datasets = datasetsOfPipeline(definition, definition.pipelines.p!);
  assert.deepEqual(datasets, ['totals', 'counts']);
  assert.deepEqual(
    [
      brokenLimits(definition, datasets, 'fraud'),
      brokenLimits(definition, datasets, 'statistics'),
      brokenLimits(definition, datasets, null),
    ].map((limits) => limits.map((l) => l.dataset)),
    [['counts'], ['orders'], ['orders', 'counts']],
  );
});
