// MLflow's error shape, and what its codes are for ours.
import { defineErrors, type Problem } from '../../kernel/errors.ts';
import type { Dialect } from '../../kernel/http/route.ts';

const { fail } = defineErrors({
  'mlflow-parameter-invalid': { status: 400, title: 'A parameter is not valid', detail: (p: { message: string }) => p.message },
});
export const invalid = (message: string): never => fail('mlflow-parameter-invalid', { message });

const granted = ({ kind, id, user }: Readonly<Record<string, unknown>>): string =>
  kind === 'experiment'
    ? `Experiment permission with experiment_id=${String(id)} and username=${String(user)}`
    : kind === 'model'
      ? `Registered model permission with name=${String(id)} and username=${String(user)}`
      : `Permission for user=${String(user)} on resource_type=${String(kind)}, resource_id=${String(id)}`;

// Words that its clients look for, where ours are others.
const MESSAGES: Readonly<Record<string, (p: Readonly<Record<string, unknown>>) => string>> = {
  'model-not-found': (p) => `Registered Model with name=${String(p.name)} not found`,
  'model-exists': (p) =>
    p.wanted !== p.is
      ? `Tried to create a ${p.wanted === 'prompt' ? 'prompt' : 'registered model'} with name '${String(p.name)}', but the name is already taken by a ${p.is === 'prompt' ? 'prompt' : 'registered model'}. MLflow does not allow creating a model and a prompt with the same name.`
      : `${p.wanted === 'prompt' ? 'Prompt' : 'Registered Model'} (name=${String(p.name)}) already exists.`,
  'model-version-not-found': (p) => `Model Version (name=${String(p.model)}, version=${String(p.version)}) not found`,
  'user-exists': (p) => `User (username=${String(p.name)}) already exists.`,
  'user-not-found': (p) => `User with username=${String(p.name)} not found`,
  'workspace-not-found': (p) => `Workspace '${String(p.workspace)}' not found`,
  'grant-exists': (p) => `${granted(p)} already exists.`,
  'grant-not-found': (p) => `${granted(p)} not found`,
  'alias-not-found': (p) => `Registered model alias ${String(p.alias)} not found.`,
  'unsupported-media-type': (p) =>
    p.contentType === ''
      ? 'Bad Request. Content-Type header is missing.'
      : "Bad Request. Content-Type must be one of ['application/json'].",
  'model-name-invalid': (p) => `Invalid model name '${String(p.name)}'. Names cannot contain '/' or ':'.`,
};

// Where MLflow's code for a problem is not the usual one of its status.
const CODES: Readonly<Record<string, string>> = {
  'experiment-exists': 'RESOURCE_ALREADY_EXISTS',
  'user-exists': 'RESOURCE_ALREADY_EXISTS',
  'workspace-exists': 'RESOURCE_ALREADY_EXISTS',
  'workspace-not-empty': 'INVALID_STATE',
  'grant-exists': 'RESOURCE_ALREADY_EXISTS',
  'role-exists': 'RESOURCE_ALREADY_EXISTS',
  'role-grant-exists': 'RESOURCE_ALREADY_EXISTS',
  'role-assigned': 'RESOURCE_ALREADY_EXISTS',
  'experiment-name-taken': 'BAD_REQUEST',
  'experiment-not-renamed': 'INVALID_STATE',
  // MLflow answers it with 500 too.
  'order-repeated': 'INTERNAL_ERROR',
  'model-exists': 'RESOURCE_ALREADY_EXISTS',
  'alias-not-found': 'INVALID_PARAMETER_VALUE',
  'alias-not-passed': 'INVALID_PARAMETER_VALUE',
  'alias-followed': 'INVALID_PARAMETER_VALUE',
  'model-in-use': 'INVALID_PARAMETER_VALUE',
  'version-unsealed': 'INVALID_PARAMETER_VALUE',
  'stage-not-active': 'INTERNAL_ERROR',
  'model-param-changed': 'BAD_REQUEST',
  'route-not-found': 'ENDPOINT_NOT_FOUND',
};
// Statuses below 500 that its clients know; every other one becomes 400.
const KEPT = [403, 404];
const STATUS: Readonly<Record<string, number>> = { 'experiment-exists': 400, 'model-exists': 400, 'alias-not-found': 400 };
const BY_STATUS: Readonly<Record<number, string>> = {
  400: 'INVALID_PARAMETER_VALUE',
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'RESOURCE_DOES_NOT_EXIST',
  409: 'RESOURCE_CONFLICT',
  415: 'INVALID_PARAMETER_VALUE',
  501: 'NOT_IMPLEMENTED',
  503: 'TEMPORARILY_UNAVAILABLE',
};

// Registering is the pipeline's own step, which has the evaluation and the evidence; code of a step has only its run.
const hintFor = ({ code, params }: Problem): string =>
  code === 'forbidden' && /^step "/.test(String(params.actor)) && /^models:/.test(String(params.permission))
    ? ': code of a pipeline step does not use the model registry. Log the model without registering it, name it in the step (out: { model: { logged: NAME } }), and add to the pipeline: register: { model: NAME, from: STEP.model }'
    : '';

export const mlflowDialect: Dialect = {
  name: 'mlflow',
  renderProblem: (problem: Problem) => {
    // The basic-auth application of MLflow answers these two in plain text, and its clients show them.
    // Its client repeats a 429 for minutes, each time with the password that failed; a refused login it shows at once.
    if (problem.status === 401 || problem.code === 'login-throttled')
      return {
        status: 401,
        contentType: 'text/plain; charset=utf-8',
        body: `You are not authenticated. ${problem.message}`,
        headers: { 'www-authenticate': 'Basic realm="mlflow"' },
      };
    if (problem.code === 'forbidden' || problem.code === 'level-too-low')
      return { status: 403, contentType: 'text/plain; charset=utf-8', body: `Permission denied${hintFor(problem)}` };
    // Its client repeats a 5xx for minutes, so only what may pass by waiting is one.
    const status = STATUS[problem.code] ?? (problem.status < 500 && !KEPT.includes(problem.status) ? 400 : problem.status);
    const code = CODES[problem.code] ?? BY_STATUS[problem.status] ?? (problem.status >= 500 ? 'INTERNAL_ERROR' : 'BAD_REQUEST');
    const message = MESSAGES[problem.code]?.(problem.params) ?? problem.message;
    const faults = problem.faults.map((f) => ` ${f.pointer} ${f.detail}.`).join('');
    return { status, contentType: 'application/json', body: JSON.stringify({ error_code: code, message: message + faults }) };
  },
};
