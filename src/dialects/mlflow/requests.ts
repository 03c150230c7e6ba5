// Messages that several requests are made of.
import type { ViewType } from '../../domains/tracking/public.ts';
import type { Args } from './args.ts';
import type { Message } from './proto.ts';

export const pair = { key: 'string', value: 'string' } as const satisfies Message;

export const metric = {
  key: 'string',
  value: 'double',
  timestamp: 'int64',
  step: 'int64',
  model_id: 'string',
  dataset_name: 'string',
  dataset_digest: 'string',
} as const satisfies Message;

export const viewTypes: ReadonlyMap<string, number> = new Map([
  ['ACTIVE_ONLY', 1],
  ['DELETED_ONLY', 2],
  ['ALL', 3],
]);
const views: readonly ViewType[] = ['ACTIVE_ONLY', 'DELETED_ONLY', 'ALL'];
export const viewOf = (a: Args, name: string): ViewType => views[(a.int(name) ?? 1) - 1]!;

/** Says whether a number, also as text, is within these bounds. */
export const within = (value: unknown, least: number, most: number): boolean => Number(value) >= least && Number(value) <= most;
