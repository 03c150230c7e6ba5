// A server of the test's own routes over the kernel, asked over a real socket.
import { request as sendRequest, type IncomingHttpHeaders } from 'node:http';
import type { TestContext } from 'node:test';
import type { Actor } from '../../src/kernel/ctx.ts';
import { defineErrors } from '../../src/kernel/errors.ts';
import type { AnyRoute } from '../../src/kernel/http/route.ts';
import { buildServer, type ServerParts } from '../../src/kernel/http/server.ts';
import type { Log } from '../../src/kernel/log.ts';
import { openTestDatabase, type DatabaseKind } from './databases.ts';
import { kernelSchema, openSmallPlatform, type SmallPlatform } from './small-platform.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  /** The body as JSON; raises if it is none. */
  readonly json: () => Record<string, unknown>;
}

export interface TestServer extends SmallPlatform {
  readonly port: number;
  readonly ask: (method: string, path: string, body?: string | Buffer | object, headers?: Record<string, string>) => Promise<HttpAnswer>;
}

const { fail } = defineErrors({
  'test-forbidden': { status: 403, title: 'Not allowed', detail: (_: object) => 'This user may do nothing.' },
});

export async function openTestServer(
  t: TestContext,
  routes: readonly AnyRoute[],
  options: { kind?: DatabaseKind; log?: Log } & Partial<ServerParts> = {},
): Promise<TestServer> {
  const { kind = 'sqlite', log, ...parts } = options;
  const database = await openTestDatabase(t, kind, kernelSchema);
  const platform = await openSmallPlatform(t, database, log ? { log } : {});
  const app = buildServer({
    platform: { ...platform.platform, settings: { ...platform.platform.settings, bodyLimitBytes: 10_000 } },
    routes,
    access: {
      identify: async ({ headers }) => ({
        actor: { kind: 'user', id: String(headers['x-user'] ?? 'ann'), roles: [] } satisfies Actor,
        workspace: String(headers['x-workspace'] ?? 'default'),
      }),
      authorise: (actor) => actor.id === 'nobody' && fail('test-forbidden', {}),
    },
    readiness: async () => ({ database: true }),
    ...parts,
  });
  await app.listen({ host: '127.0.0.1', port: 0 });
  t.after(() => app.close());
  const { port } = app.server.address() as { port: number };
  const ask: TestServer['ask'] = (method, path, body, headers = {}) =>
    new Promise((resolve, reject) => {
      const isJson = body !== undefined && typeof body === 'object' && !Buffer.isBuffer(body);
      const bytes = isJson ? JSON.stringify(body) : (body as string | Buffer | undefined);
      const sent: Record<string, string> = { ...(bytes === undefined ? {} : { 'content-type': 'application/json' }), ...headers };
      // An empty one is left out.
      if (sent['content-type'] === '') delete sent['content-type'];
      const request = sendRequest(
        {
          port,
          method,
          path,
          agent: false,
          headers: sent,
        },
        (reply) => {
          const chunks: Buffer[] = [];
          reply.on('data', (chunk: Buffer) => chunks.push(chunk));
          reply.on('end', () => {
            const text = Buffer.concat(chunks).toString();
            resolve({ status: reply.statusCode!, headers: reply.headers, text, json: () => JSON.parse(text) as Record<string, unknown> });
          });
          reply.on('error', reject);
        },
      );
      request.on('error', reject);
      request.end(bytes);
    });
  return { ...platform, port, ask };
}
