// Settings of sign-in: passwords, sessions, tokens, and the provider of single sign-on (OpenID Connect).
import { flag, hosts, integer, setting, text } from './setting.ts';

const address = (value: string): string | undefined =>
  value === '' || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) ? value.replace(/\/+$/, '') : undefined;

const GROUP_ROLE = /^\s*[^=,@\s][^=,]*=\s*(admin|editor|member|viewer|service)(@[a-z][a-z0-9-]{0,62})?\s*$/;
const PROXY =
  /^(\d{1,2}|(\s*(loopback|linklocal|uniquelocal|[0-9a-fA-F.:]+(\/\d{1,3})?)\s*)(,\s*(loopback|linklocal|uniquelocal|[0-9a-fA-F.:]+(\/\d{1,3})?)\s*)*)?$/;

export const signInSettings = {
  publicUrl: setting<string>({
    env: 'GYRE_PUBLIC_URL',
    expected: 'http(s)://host[:port]',
    default: '',
    doc: 'The address under which browsers reach this server, behind a proxy for example. Single sign-on needs it; cookies, redirects and the check of Origin use it.',
    parse: (v) => {
      const url = address(v);
      return url === undefined || url === '' || new URL(url).pathname === '/' ? url : undefined;
    },
  }),
  trustProxy: setting<string>({
    env: 'GYRE_TRUST_PROXY',
    expected: 'a number of proxies, or addresses and networks of them separated by commas ("loopback", "10.0.0.0/8")',
    default: '',
    doc: 'Proxies whose X-Forwarded-For, -Host and -Proto are believed; empty believes nobody.',
    parse: (v) => (PROXY.test(v) ? v : undefined),
  }),
  sessionIdleMinutes: setting<number>({
    env: 'GYRE_SESSION_IDLE_MINUTES',
    expected: 'minutes from 1 to 43200',
    default: 480,
    doc: 'A browser’s session ends when it was not used for so long.',
    parse: integer(1, 43_200),
  }),
  sessionMaxHours: setting<number>({
    env: 'GYRE_SESSION_MAX_HOURS',
    expected: 'hours from 1 to 2160',
    default: 168,
    doc: 'A browser’s session ends so long after the login, however much it is used.',
    parse: integer(1, 2160),
  }),
  tokenDefaultDays: setting<number>({
    env: 'GYRE_TOKEN_DEFAULT_DAYS',
    expected: 'days from 0 to 3650',
    default: 90,
    doc: 'How long a token is good when nobody says; 0 means for ever.',
    parse: integer(0, 3650),
  }),
  tokenMaxDays: setting<number>({
    env: 'GYRE_TOKEN_MAX_DAYS',
    expected: 'days from 0 to 3650',
    default: 0,
    doc: 'The longest that a new token may be good; 0 sets no bound.',
    parse: integer(0, 3650),
  }),
  oidcIssuer: setting<string>({
    env: 'GYRE_OIDC_ISSUER',
    expected: 'the provider’s https:// address, as its discovery document names it',
    default: '',
    doc: 'The provider of single sign-on (OpenID Connect). With it everybody has to log in.',
    // An issuer is compared letter by letter, with its last slash.
    parse: (v) => (address(v) === undefined ? undefined : v),
  }),
  oidcClientId: setting<string>({
    env: 'GYRE_OIDC_CLIENT_ID',
    expected: 'the id that the provider gave',
    default: '',
    doc: 'This server’s client id at the provider. Register the redirect address GYRE_PUBLIC_URL/login/oidc/callback there.',
    parse: text,
  }),
  oidcClientSecret: setting<string>({
    env: 'GYRE_OIDC_CLIENT_SECRET',
    expected: 'the secret that the provider gave, or file:PATH',
    default: '',
    doc: 'The secret of the client, or `file:PATH` where it lies; empty for a public client (PKCE only).',
    secret: true,
    parse: text,
  }),
  oidcScopes: setting<string>({
    env: 'GYRE_OIDC_SCOPES',
    expected: 'scopes separated by spaces, "openid" among them',
    default: 'openid profile email',
    doc: 'What is asked of the provider.',
    parse: (v) => (v.split(' ').includes('openid') ? v : undefined),
  }),
  oidcUserClaim: setting<string>({
    env: 'GYRE_OIDC_USER_CLAIM',
    expected: 'the name of a claim',
    default: 'preferred_username',
    doc: 'The claim that becomes the user’s name here at the first login. People are told apart by issuer and subject, never by this name.',
    parse: (v) => (v === '' ? undefined : v),
  }),
  oidcGroupsClaim: setting<string>({
    env: 'GYRE_OIDC_GROUPS_CLAIM',
    expected: 'the name of a claim',
    default: 'groups',
    doc: 'The claim that lists the groups of a person.',
    parse: (v) => (v === '' ? undefined : v),
  }),
  oidcGroupRoles: setting<string>({
    env: 'GYRE_OIDC_GROUP_ROLES',
    expected: 'group=role or group=role@workspace, separated by commas; "*" is everybody',
    default: '',
    doc: 'Roles by group, for example `ml-admins=admin,ml-team=editor@research`; set anew at each login. `*=viewer` is for everybody whom the provider lets in.',
    parse: (v) => (v === '' || v.split(',').every((part) => GROUP_ROLE.test(part)) ? v : undefined),
  }),
  oidcAllowHttp: setting<boolean>({
    env: 'GYRE_OIDC_ALLOW_HTTP',
    expected: '0 or 1',
    default: false,
    doc: 'Take an issuer without TLS; on the loopback address only, for tests.',
    parse: flag,
  }),
  oidcAllowHosts: setting<string>({
    env: 'GYRE_OIDC_ALLOW_HOSTS',
    expected: 'host or host:port, separated by commas',
    default: '',
    doc: 'Issuers of tokens, and addresses that a provider names for its keys, tokens and people, that may be asked although they are on this machine or in a private network. The host of GYRE_OIDC_ISSUER itself need not be named.',
    parse: hosts,
  }),
  oidcAudience: setting<string>({
    env: 'GYRE_OIDC_AUDIENCE',
    expected: 'an audience',
    default: '',
    doc: 'With it, signed tokens (JWT) of the provider, and of issuers that service accounts are bound to, are accepted as bearer tokens when they name this audience.',
    parse: text,
  }),
} as const;
