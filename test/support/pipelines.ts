// A platform with a project of run steps, applied as the command line applies one, and asked over HTTP.
import type { TestContext } from 'node:test';
import type { FastifyInstance, InjectOptions } from 'fastify';
import { compose } from '../../src/app/compose.ts';
import { accessOf } from '../../src/domains/access/public.ts';
import { storeBlobs } from '../../src/kernel/blobs/blob-index.ts';
import type { Ctx } from '../../src/kernel/ctx.ts';
import { buildServer } from '../../src/kernel/http/server.ts';
import { applyProject, storeSnapshot } from '../../src/domains/projects/service.ts';
import type { DatabaseKind } from './databases.ts';
import { openPlatform, type TestPlatform } from './platform.ts';

export interface RunReply {
  readonly id: string;
  readonly state: string;
  readonly number: number;
  readonly error: { readonly step: string; readonly problem: { readonly code: string; readonly detail: string } } | null;
  readonly steps: readonly StepReply[];
}
export interface StepReply {
  readonly name: string;
  readonly state: string;
  readonly cached: boolean;
  readonly cachedFrom: string | null;
  readonly trackingRun: string | null;
  readonly outputs: Readonly<Record<string, { readonly kind: string; readonly digest: string; readonly id?: string }>> | null;
  readonly explanation: readonly { readonly part: string; readonly name: string; readonly change: string }[] | null;
  readonly error: { readonly code: string; readonly detail: string } | null;
}

export interface PipelineBench extends TestPlatform {
  readonly app: FastifyInstance;
  /** Applies gyre.yaml with these code files. */
  readonly apply: (text: string, files?: Readonly<Record<string, string>>, ctx?: Ctx) => Promise<void>;
  /** Sends a request to `/api/gyre/v1` + path; the reply's status and JSON. */
  readonly send: <T = Record<string, unknown>>(
    method: 'GET' | 'POST' | 'DELETE' | 'PATCH',
    path: string,
    body?: object,
    headers?: InjectOptions['headers'],
  ) => Promise<{ status: number; body: T }>;
  readonly start: (pipeline?: string, body?: object) => Promise<RunReply>;
  readonly run: (id: string) => Promise<RunReply>;
  /** Starts a run and lets everything happen. */
  readonly finish: (pipeline?: string, body?: object) => Promise<RunReply>;
  readonly step: (run: RunReply, name: string) => StepReply;
}

export async function openPipelines(
  t: TestContext,
  database: DatabaseKind = 'sqlite',
  environment: Readonly<Record<string, string>> = {},
): Promise<PipelineBench> {
  const platform = await openPlatform(t, { database, environment });
  const app = buildServer({
    platform: platform.platform,
    routes: compose(platform.platform.blobs, () => 'http://127.0.0.1:1').routes,
    access: accessOf(platform.platform),
    readiness: async () => ({}),
  });
  t.after(() => app.close());
  const send: PipelineBench['send'] = async (method, path, body, headers = {}) => {
    const reply = await app.inject({
      method,
      url: `/api/gyre/v1${path}`,
      headers: { host: '127.0.0.1', ...(body ? { 'content-type': 'application/json' } : {}), ...headers },
      ...(body ? { payload: JSON.stringify(body) } : {}),
    });
    return { status: reply.statusCode, body: (reply.payload === '' ? {} : JSON.parse(reply.payload)) as never };
  };
  const run: PipelineBench['run'] = async (id) => (await send<RunReply>('GET', `/runs/${id}`)).body;
  const start: PipelineBench['start'] = async (pipeline = 'p', body = {}) => {
    const { status, body: reply } = await send<RunReply>('POST', `/projects/demo/pipelines/${pipeline}/runs`, body);
    if (status !== 201) throw new Error(`the run did not start: ${JSON.stringify(reply)}`);
    return reply;
  };
  return {
    ...platform,
    app,
    send,
    run,
    start,
    apply: async (text, files = {}, ctx = platform.ctx()) => {
      const entries = Object.entries(files);
      const stored =
        entries.length === 0
          ? []
          : await storeBlobs(
              ctx,
              entries.map(([, content]) => Buffer.from(content)),
            );
      const snapshot = await storeSnapshot(ctx, Object.fromEntries(entries.map(([path], i) => [path, stored[i]!.digest])));
      await applyProject(ctx, { text, snapshot });
    },
    finish: async (pipeline, body) => {
      const { id } = await start(pipeline, body);
      await platform.drain();
      return run(id);
    },
    step: (of, name) => of.steps.find((s) => s.name === name)!,
  };
}
