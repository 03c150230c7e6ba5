import Type from '../../kernel/http/json-schema.ts';
import { atLeast, levelOf, requireLevel } from '../../kernel/levels.ts';
import { decodeCursor, pageOf, pageQuery, toPage } from '../../kernel/http/paging.ts';
import { Reply, route, type AnyRoute } from '../../kernel/http/route.ts';
import { currentRevision, snapshotText, type DatasetDefinition, type Revision } from '../projects/public.ts';
import type { Ctx } from '../../kernel/ctx.ts';
import { contractFromColumns, parseContract, writeContract } from './contract.ts';
import { fail } from './errors.ts';
import type { DatasetVersion } from './model.ts';
import { refreshDatasets } from './service/build.ts';
import { createVersion } from './service/create-version.ts';
import { currentVersion, diffVersions, getVersion, previewRows } from './service/read.ts';
import * as store from './store.ts';

const name = Type.String({ maxLength: 100 });
const InProject = Type.Object({ project: name });
const OfDataset = Type.Object({ project: name, dataset: name });
const OfVersion = Type.Object({ id: name });
const Column = Type.Object({ name: Type.String(), type: Type.String() });
const VersionView = Type.Object({
  id: Type.String(),
  dataset: Type.String(),
  number: Type.Integer(),
  state: Type.String(),
  rows: Type.Integer(),
  columns: Type.Array(Column),
  logicalDigest: Type.String(),
  recordedAt: Type.String({ format: 'date-time' }),
});

const versionView = (v: DatasetVersion) => ({
  id: v.id,
  dataset: v.dataset,
  number: v.number,
  state: v.state,
  rows: v.rows,
  columns: v.columns,
  logicalDigest: v.logicalDigest,
  recordedAt: new Date(v.recordedMs).toISOString(),
});

async function definitionOf(ctx: Ctx, project: string, dataset: string): Promise<{ revision: Revision; definition: DatasetDefinition }> {
  const revision = await currentRevision(ctx, project);
  return { revision, definition: revision.definition.datasets[dataset] ?? fail('dataset-not-found', { project, dataset }) };
}

export const datasetRoutes: readonly AnyRoute[] = [
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/datasets',
    permission: 'datasets:read',
    summary: 'Datasets of the current revision with their current versions',
    errors: ['project-not-found'],
    params: InProject,
    reply: {
      200: Type.Object({ items: Type.Array(Type.Object({ name: Type.String(), current: Type.Union([VersionView, Type.Null()]) })) }),
    },
    handler: async (ctx, { params }) => {
      const revision = await currentRevision(ctx, params.project);
      const names = Object.keys(revision.definition.datasets).filter((n) =>
        atLeast(levelOf(ctx, 'dataset', `${params.project}/${n}`), 'READ'),
      );
      const versions = await Promise.all(names.map((n) => store.findCurrent(ctx.db, ctx.workspace, params.project, n)));
      return {
        items: names.map((n, i) => ({
          name: n,
          source: revision.definition.datasets[n]!.source,
          current: versions[i] ? versionView(versions[i]) : null,
        })),
      };
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/datasets/:dataset/versions',
    permission: 'datasets:write',
    summary: 'Make a version from uploaded files; it becomes current if it keeps its contract',
    errors: [
      'project-not-found',
      'dataset-not-found',
      'dataset-not-pushed',
      'dataset-no-rows',
      'schema-changed',
      'key-missing',
      'compute-sql-invalid',
      'compute-sql-refused',
      'storage-full',
      'contract-violated',
      'contract-invalid',
      'time-missing',
      'compute-input-unreadable',
    ],
    params: OfDataset,
    body: Type.Object({
      files: Type.Array(
        Type.Object({ path: Type.String({ minLength: 1, maxLength: 1000 }), digest: Type.String({ pattern: '^[0-9a-f]{64}$' }) }),
        { maxItems: 100_000 },
      ),
      acceptSchemaChange: Type.Optional(Type.Boolean()),
    }),
    reply: { 200: Type.Object({ created: Type.Boolean(), version: VersionView, leftOut: Type.Integer() }) },
    idempotent: true,
    handler: async (ctx, { params, body }) => {
      const found = await definitionOf(ctx, params.project, params.dataset);
      requireLevel(ctx, 'dataset', `${params.project}/${params.dataset}`, 'EDIT');
      if (found.definition.sql !== null) return fail('dataset-not-pushed', { dataset: params.dataset });
      const { version, created, leftOut } = await createVersion(ctx, {
        ...found,
        files: body.files,
        ...(body.acceptSchemaChange === undefined ? {} : { acceptSchemaChange: body.acceptSchemaChange }),
      });
      return new Reply(created ? 201 : 200, { created, version: versionView(version), leftOut });
    },
  }),
  route({
    method: 'POST',
    path: '/api/gyre/v1/projects/:project/datasets/refresh',
    permission: 'datasets:write',
    summary: 'Build the SQL datasets whose inputs or SQL changed; answers when they are built',
    errors: [
      'project-not-found',
      'contract-violated',
      'compute-sql-invalid',
      'compute-sql-refused',
      'compute-timeout',
      'compute-memory-exceeded',
    ],
    params: InProject,
    reply: { 200: Type.Object({ items: Type.Array(VersionView) }) },
    handler: async (ctx, { params }) => {
      requireLevel(ctx, 'dataset', '*', 'EDIT');
      return { items: (await refreshDatasets(ctx, params.project)).map(versionView) };
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/datasets/:dataset/versions',
    permission: 'datasets:read',
    summary: 'Versions of a dataset, newest first',
    errors: ['cursor-invalid'],
    params: OfDataset,
    query: Type.Object(pageQuery),
    reply: { 200: pageOf(VersionView) },
    handler: async (ctx, { params, query }) => {
      requireLevel(ctx, 'dataset', `${params.project}/${params.dataset}`, 'READ');
      const limit = query.limit ?? 100;
      const [before] = query.cursor ? decodeCursor(query.cursor, ['number']) : [Number.MAX_SAFE_INTEGER];
      return toPage(
        await store.listVersions(ctx.db, ctx.workspace, params.project, params.dataset, before, limit + 1),
        limit,
        (v) => [v.number],
        versionView,
      );
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/dataset-versions/:id',
    permission: 'datasets:read',
    summary: 'A version with its files, profile and violations',
    errors: ['dataset-version-not-found'],
    params: OfVersion,
    reply: { 200: VersionView },
    handler: async (ctx, { params }) => {
      const version = await getVersion(ctx, params.id);
      return {
        ...versionView(version),
        inputs: version.inputs,
        files: await store.listFiles(ctx.db, ctx.workspace, version),
        profile: version.profile,
        violations: version.violations,
      };
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/dataset-versions/:id/rows',
    permission: 'datasets:read',
    summary: 'The first rows of a version',
    errors: ['dataset-version-not-found'],
    params: OfVersion,
    query: Type.Object({ limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 20 })) }),
    reply: { 200: Type.Object({ items: Type.Array(Type.Unknown()) }) },
    handler: async (ctx, { params, query }) => ({ items: await previewRows(ctx, await getVersion(ctx, params.id), query.limit ?? 20) }),
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/dataset-versions/:id/diff/:other',
    permission: 'datasets:read',
    summary: 'What differs between two versions: schema, statistics, rows by key',
    errors: ['dataset-version-not-found', 'dataset-not-found', 'versions-unrelated', 'key-missing'],
    params: Type.Object({ id: name, other: name }),
    reply: { 200: Type.Unknown() },
    handler: async (ctx, { params }) => {
      const [before, after] = [await getVersion(ctx, params.id), await getVersion(ctx, params.other)];
      return diffVersions(ctx, before, after, (await definitionOf(ctx, after.project, after.dataset)).definition.key);
    },
  }),
  route({
    method: 'GET',
    path: '/api/gyre/v1/projects/:project/datasets/:dataset/contract',
    permission: 'datasets:read',
    summary: 'The contract as ODCS YAML; a first draft from the columns if there is none',
    errors: ['project-not-found', 'dataset-not-found', 'dataset-empty', 'contract-invalid'],
    params: OfDataset,
    reply: { 200: 'application/yaml' },
    handler: async (ctx, { params }) => {
      const { revision, definition } = await definitionOf(ctx, params.project, params.dataset);
      requireLevel(ctx, 'dataset', `${params.project}/${params.dataset}`, 'READ');
      const yaml =
        definition.contract === null
          ? contractFromColumns(params.dataset, (await currentVersion(ctx, params.project, params.dataset)).columns)
          : writeContract(parseContract((await snapshotText(ctx, revision.snapshot, definition.contract)).text, definition.contract));
      return new Reply(200, yaml, { 'content-type': 'application/yaml; charset=utf-8' });
    },
  }),
];
