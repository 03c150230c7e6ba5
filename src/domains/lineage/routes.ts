import Type from 'typebox';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import { walk, whyPrediction } from './graph.ts';

const text = Type.String({ minLength: 1, maxLength: 500 });
const View = Type.Unknown();

export const lineageRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/lineage/:kind/:id',
    permission: 'lineage:read',
    summary: 'What something was made from (direction=from), or what was made from it (direction=to)',
    errors: ['lineage-unknown'],
    params: Type.Object({ kind: text, id: text }),
    query: Type.Object({
      direction: Type.Optional(Type.Enum(['from', 'to'])),
      depth: Type.Optional(Type.Integer({ minimum: 1, maximum: 50, default: 20 })),
    }),
    reply: { 200: View },
    handler: (ctx, { params, query }) => walk(ctx, { kind: params.kind, id: params.id }, query.direction ?? 'from', query.depth ?? 20),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/predictions/:id/why',
    permission: 'lineage:read',
    summary: 'The chain from one prediction to the source files',
    errors: ['prediction-not-found'],
    params: Type.Object({ id: text }),
    reply: { 200: View },
    handler: (ctx, { params }) => whyPrediction(ctx, params.id),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/datasets/:dataset/lineage',
    permission: 'lineage:read',
    summary: 'What was made from the versions of a dataset',
    errors: ['lineage-unknown'],
    params: Type.Object({ project: text, dataset: text }),
    reply: { 200: View },
    handler: (ctx, { params }) => walk(ctx, { kind: 'dataset', id: `${params.project}/${params.dataset}` }, 'to', 20),
  }),
];
