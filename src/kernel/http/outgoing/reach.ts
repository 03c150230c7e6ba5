// Addresses come from users (receivers of alerts, webhooks), so they may not lead into the server's own network: a name is
// resolved here, every address behind it is looked at, and the connection goes to the very address that was
// looked at (a name that answers differently the second time gains nothing).
import { lookup } from 'node:dns/promises';
import { BlockList, isIP } from 'node:net';

/** Special-purpose addresses (IANA registries, RFC 6890) and those of cloud metadata services among them. */
const inside = new BlockList();
for (const [net, bits] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
] as const)
  inside.addSubnet(net, bits, 'ipv4');
for (const [net, bits] of [
  ['::', 96], // unspecified, loopback, IPv4-compatible
  ['64:ff9b::', 32], // IPv4 behind a translator, whatever address it is
  ['100::', 64],
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16], // IPv4 in IPv6
  ['3fff::', 20],
  ['5f00::', 16],
  ['fc00::', 7],
  ['fe80::', 10],
  ['fec0::', 10],
  ['ff00::', 8],
] as const)
  inside.addSubnet(net, bits, 'ipv6');

/** Says whether an address belongs to this machine, a private network or none; IPv4 within IPv6 counts as IPv4. */
export function isInside(address: string): boolean {
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (mapped) return isInside(mapped);
  const family = isIP(address);
  if (family === 0) return true;
  return inside.check(address, family === 4 ? 'ipv4' : 'ipv6');
}

/** Why an address is not asked at all: no later attempt would change that. */
export class Refused extends Error {}

export interface Target {
  /** As written, for the Host header and the certificate. */
  readonly hostname: string;
  readonly port: number;
  /** Where the connection goes: the first of them that takes it. */
  readonly addresses: readonly string[];
}

/** `allowed` is the value of a setting such as `GYRE_ALERT_ALLOW_HOSTS`: names, or names with a port. */
export const isAllowed = (allowed: string, hostname: string, port: number): boolean =>
  allowed
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .some((entry) => entry !== '' && (entry === hostname || entry === `${hostname}:${port}` || entry === `[${hostname}]:${port}`));

/** Resolves and pins; `setting` is what the refusal tells an administrator to change. Raises `Refused`, and what the resolver raises. */
export async function reach(hostname: string, port: number, allowed: string, setting = 'GYRE_ALERT_ALLOW_HOSTS'): Promise<Target> {
  const bare = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  const addresses = isIP(bare) ? [bare] : (await lookup(bare, { all: true, verbatim: true })).map((a) => a.address);
  if (addresses.length === 0) throw new Error(`the name ${bare} has no address`);
  if (!isAllowed(allowed, bare, port) && addresses.some(isInside))
    throw new Refused(
      `${bare} leads to an address of this machine, a private network or a metadata service; an administrator can allow it with ${setting}=${bare}:${port}`,
    );
  return { hostname: bare, port, addresses };
}
