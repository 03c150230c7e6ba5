import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'project-invalid': {
    status: 400,
    title: 'The project file is not valid',
    detail: (p: { file: string; count: number }) =>
      `${p.file} has ${p.count} ${p.count === 1 ? 'fault' : 'faults'}; each is named in "errors" with file, line and key.`,
  },
  'project-not-found': {
    status: 404,
    title: 'No such project',
    detail: (p: { project: string }) => `There is no project "${p.project}" here. Apply its gyre.yaml first: gyre apply.`,
  },
  'revision-not-found': {
    status: 404,
    title: 'No such revision',
    detail: (p: { project: string; revision: string }) => `Project "${p.project}" has no revision ${p.revision}.`,
  },
  'plan-outdated': {
    status: 409,
    title: 'The plan is out of date',
    detail: (p: { seen: number; current: number }) =>
      `The plan was made against revision ${p.seen} and the project is at ${p.current}. Plan again, look at the difference, and apply that.`,
  },
  'snapshot-incomplete': {
    status: 400,
    title: 'Files of the snapshot are missing',
    detail: (p: { missing: string[] }) =>
      `These files were not uploaded, or are named in gyre.yaml and not in the snapshot: ${p.missing.join(', ')}.`,
  },
  'timeline-fixed': {
    status: 409,
    title: 'The timeline cannot be changed',
    detail: (p: { project: string; mode: string; start: string }) =>
      `Project "${p.project}" was begun with the timeline "${p.mode}"${p.mode === 'replay' ? ` from ${p.start}` : ''}, and its records depend on that. Use another project name for another timeline.`,
  },
  'snapshot-clash': {
    status: 400,
    title: 'A file stands where a folder is needed',
    detail: (p: { file: string; below: string }) =>
      `The snapshot has a file "${p.file}" and a file "${p.below}" below it; no folder can hold both.`,
  },
});
