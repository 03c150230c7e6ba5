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
  'release-not-taken': {
    status: 409,
    title: 'The release was not taken',
    detail: (p: { endpoint: string; why: string }) => `Endpoint "${p.endpoint}" stays as it was: ${p.why}`,
  },
});
