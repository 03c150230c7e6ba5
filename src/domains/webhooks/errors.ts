import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'webhook-invalid': { status: 400, title: 'The webhook is not valid', detail: (p: { message: string }) => p.message },
  'webhook-not-found': {
    status: 404,
    title: 'No such webhook',
    detail: (p: { id: string }) => `Webhook with ID ${p.id} not found.`,
  },
});
