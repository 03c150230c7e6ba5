import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'lineage-unknown': {
    status: 404,
    title: 'Nothing is known of it',
    detail: (p: { kind: string; id: string }) => `No event speaks of ${p.kind} "${p.id}" in this workspace.`,
  },
  'column-unknown': {
    status: 404,
    title: 'No such column',
    detail: (p: { project: string; dataset: string; column: string }) =>
      `The current version of dataset "${p.dataset}" of "${p.project}" has no column "${p.column}", and nothing reads one of that name.`,
  },
  'prediction-not-found': {
    status: 404,
    title: 'No such prediction',
    detail: (p: { id: string }) =>
      `There is no prediction "${p.id}" in the inference log. Ids look like r1.12.345; they are in the reply of each prediction. Ids of a model served elsewhere are looked for in the project that is named.`,
  },
});
