import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'subject-invalid': {
    status: 400,
    title: 'The subject cannot be read',
    detail: (_: object) =>
      'A subject is "kind=value", for example "tailnum=N14228". The kind is one of "subjects:" in gyre.yaml, or the name of the column that holds the identifier.',
  },
  'erasure-running': {
    status: 409,
    title: 'An erasure is under way',
    detail: (p: { project: string; erasure: string }) =>
      `Project "${p.project}" is being cleared of a subject (${p.erasure}), so nothing may read its data just now. Start again when it has ended: gyre governance erasure ${p.erasure}.`,
  },
});
