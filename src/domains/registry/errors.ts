import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'model-not-found': { status: 404, title: 'No such model', detail: (p: { name: string }) => `There is no registered model "${p.name}".` },
  'model-exists': {
    status: 409,
    title: 'The model exists',
    detail: (p: { name: string; wanted: 'model' | 'prompt'; is: 'model' | 'prompt' }) =>
      `A registered ${p.is} "${p.name}" exists already; register a version of it.`,
  },
  'model-name-invalid': {
    status: 400,
    title: 'The name cannot be used',
    detail: (p: { name: string }) => `"${p.name}" cannot name a model: 1 to 256 characters without "/" and ":".`,
  },
  'model-version-not-found': {
    status: 404,
    title: 'No such version',
    detail: (p: { model: string; version: string }) => `Model "${p.model}" has no version or alias "${p.version}".`,
  },
  'alias-invalid': {
    status: 400,
    title: 'The alias cannot be used',
    detail: (p: { alias: string }) =>
      `"${p.alias}" cannot be an alias: letters, digits, "_" and "-"; not "latest" and not "v" with a number.`,
  },
  'alias-not-found': {
    status: 404,
    title: 'No such alias',
    detail: (p: { model: string; alias: string }) => `Model "${p.model}" has no alias "${p.alias}".`,
  },
  'version-unsealed': {
    status: 409,
    title: 'The version is not sealed',
    detail: (p: { model: string; version: number }) =>
      `Version ${p.version} of "${p.model}" has no sealed files, so no gate can pass it and nothing serves it. Upload the model's files and seal it.`,
  },
  'model-signature-mismatch': {
    status: 400,
    title: 'The model does not fit the features',
    detail: (p: { model: string; faults: readonly string[] }) =>
      `The model "${p.model}" does not fit the columns it is given: ${p.faults.join('; ')}. Export it with inputs named and typed as the features are.`,
  },
  'evaluation-mismatch': {
    status: 400,
    title: 'The evaluation is of another model',
    detail: (p: { evaluation: string; evaluated: string; model: string }) =>
      `Evaluation ${p.evaluation} scored the logged model ${p.evaluated}, so it says nothing about ${p.model}. Evaluate the model that is registered.`,
  },
  'model-not-loadable': {
    status: 400,
    title: 'The model cannot be sealed',
    detail: (p: { model: string; why: string }) => `"${p.model}" cannot be sealed: ${p.why}.`,
  },
  'model-tag-invalid': {
    status: 400,
    title: 'The tag cannot be used',
    detail: (p: { what: 'key' | 'value'; limit: number }) =>
      `The ${p.what} of the tag exceeds the maximum length of ${p.limit} characters.`,
  },
  'model-source-invalid': { status: 400, title: 'The source cannot be used', detail: (p: { message: string }) => p.message },
  'alias-not-passed': {
    status: 409,
    title: 'The version may not have the alias that endpoints follow',
    detail: (p: { model: string; version: number; alias: string; endpoints: readonly string[]; why: string; mend: string }) =>
      `Alias "${p.alias}" of "${p.model}" was not moved to version ${p.version}: endpoint ${p.endpoints.join(', ')} follows it, and ${p.why}. Nothing was changed. ${p.mend}`,
  },
  'alias-followed': {
    status: 409,
    title: 'An endpoint follows the alias',
    detail: (p: { model: string; alias: string; endpoints: readonly string[] }) =>
      `Alias "${p.alias}" of "${p.model}" cannot be removed: endpoint ${p.endpoints.join(', ')} follows it. Point it at another version, or take the endpoint out of its project.`,
  },
  'model-in-use': {
    status: 409,
    title: 'An endpoint uses it',
    detail: (p: { what: string; endpoints: readonly string[]; action: 'deleted' | 'renamed' }) =>
      `${p.what} cannot be ${p.action}: endpoint ${p.endpoints.join(', ')} serves or follows it. Release another version there first, or take the endpoint out of its project.`,
  },
  'conversion-not-possible': {
    status: 409,
    title: 'The version cannot be converted',
    detail: (p: { model: string; version: number; why: string }) => `Version ${p.version} of "${p.model}" cannot be converted: ${p.why}.`,
  },
  'conversion-failed': {
    status: 409,
    title: 'The conversion failed',
    detail: (p: { model: string; version: number; why: string }) =>
      `Version ${p.version} of "${p.model}" was not converted: ${p.why}. Nothing was registered.`,
  },
  'conversion-differs': {
    status: 409,
    title: 'The converted model answers otherwise',
    detail: (p: {
      model: string;
      version: number;
      rows: number;
      tolerance: number;
      maxDifference: number;
      labels: number | null;
      row: number;
      source: string;
      converted: string;
    }) =>
      `Version ${p.version} of "${p.model}" and its conversion differ on ${p.rows} rows: by up to ${p.maxDifference} (tolerance ${p.tolerance})${p.labels ? `, and in the label of ${p.labels} rows` : ''}. Worst is row ${p.row}, by moment and key: ${p.source} became ${p.converted}. Nothing was registered.`,
  },
  'conversion-not-found': { status: 404, title: 'No such conversion', detail: (p: { id: string }) => `There is no conversion "${p.id}".` },
  'model-code-not-trusted': {
    status: 403,
    title: 'Models may not be loaded as the server’s user',
    detail: () =>
      'Users are defined, and loading this model would run its code as the operating-system user of the server, who can read its database and secrets. Start the server with GYRE_TRUST_PROCESS_ENGINE=1 if everybody who may run code here may do that.',
  },
  'search-invalid': { status: 400, title: 'The search cannot be read', detail: (p: { message: string }) => p.message },
  'stage-invalid': {
    status: 400,
    title: 'No such stage',
    detail: (p: { stage: string; stages: readonly string[] }) =>
      `Invalid Model Version stage: ${p.stage}. Value must be one of ${p.stages.join(', ')}.`,
  },
  'stage-not-active': {
    status: 400,
    title: 'Versions in this stage are not archived',
    detail: (p: { stage: string }) =>
      `Model version transition cannot archive existing model versions because '${p.stage}' is not an Active stage. Valid stages are ['Staging', 'Production']`,
  },
  'evaluation-not-found': { status: 404, title: 'No such evaluation', detail: (p: { id: string }) => `There is no evaluation "${p.id}".` },
  'gate-not-passed': {
    status: 409,
    title: 'The gate did not pass',
    detail: (p: { model: string; version: number; reason: string }) =>
      `Version ${p.version} of "${p.model}" may not be released: ${p.reason}`,
  },
  'override-needs-reason': {
    status: 400,
    title: 'An override needs a reason',
    detail: (_: object) => 'Say in "reason", in a sentence, why the gate is overridden; it is recorded with your name.',
  },
});
