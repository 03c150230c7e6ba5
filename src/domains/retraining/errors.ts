import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'retraining-policy-not-found': {
    status: 404,
    title: 'No such retraining policy',
    detail: (p: { project: string; policy: string; known: readonly string[] }) =>
      `Project "${p.project}" has no retraining policy "${p.policy}" in its current revision; it has ${p.known.join(', ') || 'none'}.`,
  },
  'trigger-not-found': {
    status: 404,
    title: 'No such trigger',
    detail: (p: { id: string }) => `There is no trigger "${p.id}"; "gyre retraining triggers" lists them.`,
  },
  'trigger-not-waiting': {
    status: 409,
    title: 'The trigger waits for nobody',
    detail: (p: { id: string; state: string }) =>
      `Trigger "${p.id}" is ${p.state}; only one that waits for approval can be approved or rejected.`,
  },
  'retraining-held': {
    status: 409,
    title: 'Retraining is held',
    detail: (p: { id: string; why: string }) => `Trigger "${p.id}" cannot be approved now: ${p.why}.`,
  },
});
