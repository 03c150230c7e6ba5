import { Readable } from 'node:stream';
import Type from '../../kernel/http/json-schema.ts';
import { findBlobs, insertBlobs } from '../../kernel/blobs/blob-index.ts';
import { findTombstones } from '../../kernel/blobs/tombstones.ts';
import { defineErrors } from '../../kernel/errors.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import { shownDefinition } from './addresses.ts';
import { fail } from './errors.ts';
import { ProjectFile } from './schema.ts';
import * as service from './service.ts';
import * as store from './store.ts';

const { fail: refuse } = defineErrors({
  'digest-mismatch': {
    status: 400,
    title: 'The bytes do not have the digest they were sent under',
    detail: (p: { expected: string; found: string }) =>
      `The body has SHA-256 ${p.found} and was sent as ${p.expected}; nothing was stored. Send it again.`,
  },
});

const digest = Type.String({ pattern: '^[0-9a-f]{64}$', description: 'SHA-256, hexadecimal' });
const ProjectParams = Type.Object({ project: Type.String({ maxLength: 100 }) });
const Change = Type.Object({
  kind: Type.String(),
  name: Type.String(),
  change: Type.String(),
  differs: Type.Optional(Type.Array(Type.String(), { description: 'Members that differ, with what they were and will be' })),
});
const changeView = ({ differs, ...c }: service.Plan['changes'][number]) => ({ ...c, ...(differs ? { differs: [...differs] } : {}) });
const PlanView = Type.Object({ project: Type.String(), baseRevision: Type.Integer(), digest: Type.String(), changes: Type.Array(Change) });
const RevisionView = Type.Object({
  id: Type.String(),
  project: Type.String(),
  number: Type.Integer(),
  digest: Type.String(),
  snapshot: Type.String(),
  commit: Type.Union([Type.String(), Type.Null()]),
  dirtyDigest: Type.Union([Type.String(), Type.Null()]),
  actor: Type.String(),
  recordedAt: Type.String({ format: 'date-time' }),
});
const Timeline = Type.Object({ mode: Type.String(), now: Type.String({ format: 'date-time' }) });

const revisionView = (r: store.Revision) => ({
  id: r.id,
  project: r.project,
  number: r.number,
  digest: r.digest,
  snapshot: r.snapshot,
  commit: r.commit,
  dirtyDigest: r.dirtyDigest,
  actor: r.actor,
  recordedAt: new Date(r.recordedMs).toISOString(),
});

export const projectRoutes: readonly AnyRoute[] = [
  route({
    method: 'POST',
    path: '/api/gyre/v1/blobs/missing',
    permission: 'blobs:write',
    summary: 'Which of these digests this workspace does not have yet',
    errors: [],
    body: Type.Object({ digests: Type.Array(digest, { maxItems: 10_000 }) }),
    reply: { 200: Type.Object({ missing: Type.Array(Type.String()) }) },
    handler: async (ctx, { body }) => {
      const found = await findBlobs(ctx.db, ctx.workspace, body.digests);
      const absent = body.digests.filter((d) => !found.has(d));
      // Erased bytes are known by what is left of them, and are not asked for again.
      const erased = await findTombstones(ctx.db, ctx.workspace, absent);
      return { missing: absent.filter((d) => !erased.has(d)) };
    },
  }),
  route({
    method: 'PUT',
    path: '/api/gyre/v1/blobs/:digest',
    permission: 'blobs:write',
    summary: 'Upload bytes under their digest; streamed, any size',
    errors: ['digest-mismatch', 'storage-full'],
    params: Type.Object({ digest }),
    body: 'stream',
    reply: { 201: Type.Object({ digest: Type.String(), sizeBytes: Type.Integer() }) },
    handler: async (ctx, { params, stream }) => {
      const batch = await ctx.blobs.begin();
      try {
        const stored = await batch.add(stream instanceof Readable ? stream : Readable.from([]));
        if (stored.digest !== params.digest) return refuse('digest-mismatch', { expected: params.digest, found: stored.digest });
        // Erased bytes are known by what is left of them; they do not come back.
        if ((await findTombstones(ctx.db, ctx.workspace, [stored.digest])).size > 0) {
          await batch.abandon();
          return stored;
        }
        const entries = await batch.commit();
        await ctx.tx((tx) => insertBlobs(tx, entries));
        return stored;
      } catch (error) {
        await batch.abandon();
        throw error;
      }
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/snapshots',
    permission: 'blobs:write',
    summary: 'Store a code snapshot: paths and digests of uploaded blobs',
    errors: ['snapshot-incomplete', 'snapshot-clash', 'path-invalid'],
    body: Type.Object({ files: Type.Record(Type.String({ minLength: 1, maxLength: 1000 }), digest) }),
    reply: { 201: Type.Object({ id: Type.String() }) },
    handler: async (ctx, { body }) => ({ id: await service.storeSnapshot(ctx, body.files) }),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects',
    permission: 'projects:read',
    summary: 'Projects of the workspace',
    errors: ['cursor-invalid'],
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(Type.Object({ name: Type.String(), revision: Type.Integer(), createdAt: Type.String() })) },
    handler: async (ctx, { query }) => {
      const limit = query.limit ?? 100;
      const [after] = query.cursor ? decodeCursor(query.cursor, ['string']) : [''];
      const rows = await store.listProjects(ctx.db, ctx.workspace, after, limit + 1);
      return toPage(
        rows,
        limit,
        (p) => [p.name],
        (p) => ({ name: p.name, revision: p.revision, createdAt: new Date(p.createdMs).toISOString() }),
      );
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project',
    permission: 'projects:read',
    summary: 'The current revision of a project, with its definition',
    errors: ['project-not-found'],
    params: ProjectParams,
    reply: { 200: RevisionView },
    handler: async (ctx, { params }) => {
      const revision = await service.currentRevision(ctx, params.project);
      return { ...revisionView(revision), definition: shownDefinition(revision.definition) };
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/revisions',
    permission: 'projects:read',
    summary: 'Revisions of a project, newest first',
    errors: ['cursor-invalid', 'project-not-found'],
    params: ProjectParams,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(RevisionView) },
    handler: async (ctx, { params, query }) => {
      if (!(await store.findProject(ctx.db, ctx.workspace, params.project))) return fail('project-not-found', { project: params.project });
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['number']) : [Number.MAX_SAFE_INTEGER];
      const rows = await store.listRevisions(ctx.db, ctx.workspace, params.project, before, limit + 1);
      return toPage(rows, limit, (r) => [r.number], revisionView);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/schemas/gyre.yaml.json',
    permission: 'public',
    summary: 'The JSON Schema of gyre.yaml, for editors',
    errors: [],
    reply: { 200: Type.Unknown() },
    handler: async () =>
      new Reply(
        200,
        { $schema: 'https://json-schema.org/draft/2020-12/schema', ...ProjectFile },
        { 'content-type': 'application/schema+json' },
      ),
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/plan',
    permission: 'projects:read',
    summary: 'What applying this gyre.yaml would change',
    errors: ['project-invalid'],
    body: Type.Object({ text: Type.String({ maxLength: 2_000_000 }) }),
    reply: { 200: PlanView },
    handler: async (ctx, { body }) => {
      const plan = await service.planProject(ctx, body.text);
      return {
        project: plan.project,
        baseRevision: plan.baseRevision,
        digest: plan.digest,
        changes: plan.changes.map(changeView),
        definition: shownDefinition(plan.definition),
      };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/apply',
    permission: 'code:execute',
    summary: 'Make the next revision of a project from gyre.yaml and a code snapshot',
    errors: ['project-invalid', 'plan-outdated', 'snapshot-incomplete', 'timeline-fixed'],
    body: Type.Object({
      text: Type.String({ maxLength: 2_000_000 }),
      snapshot: digest,
      baseRevision: Type.Optional(Type.Integer({ minimum: 0 })),
      commit: Type.Optional(Type.String({ maxLength: 100 })),
      dirtyDigest: Type.Optional(digest),
    }),
    reply: { 200: Type.Object({ created: Type.Boolean(), revision: RevisionView, changes: Type.Array(Change) }) },
    idempotent: true,
    handler: async (ctx, { body }) => {
      const result = await service.applyProject(ctx, body);
      return { created: result.created, revision: revisionView(result.revision), changes: result.changes.map(changeView) };
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/timeline',
    permission: 'projects:read',
    summary: 'Event time now, and whether it is live or a replay',
    errors: ['project-not-found'],
    params: ProjectParams,
    reply: { 200: Timeline },
    handler: async (ctx, { params }) => {
      await service.currentRevision(ctx, params.project);
      const state = await ctx.timeline.read(ctx.db, ctx.workspace, params.project);
      return { mode: state.mode, now: usToIso(state.nowUs) };
    },
  }),
];
