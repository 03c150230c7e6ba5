import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'dataset-not-found': {
    status: 404,
    title: 'No such dataset',
    detail: (p: { project: string; dataset: string }) => `Project "${p.project}" has no dataset "${p.dataset}" in its current revision.`,
  },
  'dataset-version-not-found': {
    status: 404,
    title: 'No such dataset version',
    detail: (p: { id: string }) => `There is no dataset version "${p.id}" here.`,
  },
  'dataset-empty': {
    status: 409,
    title: 'The dataset has no version yet',
    detail: (p: { dataset: string }) => `Dataset "${p.dataset}" has no current version. Push its files: gyre datasets push ${p.dataset}.`,
  },
  'dataset-not-pushed': {
    status: 409,
    title: 'The dataset is built from SQL',
    detail: (p: { dataset: string }) => `Dataset "${p.dataset}" is made by its SQL from other datasets; push those, and it follows.`,
  },
  'dataset-no-rows': {
    status: 400,
    title: 'There are no rows',
    detail: (p: { dataset: string; files: readonly string[] }) =>
      `${p.files.length === 0 ? `Dataset "${p.dataset}" would have no rows` : `In dataset "${p.dataset}", no row is in ${p.files.join(', ')}`}. Nothing was changed. Send files with rows, and leave the empty ones out.`,
  },
  'schema-changed': {
    status: 409,
    title: 'The schema changed',
    detail: (p: { dataset: string; columns: string }) =>
      `Dataset "${p.dataset}" lost or changed columns: ${p.columns}. The version before stays current. If this is meant, push with "acceptSchemaChange".`,
  },
  'key-missing': {
    status: 422,
    title: 'Columns of the key are missing',
    detail: (p: { dataset: string; columns: readonly string[] }) =>
      `Dataset "${p.dataset}" has no column ${p.columns.map((c) => `"${c}"`).join(', ')}, and its "key" in gyre.yaml names it. Mend the key, or send files that have it.`,
  },
  'versions-unrelated': {
    status: 400,
    title: 'The versions are of different datasets',
    detail: (p: { before: string; after: string }) =>
      `One version is of "${p.before}", the other of "${p.after}"; compare two versions of one dataset.`,
  },
  'contract-violated': {
    status: 422,
    title: 'The data breaks its contract',
    detail: (p: { dataset: string; version: string; rules: number }) =>
      `Dataset "${p.dataset}" breaks ${p.rules} ${p.rules === 1 ? 'rule' : 'rules'} of its contract; see "errors". It is kept as ${p.version} in quarantine, and the version before stays current.`,
  },
  'contract-invalid': {
    status: 400,
    title: 'The contract cannot be read',
    detail: (p: { file: string }) => `${p.file} is not a valid ODCS 3 data contract; see "errors".`,
  },
  'time-missing': {
    status: 422,
    title: 'Rows without a time',
    detail: (p: { dataset: string; expression: string; rows: number }) =>
      `In dataset "${p.dataset}", ${p.rows} rows have no value for occurred_at (${p.expression}). A row that happened at no time cannot be joined as of a moment.`,
  },
});
