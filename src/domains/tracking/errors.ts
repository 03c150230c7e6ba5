// Messages are part of MLflow's contract with its clients; the dialect adds its error codes.
import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'tracking-invalid': { status: 400, title: 'The input is not valid for tracking', detail: (p: { message: string }) => p.message },
  'experiment-not-found': {
    status: 404,
    title: 'No such experiment',
    detail: (p: { id: string }) => `No Experiment with id=${p.id} exists`,
  },
  'experiment-name-not-found': {
    status: 404,
    title: 'No such experiment',
    detail: (p: { name: string }) => `Could not find experiment with name '${p.name}'`,
  },
  'experiment-exists': {
    status: 409,
    title: 'The experiment exists',
    detail: (p: { name: string }) => `Experiment(name=${p.name}) already exists.`,
  },
  'experiment-name-taken': {
    status: 400,
    title: 'The name belongs to another experiment',
    detail: (p: { name: string }) => `Experiment(name=${p.name}) already exists.`,
  },
  'experiment-not-renamed': {
    status: 400,
    title: 'A deleted experiment keeps its name',
    detail: (_: { id: string }) => 'Cannot rename a non-active experiment.',
  },
  'experiment-inactive': {
    status: 400,
    title: 'The experiment is deleted',
    detail: (p: { id: string; state: string }) => `The experiment ${p.id} must be in the 'active' state. Current state is ${p.state}.`,
  },
  'tracking-run-not-found': { status: 404, title: 'No such run', detail: (p: { id: string }) => `Run with id=${p.id} not found` },
  'tracking-run-inactive': {
    status: 400,
    title: 'The run is deleted',
    detail: (p: { id: string }) => `The run ${p.id} must be in the 'active' state. Current state is deleted.`,
  },
  'tag-not-found': {
    status: 404,
    title: 'No such tag',
    detail: (p: { key: string; what: string }) => `No tag with name: ${p.key} in ${p.what}`,
  },
  'model-param-changed': {
    status: 400,
    title: 'A param cannot be changed',
    detail: (p: { key: string; id: string }) => `Param '${p.key}' of the model with ID '${p.id}' was logged with another value before.`,
  },
  'model-tag-not-found': {
    status: 404,
    title: 'No such tag',
    detail: (p: { key: string; id: string }) => `No tag with key '${p.key}' found for model with ID '${p.id}'.`,
  },
  'param-changed': {
    status: 400,
    title: 'A param cannot be changed',
    detail: (p: { key: string; before: string; after: string; run: string }) =>
      `Changing param values is not allowed. Param with key='${p.key}' was already logged with value='${p.before}' for run ID='${p.run}'. Attempted logging new value '${p.after}'.`,
  },
  'params-changed': {
    status: 400,
    title: 'Params cannot be changed',
    detail: (p: { params: string; run: string }) =>
      `Changing param values is not allowed. Params were already logged='${p.params}' for run ID='${p.run}'.`,
  },
  'order-repeated': {
    status: 400,
    title: 'A field is ordered by twice',
    detail: (p: { items: string }) => `\`order_by\` contains duplicate fields: ${p.items}`,
  },
  'logged-model-not-found': {
    status: 404,
    title: 'No such logged model',
    detail: (p: { id: string }) => `Logged model with ID '${p.id}' not found.`,
  },
  'filter-invalid': {
    status: 400,
    title: 'The filter cannot be read',
    detail: (p: { column: number; problem: string }) => `The filter cannot be read at column ${p.column}: ${p.problem}.`,
  },
  'field-unknown': {
    status: 400,
    title: 'There is no such field',
    detail: (p: { field: string; known: string }) => `"${p.field}" is no field of a run; there are ${p.known}.`,
  },
  'purge-unconfirmed': {
    status: 400,
    title: 'Removal for good has to be confirmed',
    detail: (_: object) => 'What is purged cannot be restored. Look with "dryRun": true at what would go; then send "confirm": "purge".',
  },
  'purge-not-found': {
    status: 404,
    title: 'No such purge',
    detail: (p: { id: string }) => `There is no purge "${p.id}" in this workspace.`,
  },
  'purge-not-deleted': {
    status: 409,
    title: 'Only what is deleted can be purged',
    detail: (p: { what: string }) => `${p.what} is not deleted. Delete it first; then it can be purged.`,
  },
  'metric-not-found': {
    status: 404,
    title: 'No such metric',
    detail: (p: { key: string; run: string }) => `The run ${p.run} has no metric "${p.key}".`,
  },
  'page-token-invalid': {
    status: 400,
    title: 'The cursor cannot be used',
    detail: (_: object) =>
      'The cursor is none that this question was answered with: repeat filter, order and experiments, or start again without a cursor.',
  },
  'run-out-of-scope': {
    status: 403,
    title: 'The token is for another run',
    detail: (p: { id: string }) => `This token was given to a step and may write only its own run and the runs nested in it, not ${p.id}.`,
  },
});
