// Projects, data, features and environments behind the real HTTP server, asked as a client would ask them:
// requests are injected, the database is real, the clock stands still.
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FastifyInstance } from 'fastify';
import { openPlatform, type RunningPlatform } from '../../src/app/platform.ts';
import { accessOf } from '../../src/domains/access/public.ts';
import { datasetJobs, datasetSubscribers } from '../../src/domains/datasets/jobs.ts';
import { datasetRoutes } from '../../src/domains/datasets/routes.ts';
import { environmentRoutes } from '../../src/domains/environments/routes.ts';
import { featureJobs, featureSubscribers } from '../../src/domains/features/jobs.ts';
import { featureRoutes } from '../../src/domains/features/routes.ts';
import { projectRoutes } from '../../src/domains/projects/routes.ts';
import { fixedClock } from '../../src/kernel/clock.ts';
import { readSettings } from '../../src/kernel/config/settings.ts';
import { makeCtx, type Actor, type Ctx } from '../../src/kernel/ctx.ts';
import type { Fault } from '../../src/kernel/errors.ts';
import { buildServer } from '../../src/kernel/http/server.ts';
import { seededIds } from '../../src/kernel/ids.ts';
import { silentLog } from '../../src/kernel/log.ts';
import { openTestDatabase, type DatabaseKind } from './databases.ts';

const admin: Actor = { kind: 'local', id: 'local', roles: ['admin'] };

/** A reply as a test reads it. */
export interface Answer {
  readonly status: number;
  readonly body: unknown;
  /** The problem's code; '' if it is none. */
  readonly code: string;
  readonly faults: readonly Fault[];
  /** A member by its path, for example "version.columns.0.name". */
  readonly get: <T = unknown>(path: string) => T;
}

const answer = (status: number, body: unknown): Answer => {
  const get = <T>(path: string): T =>
    path.split('.').reduce<unknown>((node, part) => (node as Record<string, unknown> | undefined)?.[part], body) as T;
  return { status, body, get, code: get<string | undefined>('code') ?? '', faults: get<Fault[] | undefined>('errors') ?? [] };
};

export interface TestControl extends RunningPlatform {
  readonly app: FastifyInstance;
  readonly folder: string;
  readonly ctx: Ctx;
  readonly ctxOf: (workspace: string) => Ctx;
  /** Sends JSON, or bytes, to `/api/gyre/v1` + path. */
  readonly call: (method: 'GET' | 'POST' | 'PUT', path: string, body?: object | Buffer) => Promise<Answer>;
  /** Applies a project from its files by path, as the command line does: blobs, snapshot, plan, apply. */
  readonly apply: (files: Readonly<Record<string, string>>) => Promise<Answer>;
  /** Uploads files and makes a version of them. */
  readonly push: (project: string, dataset: string, files: Readonly<Record<string, Buffer | string>>, more?: object) => Promise<Answer>;
  readonly upload: (bytes: Buffer) => Promise<string>;
  readonly drain: () => Promise<void>;
}

export const sha256 = (bytes: Buffer | string): string => createHash('sha256').update(bytes).digest('hex');

export async function openControl(t: TestContext, kind: DatabaseKind = 'sqlite'): Promise<TestControl> {
  const folder = mkdtempSync(join(tmpdir(), 'gyre-test-'));
  const database = await openTestDatabase(t, kind);
  const running = await openPlatform({
    settings: readSettings({ GYRE_DIR: folder, GYRE_DURABILITY: 'process', GYRE_LOG_LEVEL: 'silent', GYRE_PORT: '0' }),
    database,
    clock: fixedClock(),
    ids: seededIds(t.name),
    log: silentLog,
    compose: () => ({ jobs: [...datasetJobs, ...featureJobs], subscribers: [...datasetSubscribers, ...featureSubscribers] }),
  });
  const app = buildServer({
    platform: running.platform,
    routes: [...projectRoutes, ...datasetRoutes, ...featureRoutes, ...environmentRoutes],
    access: accessOf(running.platform),
    readiness: async () => ({}),
  });
  t.after(async () => {
    await app.close();
    await running.close({ keepDatabase: true });
    rmSync(folder, { recursive: true, force: true });
  });
  const call: TestControl['call'] = async (method, path, body) => {
    const raw = Buffer.isBuffer(body);
    const reply = await app.inject({
      method,
      url: `/api/gyre/v1${path}`,
      headers: { host: '127.0.0.1', ...(body ? { 'content-type': raw ? 'application/octet-stream' : 'application/json' } : {}) },
      ...(body ? { payload: raw ? body : JSON.stringify(body) } : {}),
    });
    const json = /json/.test(String(reply.headers['content-type']));
    return answer(reply.statusCode, json ? JSON.parse(reply.payload) : reply.payload);
  };
  const upload = async (bytes: Buffer): Promise<string> => {
    const digest = sha256(bytes);
    const missing = (await call('POST', '/blobs/missing', { digests: [digest] })).get<string[]>('missing');
    if (missing.length > 0) await call('PUT', `/blobs/${digest}`, bytes);
    return digest;
  };
  const uploadAll = async (files: Readonly<Record<string, Buffer | string>>): Promise<Record<string, string>> => {
    const digests: Record<string, string> = {};
    for (const [path, content] of Object.entries(files))
      digests[path] = await upload(Buffer.isBuffer(content) ? content : readFileSync(content));
    return digests;
  };
  return {
    ...running,
    app,
    folder,
    call,
    upload,
    ctx: makeCtx(running.platform, { actor: admin, workspace: 'default' }),
    ctxOf: (workspace) => makeCtx(running.platform, { actor: admin, workspace }),
    apply: async ({ 'gyre.yaml': text = '', ...files }) => {
      const digests = await uploadAll(Object.fromEntries(Object.entries(files).map(([path, content]) => [path, Buffer.from(content)])));
      const snapshot = await call('POST', '/snapshots', { files: digests });
      if (snapshot.status !== 201) return snapshot;
      const plan = await call('POST', '/projects/plan', { text });
      if (plan.status !== 200) return plan;
      return call('POST', '/projects/apply', { text, snapshot: snapshot.get('id'), baseRevision: plan.get('baseRevision') });
    },
    push: async (project, dataset, files, more = {}) => {
      const listed = Object.entries(await uploadAll(files)).map(([path, digest]) => ({ path, digest }));
      return call('POST', `/projects/${project}/datasets/${dataset}/versions`, { files: listed, ...more });
    },
    drain: async () => {
      for (let round = 0; round < 20; round++) {
        const before = await running.headSeq();
        await running.subscribers.drain();
        await running.worker.drain();
        await running.subscribers.drain();
        await running.worker.drain();
        if (before === (await running.headSeq())) return;
      }
      throw new Error('jobs and subscribers do not come to rest');
    },
  };
}
