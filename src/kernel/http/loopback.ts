// This machine's own addresses: who can reach them is on the machine, and needs no login while there are no users.
import { isIP } from 'node:net';

// Names of hosts are the same in upper case (RFC 9110, 4.2.3).
const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/i;

/** Says whether an address to listen on is this machine's loopback. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

// An IPv6 address without brackets has colons of its own; looking for two spares every other request the full check.
const withoutPort = (host: string): string => (/^[^[].*:.*:/.test(host) && isIP(host) === 6 ? host : host.replace(/:\d+$/, ''));

/** Says whether a Host header, with its port or without, names this machine's loopback. */
export const isLoopbackHost = (header: string): boolean => isLoopback(withoutPort(header));
