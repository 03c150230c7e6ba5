// Grants for single resources, and workspaces as such.
import Type from '../../../kernel/http/json-schema.ts';
import { route, type AnyRoute } from '../../../kernel/http/route.ts';
import { levels, resourceKinds } from '../../../kernel/levels.ts';
import { effectiveLevel, grantLevel, listGrants, revokeLevel, seenUser } from './grants.ts';
import { deleteWorkspace, describeWorkspace, findWorkspace } from './workspaces.ts';

const kind = Type.Enum([...resourceKinds], { description: 'Of what kind the resource is' });
const id = Type.String({
  minLength: 1,
  maxLength: 512,
  description: 'An experiment’s id, a model’s or endpoint’s name, <project>/<dataset>; * stands for each of the kind',
});
const user = Type.String({ minLength: 1, maxLength: 127 });
const level = Type.Enum([...levels, 'DENY'], { description: 'What the user may do; DENY closes it whatever else was granted' });
const Grant = Type.Object({ user, kind, id, level });
const OfResource = Type.Object({ kind, id });
const OfUser = Type.Object({ user, kind, id });
const Named = Type.Object({ workspace: Type.String({ maxLength: 63 }) });
const WorkspaceView = Type.Object({ name: Type.String(), description: Type.Union([Type.String(), Type.Null()]) });

const sharing = ['level-too-low', 'user-not-found'] as const;

export const levelRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/grants',
    permission: 'access:self',
    summary: 'What users were granted for a resource; needs MANAGE for it',
    errors: ['level-too-low'],
    query: OfResource,
    reply: { 200: Type.Object({ items: Type.Array(Type.Object({ user: Type.String(), level })) }) },
    handler: async (ctx, { query }) => ({ items: await listGrants(ctx, query.kind, query.id) }),
  }),
  route({
    method: 'PUT',
    path: '/api/gyre/v1/grants',
    permission: 'access:self',
    summary: 'Grant a user a level for a resource; needs MANAGE for it',
    errors: sharing,
    body: Grant,
    reply: { 204: Type.Null() },
    handler: async (ctx, { body }) => void (await grantLevel(ctx, body)),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/grants',
    permission: 'access:self',
    summary: 'Take back what a user was granted for a resource; needs MANAGE for it',
    errors: [...sharing, 'grant-not-found'],
    query: OfUser,
    reply: { 204: Type.Null() },
    handler: (ctx, { query }) => revokeLevel(ctx, query.user, query.kind, query.id),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/levels',
    permission: 'access:self',
    summary: 'What a user may really do with a resource: oneself, or any for administrators',
    errors: ['user-not-found', 'forbidden'],
    query: OfUser,
    reply: { 200: Type.Object({ level: Type.Enum([...levels]) }) },
    handler: async (ctx, { query }) => {
      const { name } = await seenUser(ctx, query.user);
      return { level: await effectiveLevel(ctx, name, query.kind, query.id) };
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/workspaces/:workspace',
    permission: 'system:read',
    summary: 'A workspace that one is in',
    errors: ['workspace-not-found'],
    params: Named,
    reply: { 200: WorkspaceView },
    handler: (ctx, { params }) => findWorkspace(ctx, params.workspace),
  }),
  route({
    method: 'PATCH',
    path: '/api/gyre/v1/workspaces/:workspace',
    permission: 'access:admin',
    summary: 'Describe a workspace',
    errors: ['workspace-not-found', 'forbidden'],
    params: Named,
    body: Type.Object({ description: Type.String({ maxLength: 5000 }) }),
    reply: { 200: WorkspaceView },
    handler: (ctx, { params, body }) => describeWorkspace(ctx, params.workspace, body.description),
  }),
  route({
    method: 'DELETE',
    path: '/api/gyre/v1/workspaces/:workspace',
    permission: 'access:admin',
    summary: 'Delete a workspace that is empty, with who is in it',
    errors: ['workspace-not-found', 'workspace-not-empty', 'workspace-reserved', 'forbidden'],
    params: Named,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => deleteWorkspace(ctx, params.workspace),
  }),
];
