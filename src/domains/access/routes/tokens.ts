// Tokens: one's own, and those of the workspace for its administrators.
import Type from '../../../kernel/http/json-schema.ts';
import { Reply, route, type AnyRoute } from '../../../kernel/http/route.ts';
import * as schema from '../schema.ts';
import { revokeToken } from '../service.ts';
import { createOwnToken, listOwnTokens, ownToken, rotateToken, type MadeToken, type TokenRequest } from '../service/personal-tokens.ts';
import * as store from '../store.ts';
import { tokenView } from './views.ts';

type TokenBody = Omit<TokenRequest, 'expiresMs'> & { readonly expiresAt?: string | null | undefined };

export const requestOf = ({ expiresAt, ...rest }: TokenBody): TokenRequest => ({
  ...rest,
  expiresMs: expiresAt == null ? expiresAt : Date.parse(expiresAt),
});

/** A reply that holds a secret is kept nowhere on its way. */
export const made = ({ token, secret }: MadeToken): Reply =>
  new Reply(201, { token: tokenView(token), secret }, { 'cache-control': 'no-store' });

const MAKING = ['token-expired-already', 'token-too-long', 'token-too-wide', 'scope-unknown', 'resource-unclear'] as const;

export const tokenRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/me/tokens',
    permission: 'access:self',
    summary: 'Your tokens in the workspace, without their secrets',
    errors: [],
    reply: { 200: schema.TokenList },
    handler: async (ctx) => ({ items: (await listOwnTokens(ctx)).map(tokenView) }),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/me/tokens',
    permission: 'access:self',
    summary: 'Create a token of your own; the reply holds its secret, once',
    errors: MAKING,
    body: schema.CreateOwnToken,
    reply: { 201: schema.TokenCreated },
    handler: async (ctx, { body }) => made(await createOwnToken(ctx, requestOf(body))),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/me/tokens/:id',
    permission: 'access:self',
    summary: 'Revoke a token of yours at once',
    errors: ['token-not-found'],
    params: schema.TokenParams,
    reply: { 204: Type.Null() },
    handler: async (ctx, { params }) => revokeToken(ctx, (await ownToken(ctx, params.id)).id),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/me/tokens/:id/rotate',
    permission: 'access:self',
    summary: 'Put a new token in the place of one of yours; the old one ends, at once or after a while',
    errors: ['token-not-found', ...MAKING],
    params: schema.TokenParams,
    body: schema.RotateToken,
    reply: { 201: schema.TokenCreated },
    handler: async (ctx, { params, body }) => made(await rotateToken(ctx, (await ownToken(ctx, params.id)).id, body.graceS ?? 0)),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/tokens',
    permission: 'access:admin',
    summary: 'Tokens of the workspace, without their secrets',
    errors: [],
    reply: { 200: schema.TokenList },
    handler: async (ctx) => ({ items: (await store.listTokens(ctx.db, ctx.workspace)).map(tokenView) }),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/tokens',
    permission: 'access:admin',
    summary: 'Create a token; the reply holds its secret, once',
    errors: MAKING,
    body: schema.CreateToken,
    reply: { 201: schema.TokenCreated },
    handler: async (ctx, { body }) => made(await createOwnToken(ctx, requestOf(body))),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/tokens/:id/rotate',
    permission: 'access:admin',
    summary: 'Put a new token in the place of another one',
    errors: ['token-not-found', ...MAKING],
    params: schema.TokenParams,
    body: schema.RotateToken,
    reply: { 201: schema.TokenCreated },
    handler: async (ctx, { params, body }) => made(await rotateToken(ctx, params.id, body.graceS ?? 0)),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/tokens/:id',
    permission: 'access:admin',
    summary: 'Revoke a token at once',
    errors: ['token-not-found'],
    params: schema.TokenParams,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => revokeToken(ctx, params.id),
  }),
];
