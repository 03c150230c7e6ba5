// The cookies of a browser that logged in here (RFC 6265bis).
import { parseCookie } from 'cookie';
import type { Settings } from '../../../kernel/config/settings.ts';
import type { Peer } from '../../../kernel/http/route.ts';
import { one, type Headers } from '../guard.ts';

type Where = Pick<Settings, 'publicUrl'>;

/** Whether browsers speak TLS with us, directly or by way of a proxy. */
export const isSecure = ({ publicUrl }: Where, peer: Peer): boolean => (publicUrl || peer.origin).startsWith('https:');

// "__Host-" makes browsers refuse the cookie unless it came over TLS, for this very host and all of its paths.
const nameOf = (base: string, secure: boolean): string => (secure ? `__Host-${base}` : base);

const read = (settings: Where, headers: Headers, peer: Peer, base: string): string | undefined => {
  const header = one(headers.cookie);
  if (header === undefined) return undefined;
  const value = parseCookie(header)[nameOf(base, isSecure(settings, peer))];
  return value === undefined || value === '' || value.length > 4000 ? undefined : value;
};

// Lax, not Strict: who comes from the provider's page, or by a link in a mail, is logged in already. Changes are
// guarded by Origin besides (guard.ts).
const write = (settings: Where, peer: Peer, base: string, value: string, seconds: number): string => {
  const secure = isSecure(settings, peer);
  return `${nameOf(base, secure)}=${value}; Path=/; Max-Age=${seconds}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
};

export const sessionCookie = (settings: Where, headers: Headers, peer: Peer): string | undefined =>
  read(settings, headers, peer, 'gyre_session');
export const setSessionCookie = (settings: Where, peer: Peer, value: string, seconds: number): string =>
  write(settings, peer, 'gyre_session', value, seconds);
export const clearSessionCookie = (settings: Where, peer: Peer): string => write(settings, peer, 'gyre_session', '', 0);

/** The cookie of somebody who is on the way to the provider and back. */
export const signInCookie = (settings: Where, headers: Headers, peer: Peer): string | undefined =>
  read(settings, headers, peer, 'gyre_signin');
export const setSignInCookie = (settings: Where, peer: Peer, value: string): string => write(settings, peer, 'gyre_signin', value, 600);
export const clearSignInCookie = (settings: Where, peer: Peer): string => write(settings, peer, 'gyre_signin', '', 0);
