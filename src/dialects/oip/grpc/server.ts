// The Open Inference Protocol over gRPC, with health checking and reflection, on a port of its own. The packages are loaded
// when it starts, so that a data plane without it does not pay for them.
import type { handleUnaryCall, Metadata, ServerUnaryCall, ServiceError, status as Status } from '@grpc/grpc-js';
import type { MethodDefinition, PackageDefinition, ServiceDefinition } from '@grpc/proto-loader';
import { refuseBody, type Exchange, type ListenerContext, type ServingListener } from '../../../domains/serving/public.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { requireDistinct } from '../infer.ts';
import { extensions, platform } from '../oip.ts';
import { servedOf } from '../served.ts';
import { healthOf } from './health.ts';
import { HEALTH, INFERENCE } from './proto.ts';
import { readInputs, writeOutputs } from './tensors.ts';
import { readInferRequest, type WireRequest } from './wire.ts';

export interface GrpcOptions {
  /** 0 takes a free one. */
  readonly port: number;
  /** `mirror` answers raw what was asked raw, and typed what was asked typed. */
  readonly contents: 'mirror' | 'raw' | 'typed';
  /** The largest message that is read. */
  readonly limitBytes: number;
}

type Grpc = typeof import('@grpc/grpc-js');
type Use = (request: never, exchange: Exchange, reply: (headers: Readonly<Record<string, string>>) => void) => unknown;

/** Stands for a message that could not be decoded; gRPC itself would call that an error of the server. */
class Undecodable {}

const SERVICE = 'inference.GRPCInferenceService';
/** Asked by probes, which have no token. */
const PUBLIC = new Set(['ServerLive', 'ServerReady']);

export const oipGrpc = (options: GrpcOptions): ServingListener => ({ name: 'grpc', open: (context) => open(options, context) });

async function open({ port, contents, limitBytes }: GrpcOptions, context: ListenerContext) {
  const [grpc, { ReflectionService }] = await Promise.all([import('@grpc/grpc-js'), import('@grpc/reflection')]);
  const definition = await loadDefinition();
  const server = new grpc.Server({ 'grpc.max_receive_message_length': limitBytes, 'grpc.max_send_message_length': -1 });
  const handlers: Record<string, handleUnaryCall<unknown, unknown>> = {};
  for (const [name, use] of Object.entries(methods(context, contents))) handlers[name] = unary(grpc, context, name, use);
  server.addService(tolerant(definition[SERVICE] as ServiceDefinition), handlers);
  const health = healthOf(grpc, (service) => (service === '' || service === SERVICE ? context.plane.accepting() : undefined));
  server.addService(tolerant(definition['grpc.health.v1.Health'] as ServiceDefinition), health.handlers);
  new ReflectionService(definition).addToServer(server);
  const host = context.host.includes(':') ? `[${context.host}]` : context.host;
  const bound = await new Promise<number>((resolve, reject) =>
    server.bindAsync(`${host}:${port}`, grpc.ServerCredentials.createInsecure(), (error, taken) =>
      error ? reject(error) : resolve(taken),
    ),
  );
  return {
    url: `${host}:${bound}`,
    close: () =>
      new Promise<void>((resolve) => {
        health.end();
        const late = setTimeout(() => server.forceShutdown(), 5000);
        server.tryShutdown(() => {
          clearTimeout(late);
          resolve();
        });
      }),
  };
}

/** Both services, as the packages of gRPC take them. */
export async function loadDefinition(): Promise<PackageDefinition> {
  const [{ fromJSON }, { default: protobuf }] = await Promise.all([import('@grpc/proto-loader'), import('protobufjs')]);
  const root = new protobuf.Root();
  for (const text of [INFERENCE, HEALTH]) protobuf.parse(text, root, { keepCase: true });
  return fromJSON(root.toJSON(), { keepCase: true, longs: String, defaults: true, oneofs: true });
}

/** The service with decoders that never throw; an inference is decoded by our own. */
function tolerant(service: ServiceDefinition): ServiceDefinition {
  return Object.fromEntries(
    Object.entries(service).map(([name, method]: [string, MethodDefinition<object, object>]) => [
      name,
      {
        ...method,
        requestDeserialize: (bytes: Buffer): object => {
          try {
            return name === 'ModelInfer' ? readInferRequest(bytes) : method.requestDeserialize(bytes);
          } catch {
            return new Undecodable();
          }
        },
      },
    ]),
  );
}

const methods = ({ plane }: ListenerContext, form: GrpcOptions['contents']): Record<string, Use> => ({
  ServerLive: () => ({ live: true }),
  ServerReady: () => ({ ready: plane.accepting() }),
  ServerMetadata: () => ({ name: 'gyre', version: plane.programVersion, extensions }),
  ModelReady: ({ name, version }: { name: string; version: string }, { caller }) => {
    // Clients ask in a loop for a model that is still to come: that it is not there is an answer, not an error.
    try {
      servedOf(plane, caller, name, version || undefined);
      return { ready: true };
    } catch (error) {
      if (isProblem(error) && error.status === 404) return { ready: false };
      throw error;
    }
  },
  ModelMetadata: ({ name, version }: { name: string; version: string }, { caller }) => {
    const { versions, inputs, outputs, properties } = servedOf(plane, caller, name, version || undefined);
    return { name, versions, platform, inputs, outputs, properties };
  },
  ModelInfer: async (request: WireRequest, exchange, sendHeaders) => {
    const served = servedOf(plane, exchange.caller, request.modelName, request.modelVersion || undefined);
    const names = request.outputs.length > 0 ? request.outputs : served.outputs.map((o) => o.name);
    requireOutputs(
      names,
      served.outputs.map((o) => o.name),
    );
    const inferred = await served.infer(exchange, readInputs(request), names);
    sendHeaders(inferred.headers);
    return {
      model_name: served.name,
      model_version: inferred.version ?? '',
      id: request.id,
      parameters: Object.fromEntries(
        Object.entries(inferred.parameters).map(([name, value]) => [
          name,
          typeof value === 'number' ? { int64_param: value } : { string_param: value },
        ]),
      ),
      ...writeOutputs(inferred.outputs, form === 'typed' || (form === 'mirror' && request.raw.length === 0)),
    };
  },
});

function requireOutputs(names: readonly string[], available: readonly string[]): void {
  const unknown = names.find((name) => !available.includes(name));
  if (unknown !== undefined) refuseBody(`there is no output "${unknown.slice(0, 100)}"; there are ${available.join(', ')}.`);
  requireDistinct(names);
}

function unary(grpc: Grpc, context: ListenerContext, name: string, use: Use): handleUnaryCall<unknown, unknown> {
  return (call, done) => {
    void answer(grpc, context, name, use, call).then(
      (value) => done(null, value),
      (error: unknown) => {
        const { message, faults, status } = context.problem(error);
        const details = [message, ...(faults.length > 1 ? faults.map((f) => f.detail) : [])].join('; ');
        done({ code: codeOf(grpc.status, status), details } as ServiceError, null);
      },
    );
  };
}

async function answer(
  grpc: Grpc,
  context: ListenerContext,
  name: string,
  use: Use,
  call: ServerUnaryCall<unknown, unknown>,
): Promise<unknown> {
  const headers = headersOf(call.metadata);
  const caller = PUBLIC.has(name) ? { workspace: 'default', endpoints: [] } : context.identify(headers);
  if (call.request instanceof Undecodable) return refuseBody('the message is not one of this method.');
  const exchange: Exchange = { method: 'POST', path: `/${SERVICE}/${name}`, headers, body: nothing, caller };
  return use(call.request as never, exchange, (sent) => {
    const metadata = new grpc.Metadata();
    for (const [key, value] of Object.entries(sent)) metadata.set(key, value);
    call.sendMetadata(metadata);
  });
}

const nothing = Buffer.alloc(0);

// No web page can speak gRPC, so what a browser would have sent as Host does not matter here.
function headersOf(metadata: Metadata): Exchange['headers'] {
  const headers: Record<string, string> = Object.create(null) as Record<string, string>;
  for (const [name, value] of Object.entries(metadata.getMap())) if (typeof value === 'string') headers[name] = value;
  return { ...headers, host: 'localhost' };
}

const codes: Readonly<Record<number, keyof typeof Status>> = {
  401: 'UNAUTHENTICATED',
  403: 'PERMISSION_DENIED',
  404: 'NOT_FOUND',
  409: 'FAILED_PRECONDITION',
  429: 'RESOURCE_EXHAUSTED',
  501: 'UNIMPLEMENTED',
  503: 'UNAVAILABLE',
  504: 'DEADLINE_EXCEEDED',
};

const codeOf = (status: typeof Status, http: number): Status => status[codes[http] ?? (http < 500 ? 'INVALID_ARGUMENT' : 'INTERNAL')];
