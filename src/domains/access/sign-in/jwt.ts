// Signed tokens of issuers (JWT, RFC 7519; best practices of RFC 8725): which keys, which algorithms, what must be said.
import type { JWTPayload, JWTVerifyGetKey, JWTHeaderParameters, FlattenedJWSInput } from 'jose';
import type { Platform } from '../../../kernel/ctx.ts';
import type { fetchOf } from './issuer-fetch.ts';

/** Signatures of private keys only: with "none" or a shared secret anybody who knows the public key could sign. */
const ALGORITHMS = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'];
/** How far the clocks of two machines may be apart. */
const SKEW_S = 60;
/** An unknown key makes us ask for the keys again, no oftener than this. */
const RELOAD_MS = 10_000;

export const looksLikeJwt = (text: string): boolean => /^eyJ[\w-]*\.[\w-]+\.[\w-]*$/.test(text);

export interface KeySet {
  readonly keyFor: JWTVerifyGetKey;
}

/** The keys at an address; fetched when first needed, and again for a key that is not among them. */
export async function openKeySet(platform: Pick<Platform, 'clock'>, address: string, ask: ReturnType<typeof fetchOf>): Promise<KeySet> {
  const { createRemoteJWKSet, customFetch, errors } = await import('jose');
  const keys = createRemoteJWKSet(new URL(address), {
    cooldownDuration: Infinity,
    cacheMaxAge: 600_000,
    timeoutDuration: 5000,
    [customFetch]: ask,
  });
  let asked = platform.clock.now();
  return {
    keyFor: async (header: JWTHeaderParameters, token: FlattenedJWSInput) => {
      try {
        return await keys(header, token);
      } catch (error) {
        if (!(error instanceof errors.JWKSNoMatchingKey) || platform.clock.now() - asked < RELOAD_MS) throw error;
        asked = platform.clock.now();
        await keys.reload();
        return keys(header, token);
      }
    },
  };
}

export class JwtRefused extends Error {}

// What is wrong is told: whoever holds the token can read it anyway.
const REASONS: Readonly<Record<string, string>> = {
  ERR_JWT_EXPIRED: 'it has expired',
  ERR_JWS_SIGNATURE_VERIFICATION_FAILED: 'its signature is wrong',
  ERR_JWKS_NO_MATCHING_KEY: 'its issuer has no such key',
  ERR_JOSE_ALG_NOT_ALLOWED: 'its algorithm is not accepted',
  ERR_JOSE_NOT_SUPPORTED: 'its algorithm is not accepted',
  ERR_JWS_INVALID: 'it is not a signed token',
  ERR_JWT_INVALID: 'it is not a signed token',
};

/** The claims of a token. Raises `JwtRefused` with the reason; other errors come from fetching the keys. */
export async function verifyJwt(
  platform: Pick<Platform, 'clock'>,
  keys: KeySet,
  token: string,
  expected: { issuer: string; audience: string; required?: string[] },
): Promise<JWTPayload> {
  const { jwtVerify, errors } = await import('jose');
  try {
    const { payload } = await jwtVerify(token, keys.keyFor, {
      issuer: expected.issuer,
      audience: expected.audience,
      algorithms: ALGORITHMS,
      clockTolerance: SKEW_S,
      currentDate: new Date(platform.clock.now()),
      requiredClaims: expected.required ?? ['exp', 'sub'],
    });
    return payload;
  } catch (error) {
    if (!(error instanceof errors.JOSEError) || error.code === 'ERR_JWKS_TIMEOUT' || error.code === 'ERR_JOSE_GENERIC') throw error;
    const claim = error instanceof errors.JWTClaimValidationFailed ? `its claim "${error.claim}" is not the one expected` : undefined;
    throw new JwtRefused(claim ?? REASONS[error.code] ?? 'it cannot be verified');
  }
}

/** The issuer that a token names, before anything of it was verified. */
export async function claimedIssuer(token: string): Promise<string | undefined> {
  const { decodeJwt } = await import('jose');
  try {
    const { iss } = decodeJwt(token);
    return typeof iss === 'string' ? iss : undefined;
  } catch {
    return undefined;
  }
}
