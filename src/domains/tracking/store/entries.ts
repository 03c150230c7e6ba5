// Params and tags as rows. Values short enough for an index stand in a column of their own, so that it alone answers who
// has a value: neither database takes the value from an index of an expression.
import type { Pair } from '../model.ts';

/** Of values that are not shorter the column holds nothing, as of empty ones. */
const INDEXED_LENGTH = 200;

/** The index leads to the rows that have this value. */
export const isIndexedValue = (value: string): boolean => value !== '' && value.length < INDEXED_LENGTH;

export const entryColumns = { workspace_id: 'id', run_id: 'id', key: 'text', value: 'text', short_value: 'text' } as const;

export const overwrittenEntry =
  'on conflict (workspace_id, run_id, key) do update set value = excluded.value, short_value = excluded.short_value';

export const toEntry = (workspace: string, runId: string, { key, value }: Pair): string[] => [
  workspace,
  runId,
  key,
  value,
  isIndexedValue(value) ? value : '',
];
