import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'erasure-not-found': {
    status: 404,
    title: 'No such erasure',
    detail: (p: { id: string }) => `There is no erasure "${p.id}" here.`,
  },
  'erasure-not-ended': {
    status: 409,
    title: 'The erasure has not ended',
    detail: (p: { id: string; state: string }) => `Erasure "${p.id}" is ${p.state}; its certificate is written when it has ended.`,
  },
  'erasure-incomplete': {
    status: 500,
    title: 'The subject was found again after it was erased',
    detail: (p: { id: string; places: string }) =>
      `Erasure "${p.id}" looked again at everything and still found the subject in: ${p.places}. It goes on from there when it is tried again.`,
  },
});
