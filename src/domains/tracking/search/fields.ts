// Which parts of runs somebody wants: "info", "metrics.auc", "params.*", "tags.team", "inputs", "models".
import { fail } from '../errors.ts';
import type { Keys } from '../store/projection.ts';

export interface Fields {
  readonly info: boolean;
  readonly metrics: Keys | undefined;
  readonly params: Keys | undefined;
  readonly tags: Keys | undefined;
  readonly inputs: boolean;
  readonly models: boolean;
}

const KNOWN = ['info', 'inputs', 'models', 'metrics', 'params', 'tags'];
const all: Keys = { names: [], beginnings: [''] };

/** Everything if none is named. Raises `field-unknown`. */
export function parseFields(fields: readonly string[] | undefined): Fields {
  if (fields === undefined) return { info: true, metrics: all, params: all, tags: all, inputs: true, models: true };
  const keys: Record<string, { names: string[]; beginnings: string[] }> = {};
  const whole = new Set<string>();
  for (const field of fields) {
    const dot = field.indexOf('.');
    const part = dot < 0 ? field : field.slice(0, dot);
    const key = dot < 0 ? '*' : field.slice(dot + 1);
    const keyed = ['metrics', 'params', 'tags'].includes(part);
    if (!KNOWN.includes(part) || (dot >= 0 && (!keyed || key === '')))
      return fail('field-unknown', {
        field,
        known: 'info, inputs, models, metrics.<key>, params.<key>, tags.<key>, and "*" at the end of a key for any ending',
      });
    whole.add(part);
    const held = (keys[part] ??= { names: [], beginnings: [] });
    if (key.endsWith('*')) held.beginnings.push(key.slice(0, -1));
    else held.names.push(key);
  }
  return {
    info: whole.has('info'),
    metrics: keys.metrics,
    params: keys.params,
    tags: keys.tags,
    inputs: whole.has('inputs'),
    models: whole.has('models'),
  };
}
