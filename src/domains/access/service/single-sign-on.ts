// Single sign-on by OpenID Connect: authorization code with PKCE, state and nonce. What the browser has to come back
// with is derived from one secret in its cookie, so nothing is written before somebody has logged in.
import type { Platform } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import { derived, newSecret, sameText } from '../sign-in/digest.ts';
import { noteFailedLogin } from '../sign-in/failed-logins.ts';
import { openIssuer, refusalIn, type Issuer } from '../sign-in/issuers.ts';
import { JwtRefused, verifyJwt } from '../sign-in/jwt.ts';
import { localPath } from '../sign-in/local-path.ts';
import { deleteProviderSessions } from '../store/sessions.ts';
import { makeCtx, systemActor } from '../../../kernel/ctx.ts';
import { admitPerson } from './people.ts';
import { homeOf, startSession } from './sessions.ts';

const CALLBACK = '/login/oidc/callback';

/** The provider of this server. Raises `sign-on-off`, `issuer-not-usable`, `sign-on-unreachable`. */
async function provider(platform: Platform): Promise<Issuer> {
  const { oidcIssuer, oidcClientId, publicUrl } = platform.settings;
  if (oidcIssuer === '' || oidcClientId === '' || publicUrl === '') return fail('sign-on-off', {});
  return openIssuer(platform, oidcIssuer);
}

/** Where the browser goes, and the cookie it comes back with. `next` is a path of this server for afterwards. */
export async function beginSignOn(platform: Platform, next: string): Promise<{ url: string; cookie: string }> {
  const { config } = await provider(platform);
  const client = await import('openid-client');
  const secret = newSecret();
  const url = client.buildAuthorizationUrl(config, {
    redirect_uri: platform.settings.publicUrl + CALLBACK,
    scope: platform.settings.oidcScopes,
    response_type: 'code',
    code_challenge: await client.calculatePKCECodeChallenge(derived(secret, 'verifier')),
    code_challenge_method: 'S256',
    state: derived(secret, 'state'),
    nonce: derived(secret, 'nonce'),
  });
  return { url: url.href, cookie: `${secret}.${Buffer.from(localPath(next)).toString('base64url')}` };
}

export interface Return {
  /** The query that the provider sent the browser back with. */
  readonly query: string;
  readonly cookie: string | undefined;
  readonly agent: string;
  readonly address: string;
  readonly sessionBefore: string | undefined;
}

/** Ends a login at the provider. Raises `sign-on-failed`, `sign-on-unreachable`, `issuer-not-usable`. */
export async function completeSignOn(platform: Platform, from: Return): Promise<{ cookie: string; seconds: number; next: string }> {
  const opened = await provider(platform);
  const refuse = async (why: string): Promise<never> => {
    await noteFailedLogin(platform, { userId: undefined, how: 'oidc', address: from.address, workspace: 'default' });
    return fail('sign-on-failed', { why });
  };
  const [secret = '', next = ''] = (from.cookie ?? '').split('.');
  const query = new URLSearchParams(from.query);
  if (secret === '') return refuse('this browser did not begin it, or took longer than ten minutes');
  // Somebody else's answer, slipped to this browser, has another state.
  if (!sameText(query.get('state') ?? '', derived(secret, 'state'))) return refuse('the answer belongs to another login (state)');
  if (query.has('error')) return refuse(`the provider says "${(query.get('error') ?? '').slice(0, 100)}"`);
  let claims: Readonly<Record<string, unknown>>;
  try {
    claims = await claimsOf(platform, opened, query, secret);
  } catch (error) {
    if (error instanceof JwtRefused) return refuse(`the provider's token is refused: ${error.message}`);
    const kept = refusalIn(error);
    if (kept) return fail('issuer-not-usable', { issuer: opened.issuer, why: kept });
    const { code, cause, message, error: said } = error as { code?: string; cause?: { code?: string }; message: string; error?: string };
    if (/^(ECONN|ENOTFOUND|ETIMEDOUT|EAI_AGAIN|UND_ERR)/.test(cause?.code ?? '') || code === 'OAUTH_TIMEOUT')
      return fail('sign-on-unreachable', { issuer: opened.issuer, why: cause?.code ?? message });
    return refuse(
      said === undefined ? `the provider's answer is refused (${message})` : `the provider refused the code ("${said.slice(0, 100)}")`,
    );
  }
  const person = await admitPerson(platform, opened.issuer, claims, refuse);
  const session = await startSession(platform, {
    user: person,
    workspace: await homeOf(platform, person.id),
    method: 'oidc',
    agent: from.agent,
    provider: { issuer: opened.issuer, subject: String(claims.sub), session: typeof claims.sid === 'string' ? claims.sid : undefined },
    before: from.sessionBefore,
  });
  return { cookie: session.cookie, seconds: session.seconds, next: localPath(Buffer.from(next, 'base64url').toString('utf8')) };
}

async function claimsOf(platform: Platform, { config, issuer, keys }: Issuer, query: URLSearchParams, secret: string) {
  const client = await import('openid-client');
  const { publicUrl, oidcClientId, oidcGroupsClaim, oidcUserClaim } = platform.settings;
  const nonce = derived(secret, 'nonce');
  const tokens = await client.authorizationCodeGrant(config, new URL(`${publicUrl}${CALLBACK}?${query.toString()}`), {
    pkceCodeVerifier: derived(secret, 'verifier'),
    expectedState: derived(secret, 'state'),
    expectedNonce: nonce,
    idTokenExpected: true,
  });
  // The token came from the provider itself; its signature is looked at all the same.
  const claims = await verifyJwt(platform, keys, tokens.id_token!, { issuer, audience: oidcClientId });
  if (claims.nonce !== nonce) throw new JwtRefused('its nonce belongs to another login');
  const lacks = claims[oidcGroupsClaim] === undefined || claims[oidcUserClaim] === undefined;
  if (!lacks || config.serverMetadata().userinfo_endpoint === undefined) return claims;
  return { ...(await client.fetchUserInfo(config, tokens.access_token, String(claims.sub))), ...claims };
}

/** Where the browser goes to log out at the provider too; undefined where it has no such place. */
export async function signOffUrl(platform: Platform): Promise<string | undefined> {
  try {
    const { config } = await provider(platform);
    if (config.serverMetadata().end_session_endpoint === undefined) return undefined;
    const client = await import('openid-client');
    return client.buildEndSessionUrl(config, { post_logout_redirect_uri: `${platform.settings.publicUrl}/login` }).href;
  } catch {
    // The session here has ended in any case.
    return undefined;
  }
}

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout';

/** What a provider sends when somebody logged out there (Back-Channel Logout 1.0). Raises `logout-token-invalid`. */
export async function backChannelLogout(platform: Platform, token: string): Promise<void> {
  const { issuer, keys } = await provider(platform);
  try {
    const claims = await verifyJwt(platform, keys, token, {
      issuer,
      audience: platform.settings.oidcClientId,
      required: ['iat', 'jti', 'events'],
    });
    const events = claims.events as Record<string, unknown> | null;
    if (typeof events !== 'object' || events === null || !(LOGOUT_EVENT in events) || claims.nonce !== undefined)
      throw new JwtRefused('it is not about a logout');
    const session = typeof claims.sid === 'string' ? claims.sid : undefined;
    if (session === undefined && claims.sub === undefined) throw new JwtRefused('it names neither a person nor a session');
    await makeCtx(platform, { actor: systemActor, workspace: 'default' }).tx(async (tx) => {
      for (const id of await deleteProviderSessions(tx.db, { issuer, subject: claims.sub, session }))
        await tx.emit({ type: 'login.ended', subject: { kind: 'user', id }, payload: { by: 'provider' } });
    });
  } catch (error) {
    if (error instanceof JwtRefused) return fail('logout-token-invalid', { why: error.message });
    throw error;
  }
}
