import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepOutput } from '../model.ts';
import { trainingCutoffOf, trainingTableOf } from './run-context.ts';

test('a model is known by the rows that it was given, whatever other tables its run made', () => {
  const table = (digest: string, datasetVersions: readonly string[]): StepOutput => ({
    kind: 'table',
    digest,
    files: [],
    rows: 1,
    columns: [],
    datasetVersions,
    knownByUs: null,
  });
  const steps = new Map(
    Object.entries({
      holdout: { needs: [], outputs: { table: table('holdout', ['v1']) } },
      rows: { needs: [], outputs: { table: table('rows', ['v1']) } },
      prepare: { needs: ['rows'], outputs: { table: table('prepared', []) } },
      fit: { needs: ['prepare'], outputs: null },
      look: { needs: ['holdout', 'fit'], outputs: null },
      alone: { needs: [], outputs: null },
    }),
  );
  const digestOf = (name: string) => trainingTableOf(steps, steps.get(name)!)?.digest;
  assert.deepEqual(['fit', 'look', 'alone'].map(digestOf), ['rows', 'holdout', undefined]);
});

test('the training cut-off is that of the rows a model was made from, not of rows that it never saw', () => {
  const table = (knownByUs: number | null): StepOutput => ({
    kind: 'table',
    digest: '',
    files: [],
    rows: 1,
    columns: [],
    datasetVersions: ['v1'],
    knownByUs,
  });
  const steps = new Map(
    Object.entries({
      rows: { needs: [], outputs: { table: table(100) } },
      more: { needs: [], outputs: { table: table(120) } },
      open: { needs: [], outputs: { table: table(null) } },
      // Rows of the time after, which another step looks at.
      holdout: { needs: [], outputs: { table: table(900) } },
      prepare: { needs: ['rows', 'more'], outputs: null },
      fit: { needs: ['prepare'], outputs: null },
      look: { needs: ['holdout', 'fit'], outputs: null },
      free: { needs: ['open'], outputs: null },
    }),
  );
  assert.deepEqual(
    ['fit', 'look', 'free', 'rows'].map((name) => trainingCutoffOf(steps, name)),
    [120, 900, null, 100],
  );
});
