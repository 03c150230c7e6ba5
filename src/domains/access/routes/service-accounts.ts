// Service accounts and what lets them in: tokens, and bindings to other issuers.
import Type from '../../../kernel/http/json-schema.ts';
import { route, type AnyRoute } from '../../../kernel/http/route.ts';
import * as schema from '../schema.ts';
import { bindAccount, listAccountBindings, unbindAccount } from '../service/federation.ts';
import { createAccountToken } from '../service/personal-tokens.ts';
import { changeServiceAccount, createServiceAccount, getServiceAccount, removeServiceAccount } from '../service/service-accounts.ts';
import { listServiceAccounts } from '../store/service-accounts.ts';
import { made, requestOf } from './tokens.ts';
import { accountView, bindingView } from './views.ts';

const LIST = '/api/gyre/v1/service-accounts';
const ONE = `${LIST}/:name`;

export const serviceAccountRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: LIST,
    permission: 'access:admin',
    summary: 'Service accounts of the workspace',
    errors: [],
    reply: { 200: schema.ServiceAccountList },
    handler: async (ctx) => ({ items: (await listServiceAccounts(ctx.db, ctx.workspace)).map(accountView) }),
  }),
  route({
    method: 'POST',
    path: LIST,
    permission: 'access:admin',
    summary: 'Create a service account: a user without a password, for a program',
    errors: ['user-exists', 'user-not-found', 'first-user-not-admin'],
    body: schema.CreateServiceAccount,
    reply: { 201: schema.ServiceAccountView },
    handler: async (ctx, { body }) => accountView(await createServiceAccount(ctx, body)),
  }),
  route({
    method: 'GET',
    path: ONE,
    permission: 'access:admin',
    summary: 'A service account',
    errors: ['service-account-not-found'],
    params: schema.UserParams,
    reply: { 200: schema.ServiceAccountView },
    handler: async (ctx, { params }) => accountView(await getServiceAccount(ctx, params.name)),
  }),
  route({
    method: 'PATCH',
    path: ONE,
    permission: 'access:admin',
    summary: 'Change role, owner or description of a service account, or disable it',
    errors: ['service-account-not-found', 'user-not-found', 'last-admin'],
    params: schema.UserParams,
    body: schema.PatchServiceAccount,
    reply: { 200: schema.ServiceAccountView },
    handler: async (ctx, { params, body }) => accountView(await changeServiceAccount(ctx, params.name, body)),
  }),
  route({
    method: 'DELETE',
    path: ONE,
    permission: 'access:admin',
    summary: 'Remove a service account with its tokens and bindings',
    errors: ['service-account-not-found', 'last-admin'],
    params: schema.UserParams,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => removeServiceAccount(ctx, params.name),
  }),
  route({
    method: 'POST',
    path: `${ONE}/tokens`,
    permission: 'access:admin',
    summary: 'Create a token of a service account; the reply holds its secret, once',
    errors: ['service-account-not-found', 'token-expired-already', 'token-too-long', 'token-too-wide', 'scope-unknown', 'resource-unclear'],
    params: schema.UserParams,
    body: schema.CreateOwnToken,
    reply: { 201: schema.TokenCreated },
    handler: async (ctx, { params, body }) => made(await createAccountToken(ctx, params.name, requestOf(body))),
  }),
  route({
    method: 'GET',
    path: `${ONE}/bindings`,
    permission: 'access:admin',
    summary: 'Whom other issuers may vouch for to act as a service account',
    errors: ['service-account-not-found'],
    params: schema.UserParams,
    reply: { 200: schema.BindingList },
    handler: async (ctx, { params }) => ({ items: (await listAccountBindings(ctx, params.name)).map(bindingView) }),
  }),
  route({
    method: 'POST',
    path: `${ONE}/bindings`,
    permission: 'access:admin',
    summary: 'Let signed tokens of an issuer act as a service account, by subject and claims',
    errors: ['service-account-not-found', 'issuer-not-usable', 'binding-too-wide'],
    params: schema.UserParams,
    body: schema.CreateBinding,
    reply: { 201: schema.BindingView },
    handler: async (ctx, { params, body }) => bindingView(await bindAccount(ctx, params.name, body)),
  }),
  route({
    method: 'DELETE',
    path: `${ONE}/bindings/:id`,
    permission: 'access:admin',
    summary: 'Remove a binding',
    errors: ['service-account-not-found', 'binding-not-found'],
    params: schema.BindingParams,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => unbindAccount(ctx, params.name, params.id),
  }),
];
