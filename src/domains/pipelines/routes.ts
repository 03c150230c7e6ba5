import Type from '../../kernel/http/json-schema.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { route, type AnyRoute } from '../../kernel/http/route.ts';
import type { StepEngine } from './engine.ts';
import { fail } from './errors.ts';
import type { PipelineJobs } from './service/advance.ts';
import { cancelRun, resumeRun } from './service/control.ts';
import { startPredict } from './service/start-predict.ts';
import { startRun } from './service/start-run.ts';
import { stepLog } from './service/attempts/step-log.ts';
import { stageStep } from './service/workspace.ts';
import { listAttempts, type Attempt } from './store/attempts.ts';
import * as store from './store/runs.ts';
import type { Run } from './store/runs.ts';
import { getStep, listSteps, type Step } from './store/steps.ts';

const name = Type.String({ maxLength: 200 });
const OfRun = Type.Object({ id: name });
const OfStep = Type.Object({ id: name, step: name });
const View = Type.Unknown();

const iso = (ms: number | null): string | null => (ms === null ? null : new Date(ms).toISOString());
const runView = (r: Run) => ({
  id: r.id,
  project: r.project,
  pipeline: r.pipeline,
  number: r.number,
  state: r.state,
  trigger: r.trigger,
  params: r.params,
  datasets: r.datasets,
  revision: r.revisionId,
  snapshot: r.snapshot,
  error: r.error,
  createdAt: iso(r.createdMs),
  finishedAt: iso(r.finishedMs),
  wallMs: r.finishedMs === null ? null : r.finishedMs - r.createdMs,
});
const stepView = (s: Step) => ({
  name: s.name,
  kind: s.kind,
  needs: s.needs,
  state: s.state,
  cached: s.cachedFrom !== null,
  cachedFrom: s.cachedFrom,
  outputs: s.outputs,
  trackingRun: s.trackingRunId,
  explanation: s.explanation,
  error: s.error,
  startedAt: iso(s.startedMs),
  finishedAt: iso(s.finishedMs),
  wallMs: s.startedMs === null || s.finishedMs === null ? null : s.finishedMs - s.startedMs,
});

const attemptView = ({ number, state, outcome, startedMs, finishedMs }: Attempt) => ({
  number,
  state,
  startedAt: iso(startedMs),
  finishedAt: iso(finishedMs),
  ...(outcome === null || outcome.ok ? {} : { reason: outcome.reason, detail: outcome.detail, exitCode: outcome.exitCode }),
});

async function requireRun(ctx: Ctx, id: string): Promise<Run> {
  return (await store.getRun(ctx.db, ctx.workspace, id)) ?? fail('run-not-found', { id });
}

export const pipelineRoutes = (jobs: PipelineJobs, engine: StepEngine): readonly AnyRoute[] => [
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/pipelines/:pipeline/runs',
    permission: 'pipelines:run',
    summary: 'Start a run of a pipeline, of the current revision or of the one that is named',
    errors: [
      'project-not-found',
      'not-found',
      'pipeline-not-found',
      'parameter-invalid',
      'process-engine-not-trusted',
      'purpose-not-allowed',
      'erasure-running',
    ],
    params: Type.Object({ project: name, pipeline: name }),
    body: Type.Object({
      params: Type.Optional(Type.Record(Type.String(), Type.Union([Type.String({ maxLength: 1000 }), Type.Number(), Type.Boolean()]))),
      revision: Type.Optional(
        Type.Integer({
          minimum: 1,
          description: 'Number of the project revision; default the current one, which another may have applied',
        }),
      ),
      noCache: Type.Optional(Type.Boolean()),
      reason: Type.Optional(Type.String({ maxLength: 500 })),
    }),
    reply: { 201: View },
    idempotent: true,
    handler: async (ctx, { params, body }) =>
      runView(
        await startRun(
          ctx,
          {
            project: params.project,
            pipeline: params.pipeline,
            params: body.params ?? {},
            ...(body.revision === undefined ? {} : { revision: body.revision }),
            noCache: body.noCache ?? false,
            trigger: { kind: 'api', reason: body.reason ?? 'asked for' },
          },
          jobs.advance,
        ),
      ),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/predictions',
    permission: 'pipelines:run',
    summary: 'Score a dataset version with a model version into a new version of a dataset; answers with the run that does it',
    errors: [
      'project-not-found',
      'not-found',
      'dataset-empty',
      'dataset-version-not-found',
      'model-version-not-found',
      'version-unsealed',
      'predictions-not-there',
      'parameter-invalid',
      'moment-invalid',
      'purpose-not-allowed',
      'erasure-running',
    ],
    params: Type.Object({ project: name }),
    body: Type.Object({
      dataset: name,
      datasetVersion: Type.Optional(Type.String({ maxLength: 100, description: 'Number or id; default the current one' })),
      model: Type.String({ minLength: 1, maxLength: 256 }),
      modelVersion: Type.Optional(Type.String({ maxLength: 256, description: 'Number, alias or "latest"; default champion' })),
      into: Type.String({
        pattern: '^[a-z][a-z0-9_-]{0,62}$',
        description: 'Dataset that gets the new version; made if it is not declared',
      }),
      columns: Type.Optional(
        Type.Array(name, { maxItems: 1000, uniqueItems: true, description: 'Columns of the rows to keep beside the scores' }),
      ),
      features: Type.Optional(Type.String({ maxLength: 100, description: 'Feature service; default that of the endpoint' })),
      endpoint: Type.Optional(
        Type.String({ maxLength: 100, description: 'Its rules for missing values hold; default the endpoint of the model' }),
      ),
      at: Type.Optional(Type.String({ maxLength: 2000, description: 'SQL expression: the moment of a row; default occurred_at' })),
      where: Type.Optional(Type.String({ maxLength: 10_000, description: 'SQL condition' })),
      between: Type.Optional(Type.Array(Type.String({ maxLength: 40 }), { minItems: 2, maxItems: 2 })),
      monitor: Type.Optional(Type.String({ maxLength: 100, description: 'Monitor without an endpoint that gets the scored rows' })),
      purpose: Type.Optional(Type.String({ maxLength: 100 })),
      noCache: Type.Optional(Type.Boolean()),
      reason: Type.Optional(Type.String({ maxLength: 500 })),
    }),
    reply: { 201: View },
    idempotent: true,
    handler: async (ctx, { params, body }) => {
      const { modelVersion = 'champion', columns = [], noCache = false, between, ...asked } = body;
      const bounds = between && ([between[0]!, between[1]!] as const);
      return runView(
        await startPredict(
          ctx,
          { ...asked, project: params.project, modelVersion, columns, noCache, ...(bounds ? { between: bounds } : {}) },
          jobs.advance,
        ),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/runs',
    permission: 'pipelines:read',
    summary: 'Runs of a project, newest first',
    errors: ['cursor-invalid'],
    params: Type.Object({ project: name }),
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(View) },
    handler: async (ctx, { params, query }) => {
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      return toPage(await store.listRuns(ctx.db, ctx.workspace, params.project, before, limit + 1), limit, (r) => [r.id], runView);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/runs/:id',
    permission: 'pipelines:read',
    summary: 'A run with its steps, and why each missed the cache',
    errors: ['run-not-found'],
    params: OfRun,
    reply: { 200: View },
    handler: async (ctx, { params }) => ({
      ...runView(await requireRun(ctx, params.id)),
      steps: (await listSteps(ctx.db, ctx.workspace, params.id)).map(stepView),
    }),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/runs/:id/cancel',
    permission: 'pipelines:run',
    summary: 'Cancel a run; its processes are ended',
    errors: ['run-not-found', 'run-ended'],
    params: OfRun,
    reply: { 204: Type.Null() },
    handler: (ctx, { params }) => cancelRun(ctx, params.id, jobs),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/runs/:id/resume',
    permission: 'pipelines:run',
    summary: 'Go on with a run that failed or was cancelled; what succeeded is not run again',
    errors: ['run-not-found', 'run-not-resumable', 'process-engine-not-trusted', 'erasure-running'],
    params: OfRun,
    reply: { 200: View },
    handler: async (ctx, { params }) => runView(await resumeRun(ctx, params.id, jobs)),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/runs/:id/steps/:step/attempts',
    permission: 'pipelines:read',
    summary: 'Attempts of a step with their outcomes',
    errors: ['step-not-found'],
    params: OfStep,
    reply: { 200: Type.Object({ items: Type.Array(View) }) },
    handler: async (ctx, { params }) => {
      const step =
        (await getStep(ctx.db, ctx.workspace, params.id, params.step)) ?? fail('step-not-found', { run: params.id, step: params.step });
      const attempts = await listAttempts(ctx.db, ctx.workspace, step.cachedFrom ?? params.id, params.step);
      return { items: attempts.map(attemptView) };
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/runs/:id/steps/:step/log',
    permission: 'pipelines:read',
    summary: 'The log of a step from a byte on; ask again with "next", and "wait", to follow it',
    errors: ['step-not-found'],
    params: OfStep,
    query: Type.Object({
      from: Type.Optional(Type.Integer({ minimum: 0, default: 0 })),
      wait: Type.Optional(
        Type.Integer({ minimum: 0, maximum: 30, default: 0, description: 'Seconds to wait for something new before an empty answer' }),
      ),
    }),
    reply: { 200: Type.Object({ text: Type.String(), next: Type.Integer(), ended: Type.Boolean() }) },
    handler: (ctx, { params, query }) => stepLog(ctx, params.id, params.step, query.from ?? 0, (query.wait ?? 0) * 1000),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/runs/:id/steps/:step/stage',
    permission: 'code:execute',
    summary: 'Stage the exact folder of a step on the server’s machine, for `gyre shell`; lists its files, command and environment',
    errors: ['run-not-found', 'step-not-found', 'step-without-workspace', 'step-failed', 'secret-missing'],
    params: OfStep,
    reply: { 200: View },
    handler: (ctx, { params }) => stageStep(ctx, params.id, params.step, engine),
  }),
];
