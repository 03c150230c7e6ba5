import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'import-not-found': {
    status: 404,
    title: 'No such import',
    detail: (p: { id: string }) => `There is no import "${p.id}" in this workspace. GET /api/gyre/v1/imports lists them.`,
  },
  'import-ended': {
    status: 409,
    title: 'The import has ended',
    detail: (p: { id: string }) =>
      `Import "${p.id}" has ended and takes nothing more. Begin it again; what is there already is not written twice.`,
  },
  'import-name-taken': {
    status: 409,
    title: 'The name belongs to something else',
    detail: (p: { kind: 'experiment' | 'model'; name: string }) =>
      `There is already ${p.kind === 'experiment' ? 'an experiment' : 'a model'} "${p.name}" here that did not come from this source. Give the imported one another name: --rename "${p.name}=another name"${p.kind === 'experiment' ? `, or put its runs into the one that is here: --into "${p.name}"` : ''}.`,
  },
  'import-foreign': {
    status: 403,
    title: 'It was not imported from this source',
    detail: (p: { kind: string; id: string }) =>
      `The ${p.kind} "${p.id}" did not come from the source of this import, so the import may not change it.`,
  },
  'import-batch-too-large': {
    status: 400,
    title: 'Too many points at once',
    detail: (p: { points: number; most: number }) =>
      `The request brings ${p.points} points and may bring ${p.most}: others wait while they are written. Send them in several requests.`,
  },
  'import-artifacts-elsewhere': {
    status: 409,
    title: 'The server does not keep these artifacts',
    detail: (p: { uri: string }) =>
      `The artifacts at "${p.uri}" are kept where this server does not write. Import with --link-artifacts or --no-artifacts.`,
  },
});
