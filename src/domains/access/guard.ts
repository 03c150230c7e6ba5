// Host and Origin. Without users the loopback address itself is the permission, and a web page could
// borrow it: by a request from another site (Origin), or by a name that resolves to 127.0.0.1 (Host,
// "DNS rebinding").
import { isLoopbackHost } from '../../kernel/http/loopback.ts';
import { fail } from './errors.ts';

/** Raises `host-not-allowed` or `origin-not-allowed`. `open` servers (with users) take any host. */
export function guardOrigin(headers: { host?: string | undefined; origin?: string | undefined }, open: boolean): void {
  const host = headers.host ?? '';
  if (!open && !isLoopbackHost(host)) fail('host-not-allowed', { host });
  if (headers.origin === undefined || headers.origin === 'null') {
    // "null" is what a sandboxed page sends; it is nobody's own site.
    if (headers.origin === 'null') fail('origin-not-allowed', { origin: 'null' });
    return;
  }
  if (!URL.canParse(headers.origin) || new URL(headers.origin).host !== host) fail('origin-not-allowed', { origin: headers.origin });
}
