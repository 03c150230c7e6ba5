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
  'param-changed': {
    status: 400,
    title: 'A param cannot be changed',
    detail: (p: { key: string; before: string; after: string; run: string }) =>
      `Changing param values is not allowed. Param with key='${p.key}' was already logged with value='${p.before}' for run ID='${p.run}'. Attempted logging new value '${p.after}'.`,
  },
  'logged-model-not-found': {
    status: 404,
    title: 'No such logged model',
    detail: (p: { id: string }) => `Logged model with ID '${p.id}' not found.`,
  },
  'run-out-of-scope': {
    status: 403,
    title: 'The token is for another run',
    detail: (p: { id: string }) => `This token was given to a step and may write only its own run and the runs nested in it, not ${p.id}.`,
  },
});
