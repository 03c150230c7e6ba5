import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'pipeline-not-found': {
    status: 404,
    title: 'No such pipeline',
    detail: (p: { project: string; pipeline: string }) => `Project "${p.project}" has no pipeline "${p.pipeline}" in its current revision.`,
  },
  'run-not-found': {
    status: 404,
    title: 'No such run',
    detail: (p: { id: string }) => `There is no pipeline run "${p.id}" in this workspace.`,
  },
  'step-not-found': {
    status: 404,
    title: 'No such step',
    detail: (p: { run: string; step: string }) => `Run "${p.run}" has no step "${p.step}".`,
  },
  'step-without-workspace': {
    status: 409,
    title: 'The step has no folder',
    detail: (p: { step: string; kind: string }) =>
      `Step "${p.step}" is of kind "${p.kind}", which Gyre performs itself; only a step with "run:" has a folder to look at.`,
  },
  'run-not-resumable': {
    status: 409,
    title: 'The run cannot be resumed',
    detail: (p: { id: string; state: string }) =>
      `Run "${p.id}" is ${p.state}; only a run that failed or was cancelled can be resumed. Start a new run instead.`,
  },
  'process-engine-not-trusted': {
    status: 403,
    title: 'Steps may not run as the server’s user',
    detail: () =>
      'Users are defined, and a step would run as the operating-system user of the server, who can read its database and secrets. Start the server with GYRE_TRUST_PROCESS_ENGINE=1 if everybody who may run code here may do that.',
  },
  'parameter-invalid': {
    status: 400,
    title: 'A parameter cannot be used',
    detail: (p: { name: string; why: string }) => `Parameter "${p.name}": ${p.why}`,
  },
  'step-failed': {
    status: 409,
    title: 'The step failed',
    detail: (p: { step: string; why: string }) => `Step "${p.step}" failed: ${p.why}`,
  },
  'row-not-scored': {
    status: 400,
    title: 'A row cannot be scored',
    detail: (p: { dataset: string; row: number; key: string | null; column: string; why: string }) =>
      `Row ${p.row}${p.key === null ? '' : ` (${p.key})`} by moment and key, column "${p.column}": ${p.why}. Nothing was written to "${p.dataset}". Leave such rows out with "where", give the endpoint a "missing:" rule, or mend the data.`,
  },
  'predictions-not-there': {
    status: 409,
    title: 'Scores cannot go into this dataset',
    detail: (p: { dataset: string }) =>
      `Dataset "${p.dataset}" has files or SQL of its own in gyre.yaml, so nothing is scored into it. Name another dataset; one that is not declared is made.`,
  },
  'secret-missing': {
    status: 400,
    title: 'A secret is not there',
    detail: (p: { name: string; reference: string }) =>
      `The secret "${p.name}" (${p.reference}) has no value on the server. References are env:NAME or file:PATH.`,
  },
  'run-ended': {
    status: 409,
    title: 'The run has ended',
    detail: (p: { id: string; state: string }) => `Run "${p.id}" has ended (${p.state}) and cannot be changed.`,
  },
  'purpose-not-allowed': {
    status: 403,
    title: 'The data may not be used for this',
    detail: (p: { pipeline: string; purpose: string | null; limits: readonly { dataset: string; purposes: readonly string[] }[] }) =>
      `Pipeline "${p.pipeline}" ${p.purpose === null ? 'says no purpose' : `reads for the purpose "${p.purpose}"`}, and ${p.limits
        .map((l) => `dataset "${l.dataset}" may be used for ${l.purposes.map((x) => `"${x}"`).join(', ') || 'nothing'} only`)
        .join('; ')}. ${
        p.purpose === null
          ? 'Say what for: set "purpose:" of the pipeline in gyre.yaml'
          : 'Set another "purpose:" of the pipeline, or, if the law and those responsible allow it, add the purpose to "purposes:" of the dataset'
      }.`,
  },
});
