// The Open Inference Protocol (KServe V2) over REST. Reference: Open Inference Protocol, REST API, and its extension for
// binary tensor data.
import { decodeSegment, requireMethod, type Answer, type Exchange, type Plane, type ServingDialect } from '../../domains/serving/public.ts';
import { infer } from './infer.ts';
import { servedNames, servedOf, type Served } from './served.ts';

const MODEL = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer))?\/?$/;

const json = (status: number, body: unknown): Answer => ({ status, body: JSON.stringify(body) });

/** Of the protocol's optional parts, those that are real here. */
export const extensions = ['binary_tensor_data'] as const;
export const platform = 'onnxruntime_onnx';

async function answer(exchange: Exchange, plane: Plane): Promise<Answer> {
  const path = exchange.path.replace(/\/$/, '');
  if (path === '/v2' || path === '/v2/models' || path === '/v2/health/live' || path === '/v2/health/ready') {
    requireMethod(exchange, 'GET');
    if (path === '/v2') return json(200, { name: 'gyre', version: plane.programVersion, extensions });
    if (path === '/v2/models') return json(200, { models: servedNames(plane, exchange.caller) });
    if (path === '/v2/health/live') return json(200, { live: true });
    return json(plane.accepting() ? 200 : 503, { ready: plane.accepting(), live: true });
  }
  const match = MODEL.exec(exchange.path);
  if (!match)
    return json(404, { error: `${exchange.method} ${exchange.path.slice(0, 200)} is not a route of the Open Inference Protocol here.` });
  const version = match[2] === undefined ? undefined : decodeSegment(match[2]);
  const served = servedOf(plane, exchange.caller, decodeSegment(match[1]!), version);
  if (match[3] === 'infer') {
    requireMethod(exchange, 'POST');
    return infer(exchange, served);
  }
  requireMethod(exchange, 'GET');
  return json(200, match[3] === 'ready' ? { name: served.name, ready: true } : metadata(served));
}

const metadata = ({ name, versions, inputs, outputs, properties }: Served) => ({
  name,
  versions,
  platform,
  inputs,
  outputs,
  ...(Object.keys(properties).length > 0 ? { properties } : {}),
});

export const oipDialect: ServingDialect = {
  name: 'oip',
  owns: (path) => path === '/v2' || path.startsWith('/v2/'),
  answer,
  renderProblem: (problem) =>
    json(problem.status, {
      error: [problem.message, ...(problem.faults.length > 1 ? problem.faults.map((f) => f.detail) : [])].join('; '),
    }),
};
