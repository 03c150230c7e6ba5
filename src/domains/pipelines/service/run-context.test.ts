import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { StepOutput } from '../model.ts';
import { trainingTableOf } from './run-context.ts';

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
