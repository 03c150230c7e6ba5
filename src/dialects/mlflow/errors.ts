// MLflow's error shape, and what its codes are for ours.
import { defineErrors, type Problem } from '../../kernel/errors.ts';
import type { Dialect } from '../../kernel/http/route.ts';

const { fail } = defineErrors({
  'mlflow-parameter-invalid': { status: 400, title: 'A parameter is not valid', detail: (p: { message: string }) => p.message },
});
export const invalid = (message: string): never => fail('mlflow-parameter-invalid', { message });

// Words that its clients look for, where ours are others.
const MESSAGES: Readonly<Record<string, (p: Readonly<Record<string, unknown>>) => string>> = {
  'model-not-found': (p) => `Registered Model with name=${String(p.name)} not found`,
  'model-exists': (p) => `Registered Model (name=${String(p.name)}) already exists.`,
  'model-version-not-found': (p) => `Model Version (name=${String(p.model)}, version=${String(p.version)}) not found`,
  'alias-not-found': (p) => `Registered model alias ${String(p.alias)} not found.`,
  'model-name-invalid': (p) => `Invalid model name '${String(p.name)}'. Names cannot contain '/' or ':'.`,
};

// Where MLflow's code for a problem is not the usual one of its status.
const CODES: Readonly<Record<string, string>> = {
  'experiment-exists': 'RESOURCE_ALREADY_EXISTS',
  'model-exists': 'RESOURCE_ALREADY_EXISTS',
  'alias-not-found': 'INVALID_PARAMETER_VALUE',
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

export const mlflowDialect: Dialect = {
  name: 'mlflow',
  renderProblem: (problem: Problem) => {
    // The basic-auth application of MLflow answers these two in plain text, and its clients show them.
    if (problem.status === 401)
      return { status: 401, contentType: 'text/plain; charset=utf-8', body: `You are not authenticated. ${problem.message}` };
    if (problem.code === 'forbidden') return { status: 403, contentType: 'text/plain; charset=utf-8', body: 'Permission denied' };
    // Its client repeats a 5xx for minutes, so only what may pass by waiting is one.
    const status = STATUS[problem.code] ?? (problem.status < 500 && !KEPT.includes(problem.status) ? 400 : problem.status);
    const code = CODES[problem.code] ?? BY_STATUS[problem.status] ?? (problem.status >= 500 ? 'INTERNAL_ERROR' : 'BAD_REQUEST');
    const message = MESSAGES[problem.code]?.(problem.params) ?? problem.message;
    const faults = problem.faults.map((f) => ` ${f.pointer} ${f.detail}.`).join('');
    return { status, contentType: 'application/json', body: JSON.stringify({ error_code: code, message: message + faults }) };
  },
};
