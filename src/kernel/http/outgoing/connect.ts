// Connections to addresses that were looked at before.
import { connect, isIP, type LookupFunction, type Socket } from 'node:net';
import type { Target } from './reach.ts';

/** Before the next address of a name is tried: a network without IPv6 must not keep one from IPv4. */
export const NEXT_ADDRESS_MS = 2000;

/** A resolver that knows nothing but the addresses that were looked at. */
export const pinned =
  ({ addresses }: Pick<Target, 'addresses'>): LookupFunction =>
  (_name, { all }, done) => {
    const found = addresses.map((address) => ({ address, family: isIP(address) }));
    if (all) done(null, found);
    else done(null, found[0]!.address, found[0]!.family);
  };

/** An open connection to the first address of the target that takes one. Raises what the network raises. */
export function connectTo(target: Target, signal: AbortSignal): Promise<Socket> {
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const { hostname: host, port } = target;
  const socket = connect({ host, port, lookup: pinned(target), autoSelectFamilyAttemptTimeout: NEXT_ADDRESS_MS });
  const stop = (): void => void socket.destroy(signal.reason as Error);
  signal.addEventListener('abort', stop, { once: true });
  socket.once('close', () => signal.removeEventListener('abort', stop));
  socket.once('error', reject);
  socket.once('connect', () => {
    socket.off('error', reject);
    resolve(socket);
  });
  if (signal.aborted) stop();
  return promise;
}
