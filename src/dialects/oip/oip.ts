// The Open Inference Protocol (KServe V2) over REST. Reference: Open Inference Protocol, REST API, with the extensions for binary
// tensor data, model configuration, statistics and the model repository.
import {
  decodeSegment,
  requireMethod,
  type Answer,
  type Exchange,
  type Plane,
  type ServingDialect,
} from '../../domains/serving/data-plane.ts';
import { infer } from './infer.ts';
import { configOf, extensions, indexOf, logSettings, statisticsOf, traceSettings } from './management.ts';
import { control, optionalObject, readyOnly } from './repository.ts';
import { servedNames, servedOf, type Served } from './served.ts';
import { sentenceOf } from './sentence.ts';

const MODEL = /^\/v2\/models\/([^/]+)(?:\/versions\/([^/]+))?(?:\/(ready|infer|config|stats))?\/?$/;
const CONTROL = /^\/v2\/repository\/models\/([^/]+)\/(load|unload)\/?$/;
/** Routes of Triton's that change or read what is fixed here, or what there is none of. */
const FIXED = /^\/v2\/(?:models\/[^/]+\/)?(trace\/setting|logging)\/?$/;
const SHARED_MEMORY = /^\/v2\/(?:system|cuda)sharedmemory(?:\/region\/[^/]+)?\/(status|unregister|register)\/?$/;
const UNBUILT = /^\/v2\/models\/[^/]+(?:\/versions\/[^/]+)?\/(generate|generate_stream|infer_stream)\/?$/;

// Triton packs inferences alone: its asynchronous client says that it takes gzip, and does not unpack what is none of them.
const json = (status: number, body: unknown): Answer => ({ status, body: JSON.stringify(body), unpacked: true });
const done: Answer = { status: 200, body: '' };

function answer(exchange: Exchange, plane: Plane): Answer | Promise<Answer> {
  const model = MODEL.exec(exchange.path);
  // "/v2/models/stats" is the route for all of them.
  if (!model || (model[1] === 'stats' && model[2] === undefined && model[3] === undefined)) return answerServer(exchange, plane);
  const version = model[2] === undefined ? undefined : decodeSegment(model[2]);
  const name = decodeSegment(model[1]!);
  const what = model[3];
  if (what === 'infer') {
    requireMethod(exchange, 'POST');
    return infer(exchange, servedOf(plane, exchange.caller, name, version));
  }
  requireMethod(exchange, 'GET');
  if (what === 'stats') return json(200, statisticsOf(plane, exchange.caller, name, version));
  const served = servedOf(plane, exchange.caller, name, version);
  if (what === 'config') return json(200, configOf(served));
  return json(200, what === 'ready' ? { name: served.name, ready: true } : metadata(served));
}

function answerServer(exchange: Exchange, plane: Plane): Answer | Promise<Answer> {
  const { caller } = exchange;
  const path = exchange.path.replace(/\/$/, '');
  const get = (body: () => unknown, status = 200): Answer => {
    requireMethod(exchange, 'GET');
    return json(status, body());
  };
  switch (path) {
    case '/v2':
      return get(() => ({ name: 'gyre', version: plane.programVersion, extensions }));
    case '/v2/models':
      return get(() => ({ models: servedNames(plane, caller) }));
    case '/v2/models/stats':
      return get(() => statisticsOf(plane, caller, undefined, undefined));
    case '/v2/health/live':
      return get(() => ({ live: true }));
    case '/v2/health/ready':
      return get(() => ({ ready: plane.accepting(), live: true }), plane.accepting() ? 200 : 503);
    case '/v2/repository/index':
      requireMethod(exchange, 'POST');
      return json(200, indexOf(plane, caller, readyOnly(exchange)));
  }
  return answerExtension(exchange, plane);
}

function answerExtension(exchange: Exchange, plane: Plane): Answer | Promise<Answer> {
  const { path, method } = exchange;
  const controlled = CONTROL.exec(path);
  if (controlled) {
    requireMethod(exchange, 'POST');
    return control(exchange, plane, decodeSegment(controlled[1]!), controlled[2]!).then(() => done);
  }
  const fixed = FIXED.exec(path);
  if (fixed) {
    const isTrace = fixed[1] === 'trace/setting';
    if (method !== 'POST' || Object.values(optionalObject(exchange)).every((value) => value === null))
      return json(
        200,
        isTrace ? Object.fromEntries(Object.entries(traceSettings).map(([k, v]) => [k, k === 'trace_level' ? v : v[0]])) : logSettings,
      );
    return json(400, { error: `The settings of ${isTrace ? 'tracing' : 'the log'} are those that the server was started with.` });
  }
  const memory = SHARED_MEMORY.exec(path);
  if (memory && memory[1] !== 'register') return memory[1] === 'status' ? json(200, []) : done;
  if (memory) return json(501, { error: 'Shared memory is not read here; send "data" or "binary_data_size".' });
  const unbuilt = UNBUILT.exec(path);
  if (unbuilt) return json(501, { error: `"${unbuilt[1]}" is an extension that is not built here; use "infer".` });
  return json(404, { error: `${method} ${path.slice(0, 200)} is not a route of the Open Inference Protocol here.` });
}

const metadata = ({ name, versions, platform, inputs, outputs, properties }: Served) => ({
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
  renderProblem: (problem) => {
    const told = json(problem.status, { error: sentenceOf(problem) });
    const { retryAfterS } = problem.params;
    return typeof retryAfterS === 'number' ? { ...told, headers: { 'retry-after': String(retryAfterS) } } : told;
  },
};
