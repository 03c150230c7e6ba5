import Type from '../../kernel/http/json-schema.ts';
import { decodeCursor, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { fail as failAny } from '../../kernel/errors.ts';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import { fail } from './errors.ts';
import { findingKinds, windowKinds } from './model.ts';
import { baselineView, findingView, monitorView, windowSummary, windowView } from './queries.ts';
import { BaselineView, FindingPage, MonitorView, ReportView, WindowPage, WindowView } from './schema.ts';
import { baselineOf, getMonitor, getWindow, listMonitors } from './service/read.ts';
import { driftReport } from './service/report.ts';
import * as store from './store/windows.ts';

const name = Type.String({ maxLength: 200 });
const OfMonitor = Type.Object({ project: name, monitor: name });
const span = {
  from: Type.Optional(Type.String({ maxLength: 40, description: 'Event time (ISO 8601, UTC where no zone is given)' })),
  to: Type.Optional(Type.String({ maxLength: 40 })),
};

/** Microseconds of a moment in a query; undefined if it is not given. Raises `invalid-input`. */
function momentUs(what: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const ms = Date.parse(/^\d{4}-\d{2}-\d{2}T[\d:.]+$/.test(text) ? `${text}Z` : text);
  return Number.isNaN(ms)
    ? failAny('invalid-input', { what: 'The span' }, [
        { pointer: `/${what}`, detail: `"${text}" is not a moment, for example 2013-03-01T00:00:00Z` },
      ])
    : ms * 1000;
}

export const monitoringRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/monitors',
    permission: 'monitoring:read',
    summary: 'Monitors of the current revision, how far each has come, and its last windows',
    errors: ['project-not-found'],
    params: Type.Object({ project: name }),
    reply: { 200: Type.Object({ items: Type.Array(MonitorView) }) },
    handler: async (ctx, { params }) => ({
      items: await Promise.all((await listMonitors(ctx, params.project)).readable.map((m) => monitorView(ctx, params.project, m))),
    }),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/monitors/:monitor',
    permission: 'monitoring:read',
    summary: 'One monitor with its last windows',
    errors: ['project-not-found', 'monitor-not-found'],
    params: OfMonitor,
    reply: { 200: MonitorView },
    handler: async (ctx, { params }) => monitorView(ctx, params.project, await getMonitor(ctx, params.project, params.monitor)),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/monitors/:monitor/windows',
    permission: 'monitoring:read',
    summary: 'Closed windows in the order of their start, with their main figures',
    errors: ['project-not-found', 'monitor-not-found', 'cursor-invalid'],
    params: OfMonitor,
    query: Type.Object({
      ...pageQuery,
      ...span,
      kind: Type.Optional(Type.Enum([...windowKinds])),
      generations: Type.Optional(
        Type.Enum(['all', 'latest'], { description: 'Labels that came late make new generations; default latest' }),
      ),
      order: Type.Optional(Type.Enum(['asc', 'desc'], { description: 'desc begins with the newest' })),
    }),
    reply: { 200: WindowPage },
    handler: async (ctx, { params, query }) => {
      await getMonitor(ctx, params.project, params.monitor);
      const limit = query.limit ?? 100;
      const after = query.cursor ? decodeCursor(query.cursor, ['number', 'string', 'number']) : undefined;
      const rows = await store.listWindows(
        ctx.db,
        ctx.workspace,
        {
          ...params,
          kind: query.kind,
          fromUs: momentUs('from', query.from),
          toUs: momentUs('to', query.to),
          latestOnly: query.generations !== 'all',
        },
        { limit: limit + 1, after, order: query.order ?? 'asc' },
      );
      return toPage(rows, limit, (w) => [w.fromUs, w.kind, w.generation], windowSummary);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/monitors/:monitor/windows/:window',
    permission: 'monitoring:read',
    summary: 'One window with all its figures',
    errors: ['project-not-found', 'monitor-not-found', 'window-not-found'],
    params: Type.Object({ project: name, monitor: name, window: name }),
    reply: { 200: WindowView },
    handler: async (ctx, { params }) => {
      await getMonitor(ctx, params.project, params.monitor);
      const window = await getWindow(ctx, params.window);
      if (window.project !== params.project || window.monitor !== params.monitor) return fail('window-not-found', params);
      return windowView(window);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/findings',
    permission: 'monitoring:read',
    summary: 'Measured deviations, those of the newest windows first',
    errors: ['project-not-found', 'cursor-invalid'],
    params: Type.Object({ project: name }),
    query: Type.Object({
      ...pageQuery,
      ...span,
      monitor: Type.Optional(name),
      window: Type.Optional(name),
      kind: Type.Optional(Type.Enum([...findingKinds])),
      subject: Type.Optional(name),
    }),
    reply: { 200: FindingPage },
    handler: async (ctx, { params, query }) => {
      const { hidden } = await listMonitors(ctx, params.project);
      const limit = query.limit ?? 100;
      const before = query.cursor ? decodeCursor(query.cursor, ['number', 'string']) : undefined;
      const rows = await store.listFindings(
        ctx.db,
        ctx.workspace,
        {
          project: params.project,
          monitor: query.monitor,
          without: hidden.map((m) => m.name),
          window: query.window,
          kind: query.kind,
          subject: query.subject,
          fromUs: momentUs('from', query.from),
          toUs: momentUs('to', query.to),
        },
        { limit: limit + 1, before },
      );
      return toPage(rows, limit, (f) => [f.fromUs, f.id], findingView);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/monitors/:monitor/baseline',
    permission: 'monitoring:read',
    summary: 'What the windows of a version are compared with',
    errors: ['project-not-found', 'monitor-not-found', 'baseline-not-found', 'dataset-empty'],
    params: OfMonitor,
    query: Type.Object({ version: Type.Optional(Type.String({ maxLength: 200, description: 'Default: the version that led last' })) }),
    reply: { 200: BaselineView },
    handler: async (ctx, { params, query }) => {
      const { row, baseline } = await baselineOf(ctx, params.project, params.monitor, query.version);
      return baselineView(row, baseline);
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/monitoring/report',
    permission: 'monitoring:read',
    summary: 'Drift and quality of one table against another, or against the baseline of a model version',
    errors: [
      'project-not-found',
      'report-table-unknown',
      'report-columns-none',
      'dataset-version-not-found',
      'model-version-not-found',
      'blob-not-found',
      'compute-input-unreadable',
    ],
    params: Type.Object({ project: name }),
    body: Type.Object({
      current: Type.String({ maxLength: 300, description: '"dataset@3", "dataset@latest", or the digest of an uploaded Parquet file' }),
      reference: Type.String({ maxLength: 300, description: 'The same, or "model@2" for the baseline of a version' }),
    }),
    reply: { 200: ReportView },
    handler: (ctx, { params, body }) => driftReport(ctx, params.project, body),
  }),
];
