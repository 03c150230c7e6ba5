import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'endpoint-not-found': {
    status: 404,
    title: 'No such endpoint',
    detail: (p: { project: string; endpoint: string }) => `Project "${p.project}" has no endpoint "${p.endpoint}" in its current revision.`,
  },
  'endpoint-signature-mismatch': {
    status: 409,
    title: 'The model does not fit the endpoint',
    detail: (p: { endpoint: string; columns: string }) =>
      `The model reads ${p.columns}, which endpoint "${p.endpoint}" gets neither from the request nor from its feature service.`,
  },
  'endpoint-name-taken': {
    status: 409,
    title: 'The endpoint belongs to another project',
    detail: (p: { endpoint: string; project: string }) =>
      `The endpoint "${p.endpoint}" of this workspace is served by project "${p.project}"; give yours another name.`,
  },
  'release-under-way': {
    status: 409,
    title: 'Another release is under way',
    detail: (p: { endpoint: string; release: string }) =>
      `Endpoint "${p.endpoint}" is being moved by release ${p.release}; wait until it has ended and try again.`,
  },
  'endpoint-frozen': {
    status: 409,
    title: 'The endpoint is frozen',
    detail: (p: { endpoint: string; by: string; reason: string; until: string | null }) =>
      `Endpoint "${p.endpoint}" was frozen by ${p.by}: ${p.reason} No release of it begins or goes on; ${p.until === null ? `"gyre unfreeze ${p.endpoint}" lets it move again` : `it may move again at ${p.until}`}. Going back with "gyre rollback" stays possible.`,
  },
  'endpoint-in-trial': {
    status: 409,
    title: 'A trial runs on the endpoint',
    detail: (p: { endpoint: string; trial: string }) =>
      `The traffic of endpoint "${p.endpoint}" is split by trial ${p.trial}; "gyre trial stop" brings it back to the control, "gyre trial decide" ends the trial with its result.`,
  },
  'trial-arm-unusable': {
    status: 409,
    title: 'The endpoint cannot serve this arm',
    detail: (p: { endpoint: string; why: string }) => `Endpoint "${p.endpoint}" cannot be split: ${p.why}`,
  },
  'release-none': {
    status: 404,
    title: 'No staged release is under way',
    detail: (p: { endpoint: string }) =>
      `Endpoint "${p.endpoint}" has no staged release that could be steered; "gyre release list ${p.endpoint}" shows those that have ended.`,
  },
  'release-action-not-possible': {
    status: 409,
    title: 'The release cannot do that now',
    detail: (p: { release: string; action: string; why: string }) => `Release ${p.release} cannot ${p.action}: ${p.why}.`,
  },
  'rollback-not-possible': {
    status: 409,
    title: 'There is nothing to go back to',
    detail: (p: { endpoint: string; why: string }) => `Endpoint "${p.endpoint}" stays as it is: ${p.why}`,
  },
  'release-not-taken': {
    status: 409,
    title: 'The release was not taken',
    detail: (p: { endpoint: string; why: string }) => `Endpoint "${p.endpoint}" stays as it was: ${p.why}`,
  },
});
