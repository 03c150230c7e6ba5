import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  unauthenticated: {
    status: 401,
    title: 'Log in first',
    detail: (p: { why: string }) =>
      `${p.why} Send "Authorization: Bearer <token>", or Basic with a user name and password; on the command line run "gyre login".`,
  },
  forbidden: {
    status: 403,
    title: 'Not permitted',
    detail: (p: { actor: string; permission: string }) =>
      `${p.actor} may not do this: the permission "${p.permission}" is missing. An administrator of the workspace can grant a role that has it.`,
  },
  'host-not-allowed': {
    status: 421,
    title: 'The Host header is not this server’s',
    detail: (p: { host: string }) =>
      `The request names the host "${p.host}". Without users this server answers only to its loopback address, so that no web page can reach it under another name.`,
  },
  'origin-not-allowed': {
    status: 403,
    title: 'The request comes from another site',
    detail: (p: { origin: string }) => `The Origin "${p.origin}" is not this server. A page of another site may not send requests here.`,
  },
  'workspace-not-found': {
    status: 404,
    title: 'No such workspace',
    detail: (p: { workspace: string }) => `There is no workspace "${p.workspace}" that you may see.`,
  },
  'user-exists': {
    status: 409,
    title: 'The user exists',
    detail: (p: { name: string }) => `There is a user "${p.name}" already; choose another name, or change the grants of that one.`,
  },
  'user-not-found': { status: 404, title: 'No such user', detail: (p: { name: string }) => `There is no user "${p.name}".` },
  'token-expired-already': {
    status: 422,
    title: 'The token would have expired already',
    detail: (p: { expiresAt: string; now: string }) =>
      `The token would end at ${p.expiresAt}, and it is ${p.now} now: give a moment that is still to come, or none.`,
  },
  'token-not-found': { status: 404, title: 'No such token', detail: (p: { id: string }) => `There is no token "${p.id}" of yours here.` },
  'first-user-not-admin': {
    status: 409,
    title: 'The first user must be an administrator',
    detail: (p: { name: string }) =>
      `"${p.name}" would be the first user, and from then on everybody has to log in: give it the role "admin" in the workspace "default".`,
  },
  'workspace-exists': {
    status: 409,
    title: 'The workspace exists',
    detail: (p: { workspace: string }) => `Workspace '${p.workspace}' already exists.`,
  },
  'workspace-reserved': {
    status: 400,
    title: 'The workspace is reserved',
    detail: (p: { workspace: string }) => `The workspace '${p.workspace}' is there from the beginning; it is not created or deleted.`,
  },
  'workspace-not-empty': {
    status: 409,
    title: 'The workspace is not empty',
    detail: (p: { workspace: string; table: string }) =>
      `Cannot delete workspace '${p.workspace}': table '${p.table}' still has rows of it. Remove them first; deleted experiments and runs count until they are deleted for good.`,
  },
  'grant-exists': {
    status: 409,
    title: 'The grant exists',
    detail: (p: { kind: string; id: string; user: string }) =>
      `There is a grant of the ${p.kind} "${p.id}" for the user "${p.user}" already; change that one.`,
  },
  'grant-not-found': {
    status: 404,
    title: 'No such grant',
    detail: (p: { kind: string; id: string; user: string }) =>
      `Nothing of the ${p.kind} "${p.id}" was granted to the user "${p.user}" itself.`,
  },
  'role-exists': {
    status: 409,
    title: 'The role exists',
    detail: (p: { name: string; workspace: string }) => `Role (name=${p.name}, workspace=${p.workspace}) already exists.`,
  },
  'role-not-found': { status: 404, title: 'No such role', detail: (p: { id: number }) => `Role with id=${p.id} not found` },
  'role-grant-exists': {
    status: 409,
    title: 'The role has this grant',
    detail: (p: { role: string; kind: string; id: string }) =>
      `The role "${p.role}" has a grant for ${p.kind} "${p.id}" already; change that one.`,
  },
  'role-grant-not-found': {
    status: 404,
    title: 'No such grant of a role',
    detail: (p: { id: number }) => `Role permission with id=${p.id} not found`,
  },
  'role-assigned': {
    status: 409,
    title: 'The user has the role',
    detail: (p: { user: string; role: string }) => `The user "${p.user}" has the role "${p.role}" already.`,
  },
  'role-not-assigned': {
    status: 404,
    title: 'The user does not have the role',
    detail: (p: { user: string; role: string }) => `The user "${p.user}" does not have the role "${p.role}".`,
  },
  'last-admin': {
    status: 409,
    title: 'Somebody must stay administrator',
    detail: (p: { name: string }) => `"${p.name}" is the last administrator; make another user administrator first.`,
  },
  'csrf-refused': {
    status: 403,
    title: 'The request does not come from this server’s own page',
    detail: (_: object) =>
      'A change that comes with a cookie must come from a page of this server. A program sends a token ("Authorization: Bearer …") instead of a cookie, or the header X-Gyre-CSRF with the value that the login answered.',
  },
  'login-throttled': {
    status: 429,
    title: 'Too many failed logins',
    detail: (p: { retryAfterS: number }) =>
      `There were too many wrong passwords. Wait ${p.retryAfterS} seconds and try again with the right one; tokens and sessions go on working meanwhile.`,
  },
  'session-not-found': {
    status: 404,
    title: 'No such session',
    detail: (p: { id: string }) => `There is no session "${p.id}" of yours; list yours with GET /api/gyre/v1/me/sessions.`,
  },
  'password-wrong': {
    status: 403,
    title: 'The present password is wrong',
    detail: (_: object) =>
      'The password was not changed, for the present one that was given is wrong. Whoever forgot it asks an administrator for a new one.',
  },
  'people-only': {
    status: 403,
    title: 'Only a person may do this',
    detail: (p: { what: string }) => `${p.what} needs a login with name and password, or a browser’s session; a token does not do.`,
  },
  'token-too-wide': {
    status: 403,
    title: 'The token would allow more than the one that makes it',
    detail: (p: { what: string }) =>
      `A token makes no token that is good for more than itself: ${p.what}. Make it with a login of your own, or ask for less.`,
  },
  'token-too-long': {
    status: 422,
    title: 'The token would be good for too long',
    detail: (p: { days: number; latest: string }) =>
      `On this server a token is good for ${p.days} days at most (GYRE_TOKEN_MAX_DAYS): give an expiry until ${p.latest}.`,
  },
  'service-account-not-found': {
    status: 404,
    title: 'No such service account',
    detail: (p: { name: string }) => `There is no service account "${p.name}" in this workspace; "gyre service-accounts list" names them.`,
  },
  'binding-not-found': {
    status: 404,
    title: 'No such binding',
    detail: (p: { id: string }) => `The service account has no binding "${p.id}"; "gyre service-accounts show NAME" lists its bindings.`,
  },
  'binding-too-wide': {
    status: 422,
    title: 'The binding would let in anybody of the issuer',
    detail: (p: { subject: string }) =>
      `The subject "${p.subject}" fits everybody who has a token of the issuer. Name a subject, or at least a fixed beginning, such as "repo:acme/churn:*", or a claim.`,
  },
  'issuer-not-usable': {
    status: 422,
    title: 'The issuer cannot be used',
    detail: (p: { issuer: string; why: string }) => `The issuer ${p.issuer} cannot be used: ${p.why}.`,
  },
  'sign-on-off': {
    status: 404,
    title: 'There is no single sign-on here',
    detail: (_: object) =>
      'Single sign-on is not set up: an administrator of the server sets GYRE_OIDC_ISSUER, GYRE_OIDC_CLIENT_ID and GYRE_PUBLIC_URL.',
  },
  'sign-on-failed': {
    status: 403,
    title: 'The login at the provider did not succeed',
    detail: (p: { why: string }) => `The login at the provider did not succeed: ${p.why}. Begin again at /login.`,
  },
  'sign-on-unreachable': {
    status: 503,
    title: 'The provider does not answer',
    detail: (p: { issuer: string; why: string }) =>
      `The provider ${p.issuer} cannot be asked: ${p.why}. Try again later; who has a password or a token is not concerned.`,
  },
  'device-code-unknown': {
    status: 404,
    title: 'No such code',
    detail: (_: object) =>
      'The code is unknown, used or expired (they are good for ten minutes). Run "gyre login" again and take the new one.',
  },
  'device-login-denied': {
    status: 403,
    title: 'The login was refused',
    detail: (_: object) => 'The person who was asked in the browser refused this login. Run "gyre login" again if that was a mistake.',
  },
  'device-logins-many': {
    status: 429,
    title: 'Too many logins are waiting',
    detail: (p: { retryAfterS: number }) => `Too many logins wait for an answer in a browser. Try again in ${p.retryAfterS} seconds.`,
  },
  'device-guesses-many': {
    status: 429,
    title: 'Too many codes were wrong',
    detail: (p: { retryAfterS: number }) =>
      `You typed too many codes that no program shows. Wait ${p.retryAfterS} seconds, run "gyre login" again and take the code that it shows.`,
  },
  'device-poll-soon': {
    status: 429,
    title: 'Asked again too soon',
    detail: (p: { retryAfterS: number }) =>
      `Nobody has answered yet, and this program asks oftener than it was told ("intervalS"). Ask again in ${p.retryAfterS} seconds.`,
  },
  'logout-token-invalid': {
    status: 400,
    title: 'The logout token is not valid',
    detail: (p: { why: string }) => `The logout token is not valid: ${p.why}. Nobody was logged out.`,
  },
  'resource-unclear': {
    status: 422,
    title: 'A resource is not named as it is',
    detail: (p: { resources: number }) =>
      `${p.resources} of the resources ${p.resources === 1 ? 'names' : 'name'} nothing that there can be, so the token would reach nothing; "errors" says how to write each.`,
  },
  'scope-unknown': {
    status: 422,
    title: 'A scope is no permission',
    detail: (p: { scopes: number }) =>
      `${p.scopes} of the scopes ${p.scopes === 1 ? 'is not a permission' : 'are no permissions'}; "errors" names each, and what there is.`,
  },
  'identity-taken': {
    status: 409,
    title: 'The identity belongs to another user',
    detail: (p: { issuer: string; subject: string }) =>
      `The subject "${p.subject}" of ${p.issuer} is linked with another user already; remove that one first.`,
  },
  'form-too-large': {
    status: 413,
    title: 'The form is too large',
    detail: (p: { limitBytes: number }) => `The form is larger than ${p.limitBytes} bytes; this page sends less.`,
  },
});
