import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chainOf, sourceFile } from './chain.ts';

const node = (kind: string, id: string, label = '', payload = {}) => ({ kind, id, label, payload });
const edge = (from: string, to: string, relation = 'x') => {
  const ref = (text: string) => ({ kind: text.slice(0, text.indexOf(' ')), id: text.slice(text.indexOf(' ') + 1) });
  return { from: ref(from), to: ref(to), relation };
};

const graph = {
  root: { kind: 'prediction', id: 'p' },
  nodes: [
    node('prediction', 'p', 'prediction p'),
    node('model-version', 'mv', 'late version 1', { digest: 'd1' }),
    node('evaluation', 'evl', 'evaluation of model on 1200 rows', { rows: 1200 }),
    node('pipeline-run', 'run', 'train run 1'),
    node('step', 'run/fit', 'step fit'),
    node('code-snapshot', 'snap', 'code snap', { files: 3 }),
    node('environment', 'env', 'python/requirements.lock on CPython 3.11'),
    node('project-revision', 'rev'),
    node('source-file', '1 a.sql'),
    node('source-file', '2 train.py'),
  ],
  edges: [
    edge('prediction p', 'model-version mv'),
    edge('model-version mv', 'evaluation evl'),
    edge('model-version mv', 'pipeline-run run'),
    edge('model-version mv', 'code-snapshot snap'),
    edge('model-version mv', 'project-revision rev'),
    edge('evaluation evl', 'step run/fit', 'made-by'),
    edge('step run/fit', 'pipeline-run run', 'part-of'),
    edge('step run/fit', 'source-file 2 train.py', 'code'),
    edge('step run/fit', 'environment env'),
    edge('pipeline-run run', 'code-snapshot snap'),
    edge('code-snapshot snap', 'source-file 1 a.sql', 'file'),
    edge('code-snapshot snap', 'source-file 2 train.py', 'file'),
  ],
};

test('a step is drawn as its run, and an arrow that a longer way implies is left out', () => {
  const chain = chainOf(graph);
  assert.deepEqual(chain.edges.map((e) => `${e.from} -> ${e.to}`).sort(), [
    'evaluation evl -> pipeline-run run',
    'model-version mv -> evaluation evl',
    'pipeline-run run -> code-snapshot snap',
    'pipeline-run run -> environment env',
    'prediction p -> model-version mv',
  ]);
  assert.deepEqual(
    chain.nodes.map((n) => [n.layer, n.key]),
    [
      [0, 'prediction p'],
      [1, 'model-version mv'],
      [2, 'evaluation evl'],
      [3, 'pipeline-run run'],
      [4, 'code-snapshot snap'],
      [4, 'environment env'],
    ],
  );
  assert.equal(chain.folded, 4);
});

test('boxes say which one, with digests, and files are folded in, what a step ran first', () => {
  const { nodes } = chainOf(graph);
  const of = (key: string) => nodes.find((n) => n.key === key)!;
  assert.equal(of('prediction p').label, 'p');
  assert.equal(of('evaluation evl').label, '1,200 rows');
  assert.equal(of('model-version mv').digest, 'd1');
  assert.deepEqual(of('code-snapshot snap').files, ['train.py', 'a.sql']);
  assert.deepEqual([of('environment env').label, of('environment env').files], ['CPython 3.11', ['python/requirements.lock']]);
});

test('a path with spaces is one path', () => {
  assert.deepEqual(sourceFile('abc my data/file 1.parquet'), { digest: 'abc', path: 'my data/file 1.parquet' });
});
