import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'lineage-unknown': {
    status: 404,
    title: 'Nothing is known of it',
    detail: (p: { kind: string; id: string }) => `No event speaks of ${p.kind} "${p.id}" in this workspace.`,
  },
  'prediction-not-found': {
    status: 404,
    title: 'No such prediction',
    detail: (p: { id: string }) =>
      `There is no prediction "${p.id}" in the inference log. Ids look like r1.12.345; they are in the reply of each prediction.`,
  },
});
