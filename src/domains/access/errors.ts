import { defineErrors } from '../../kernel/errors.ts';

export const { fail } = defineErrors({
  unauthenticated: {
    status: 401,
    title: 'Log in first',
    detail: (p: { why: string }) => `${p.why} Send "Authorization: Bearer <token>", or Basic with a user name and password.`,
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
  'last-admin': {
    status: 409,
    title: 'Somebody must stay administrator',
    detail: (p: { name: string }) => `"${p.name}" is the last administrator; make another user administrator first.`,
  },
});
