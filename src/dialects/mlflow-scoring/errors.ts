import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'endpoint-unnamed': {
    status: 400,
    title: 'Which endpoint?',
    detail: (p: { endpoints: readonly string[] }) =>
      `This server answers ${p.endpoints.length} endpoints (${p.endpoints.join(', ')}); name one in the path /endpoints/NAME/invocations or in the header X-Gyre-Endpoint.`,
  },
  'scoring-content-type': {
    status: 415,
    title: 'Unsupported content type',
    detail: (p: { contentType: string }) => `The content type "${p.contentType}" is not read here; send application/json (charset utf-8).`,
  },
});
