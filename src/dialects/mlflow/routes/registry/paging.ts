import type { Rule } from '../../proto.ts';

/** MLflow's look at `max_results`, before anything else. */
export const atMost =
  (most: number): Rule =>
  (value) =>
    Number(value) > most ? '' : undefined;
