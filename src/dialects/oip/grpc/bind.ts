// Where gRPC listens: on a port of its own, or on one that several processes share. The package is given connections, since it
// can neither share a port nor be loaded only when there is one.
import { createServer, type AddressInfo, type Socket } from 'node:net';
import type { ListenerContext } from '../../../domains/serving/data-plane.ts';

export interface Bound {
  readonly port: number;
  /** Takes no more connections; those that there are go on. */
  readonly stop: () => void;
}

/** Nothing is read of a connection before it is resumed; `take` never rejects. */
export async function bind(
  port: number,
  { host, reusePort = false }: ListenerContext,
  take: (socket: Socket) => Promise<void>,
): Promise<Bound> {
  const listener = createServer({ noDelay: true, pauseOnConnect: true }, (socket) => {
    // Of one that ends before it is taken nobody else hears.
    socket.on('error', () => socket.destroy());
    void take(socket);
  });
  await new Promise<void>((resolve, reject) => listener.once('error', reject).listen({ host, port, reusePort }, resolve));
  return { port: (listener.address() as AddressInfo).port, stop: () => void listener.close() };
}
