import Type from '../../kernel/http/json-schema.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { caughtUp } from '../../kernel/events/subscribers.ts';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import { columnKinds } from './column-map.ts';
import { walk } from './graph.ts';
import { columnImpact } from './service/impact.ts';
import { whyPrediction } from './service/why-prediction.ts';

const text = Type.String({ minLength: 1, maxLength: 500 });
const Ref = Type.Object({ kind: Type.String(), id: Type.String() });
const GraphView = Type.Object({
  root: Ref,
  nodes: Type.Array(
    Type.Object({
      kind: Type.String(),
      id: Type.String(),
      label: Type.String(),
      payload: Type.Unknown(),
      firstMs: Type.Integer({ description: 'When an event first told of it; 0 = none has' }),
    }),
  ),
  edges: Type.Array(Type.Object({ from: Ref, to: Ref, relation: Type.String() })),
  cut: Type.Boolean({ description: 'The walk ended at its limit; the graph goes on' }),
  hidden: Type.Integer({ description: 'Things that it met and you may not read; what lies behind them alone is left out' }),
});
const Reads = Type.Array(
  Type.Object({
    name: Type.String(),
    columns: Type.Array(Type.Object({ name: Type.String(), how: Type.Enum(['value', 'rows', 'maybe']) })),
  }),
);
const ImpactView = Type.Object({
  project: Type.String(),
  dataset: Type.String(),
  column: Type.String(),
  revision: Type.Union([Type.String(), Type.Null()]),
  datasets: Reads,
  featureViews: Reads,
  pipelines: Reads,
  endpoints: Reads,
  monitors: Reads,
  contracts: Type.Array(Type.String()),
  subjects: Type.Array(Type.String()),
  modelVersions: Type.Array(
    Type.Object({ id: Type.String(), label: Type.String(), inputs: Type.Array(Type.String()), serving: Type.Array(Type.String()) }),
  ),
  coarse: Type.Array(Type.String()),
  hidden: Type.Integer({ description: 'Things that it reaches and you may not read; what lies behind them alone is left out' }),
});
const View = Type.Unknown();

/** The graph is drawn from events a moment after them; who asks for it sees what was done before. */
const drawn = (ctx: Ctx): Promise<void> => caughtUp(ctx, 'lineage');

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
      columns: Type.Optional(
        Type.Boolean({ description: 'Columns and features, too; they are there anyhow if the question is about one' }),
      ),
    }),
    reply: { 200: GraphView },
    handler: async (ctx, { params, query }) => {
      await drawn(ctx);
      return walk(ctx, { kind: params.kind, id: params.id }, query.direction ?? 'from', query.depth ?? 20, {
        without: query.columns || columnKinds.includes(params.kind as never) ? [] : columnKinds,
      });
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/lineage/impact',
    permission: 'lineage:read',
    summary: 'What breaks if a column of a dataset goes',
    errors: ['project-not-found', 'column-unknown'],
    query: Type.Object({ project: text, dataset: text, column: text }),
    reply: { 200: ImpactView },
    handler: (ctx, { query }) => columnImpact(ctx, query.project, query.dataset, query.column),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/predictions/:id/why',
    permission: 'lineage:read',
    summary: 'The chain from one prediction to the source files',
    errors: ['prediction-not-found'],
    params: Type.Object({ id: text }),
    query: Type.Object({ project: Type.Optional({ ...text, description: 'Where to look for ids of models served elsewhere' }) }),
    reply: { 200: View },
    handler: async (ctx, { params, query }) => {
      await drawn(ctx);
      return whyPrediction(ctx, params.id, query.project);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/datasets/:dataset/lineage',
    permission: 'lineage:read',
    summary: 'What was made from the versions of a dataset',
    errors: ['lineage-unknown'],
    params: Type.Object({ project: text, dataset: text }),
    reply: { 200: GraphView },
    handler: async (ctx, { params }) => {
      await drawn(ctx);
      return walk(ctx, { kind: 'dataset', id: `${params.project}/${params.dataset}` }, 'to', 20, {
        without: [...columnKinds, 'window', 'finding'],
      });
    },
  }),
];
