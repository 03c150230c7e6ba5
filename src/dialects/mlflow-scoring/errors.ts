import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'endpoint-unnamed': {
    status: 400,
    title: 'Which endpoint?',
    detail: (p: { endpoints: readonly string[] }) =>
      `This server answers ${p.endpoints.length} names (${p.endpoints.join(', ')}); say which in the path /endpoints/NAME/invocations or /models/NAME/invocations, or in the header X-Gyre-Endpoint.`,
  },
  'scoring-content-type': {
    status: 415,
    title: 'Unsupported content type',
    detail: (p: { why: string }) => p.why,
  },
  'scoring-input-mismatch': {
    status: 400,
    title: 'The input does not fit the model’s signature',
    detail: (p: { model: string; why: string }) => `Failed to enforce the signature of the model "${p.model}". ${p.why}`,
  },
});
