// MLflow's protocol over raw HTTP, for what its own client never sends.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { DatabaseKind } from './databases.ts';
import { startServer } from './server.ts';

export interface RawReply {
  readonly status: number;
  readonly text: string;
  // What a test asks for is what it is about.
  // oxlint-disable-next-line no-explicit-any
  readonly json: any;
}
/** A path is below `/api/2.0/mlflow/`, unless it begins with a slash. */
export type Send = (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<RawReply>;

export async function openMlflow(t: TestContext, kind: DatabaseKind = 'sqlite'): Promise<Send> {
  const { url } = await startServer(t, kind);
  return async (method, path, body, headers = { 'content-type': 'application/json' }) => {
    const response = await fetch(`${url}${path.startsWith('/') ? path : `/api/2.0/mlflow/${path}`}`, {
      method,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body), headers }),
    });
    const text = await response.text();
    return { status: response.status, text, json: response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : {} };
  };
}

export function refused(reply: RawReply, status: number, code: string, message: RegExp | string = /./): void {
  assert.deepEqual([reply.status, reply.json.error_code], [status, code], reply.text);
  if (typeof message === 'string') assert.equal(reply.json.message, message);
  else assert.match(String(reply.json.message), message);
}

/** The reply, which is none of a mistake. */
export function fine(reply: RawReply): RawReply['json'] {
  assert.equal(reply.status, 200, reply.text);
  return reply.json;
}

export const newRun = async (send: Send, more: object = {}): Promise<string> =>
  fine(await send('POST', 'runs/create', { experiment_id: '0', start_time: 5, ...more })).run.info.run_id as string;
