// Addresses of receivers as they may be shown: whoever knows the whole of one may be able to write to it.
import type { ReceiverDefinition } from './loop/model.ts';

/** A reference or a bare host as it is; of others only where they lead. */
function shownAddress(address: string): string {
  if (/^(env|file):/.test(address)) return address;
  if (!URL.canParse(address)) return 'an address that cannot be read';
  const { protocol, host, username, pathname, search, hash } = new URL(address);
  if (username === '' && /^\/?$/.test(pathname) && search === '' && hash === '') return address;
  return `${protocol}//${host}/…`;
}

const ADDRESSES = new Set(['url', 'server']);

/** A member of a receiver as it may be shown. */
export const shownMember = (name: string, value: unknown): unknown =>
  ADDRESSES.has(name) && typeof value === 'string' ? shownAddress(value) : value;

/** A definition as the API answers it. */
export const shownDefinition = <D extends { readonly receivers: Readonly<Record<string, ReceiverDefinition>> }>(d: D): D => ({
  ...d,
  receivers: Object.fromEntries(
    Object.entries(d.receivers).map(([name, r]) => [
      name,
      Object.fromEntries(Object.entries(r).map(([member, value]) => [member, shownMember(member, value)])) as typeof r,
    ]),
  ),
});
