// A server with users, what one of them keeps to himself, and somebody who wants it.
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { DatabaseKind } from '../support/databases.ts';
import { startServer, type TestServer } from '../support/server.ts';
import { createUser, createWorkspace } from '../../src/domains/access/service.ts';

export const PASSWORD = 'correct horse battery';
/** Stands in everything that is the victim's. */
export const MARK = 'hush-hush';

export interface Answer {
  readonly status: number;
  readonly text: string;
  /** Whatever it says, as far as it is JSON. */
  readonly json: unknown;
}

export interface World {
  readonly server: TestServer;
  /** `who` is a user, or the secret of a token. */
  readonly ask: (who: string, method: string, path: string, body?: object | string, headers?: Record<string, string>) => Promise<Answer>;
  /** Below /api/2.0/mlflow. */
  readonly mlflow: (who: string, method: string, path: string, body?: object) => Promise<Answer>;
  readonly victim: { experiment: string; run: string; model: string; loggedModel: string; artifact: string };
}

export async function openWorld(
  t: TestContext,
  { kind = 'sqlite', environment = {} }: { kind?: DatabaseKind; environment?: Readonly<Record<string, string>> } = {},
): Promise<World> {
  const server = await startServer(t, kind, { GYRE_DEFAULT_PERMISSION: 'NO_PERMISSIONS', ...environment });
  await createWorkspace(server.ctx(), 'other');
  await createUser(server.ctx(), { name: 'ada', password: PASSWORD, role: 'admin' });
  for (const name of ['vic', 'eve']) await createUser(server.ctx(), { name, password: PASSWORD, role: 'member' });
  await createUser(server.ctx(), { name: 'val', password: PASSWORD, role: 'viewer' });
  await createUser(server.ctx({ workspace: 'other' }), { name: 'otto', password: PASSWORD, role: 'admin' });
  const ask: World['ask'] = async (who, method, path, body, headers = {}) => {
    const authorization = who.startsWith('gyre_') ? `Bearer ${who}` : `Basic ${Buffer.from(`${who}:${PASSWORD}`).toString('base64')}`;
    const isRaw = typeof body === 'string';
    const reply = await server.app.inject({
      method: method as 'GET',
      url: path,
      headers: {
        host: '127.0.0.1',
        ...(who === '' ? {} : { authorization }),
        ...(body === undefined ? {} : { 'content-type': isRaw ? 'application/octet-stream' : 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { payload: isRaw ? body : JSON.stringify(body) }),
    });
    const isJson = String(reply.headers['content-type']).includes('json') && reply.payload !== '';
    return { status: reply.statusCode, text: reply.payload, json: isJson ? (JSON.parse(reply.payload) as unknown) : {} };
  };
  const mlflow: World['mlflow'] = (who, method, path, body) => ask(who, method, `/api/2.0/mlflow/${path}`, body);
  const made = async <T>(asked: Promise<Answer>): Promise<T> => {
    const { status, text, json } = await asked;
    assert.equal(status, 200, text);
    return json as T;
  };
  const { experiment_id: experiment } = await made<{ experiment_id: string }>(
    mlflow('vic', 'POST', 'experiments/create', { name: `${MARK}-experiment` }),
  );
  const { run } = await made<{ run: { info: { run_id: string } } }>(
    mlflow('vic', 'POST', 'runs/create', { experiment_id: experiment, run_name: `${MARK}-run`, start_time: 1 }),
  );
  const runId = run.info.run_id;
  await made(
    mlflow('vic', 'POST', 'runs/log-batch', {
      run_id: runId,
      metrics: [{ key: 'loss', value: 0.125, timestamp: 1, step: 0 }],
      params: [{ key: 'recipe', value: MARK }],
      tags: [{ key: 'note', value: MARK }],
    }),
  );
  const artifact = `${experiment}/${runId}/artifacts/model/weights.txt`;
  await made(ask('vic', 'PUT', `/api/2.0/mlflow-artifacts/artifacts/${artifact}`, MARK));
  const { model } = await made<{ model: { info: { model_id: string } } }>(
    mlflow('vic', 'POST', 'logged-models', { experiment_id: experiment, name: MARK, source_run_id: runId }),
  );
  await made(
    ask('vic', 'PUT', `/api/2.0/mlflow-artifacts/artifacts/${experiment}/models/${model.info.model_id}/artifacts/weights.txt`, MARK),
  );
  await made(mlflow('vic', 'POST', 'registered-models/create', { name: `${MARK}-model` }));
  await made(mlflow('vic', 'POST', 'model-versions/create', { name: `${MARK}-model`, source: `runs:/${runId}/model`, run_id: runId }));
  return { server, ask, mlflow, victim: { experiment, run: runId, model: `${MARK}-model`, loggedModel: model.info.model_id, artifact } };
}
