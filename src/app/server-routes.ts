// Routes that need the whole server: its status, the chain of events, and the barrier that moves event time.
import { existsSync, readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import Type from '../kernel/http/json-schema.ts';
import { currentRevision } from '../domains/projects/public.ts';
import { liveAcks, plannedFaults, publishPlan } from '../domains/releases/public.ts';
import { shipSegments } from '../domains/serving/public.ts';
import type { Ctx } from '../kernel/ctx.ts';
import { defineErrors, fail } from '../kernel/errors.ts';
import { verifyChain } from '../kernel/events/sequencer.ts';
import { failpoint } from '../kernel/failpoints.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../kernel/http/paging.ts';
import { route, type AnyRoute } from '../kernel/http/route.ts';
import { jobsIn } from '../kernel/jobs/jobs.ts';
import { runningJobs } from '../kernel/jobs/queue.ts';
import { listReplicas } from '../kernel/replicas/replicas.ts';
import { moveTimeline, settleTimeline, usToIso } from '../kernel/timeline/timeline.ts';
import { eventsIn } from '../kernel/events/events.ts';
import { toStoredEvent } from '../kernel/events/subscribers.ts';
import type { RunningPlatform } from './platform.ts';
import { processesFile, type Processes } from './processes.ts';
import { programVersion } from './version.ts';

const name = Type.String({ maxLength: 200 });

const { fail: failHere } = defineErrors({
  'data-plane-elsewhere': {
    status: 421,
    title: 'Another control plane has the data plane',
    detail: (p: { url: string }) =>
      `What the data plane has logged is with the control plane at ${p.url}, and only there. Send this request to it.`,
  },
});

/** The last event of a project, or of no project. */
const newestEvent = (ctx: Ctx, project: string) =>
  eventsIn(ctx.db)
    .selectFrom('events')
    .select('seq')
    .where('workspace_id', '=', ctx.workspace)
    .where('seq', 'is not', null)
    .where((eb) => eb.or([eb('project', '=', project), eb('project', 'is', null)]))
    .orderBy('seq', 'desc')
    .limit(1)
    .executeTakeFirst();

export const serverRoutes = (running: () => RunningPlatform, serverUrl: () => string): readonly AnyRoute[] => [
  route({
    method: 'GET',
    path: '/api/gyre/v1/status',
    permission: 'system:read',
    summary: 'Processes, addresses and versions of this server',
    errors: [],
    reply: { 200: Type.Unknown() },
    handler: async (ctx) => {
      const file = processesFile(ctx.settings.dir);
      const processes: Processes = existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Processes) : {};
      const planes = liveAcks(ctx).map((a) => ({
        replica: a.replica,
        url: a.url,
        plan: a.number,
        endpoints: a.endpoints.filter((e) => e.workspace === ctx.workspace),
        failures: a.failures.filter((f) => f.workspace === ctx.workspace),
      }));
      return {
        version: programVersion,
        control: { url: serverUrl(), pid: process.pid },
        dataPlane: {
          url: processes.serve?.url || planes[0]?.url || null,
          pid: processes.serve?.pid ?? null,
          restarts: processes.serve?.restarts ?? 0,
          grpc: processes.serve?.grpc ?? null,
        },
        dataPlanes: planes,
        // Rehearsals only: variants that fail on purpose.
        injectedFaults: plannedFaults(ctx),
        compute: { pids: ctx.compute.pids() },
        database: ctx.database.dialect.name,
        // Control planes of this database that live, this one among them; one leads.
        replicas:
          ctx.database.dialect.name === 'sqlite'
            ? []
            : (await listReplicas(ctx.db)).map(({ id, place, url, dataPlane, leads, startedMs }) => ({
                ...{ id, place, url, dataPlane, leads },
                startedAt: new Date(startedMs).toISOString(),
              })),
        workspace: ctx.workspace,
        events: await running().headSeq(),
      };
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/openapi.json',
    permission: 'public',
    summary: 'This interface, described in OpenAPI 3.1',
    errors: [],
    reply: { 200: Type.Unknown() },
    handler: async () => JSON.parse(await readFile(join(import.meta.dirname, '../../openapi.json'), 'utf8')) as unknown,
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/timeline/advance',
    permission: 'timeline:advance',
    summary: 'Move a replay’s event time forward; answers when everything due by then is done',
    errors: [
      'project-not-found',
      'timeline-not-replay',
      'timeline-backwards',
      'data-plane-away',
      'data-plane-elsewhere',
      'barrier-incomplete',
    ],
    params: Type.Object({ project: name }),
    body: Type.Object({ to: Type.String({ format: 'date-time' }) }),
    reply: { 200: Type.Object({ now: Type.String(), records: Type.Integer() }) },
    handler: async (ctx, { params, body }) => {
      if (ctx.servesHere?.() === false)
        failHere('data-plane-elsewhere', { url: (await listReplicas(ctx.db)).find((r) => r.dataPlane)?.url ?? 'an address not known now' });
      await currentRevision(ctx, params.project);
      const toMs = Date.parse(body.to);
      if (Number.isNaN(toMs))
        return fail('invalid-input', { what: 'The moment' }, [{ pointer: '/to', detail: `"${body.to}" is not a moment` }]);
      // What decides at a tick sees every record up to it, so the log comes first.
      const records = await shipSegments(ctx, () => liveAcks(ctx));
      failpoint('timeline.before-moved');
      const state = await moveTimeline(ctx, params.project, toMs * 1000);
      failpoint('timeline.after-moved');
      const { worker, subscribers } = running();
      const lastSeq = async () => (await newestEvent(ctx, params.project))?.seq ?? 0;
      // What a job tells may queue further work, so both come to rest together.
      const rest = async (): Promise<void> => {
        for (let before = -1; before !== (await lastSeq());) {
          before = await lastSeq();
          await subscribers.drain();
          await worker.drain({ workspace: ctx.workspace, project: params.project }, ctx.signal);
          await subscribers.drain();
        }
      };
      await rest();
      // Some decide on the whole of a tick, and not on what they happen to see of it first.
      failpoint('timeline.before-settled');
      await settleTimeline(ctx, params.project, state.nowUs);
      failpoint('timeline.after-settled');
      await rest();
      await publishPlan(ctx);
      return { now: usToIso(state.nowUs), records };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/settle',
    permission: 'system:read',
    summary: 'Answers when every queued job and every subscriber has caught up',
    errors: ['barrier-incomplete'],
    reply: { 200: Type.Object({ events: Type.Integer() }) },
    handler: async (ctx) => {
      const { worker, subscribers, headSeq } = running();
      // What a job tells may queue further work, so both come to rest together; what other replicas run is waited for.
      for (let before = -1, elsewhere = 0; elsewhere > 0 || before !== (await headSeq());) {
        before = await headSeq();
        await subscribers.drain();
        await worker.drain(undefined, ctx.signal);
        elsewhere = (await runningJobs(ctx.db)).length;
        if (elsewhere > 0) await delay(20, undefined, { signal: ctx.signal });
        await subscribers.drain();
      }
      return { events: await headSeq() };
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/events',
    permission: 'lineage:read',
    summary: 'Events of the workspace in their order',
    errors: ['cursor-invalid'],
    query: Type.Object({ ...pageQuery, type: Type.Optional(Type.String({ maxLength: 100 })) }),
    reply: { 200: pageOf(Type.Unknown()) },
    handler: async (ctx, { query }) => {
      const limit = query.limit ?? 100;
      const [after] = query.cursor ? decodeCursor(query.cursor, ['number']) : [0];
      let select = eventsIn(ctx.db).selectFrom('events').selectAll().where('workspace_id', '=', ctx.workspace).where('seq', '>', after);
      if (query.type !== undefined) select = select.where('type', '=', query.type);
      return toPage(
        await select
          .orderBy('seq')
          .limit(limit + 1)
          .execute(),
        limit,
        (e) => [e.seq!],
        toStoredEvent,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/audit/verify',
    permission: 'system:admin',
    summary: 'Check the chain of events; with an exported head also its end',
    errors: [],
    query: Type.Object({
      seq: Type.Optional(Type.Integer({ minimum: 1 })),
      hash: Type.Optional(Type.String({ pattern: '^[0-9a-f]{64}$' })),
    }),
    reply: { 200: Type.Unknown() },
    handler: (ctx, { query }) =>
      verifyChain(ctx.db, query.seq !== undefined && query.hash !== undefined ? { seq: query.seq, hash: query.hash } : undefined),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/jobs',
    permission: 'system:read',
    summary: 'Jobs of the workspace, newest first',
    errors: ['cursor-invalid'],
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(Type.Unknown()) },
    handler: async (ctx, { query }) => {
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      const rows = await jobsIn(ctx.db)
        .selectFrom('jobs')
        .selectAll()
        .where('workspace_id', '=', ctx.workspace)
        .where('id', '<', before)
        .orderBy('id', 'desc')
        .limit(limit + 1)
        .execute();
      return toPage(
        rows,
        limit,
        (j) => [j.id],
        (j) => ({
          id: j.id,
          name: j.name,
          state: j.state,
          attempt: j.attempt,
          progress: j.progress === null ? null : JSON.parse(j.progress),
          error: j.error === null ? null : JSON.parse(j.error),
          createdAt: new Date(j.created_ms).toISOString(),
        }),
      );
    },
  }),
];
