// MLflow's words and numbers for states, in the forms its stores use.
import { modelStatuses, runStatuses, type ModelStatus, type RunStatus } from '../../../domains/tracking/public.ts';
import { stageNamed, type Stage } from '../../../domains/registry/public.ts';

/** A status by its name, or by its number in the protocol (1 = RUNNING). */
export const runStatusOf = (given: unknown): RunStatus =>
  runStatuses.find((s) => s === given) ?? (Number(given) >= 1 ? runStatuses[Number(given) - 1] : undefined) ?? 'FINISHED';

/** By its number (1 = pending, 2 = ready, 3 = failed) or name. */
export function modelStatusOf(given: unknown): ModelStatus {
  const byName = modelStatuses.find((s) => s === given || s === `LOGGED_MODEL_${String(given)}`);
  return byName ?? modelStatuses[Number(given) - 1] ?? 'LOGGED_MODEL_PENDING';
}

export const lifecycleOf = (given: unknown): 'active' | 'deleted' => (given === 'deleted' ? 'deleted' : 'active');
export const isDeletedVersion = (stage: unknown): boolean => stage === 'Deleted_Internal';
export const stageOf = (given: unknown): Stage => stageNamed(text(given)) ?? 'None';

/** null and undefined are an empty text. */
export const text = (value: unknown): string => (value === null || value === undefined ? '' : String(value));
export const textOrNull = (value: unknown): string | null => (value === null || value === undefined || value === '' ? null : String(value));
export const numberOrNull = (value: unknown): number | null =>
  value === null || value === undefined || value === '' ? null : Number(value);

/** A number as Python writes it. */
export const pythonNumber = (written: string): number => {
  const word = written.toLowerCase().replace(/^\+/, '');
  if (word === 'nan' || word === '-nan') return Number.NaN;
  if (word === 'inf' || word === 'infinity') return Infinity;
  if (word === '-inf' || word === '-infinity') return -Infinity;
  return Number(written);
};

/** The logged model that a source or location speaks of. */
export const loggedModelIn = (...places: readonly unknown[]): string | null => {
  for (const place of places) {
    const found = /^models:\/+(m-[0-9a-f]{32})\/?$|\/models\/(m-[0-9a-f]{32})\/artifacts\/?$/.exec(text(place));
    if (found) return found[1] ?? found[2]!;
  }
  return null;
};
