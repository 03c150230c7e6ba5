import Type from '../../../kernel/http/json-schema.ts';
import { Reply, route, type AnyRoute } from '../../../kernel/http/route.ts';
import { momentUs } from '../../features/public.ts';
import { makeComparison } from '../service/make-comparison.ts';
import { makeDatasetCard } from '../service/make-dataset-card.ts';
import { makeDelivery } from '../service/make-delivery.ts';
import { makePipelineDocument } from '../service/make-pipeline-document.ts';
import { makeSystemOverview } from '../service/make-system-overview.ts';
import { passes, renderComparison } from './comparison.ts';
import { renderDelivery } from './delivery-text.ts';
import { renderDocument, type RecordedDocument } from './document.ts';

const name = Type.String({ maxLength: 200 });
const format = Type.Optional(
  Type.Enum(['markdown', 'json'], { default: 'markdown', description: 'A text to read, or what it says as data' }),
);
const InProject = Type.Object({ project: name });

const Figure = Type.Union([
  Type.Object({
    ok: Type.Literal(true),
    value: Type.Number(),
    n: Type.Integer(),
    interval: Type.Optional(Type.Object({ low: Type.Number(), high: Type.Number(), level: Type.Number(), method: Type.String() })),
  }),
  Type.Object({ ok: Type.Literal(false), reason: Type.String(), n: Type.Integer() }),
]);
const Span = Type.Union([Type.Number(), Type.Null()]);
const DeliveryView = Type.Object({
  project: Type.String(),
  fromUs: Type.Integer(),
  toUs: Type.Integer(),
  failWithinUs: Type.Integer(),
  endpoints: Type.Array(
    Type.Object({
      endpoint: Type.String(),
      deployments: Type.Array(
        Type.Object({
          release: Type.String(),
          modelVersion: Type.String(),
          kind: Type.Enum(['change', 'retraining', 'rollback']),
          servedUs: Type.Integer(),
          promotedUs: Type.Union([Type.Integer(), Type.Null()]),
          outcome: Type.Enum(['promoted', 'rolled-back', 'aborted', 'failed', 'under way']),
          failed: Type.Union([Type.Object({ why: Type.String(), evidence: Type.String() }), Type.Null()]),
          fixesIncident: Type.Boolean(),
          leadTimeUs: Type.Object({ commit: Span, data: Span, alert: Span }),
        }),
      ),
      frequency: Type.Object({ perWeek: Type.Number(), n: Type.Integer(), weeks: Type.Number() }),
      leadTimeUs: Type.Object({ commit: Figure, data: Figure, alert: Figure }),
      changeFailRate: Figure,
      recoveryUs: Figure,
      reworkRate: Figure,
    }),
  ),
});

const markdown = (text: string): Reply => new Reply(200, text, { 'content-type': 'text/markdown; charset=utf-8' });
const told = (d: RecordedDocument, as: string | undefined): Reply | RecordedDocument => (as === 'json' ? d : markdown(renderDocument(d)));

export const documentRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/comparison',
    permission: 'models:write',
    summary: 'A model version beside the champion, as a pull request needs it; scores the champion on the same rows if that was not done',
    errors: ['project-not-found', 'report-model-missing', 'model-version-not-found', 'run-not-found'],
    params: InProject,
    body: Type.Object({
      format,
      model: Type.Optional(Type.String({ maxLength: 256, description: 'Default: the model of the run, or of the first endpoint' })),
      version: Type.Optional(Type.String({ maxLength: 256, description: 'Number, alias or "latest" (the default)' })),
      run: Type.Optional(Type.String({ maxLength: 200, description: 'The version that this run registered, instead' })),
      against: Type.Optional(Type.String({ maxLength: 256, description: 'Number or alias; default "champion"' })),
      link: Type.Optional(
        Type.String({ maxLength: 500, format: 'uri', description: 'Address of the server as readers reach it, for links' }),
      ),
    }),
    reply: { 200: 'text/markdown' },
    handler: async (ctx, { params, body }) => {
      const comparison = await makeComparison(ctx, params.project, body);
      const base = body.link?.replace(/\/+$/, '');
      const text = renderComparison(comparison, (path) => (base === undefined ? null : `${base}/api/gyre/v1${path}`));
      return body.format === 'json' ? { ...comparison, passes: passes(comparison), markdown: text } : markdown(text);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/delivery',
    permission: 'lineage:read',
    summary: 'Deployment frequency, lead times, change fail rate, recovery and rework of each endpoint, from the events',
    errors: ['project-not-found', 'report-endpoint-missing', 'moment-invalid'],
    params: InProject,
    query: Type.Object({
      format: Type.Optional(Type.Enum(['markdown', 'json'], { default: 'json' })),
      endpoint: Type.Optional(name),
      from: Type.Optional(Type.String({ maxLength: 40, description: 'Event time; default 90 days before "to"' })),
      to: Type.Optional(Type.String({ maxLength: 40, description: 'Event time; default now' })),
    }),
    reply: { 200: DeliveryView },
    handler: async (ctx, { params, query }) => {
      const delivery = await makeDelivery(ctx, params.project, {
        endpoint: query.endpoint,
        fromUs: query.from === undefined ? undefined : momentUs('"from"', query.from),
        toUs: query.to === undefined ? undefined : momentUs('"to"', query.to),
      });
      return query.format === 'markdown' ? markdown(renderDelivery(delivery)) : delivery;
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/datasets/:dataset/card',
    permission: 'datasets:read',
    summary: 'The card of a dataset version: origin, columns, contract, purposes, and what was made from it',
    errors: ['project-not-found', 'report-dataset-missing', 'dataset-empty'],
    params: Type.Object({ project: name, dataset: name }),
    query: Type.Object({ format, version: Type.Optional(Type.Integer({ minimum: 1, description: 'Default: the current one' })) }),
    reply: { 200: 'text/markdown' },
    handler: async (ctx, { params, query }) =>
      told(await makeDatasetCard(ctx, params.project, params.dataset, query.version), query.format),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/pipelines/:pipeline/document',
    permission: 'pipelines:read',
    summary: 'What a pipeline is for, reads, does and makes, and how its runs went',
    errors: ['project-not-found', 'report-pipeline-missing'],
    params: Type.Object({ project: name, pipeline: name }),
    query: Type.Object({ format }),
    reply: { 200: 'text/markdown' },
    handler: async (ctx, { params, query }) => told(await makePipelineDocument(ctx, params.project, params.pipeline), query.format),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/overview',
    permission: 'lineage:read',
    summary: 'The system at a glance: what there is, what is served since when, monitors, open alerts, retraining, freezes, erasures',
    errors: ['project-not-found'],
    params: InProject,
    query: Type.Object({ format }),
    reply: { 200: 'text/markdown' },
    handler: async (ctx, { params, query }) => told(await makeSystemOverview(ctx, params.project), query.format),
  }),
];
