// Host, Origin and cookies: what a web page of another site must not be able to borrow. Without users the loopback
// address itself is the permission, and a page could reach it by a request from another site (Origin), or by a name
// that resolves to 127.0.0.1 (Host, "DNS rebinding"). With a session it is the cookie, which browsers send by themselves.
import { isLoopbackHost } from '../../kernel/http/loopback.ts';
import { fail } from './errors.ts';
import { derived, sameText } from './sign-in/digest.ts';

export type Headers = Readonly<Record<string, string | string[] | undefined>>;
export const one = (value: string | string[] | undefined): string | undefined => (Array.isArray(value) ? value[0] : value);

/** Raises `host-not-allowed` unless the request names the loopback, and `origin-not-allowed` if another site's page sent it. */
export function guardHost(headers: Headers): void {
  const host = one(headers.host) ?? '';
  if (!isLoopbackHost(host)) fail('host-not-allowed', { host });
  // A page may send a GET without an Origin; what it is for is told by Fetch Metadata. Following a link is fine.
  const site = one(headers['sec-fetch-site']);
  if (site === 'cross-site' && one(headers['sec-fetch-mode']) !== 'navigate') fail('origin-not-allowed', { origin: site });
}

/** Raises `origin-not-allowed`. An Origin is this server's own if it is the public address, or names the Host that was asked. */
export function guardOrigin(headers: { host?: string | undefined; origin?: string | undefined }, publicUrl = ''): void {
  const { origin } = headers;
  if (origin === undefined) return;
  if (publicUrl !== '' && origin === new URL(publicUrl).origin) return;
  const host = headers.host ?? '';
  const url = URL.canParse(origin) ? new URL(origin) : undefined;
  // "null", which a sandboxed page sends, is nobody's own site. A server that knows its public address believes no
  // other name than that one and the loopback.
  const own = url !== undefined && url.origin === origin && url.host === withoutDefaultPort(host, url.protocol);
  if (!own || (publicUrl !== '' && !isLoopbackHost(host))) fail('origin-not-allowed', { origin });
}

const withoutDefaultPort = (host: string, protocol: string): string =>
  host.toLowerCase().replace(protocol === 'https:' ? /:443$/ : /:80$/, '');

/** The value that a program of ours sends as `X-Gyre-CSRF` where a browser says nothing of where a request comes from. */
export const csrfToken = (cookie: string): string => derived(cookie, 'csrf');

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Raises `csrf-refused` for a change that comes with a cookie, unless a page of this server or its own program sent it. */
export function guardCookie(headers: Headers, method: string, cookie: string, given = one(headers['x-gyre-csrf'])): void {
  if (SAFE.has(method)) return;
  const site = one(headers['sec-fetch-site']);
  if (site !== undefined && site !== 'same-origin') fail('csrf-refused', {});
  // An Origin that is there was found to be our own before.
  if (site === 'same-origin' || one(headers.origin) !== undefined) return;
  if (given === undefined || !sameText(given, csrfToken(cookie))) fail('csrf-refused', {});
}

/**
 * For a login, which comes without a session: no page of another site may log somebody in as somebody else. Programs send
 * neither of the two headers. Raises `origin-not-allowed`, `csrf-refused`.
 */
export function guardLogin(headers: Headers, publicUrl: string): void {
  guardOrigin({ host: one(headers.host), origin: one(headers.origin) }, publicUrl);
  const site = one(headers['sec-fetch-site']);
  if (site !== undefined && site !== 'same-origin') fail('csrf-refused', {});
}
