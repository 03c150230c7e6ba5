// Where gRPC listens: on a port of its own, or on one that several processes share, which the package cannot do by itself.
import { createServer, type AddressInfo } from 'node:net';
import type { Server, ServerCredentials } from '@grpc/grpc-js';
import type { ListenerContext } from '../../../domains/serving/data-plane.ts';

export interface Bound {
  readonly port: number;
  /** Takes no more connections; those that there are go on. */
  readonly stop: () => void;
}

export async function bind(
  grpc: typeof import('@grpc/grpc-js'),
  server: Server,
  port: number,
  { host, tls, reusePort = false }: ListenerContext,
): Promise<Bound> {
  const credentials: ServerCredentials = tls
    ? grpc.ServerCredentials.createSsl(null, [{ private_key: tls.key, cert_chain: tls.cert }])
    : grpc.ServerCredentials.createInsecure();
  if (!reusePort) {
    // What goes wrong is thrown; the package would also write it.
    grpc.setLogVerbosity(grpc.logVerbosity.NONE);
    const address = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    const bound = await new Promise<number>((resolve, reject) =>
      server.bindAsync(address, credentials, (error, taken) => (error ? reject(error) : resolve(taken))),
    );
    return { port: bound, stop: () => undefined };
  }
  const injector = server.createConnectionInjector(credentials);
  const listener = createServer({ noDelay: true }, (socket) => injector.injectConnection(socket));
  await new Promise<void>((resolve, reject) => listener.once('error', reject).listen({ host, port, reusePort: true }, resolve));
  return { port: (listener.address() as AddressInfo).port, stop: () => void listener.close() };
}
