import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'import-source-unknown': {
    status: 400,
    title: 'Nothing to import there',
    detail: (p: { given: string; why: string }) =>
      `"${p.given}" cannot be imported: ${p.why}. Name the address of a server (https://host:port), a folder of MLflow (./mlruns) or its database (sqlite:///path/mlflow.db, postgresql://user@host/name).`,
  },
  'import-source-too-old': {
    status: 400,
    title: 'The database of MLflow is too old',
    detail: (p: { place: string; missing: string }) =>
      `${p.place} has no ${p.missing}: it was made by a version of MLflow older than 1.0. Bring it up to date first, on a copy: mlflow db upgrade sqlite:///copy.db`,
  },
  'import-source-failed': {
    status: 502,
    title: 'The source does not answer',
    detail: (p: { place: string; what: string; why: string }) =>
      `${p.place} did not answer ${p.what}: ${p.why}. Run the same command again; it goes on where it stopped.`,
  },
  'export-invalid': {
    status: 400,
    title: 'The file is no export',
    detail: (p: { file: string; why: string }) => `${p.file} is no export of Gyre: ${p.why}. Nothing was imported.`,
  },
  'export-nothing': {
    status: 404,
    title: 'Nothing to export',
    detail: (p: { given: string }) => `There is no experiment "${p.given}". List their names with: gyre experiments list`,
  },
});
