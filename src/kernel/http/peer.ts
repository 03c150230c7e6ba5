// Where a request comes from, and which proxies are believed about it.
import type { FastifyRequest } from 'fastify';
import type { Peer } from './route.ts';

export const peerOf = (request: FastifyRequest): Peer => ({
  method: request.method,
  address: request.ip,
  origin: `${request.protocol}://${request.host}`,
});

/** GYRE_TRUST_PROXY as Fastify takes it: so many proxies in a row, or those with these addresses; by default none. */
export const trustedProxies = (setting: string): false | string[] | ((address: string, hop: number) => boolean) => {
  if (setting === '') return false;
  if (/^\d+$/.test(setting)) return (_address, hop) => hop < Number(setting);
  return setting.split(',').map((part) => part.trim());
};
