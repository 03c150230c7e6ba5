import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'trial-not-found': {
    status: 404,
    title: 'No such trial',
    detail: (p: { endpoint: string; trial: string }) => `Endpoint "${p.endpoint}" has no trial "${p.trial}".`,
  },
  'trial-name-taken': {
    status: 409,
    title: 'The trial exists',
    detail: (p: { endpoint: string; trial: string }) =>
      `Endpoint "${p.endpoint}" has a trial "${p.trial}" already; its plan stays as it was written, so give yours another name.`,
  },
  'trial-plan-invalid': {
    status: 422,
    title: 'The plan of the trial does not hold together',
    detail: (p: { why: string }) => p.why,
  },
  'trial-without-traffic': {
    status: 409,
    title: 'There is no traffic to plan from',
    detail: (p: { endpoint: string; lacking: string }) =>
      `The inference log of endpoint "${p.endpoint}" does not tell ${p.lacking} for what is served now; give it with the plan.`,
  },
  'trial-action-not-possible': {
    status: 409,
    title: 'The trial cannot do that now',
    detail: (p: { trial: string; action: string; why: string }) => `Trial "${p.trial}" cannot ${p.action}: ${p.why}.`,
  },
  'trial-weights-invalid': {
    status: 422,
    title: 'These are no weights for the trial',
    detail: (p: { trial: string; why: string }) => `The weights of trial "${p.trial}" stay as they are: ${p.why}.`,
  },
  'trial-undecided': {
    status: 409,
    title: 'The trial has no result yet',
    detail: (p: { trial: string; why: string }) =>
      `Trial "${p.trial}" is not decided by its rule: ${p.why}. "gyre trial stop" ends it without a result.`,
  },
  'trial-not-taken': {
    status: 409,
    title: 'The trial was not taken',
    detail: (p: { endpoint: string; why: string }) => `Endpoint "${p.endpoint}" stays as it was: ${p.why}`,
  },
});
