import Type from '../../kernel/http/json-schema.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { findProgress } from '../../kernel/jobs/queue.ts';
import { erase } from './jobs.ts';
import type { Erasure } from './model.ts';
import * as schema from './schema.ts';
import { certificateText } from './service/certificate-text.ts';
import { certificateOf } from './service/certify.ts';
import { lookUpSubject } from './service/look-up.ts';
import { getErasure, requestErasure } from './service/request.ts';
import { processingRecord } from './service/record.ts';
import { recordText } from './service/record-text.ts';
import { applyRetention } from './service/retention.ts';
import * as store from './store.ts';

const iso = (ms: number): string => new Date(ms).toISOString();
const markdown = (text: string): Reply => new Reply(200, text, { 'content-type': 'text/markdown; charset=utf-8' });
const InProject = Type.Object({ project: schema.name });
const OfErasure = Type.Object({ project: schema.name, id: schema.name });

const view = (e: Erasure, progress: string | null) => ({
  id: e.id,
  project: e.project,
  subject: { kind: e.subjectKind, hmac: e.subjectHmac },
  reason: e.reason,
  dryRun: e.dryRun,
  state: e.state,
  progress,
  places: [...(e.certificate?.places ?? e.findings.places ?? [])],
  error: e.error,
  actor: e.actor,
  requestedAt: iso(e.createdMs),
  finishedAt: e.finishedMs === null ? null : iso(e.finishedMs),
});

const progressOf = async (ctx: Ctx, e: Erasure): Promise<string | null> =>
  e.finishedMs === null ? findProgress(ctx.db, ctx.workspace, erase.name, e.id) : null;

export const governanceRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/erasures',
    permission: 'governance:erase',
    summary: 'Erase one subject from everything the project holds; answers at once and goes on by itself',
    errors: ['project-not-found', 'subject-invalid', 'erasure-running'],
    params: InProject,
    body: schema.RequestErasure,
    reply: { 202: schema.ErasureView },
    idempotent: true,
    handler: async (ctx, { params, body }) => {
      const { subject, reason, dryRun = false } = body;
      return new Reply(202, view(await requestErasure(ctx, { project: params.project, subject, reason, dryRun }, erase), null));
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/erasures',
    permission: 'governance:read',
    summary: 'Erasures of a project, newest first',
    errors: ['cursor-invalid'],
    params: InProject,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(schema.ErasureView) },
    handler: async (ctx, { params, query }) => {
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['string']) : ['~'];
      const found = await store.listErasures(ctx.db, ctx.workspace, params.project, before, limit + 1);
      return toPage(
        found,
        limit,
        (e) => [e.id],
        (e) => view(e, null),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/erasures/:id',
    permission: 'governance:read',
    summary: 'An erasure: its state and progress',
    errors: ['erasure-not-found'],
    params: OfErasure,
    reply: { 200: schema.ErasureView },
    handler: async (ctx, { params }) => {
      const erasure = await getErasure(ctx, params.project, params.id);
      return view(erasure, await progressOf(ctx, erasure));
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/erasures/:id/certificate',
    permission: 'governance:read',
    summary: 'The certificate of an erasure that has ended',
    errors: ['erasure-not-found', 'erasure-not-ended'],
    params: OfErasure,
    reply: { 200: schema.Certificate },
    handler: async (ctx, { params }) => certificateOf(await getErasure(ctx, params.project, params.id)),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/erasures/:id/certificate.md',
    permission: 'governance:read',
    summary: 'The same certificate as a document in Markdown',
    errors: ['erasure-not-found', 'erasure-not-ended'],
    params: OfErasure,
    reply: { 200: 'text/markdown; charset=utf-8' },
    handler: async (ctx, { params }) => markdown(certificateText(certificateOf(await getErasure(ctx, params.project, params.id)))),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/subjects/look-up',
    permission: 'governance:erase',
    summary: 'Where rows of a subject are held, and who asked or erased before; the question is recorded',
    errors: ['project-not-found', 'subject-invalid'],
    params: InProject,
    body: Type.Object({ subject: schema.RequestErasure.properties.subject, reason: schema.RequestErasure.properties.reason }),
    reply: { 200: schema.Lookup },
    handler: async (ctx, { params, body }) => {
      const { kind, hmac, suppressed, places, accesses } = await lookUpSubject(ctx, params.project, body.subject, body.reason);
      return {
        subject: { kind, hmac },
        suppressed,
        places: [...places],
        accesses: accesses.map((a) => ({ kind: a.kind, ref: a.ref, reason: a.reason, actor: a.actor, recordedAt: iso(a.recordedMs) })),
      };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/retention',
    permission: 'governance:erase',
    summary: 'Remove what is older than "retention:" says, in event time; a dry run counts it',
    errors: ['project-not-found', 'erasure-running'],
    params: InProject,
    body: Type.Object({ dryRun: Type.Optional(Type.Boolean()) }),
    reply: { 200: Type.Object({ items: Type.Array(schema.Kept) }) },
    handler: async (ctx, { params, body }) => ({ items: await applyRetention(ctx, params.project, body.dryRun ?? false) }),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/processing-record',
    permission: 'governance:read',
    summary: 'Record of processing activities, from what is declared and what happened',
    errors: ['project-not-found'],
    params: InProject,
    reply: { 200: schema.ProcessingRecord },
    handler: async (ctx, { params }) => processingRecord(ctx, params.project) as never,
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/processing-record.md',
    permission: 'governance:read',
    summary: 'The same record as a document in Markdown',
    errors: ['project-not-found'],
    params: InProject,
    reply: { 200: 'text/markdown; charset=utf-8' },
    handler: async (ctx, { params }) => markdown(recordText(await processingRecord(ctx, params.project))),
  }),
];
