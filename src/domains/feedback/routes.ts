import Type from '../../kernel/http/json-schema.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { once as onceByKey } from '../../kernel/http/idempotency.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import type { FeedbackBatch } from './model.ts';
import { getBatch } from './service/read.ts';
import { monitorOf, sendFeedback, sendRecords, type Once } from './service/send.ts';
import { listBatches } from './store/batches.ts';

const name = Type.String({ maxLength: 100 });
const OfMonitor = Type.Object({ project: name, monitor: name });
const count = Type.Integer({ minimum: 0 });
const BatchView = Type.Object({
  batch: Type.String(),
  source: Type.String({ description: '"api", or "dataset" for labels by a query' }),
  datasetVersion: Type.Union([Type.String(), Type.Null()]),
  state: Type.String({ description: '"accepted" until the next tick of event time, then "joined"' }),
  rows: count,
  joined: count,
  duplicate: count,
  corrected: count,
  unknown: count,
  late: count,
  waiting: count,
  acceptedAt: Type.String({ format: 'date-time', description: 'Event time' }),
  recordedAt: Type.String({ format: 'date-time' }),
});

const batchView = (b: FeedbackBatch) => ({
  batch: b.id,
  source: b.source,
  datasetVersion: b.datasetVersion,
  state: b.state,
  rows: b.rows,
  joined: b.joined,
  duplicate: b.duplicate,
  corrected: b.corrected,
  unknown: b.unknown,
  late: b.late,
  waiting: b.waiting,
  acceptedAt: usToIso(b.acceptedUs),
  recordedAt: new Date(b.recordedMs).toISOString(),
});

type Headers = Readonly<Record<string, string | string[] | undefined>>;

/** `Idempotency-Key` of a body that is streamed: requests are told apart by the digest of its bytes. */
function onceFor(ctx: Ctx, headers: Headers, what: readonly string[]): { once: Once; replayed: () => boolean } {
  const key = headers['idempotency-key'];
  let replayed = false;
  const once: Once = async <T>(digest: string, work: () => Promise<T>): Promise<T> => {
    if (typeof key !== 'string') return work();
    const outcome = await onceByKey(ctx, key, [...what, digest], async () => ({ status: 200, body: await work() }), { repeatable: true });
    replayed = outcome.replayed;
    return outcome.body as T;
  };
  return { once, replayed: () => replayed };
}

const reply = (body: object, isNew: boolean, replayed: boolean): Reply =>
  new Reply(isNew ? 202 : 200, body, replayed ? { 'idempotent-replay': 'true' } : {});

const sending = [
  'project-not-found',
  'not-found',
  'batch-unreadable',
  'batch-type-unsupported',
  'batch-encoding-unsupported',
  'batch-not-gzip',
  'payload-too-large',
  'storage-full',
];

export const feedbackRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/monitors/:monitor/records',
    permission: 'monitoring:write',
    summary: 'Send records of a model that is served elsewhere: NDJSON, JSON or Parquet; the same batch again changes nothing',
    errors: [...sending, 'monitor-served-here', 'records-invalid'],
    params: OfMonitor,
    body: 'stream',
    idempotent: true,
    reply: {
      200: Type.Object({
        accepted: count,
        duplicates: count,
        suppressed: Type.Optional(count),
        ahead: Type.Optional(
          Type.Integer({ minimum: 0, description: 'Records whose moment is still to come, on a live timeline: a clock may be wrong' }),
        ),
        batch: Type.String(),
      }),
    },
    handler: async (ctx, { params, stream, headers }) => {
      const { once, replayed } = onceFor(ctx, headers, ['records', params.project, params.monitor]);
      const taken = await sendRecords(
        ctx,
        { ...params, body: stream, contentType: headers['content-type'], contentEncoding: headers['content-encoding'] },
        once,
      );
      return reply(taken, false, replayed());
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/monitors/:monitor/feedback',
    permission: 'monitoring:write',
    summary: 'Send labels of predictions: NDJSON, JSON or Parquet; they are joined at the next tick of event time',
    errors: [...sending, 'feedback-invalid'],
    params: OfMonitor,
    body: 'stream',
    idempotent: true,
    reply: {
      202: Type.Object({ batch: Type.String(), rows: count, duplicate: Type.Boolean() }),
      200: Type.Object({
        batch: Type.String(),
        rows: count,
        duplicate: Type.Boolean({ description: 'true: the same labels were sent before' }),
      }),
    },
    handler: async (ctx, { params, stream, headers }) => {
      const { once, replayed } = onceFor(ctx, headers, ['feedback', params.project, params.monitor]);
      const accepted = await sendFeedback(
        ctx,
        { ...params, body: stream, contentType: headers['content-type'], contentEncoding: headers['content-encoding'] },
        once,
      );
      return reply(accepted, !accepted.duplicate, replayed());
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/monitors/:monitor/feedback',
    permission: 'monitoring:read',
    summary: 'Batches of labels, newest first',
    errors: ['project-not-found', 'not-found', 'cursor-invalid'],
    params: OfMonitor,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(BatchView) },
    handler: async (ctx, { params, query }) => {
      await monitorOf(ctx, params.project, params.monitor);
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['number']) : [Number.MAX_SAFE_INTEGER];
      return toPage(await listBatches(ctx.db, ctx.workspace, params, before, limit + 1), limit, (b) => [b.seq], batchView);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/monitors/:monitor/feedback/:batch',
    permission: 'monitoring:read',
    summary: 'What became of a batch of labels',
    errors: ['feedback-batch-not-found'],
    params: Type.Object({ project: name, monitor: name, batch: name }),
    reply: { 200: BatchView },
    handler: async (ctx, { params }) => batchView(await getBatch(ctx, params, params.batch)),
  }),
];
