// Host and Origin. Without users the loopback address itself is the permission, and a web page could
// borrow it: by a request from another site (Origin), or by a name that resolves to 127.0.0.1 (Host,
// "DNS rebinding").
import { isIP } from 'node:net';
import { fail } from './errors.ts';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/;

/** Says whether an address to listen on, or a host name in a header, is this machine's loopback. */
export const isLoopback = (host: string): boolean => LOOPBACK.test(host);

// An IPv6 address without brackets has colons of its own; looking for two spares every other request the full check.
const withoutPort = (host: string): string => (/^[^[].*:.*:/.test(host) && isIP(host) === 6 ? host : host.replace(/:\d+$/, ''));

/** Raises `host-not-allowed` or `origin-not-allowed`. `open` servers (with users) take any host. */
export function guardOrigin(headers: { host?: string | undefined; origin?: string | undefined }, open: boolean): void {
  const host = headers.host ?? '';
  if (!open && !isLoopback(withoutPort(host))) fail('host-not-allowed', { host });
  if (headers.origin === undefined || headers.origin === 'null') {
    // "null" is what a sandboxed page sends; it is nobody's own site.
    if (headers.origin === 'null') fail('origin-not-allowed', { origin: 'null' });
    return;
  }
  if (!URL.canParse(headers.origin) || new URL(headers.origin).host !== host) fail('origin-not-allowed', { origin: headers.origin });
}
