// The Open Inference Protocol over gRPC, with health checking and reflection, on a port of its own. The packages are loaded
// when the first client connects: a data plane that nobody asks over gRPC starts faster and stays smaller without them.
import type { Socket } from 'node:net';
import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import type { MethodDefinition, PackageDefinition, ServiceDefinition } from '@grpc/proto-loader';
import type { ListenerContext, ServingListener } from '../../../domains/serving/data-plane.ts';
import { stream, unary, Undecodable } from './calls.ts';
import { bind } from './bind.ts';
import { healthOf } from './health.ts';
import { methods, repositoryMethods, type Form, type Use } from './methods.ts';
import { HEALTH, INFERENCE, PLAIN_STREAM } from './proto.ts';
import { MANAGEMENT, REPOSITORY } from './proto-management.ts';
import { readInferRequest } from './wire.ts';

export interface GrpcOptions {
  /** 0 takes a free one. */
  readonly port: number;
  readonly contents: Form;
  /** Whose stream: Triton wraps each response, MLServer does not (default "triton"). */
  readonly stream?: 'triton' | 'mlserver';
  /** The largest message that is read. */
  readonly limitBytes: number;
}

const SERVICE = 'inference.GRPCInferenceService';
const REPOSITORY_SERVICE = 'inference.model_repository.ModelRepositoryService';
/** Messages of these are decoded by our own, whose memory is bounded. */
const INFERENCES = new Set(['ModelInfer', 'ModelStreamInfer']);

export const oipGrpc = (options: GrpcOptions): ServingListener => ({ name: 'grpc', open: (context) => open(options, context) });

async function open(options: GrpcOptions, context: ListenerContext) {
  let engine: Promise<Engine> | undefined;
  const start = (): Promise<Engine> =>
    startEngine(options, context).catch((error: unknown) => {
      // The next connection tries again.
      engine = undefined;
      context.problem(error);
      throw error;
    });
  const bound = await bind(options.port, context, async (socket) => {
    try {
      (await (engine ??= start())).take(socket);
    } catch {
      socket.destroy();
    }
  });
  return {
    url: `${context.host.includes(':') ? `[${context.host}]` : context.host}:${bound.port}`,
    close: async () => {
      bound.stop();
      await (await engine?.catch(() => undefined))?.close();
    },
  };
}

interface Engine {
  readonly take: (socket: Socket) => void;
  close(): Promise<void>;
}

async function startEngine({ contents, stream: whose = 'triton', limitBytes }: GrpcOptions, context: ListenerContext): Promise<Engine> {
  const [grpc, { ReflectionService }] = await Promise.all([import('@grpc/grpc-js'), import('@grpc/reflection')]);
  // What goes wrong is an answer, or is thrown; the package would also write it.
  grpc.setLogVerbosity(grpc.logVerbosity.NONE);
  const definition = await loadDefinition(whose === 'triton' ? INFERENCE : PLAIN_STREAM);
  const server = new grpc.Server({ 'grpc.max_receive_message_length': limitBytes, 'grpc.max_send_message_length': -1 });
  const handlersOf = (uses: Readonly<Record<string, Use>>): UntypedServiceImplementation =>
    Object.fromEntries(Object.entries(uses).map(([name, use]) => [name, unary(grpc, context, name, use)]));
  server.addService(tolerant(definition[SERVICE] as ServiceDefinition), {
    ...handlersOf(methods(context.plane, contents)),
    ModelStreamInfer: stream(grpc, context, contents, whose === 'triton'),
  });
  server.addService(tolerant(definition[REPOSITORY_SERVICE] as ServiceDefinition), handlersOf(repositoryMethods(context.plane)));
  const health = healthOf(grpc, (service) =>
    service === '' || service === SERVICE || service === REPOSITORY_SERVICE ? context.plane.accepting() : undefined,
  );
  server.addService(tolerant(definition['grpc.health.v1.Health'] as ServiceDefinition), health.handlers);
  new ReflectionService(definition).addToServer(server);
  const { tls } = context;
  const injector = server.createConnectionInjector(
    tls
      ? grpc.ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }])
      : grpc.ServerCredentials.createInsecure(),
  );
  return {
    take: (socket) => {
      injector.injectConnection(socket);
      socket.resume();
    },
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

/** All services, as the packages of gRPC take them. */
export async function loadDefinition(inference = INFERENCE): Promise<PackageDefinition> {
  const [{ fromJSON }, { default: protobuf }] = await Promise.all([import('@grpc/proto-loader'), import('protobufjs')]);
  const root = new protobuf.Root();
  for (const text of [inference, MANAGEMENT, REPOSITORY, HEALTH]) protobuf.parse(text, root, { keepCase: true });
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
            return INFERENCES.has(name) ? readInferRequest(bytes) : method.requestDeserialize(bytes);
          } catch {
            return new Undecodable();
          }
        },
      },
    ]),
  );
}
