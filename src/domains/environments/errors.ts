import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'lock-invalid': {
    status: 400,
    title: 'The lock cannot be used',
    detail: (p: { file: string }) =>
      `${p.file} does not pin every package with hashes; see "errors". Make one with: uv pip compile --generate-hashes.`,
  },
  'python-missing': {
    status: 409,
    title: 'Python is missing',
    detail: (p: { wanted: string; found: readonly string[] }) =>
      `${p.wanted} is needed, and PATH has ${p.found.length === 0 ? 'no Python' : `only ${p.found.join(', ')}`}; install it, or change "python" of the environment.`,
  },
  'uv-missing': {
    status: 409,
    title: 'uv could not be installed',
    detail: (p: { why: string }) => `The tool uv makes environments and is neither on PATH nor could be installed with pip: ${p.why}`,
  },
  'environment-failed': {
    status: 409,
    title: 'The environment could not be made',
    detail: (p: { digest: string; why: string }) => `Environment ${p.digest.slice(0, 12)}: ${p.why}`,
  },
  'environment-unresolvable': {
    status: 409,
    title: 'The packages do not fit together',
    detail: (p: { why: string }) => `No set of versions fits what is asked for: ${p.why}`,
  },
  'environment-cancelled': {
    status: 409,
    title: 'Making the environment was cancelled',
    detail: (p: { digest: string }) =>
      `Environment ${p.digest.slice(0, 12)} was not made, because what needed it was cancelled; ask again.`,
  },
  'environment-not-found': {
    status: 404,
    title: 'No such environment',
    detail: (p: { id: string }) => `There is no environment whose digest begins with "${p.id}".`,
  },
});
