import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  'endpoint-not-served': {
    status: 404,
    title: 'No such endpoint',
    detail: (p: { endpoint: string }) =>
      `This server answers no endpoint "${p.endpoint}". Release a model version to it first, or look at GET /v2/models for those that exist.`,
  },
  'served-version-not-found': {
    status: 404,
    title: 'No such version',
    detail: (p: { endpoint: string; version: string; served: readonly string[] }) =>
      `Endpoint "${p.endpoint}" does not serve the model version "${p.version}"; it serves ${p.served.join(', ')}.`,
  },
  'served-model-not-found': {
    status: 404,
    title: 'No such model to load',
    detail: (p: { model: string }) => `Model ${p.model} not found: this server was not given one of that name when it started.`,
  },
  'model-control-off': {
    status: 503,
    title: 'Models are not loaded and unloaded here',
    // The words of Triton, which its clients' tests match.
    detail: () =>
      'explicit model load / unload is not allowed if polling is enabled; it takes a server that was started with models and "--model-control explicit", and a caller who may ask all of them.',
  },
  'prediction-input-invalid': {
    status: 400,
    title: 'The input of the prediction cannot be used',
    detail: (p: { endpoint: string; first: string; count: number }) =>
      `${p.first}${p.count > 1 ? ` (and ${p.count - 1} more)` : ''}. Nothing was predicted.`,
  },
  'prediction-body-invalid': {
    status: 400,
    title: 'The body cannot be read',
    detail: (p: { why: string }) => `The body cannot be read: ${p.why}`,
  },
  'too-many-rows': {
    status: 413,
    title: 'Too many rows in one request',
    detail: (p: { rows: number; limit: number }) =>
      `The request has ${p.rows} rows; at most ${p.limit} are answered at once. Send it in parts.`,
  },
  'event-time-invalid': {
    status: 400,
    title: 'The event time cannot be read',
    detail: (p: { value: string }) =>
      `The header Gyre-Event-Time "${p.value}" is neither an ISO time with a zone, as 2013-03-01T12:00:00Z, nor microseconds since 1970.`,
  },
  'event-time-not-replay': {
    status: 400,
    title: 'The timeline is live',
    detail: (p: { endpoint: string }) =>
      `Endpoint "${p.endpoint}" belongs to a project on the live timeline, so its event time is the wall clock. Leave the header Gyre-Event-Time out, or replay in a project with "timeline: { mode: replay }".`,
  },
  'model-run-failed': {
    status: 500,
    title: 'The model failed',
    detail: (p: { endpoint: string; modelVersion: string }) =>
      `Version ${p.modelVersion} behind endpoint "${p.endpoint}" failed on this input; the inference log has the reason under the prediction id.`,
  },
  'serving-overloaded': {
    status: 503,
    title: 'Too much at once',
    detail: (p: { why: string; retryAfterS: number }) =>
      `Nothing was predicted, because ${p.why}. Repeat the request in ${p.retryAfterS} s, or send fewer at once.`,
  },
  'serving-timeout-invalid': {
    status: 400,
    title: 'The timeout cannot be read',
    detail: (p: { value: string }) => `The header Gyre-Timeout-Ms "${p.value}" is not a whole number of milliseconds above 0.`,
  },
  'serving-deadline-exceeded': {
    status: 504,
    title: 'The time for the request is up',
    detail: (_p: object) => 'The time that the caller gave the request was over before the model had a turn for it. Nothing was predicted.',
  },
  'serving-method-not-allowed': {
    status: 405,
    title: 'Not with this method',
    detail: (p: { method: string; path: string; allowed: string }) => `${p.path} does not take ${p.method}; use ${p.allowed}.`,
  },
  'serving-token-refused': {
    status: 401,
    title: 'A token is needed',
    detail: (p: { why: string }) => `${p.why} Send "Authorization: Bearer <token>" with a token that may predict.`,
  },
  'serving-origin-refused': {
    status: 403,
    title: 'The request comes from elsewhere',
    detail: (p: { what: string }) =>
      `${p.what} is not this server's own address. Without users it answers only programs on this machine, and no web page of another site.`,
  },
  'batch-unreadable': {
    status: 400,
    title: 'The batch cannot be read',
    detail: (p: { why: string }) => `The batch cannot be read: ${p.why}. Nothing was taken.`,
  },
  'records-invalid': {
    status: 400,
    title: 'The records cannot be used',
    detail: (p: { monitor: string; count: number; shown: number }) =>
      `${p.count} ${p.count === 1 ? 'fault' : 'faults'} in the records for monitor "${p.monitor}"; "errors" names the first ${p.shown}. Nothing was taken.`,
  },
  'plan-invalid': {
    status: 500,
    title: 'The serving plan cannot be used',
    detail: (p: { path: string; why: string }) => `${p.path}: ${p.why}. The data plane goes on with the plan it has.`,
  },
  'data-plane-away': {
    status: 503,
    title: 'A data plane does not answer',
    detail: (p: { replica: string }) =>
      `The data plane "${p.replica}" has records that are not shipped, and it does not answer. Repeat the request once it runs again.`,
  },
  'replica-running': {
    status: 409,
    title: 'The replica is running',
    detail: (p: { replica: string; pid: number }) =>
      `The replica "${p.replica}" of this folder is already running as process ${p.pid}. Stop it, or give this one another name.`,
  },
  'onnx-unreadable': {
    status: 400,
    title: 'The model file cannot be loaded',
    detail: (p: { file: string; why: string }) => `${p.file} is not an ONNX model that can be loaded: ${p.why}`,
  },
  'onnx-signature-unsupported': {
    status: 400,
    title: 'The model’s signature cannot be served',
    detail: (p: { what: string }) =>
      `${p.what} Inputs must be named tensors of shape [N] or [N, 1], one per column, of type float, double, int32, int64, string or bool, and the score a numeric tensor with N rows.`,
  },
  'model-files-changed': {
    status: 409,
    title: 'The model files are not those that were sealed',
    detail: (p: { digest: string; found: string }) =>
      `The files of the model have the digest ${p.found.slice(0, 12)}…, and ${p.digest.slice(0, 12)}… was sealed. What is served goes on; remove the folder and publish again.`,
  },
  'model-columns-mismatch': {
    status: 400,
    title: 'The model does not fit the endpoint’s columns',
    detail: (p: { what: string }) =>
      `${p.what} Train the model on the columns that the feature service and the request provide, or mend the service.`,
  },
  'python-model-unreadable': {
    status: 409,
    title: 'The Python model cannot be loaded',
    detail: (p: { why: string }) => `The model cannot be loaded in its environment: ${p.why}. The server's log has the details.`,
  },
  'python-environment-missing': {
    status: 409,
    title: 'The model has no environment',
    detail: (p: { why: string }) =>
      `No Python environment can be made for the model: ${p.why}. Log the model with its requirements, or name an interpreter that has them.`,
  },
  'model-process-ended': {
    status: 503,
    title: 'The process of the model ended',
    detail: (p: { model: string; why: string }) =>
      `The process of "${p.model}" ended while it worked on this request: ${p.why}. Another one is started; the request may be repeated.`,
  },
  'model-took-too-long': {
    status: 504,
    title: 'The model took too long',
    detail: (p: { model: string; limitMs: number }) =>
      `"${p.model}" took longer than ${p.limitMs} ms, so its process was stopped and another one is started. Send fewer rows, or raise the limit.`,
  },
  'model-process-away': {
    status: 503,
    title: 'The process of the model is away',
    detail: (p: { model: string; why: string }) =>
      `"${p.model}" has no process that could take the request, for ${p.why}. Repeat it in a few seconds.`,
  },
  'model-input-refused': {
    status: 400,
    title: 'The model does not take this input',
    detail: (p: { model: string; why: string }) => `"${p.model}" does not take this input: ${p.why}. Nothing was predicted.`,
  },
  'score-rows-invalid': {
    status: 400,
    title: 'The rows cannot be scored',
    detail: (p: { row: number; column: string; why: string }) => `Row ${p.row}, column "${p.column}": ${p.why}.`,
  },
  'scoring-failed': {
    status: 500,
    title: 'Scoring ended early',
    detail: (p: { why: string }) => `The scoring process ended early: ${p.why}.`,
  },
});
