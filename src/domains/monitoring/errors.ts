import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'monitor-not-found': {
    status: 404,
    title: 'No such monitor',
    detail: (p: { project: string; monitor: string }) => `Project "${p.project}" has no monitor "${p.monitor}" in its current revision.`,
  },
  'window-not-found': {
    status: 404,
    title: 'No such window',
    detail: (p: { monitor: string; window: string }) => `Monitor "${p.monitor}" has no window "${p.window}".`,
  },
  'baseline-not-found': {
    status: 404,
    title: 'There is no baseline yet',
    detail: (p: { monitor: string; why: string }) => `Monitor "${p.monitor}" has nothing to compare with: ${p.why}`,
  },
  'report-table-unknown': {
    status: 404,
    title: 'No such table to report on',
    detail: (p: { given: string }) =>
      `"${p.given}" is neither a dataset ("name@3", "name@latest"), nor a model’s baseline ("model@2"), nor the digest of an uploaded file.`,
  },
  'report-columns-none': {
    status: 400,
    title: 'The two tables have no column in common',
    detail: (_p: object) => 'A report compares columns by their names, and no column that holds numbers or texts is in both.',
  },
});
