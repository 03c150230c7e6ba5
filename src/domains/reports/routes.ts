import Type from '../../kernel/http/json-schema.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { momentUs } from '../features/public.ts';
import { liveAcks } from '../releases/public.ts';
import { shipLive } from '../serving/public.ts';
import { documentRoutes } from './documents/routes.ts';
import { renderReport } from './html/page.ts';
import { makeCard } from './service/make-card.ts';
import { makeReport } from './service/make-report.ts';

const name = Type.String({ maxLength: 200 });
const expression = Type.String({ minLength: 1, maxLength: 5000 });

const CreateReport = Type.Object({
  format: Type.Optional(Type.Enum(['html', 'json'], { default: 'html', description: 'A page to read, or its figures as data' })),
  endpoint: Type.Optional(
    Type.String({
      maxLength: 200,
      description: 'Or the monitor of a model served elsewhere. Default: the first endpoint of the project, else the first such monitor',
    }),
  ),
  from: Type.Optional(Type.String({ maxLength: 40, description: 'First event time of the predictions shown' })),
  to: Type.Optional(Type.String({ maxLength: 40, description: 'Event time after the last' })),
  prediction: Type.Optional(
    Type.String({ maxLength: 200, description: 'Id of the prediction whose chain is drawn; default: the last one with a known outcome' }),
  ),
  truth: Type.Optional(
    Type.Object(
      {
        dataset: Type.Optional(name),
        label: Type.Optional(expression),
        where: Type.Optional(expression),
        at: Type.Optional(
          Type.Union([expression, Type.Null()], { description: 'Moment a row was predicted at; null = it does not tell rows apart' }),
        ),
        keys: Type.Optional(Type.Array(name, { maxItems: 50, description: 'Columns that requests and dataset share' })),
      },
      { description: 'Where the truth is. Default: the label of the pipeline that evaluates the endpoint’s model' },
    ),
  ),
});

// Years beyond what an integer of microseconds holds exactly mean no bound.
const within = (us: number): number => Math.max(Number.MIN_SAFE_INTEGER, Math.min(Number.MAX_SAFE_INTEGER, us));

export const reportRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/report',
    permission: 'lineage:read',
    summary: 'Data, evaluation, predictions against truth and lineage of a project, as one HTML file or as data',
    errors: [
      'project-not-found',
      'report-endpoint-missing',
      'report-truth-unclear',
      'prediction-not-found',
      'moment-invalid',
      'compute-sql-invalid',
      'compute-sql-refused',
      'compute-timeout',
      'compute-memory-exceeded',
    ],
    params: Type.Object({ project: name }),
    body: CreateReport,
    reply: { 200: 'text/html' },
    handler: async (ctx, { params, body }) => {
      // What a live endpoint has just answered belongs in it.
      await shipLive(ctx, () => liveAcks(ctx));
      const report = await makeReport(ctx, params.project, {
        endpoint: body.endpoint,
        prediction: body.prediction,
        truth: body.truth,
        window: {
          ...(body.from === undefined ? {} : { fromUs: within(momentUs('"from"', body.from)) }),
          ...(body.to === undefined ? {} : { toUs: within(momentUs('"to"', body.to) - 1) }),
        },
      });
      if (body.format === 'json') return report;
      return new Reply(200, await renderReport(report), {
        'content-type': 'text/html; charset=utf-8',
        'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      });
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/models/:model/versions/:version/card',
    permission: 'models:read',
    summary: 'The model card of a version, in Markdown',
    errors: ['model-not-found', 'model-version-not-found'],
    params: Type.Object({ model: name, version: Type.String({ maxLength: 256, description: 'Number, alias or "latest"' }) }),
    reply: { 200: 'text/markdown' },
    handler: async (ctx, { params }) =>
      new Reply(200, await makeCard(ctx, params.model, params.version), { 'content-type': 'text/markdown; charset=utf-8' }),
  }),
  ...documentRoutes,
];
