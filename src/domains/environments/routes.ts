import Type from '../../kernel/http/json-schema.ts';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import { diffEnvironments, getEnvironment, listEnvironments } from './service.ts';

const id = Type.String({ minLength: 4, maxLength: 64, description: 'Digest, or its first characters' });

export const environmentRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/environments',
    permission: 'environments:read',
    summary: 'Environments that were declared, newest first',
    errors: [],
    reply: { 200: Type.Unknown() },
    handler: async (ctx) => ({ items: (await listEnvironments(ctx)).map(({ packages, ...e }) => ({ ...e, packages: packages.length })) }),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/environments/:id',
    permission: 'environments:read',
    summary: 'An environment with its packages',
    errors: ['environment-not-found'],
    params: Type.Object({ id }),
    reply: { 200: Type.Unknown() },
    handler: (ctx, { params }) => getEnvironment(ctx, params.id),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/environments/:id/diff/:other',
    permission: 'environments:read',
    summary: 'What differs between two environments, the most telling first',
    errors: ['environment-not-found'],
    params: Type.Object({ id, other: id }),
    reply: { 200: Type.Unknown() },
    handler: async (ctx, { params }) => diffEnvironments(await getEnvironment(ctx, params.id), await getEnvironment(ctx, params.other)),
  }),
];
