import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'feature-service-not-found': {
    status: 404,
    title: 'No such feature service',
    detail: (p: { project: string; service: string }) =>
      `Project "${p.project}" has no feature service "${p.service}" in its current revision.`,
  },
  'feature-view-invalid': {
    status: 400,
    title: 'The view does not give what it declares',
    detail: (p: { view: string; why: string }) => `Feature view "${p.view}": ${p.why}`,
  },
  'spine-column-missing': {
    status: 400,
    title: 'The spine lacks a column',
    detail: (p: { dataset: string; column: string; service: string }) =>
      `Dataset "${p.dataset}" has no column "${p.column}", which feature service "${p.service}" needs from the request.`,
  },
  'training-table-empty': {
    status: 409,
    title: 'The training table has no rows',
    detail: (p: { dataset: string; from: string; to: string }) =>
      `No row of "${p.dataset}" has its moment between ${p.from} and ${p.to} with a label known in time. Check the bounds, and which months were pushed.`,
  },
  'scoring-rows-empty': {
    status: 409,
    title: 'There are no rows to score',
    detail: (p: { dataset: string; between: readonly string[] | null }) =>
      `No row of "${p.dataset}" ${p.between === null ? 'is left to score' : `has its moment from ${p.between.join(' to ')}`}. Check "where" and "between", and which files were pushed.`,
  },
  'scoring-moment-missing': {
    status: 400,
    title: 'Rows have no moment',
    detail: (p: { dataset: string; at: string; rows: number }) =>
      `${p.rows} rows of "${p.dataset}" have no moment (${p.at}), so nobody can say what was known of them. Leave them out with "where", or mend "at". Nothing was scored.`,
  },
  'scoring-column-missing': {
    status: 400,
    title: 'A column is missing',
    detail: (p: { rows: string; column: string }) =>
      `The rows to score, from ${p.rows}, have no column "${p.column}", which the model, the feature service, the key or "columns" names.`,
  },
  'moment-invalid': {
    status: 400,
    title: 'Not a moment',
    detail: (p: { what: string; value: string }) => `${p.what} is "${p.value}"; write 2013-01-31 or 2013-01-31T10:00:00Z.`,
  },
});
