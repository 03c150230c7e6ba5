import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'report-endpoint-missing': {
    status: 404,
    title: 'The project has no such endpoint',
    detail: (p: { project: string; endpoint: string }) =>
      `The current revision of "${p.project}" has no endpoint "${p.endpoint}". Name one of its endpoints, or none for the first.`,
  },
  'report-dataset-missing': {
    status: 404,
    title: 'The project has no such dataset, or no such version of it',
    detail: (p: { project: string; dataset: string }) =>
      `The current revision of "${p.project}" has no dataset or dataset version "${p.dataset}". Versions are written as NAME@NUMBER.`,
  },
  'report-pipeline-missing': {
    status: 404,
    title: 'The project has no such pipeline',
    detail: (p: { project: string; pipeline: string }) => `The current revision of "${p.project}" has no pipeline "${p.pipeline}".`,
  },
  'report-model-missing': {
    status: 404,
    title: 'There is no model version to report on',
    detail: (p: { why: string }) => `There is nothing to report on: ${p.why}. Name a model, or a run that has registered one.`,
  },
  'report-truth-unclear': {
    status: 400,
    title: 'It is not clear what the truth of the predictions is',
    detail: (p: { why: string }) => `The report cannot set the predictions against the truth: ${p.why}`,
  },
});
