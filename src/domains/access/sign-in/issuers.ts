// Issuers of identities, by their discovery documents (OpenID Connect Discovery 1.0), kept for ten minutes.
import type { Configuration } from 'openid-client';
import type { Platform } from '../../../kernel/ctx.ts';
import type { Database } from '../../../kernel/db/database.ts';
import { isLoopback } from '../../../kernel/http/loopback.ts';
import { Refused } from '../../../kernel/http/outgoing/reach.ts';
import { resolveSecret } from '../../../kernel/secrets.ts';
import { fail } from '../errors.ts';
import { fetchOf, leadsInside } from './issuer-fetch.ts';
import { openKeySet, type KeySet } from './jwt.ts';

export interface Issuer {
  readonly issuer: string;
  readonly config: Configuration;
  readonly keys: KeySet;
}

interface Kept {
  atMs: number;
  readonly issuer: Promise<Issuer>;
  failed: boolean;
}

const KEEP_MS = 600_000;
/** One that did not answer is left alone for so long, however many tokens come that name it. */
const KEEP_FAILED_MS = 2000;
const kept = new WeakMap<Database, Map<string, Kept>>();

/** Raises `issuer-not-usable` for an address that must not be asked: without TLS, except on the loopback if that is allowed. */
export function checkIssuer({ settings }: Pick<Platform, 'settings'>, issuer: string): void {
  const url = URL.canParse(issuer) ? new URL(issuer) : undefined;
  if (!url || url.username !== '' || url.search !== '' || url.hash !== '')
    return fail('issuer-not-usable', { issuer, why: 'it is not an address of the form https://host/path' });
  if (leadsInside(settings, issuer))
    fail('issuer-not-usable', {
      issuer,
      why: 'it is on this machine or in a private network (an administrator of the server can allow it with GYRE_OIDC_ALLOW_HOSTS)',
    });
  if (url.protocol === 'https:') return;
  if (url.protocol !== 'http:' || !settings.oidcAllowHttp || !isLoopback(url.hostname))
    fail('issuer-not-usable', { issuer, why: 'it must be https (http only on the loopback address, with GYRE_OIDC_ALLOW_HTTP=1)' });
}

/** What was not asked, or not taken, of an issuer; libraries wrap it. */
export const refusalIn = (error: unknown): string | undefined =>
  error instanceof Refused ? error.message : error instanceof Error && error.cause !== undefined ? refusalIn(error.cause) : undefined;

const whyOf = (error: unknown): string => {
  const { message, code, cause } = error as { message: string; code?: string; cause?: { code?: string; message?: string } };
  return cause?.code ?? cause?.message ?? code ?? message;
};

/** An issuer that can be asked. Raises `issuer-not-usable`, `sign-on-unreachable`. */
export async function openIssuer(platform: Platform, issuer: string): Promise<Issuer> {
  checkIssuer(platform, issuer);
  const known = kept.get(platform.database) ?? new Map<string, Kept>();
  kept.set(platform.database, known);
  const before = known.get(issuer);
  if (before && platform.clock.now() - before.atMs < (before.failed ? KEEP_FAILED_MS : KEEP_MS)) return before.issuer;
  const opening: Kept = { atMs: platform.clock.now(), issuer: discover(platform, issuer), failed: false };
  known.set(issuer, opening);
  opening.issuer.catch(() => {
    opening.failed = true;
    opening.atMs = platform.clock.now();
  });
  return opening.issuer;
}

async function discover(platform: Platform, issuer: string): Promise<Issuer> {
  const client = await import('openid-client');
  const { oidcIssuer, oidcClientId, oidcClientSecret } = platform.settings;
  const secret = /^(file|env):/.test(oidcClientSecret) ? resolveSecret(oidcClientSecret) : oidcClientSecret;
  if (secret === undefined) return fail('issuer-not-usable', { issuer, why: 'the file of GYRE_OIDC_CLIENT_SECRET cannot be read' });
  const own = issuer === oidcIssuer;
  const ask = fetchOf(platform.settings, issuer);
  try {
    const config = await client.discovery(
      new URL(issuer),
      own && oidcClientId !== '' ? oidcClientId : 'gyre',
      undefined,
      own && secret !== '' ? client.ClientSecretPost(secret) : client.None(),
      {
        timeout: 10,
        [client.customFetch]: ask,
        ...(issuer.startsWith('http:') ? { execute: [client.allowInsecureRequests] } : {}),
      },
    );
    const { jwks_uri } = config.serverMetadata();
    if (jwks_uri === undefined) return fail('issuer-not-usable', { issuer, why: 'its discovery document names no keys (jwks_uri)' });
    return { issuer, config, keys: await openKeySet(platform, jwks_uri, ask) };
  } catch (error) {
    if ((error as { name?: string }).name === 'Problem') throw error;
    const refused = refusalIn(error);
    if (refused) return fail('issuer-not-usable', { issuer, why: refused });
    return fail('sign-on-unreachable', { issuer, why: whyOf(error) });
  }
}
