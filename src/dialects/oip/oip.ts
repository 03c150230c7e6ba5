// The Open Inference Protocol (KServe V2), REST with JSON tensors. One tensor per column, shape [N] or
// [N, 1]; the answer holds the model's tensor outputs. Reference: Open Inference Protocol, REST API.
import {
  decodeSegment,
  isRecord,
  parseBody,
  predictionHeaders,
  refuseBody,
  requireMethod,
  type Answer,
  type Exchange,
  type LiveEndpoint,
  type Plane,
  type PredictedRow,
  type ServingDialect,
} from '../../domains/serving/public.ts';
import { datatypeOf, readTensors, tensorOf } from './tensors.ts';

const MODEL = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer))?\/?$/;

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => ({
  status,
  headers,
  body: JSON.stringify(body),
});

async function answer(exchange: Exchange, plane: Plane): Promise<Answer> {
  const path = exchange.path.replace(/\/$/, '');
  if (path === '/v2' || path === '/v2/models' || path.startsWith('/v2/health/')) {
    requireMethod(exchange, 'GET');
    if (path === '/v2') return json(200, { name: 'gyre', version: plane.programVersion, extensions: [] });
    if (path === '/v2/models') return json(200, { models: plane.endpoints(exchange.caller).map((e) => e.plan.name) });
    if (path === '/v2/health/live') return json(200, { live: true });
    if (path === '/v2/health/ready') return json(plane.accepting() ? 200 : 503, { ready: plane.accepting(), live: true });
  }
  const match = MODEL.exec(exchange.path);
  if (!match)
    return json(404, { error: `${exchange.method} ${exchange.path.slice(0, 200)} is not a route of the Open Inference Protocol here.` });
  const endpoint = plane.endpoint(exchange.caller, decodeSegment(match[1]!));
  const version = match[2] === undefined ? undefined : decodeSegment(match[2]);
  if (version !== undefined) plane.requireVersion(endpoint, version);
  if (match[3] === 'infer') {
    requireMethod(exchange, 'POST');
    return infer(exchange, plane, endpoint, version);
  }
  requireMethod(exchange, 'GET');
  return match[3] === 'ready' ? json(200, { name: endpoint.plan.name, ready: true }) : json(200, metadata(endpoint));
}

const versionsOf = (endpoint: LiveEndpoint): string[] => endpoint.variants.map((v) => v.plan.modelVersion);

/** Outputs that every variant has, with the type of the first. */
const outputsOf = ({ variants: [first, ...others] }: LiveEndpoint) =>
  first!.session.signature.outputs.filter(({ name }) => others.every((v) => v.session.signature.outputs.some((o) => o.name === name)));

const requestTypes = { number: 'FP64', integer: 'INT64', string: 'BYTES', boolean: 'BOOL' } as const;

const metadata = (endpoint: LiveEndpoint) => ({
  name: endpoint.plan.name,
  versions: versionsOf(endpoint),
  platform: 'onnxruntime_onnx',
  inputs: endpoint.plan.request.map(({ name, type }) => ({ name, datatype: requestTypes[type], shape: [-1, 1] })),
  outputs: outputsOf(endpoint).map(({ name, type, shape }) => ({
    name,
    datatype: datatypeOf(type),
    shape: shape.length === 0 ? [-1] : shape.map((d) => (typeof d === 'number' ? d : -1)),
  })),
  properties: { revision: String(endpoint.plan.revision) },
});

async function infer(exchange: Exchange, plane: Plane, endpoint: LiveEndpoint, version: string | undefined): Promise<Answer> {
  if (exchange.headers['inference-header-content-length'] !== undefined)
    return refuseBody('binary tensors are not read here; send JSON tensors (binary_data=False in tritonclient).');
  const body = parseBody(exchange.body);
  if (!isRecord(body)) return refuseBody('it must be an object with "inputs".');
  if (body.id !== undefined && typeof body.id !== 'string') return refuseBody('"id" must be a string.');
  if (body.parameters !== undefined && !isRecord(body.parameters)) return refuseBody('"parameters" must be an object.');
  const available = outputsOf(endpoint).map((o) => o.name);
  const wanted = requestedOutputs(body.outputs, available);
  const rows = readTensors(body.inputs);
  const predicted = await plane.predict(exchange, endpoint, rows, {
    outputs: wanted,
    pointer: () => '/inputs',
    ...(version === undefined ? {} : { version }),
  });
  const versions = new Set(predicted.map((r) => r.variant.plan.modelVersion));
  return json(
    200,
    {
      model_name: endpoint.plan.name,
      ...(versions.size === 1 ? { model_version: [...versions][0] } : {}),
      ...(body.id === undefined ? {} : { id: body.id }),
      parameters: parametersOf(predicted),
      outputs: wanted.map((name) =>
        tensorOf(
          name,
          predicted.map((row) => row.output(name)),
        ),
      ),
    },
    predictionHeaders(predicted),
  );
}

const parametersOf = (rows: readonly PredictedRow[]): Record<string, string | number> => ({
  prediction_id: rows[0]!.id,
  ...(rows.length > 1 ? { prediction_count: rows.length } : {}),
  ...(new Set(rows.map((r) => r.variant)).size === 1 ? { variant: rows[0]!.variant.plan.id } : {}),
});

function requestedOutputs(outputs: unknown, available: readonly string[]): string[] {
  if (outputs === undefined) return [...available];
  if (!Array.isArray(outputs) || outputs.length === 0)
    return refuseBody('"outputs" must be a list of {"name": ...}; leave it out for all of them.');
  const names = outputs.map((output: unknown) => {
    if (!isRecord(output) || typeof output.name !== 'string') return refuseBody('every entry of "outputs" needs a "name".');
    if (!available.includes(output.name))
      return refuseBody(`there is no output "${output.name.slice(0, 100)}"; there are ${available.join(', ')}.`);
    if (isRecord(output.parameters) && output.parameters.binary_data === true)
      return refuseBody('binary tensors are not written here; leave "binary_data" out.');
    return output.name;
  });
  return new Set(names).size === names.length ? names : refuseBody('"outputs" names an output twice.');
}

export const oipDialect: ServingDialect = {
  name: 'oip',
  owns: (path) => path === '/v2' || path.startsWith('/v2/'),
  answer,
  renderProblem: (problem) =>
    json(problem.status, {
      error: [problem.message, ...(problem.faults.length > 1 ? problem.faults.map((f) => f.detail) : [])].join('; '),
    }),
};
