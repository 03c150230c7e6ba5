import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase } from '../../../../test/support/platform.ts';
import { openPipelines, type PipelineBench } from '../../../../test/support/pipelines.ts';
import { createModel } from '../../registry/public.ts';
import { createExperiment } from '../../tracking/public.ts';
import { createToken, createUser } from '../service.ts';
import { writeDenials } from './denials.ts';

const PASSWORD = 'correct horse battery';

/** A server with an administrator and two members; requests are sent in their name by tokens. */
async function open(t: Parameters<typeof openPipelines>[0], kind: 'sqlite' | 'postgres' = 'sqlite') {
  const b = await openPipelines(t, kind);
  const headers: Record<string, Record<string, string>> = {};
  for (const [name, role] of [['ada', 'admin'] as const, ['mia', 'member'] as const, ['max', 'member'] as const]) {
    await createUser(b.ctx(), { name, password: PASSWORD, role });
    const { secret } = await createToken(b.ctx(), { name, role, ownerId: name });
    headers[name] = { authorization: `Bearer ${secret}` };
  }
  const ask = async (who: string, method: string, path: string, body?: object) => {
    const reply = await b.app.inject({
      method: method as 'GET',
      url: `/api/gyre/v1${path}`,
      headers: { host: '127.0.0.1', ...headers[who], ...(body ? { 'content-type': 'application/json' } : {}) },
      ...(body ? { payload: JSON.stringify(body) } : {}),
    });
    return { status: reply.statusCode, body: (reply.payload === '' ? {} : JSON.parse(reply.payload)) as Record<string, unknown> };
  };
  const code = async (...sent: Parameters<typeof ask>) => (await ask(...sent)).body.code ?? 'done';
  return { b, ask, code };
}

eachDatabase(
  'whoever manages a resource grants it, sees who has it and takes it back; a refusal names what is missing',
  async (t, kind) => {
    const { b, ask, code } = await open(t, kind);
    await createModel(b.ctx(), { name: 'm' });
    const grant = { user: 'max', kind: 'model', id: 'm', level: 'EDIT' };
    const refused = await ask('mia', 'PUT', '/grants', grant);
    assert.equal(refused.status, 403);
    assert.match(String(refused.body.detail), /needs the level MANAGE for the model "m" and has READ/);
    assert.equal(await code('ada', 'PUT', '/grants', { ...grant, user: 'mia', level: 'MANAGE' }), 'done');
    assert.equal(await code('mia', 'PUT', '/grants', grant), 'done');
    assert.deepEqual((await ask('mia', 'GET', '/grants?kind=model&id=m')).body.items, [
      { user: 'max', level: 'EDIT' },
      { user: 'mia', level: 'MANAGE' },
    ]);
    assert.equal(await code('max', 'GET', '/grants?kind=model&id=m'), 'level-too-low');
    assert.deepEqual((await ask('ada', 'GET', '/levels?user=max&kind=model&id=m')).body, { level: 'EDIT' });
    assert.equal(await code('mia', 'GET', '/levels?user=max&kind=model&id=m'), 'forbidden');
    assert.equal(await code('mia', 'DELETE', '/grants?user=max&kind=model&id=m'), 'done');
    assert.equal(await code('mia', 'DELETE', '/grants?user=max&kind=model&id=m'), 'grant-not-found');
    assert.equal(await code('mia', 'PUT', '/grants', { ...grant, user: 'nobody' }), 'user-not-found');
    const { rows } = await sql<{ type: string }>`select type from events where type like 'level.%' order by id`.execute(b.ctx().db);
    assert.deepEqual(
      rows.map((r) => r.type),
      ['level.granted', 'level.granted', 'level.revoked'],
    );
  },
);

eachDatabase('a workspace is described, and deleted only when nothing is in it', async (t, kind) => {
  const { b, ask, code } = await open(t, kind);
  assert.equal(await code('ada', 'POST', '/workspaces', { name: 'lab' }), 'done');
  assert.equal(await code('ada', 'POST', '/workspaces', { name: 'lab' }), 'workspace-exists');
  assert.equal(await code('ada', 'DELETE', '/workspaces/none'), 'workspace-not-found');
  assert.equal(await code('ada', 'DELETE', '/workspaces/default'), 'workspace-reserved');
  assert.equal(await code('mia', 'DELETE', '/workspaces/lab'), 'forbidden');
  const asAda = { authorization: `Basic ${Buffer.from(`ada:${PASSWORD}`).toString('base64')}` };
  const described = await b.send('PATCH', '/workspaces/lab', { description: 'for trying' }, asAda);
  assert.deepEqual(described.body, { name: 'lab', description: 'for trying' });
  assert.deepEqual((await b.send('GET', '/workspaces/lab', undefined, asAda)).body, { name: 'lab', description: 'for trying' });
  const lab = b.ctx({ workspace: 'lab' });
  const id = await createExperiment(lab, { name: 'here' });
  const full = await ask('ada', 'DELETE', '/workspaces/lab');
  assert.equal(full.body.code, 'workspace-not-empty');
  assert.match(String(full.body.detail), /'experiments'/);
  await lab.tx((tx) => sql`delete from experiments where workspace_id = 'lab' and id = ${id}`.execute(tx.db).then(() => undefined));
  assert.equal(await code('ada', 'DELETE', '/workspaces/lab'), 'done');
  assert.equal((await b.send('GET', '/workspaces/lab', undefined, asAda)).status, 404);
  // Who was only there is gone; what happened stays.
  const { rows } = await sql<{ type: string }>`select type from events where type like 'workspace.%' order by id`.execute(b.ctx().db);
  assert.deepEqual(
    rows.map((r) => r.type),
    ['workspace.created', 'workspace.changed', 'workspace.deleted'],
  );
});

const denials = async (b: PipelineBench): Promise<{ route: string; count: number; id?: string; actor: string }[]> => {
  const { rows } = await sql<{ payload: string; actor_id: string }>`select payload, actor_id from events
    where type = 'access.denied' order by id`.execute(b.ctx().db);
  return rows.map((r) => ({ ...(JSON.parse(r.payload) as { route: string; count: number }), actor: r.actor_id }));
};

test('every denial is on record, and a flood of equal ones is two events a minute', async (t) => {
  const { b, code } = await open(t);
  for (let i = 0; i < 50; i++) assert.equal(await code('mia', 'DELETE', `/grants?user=max&kind=experiment&id=${i}`), 'level-too-low');
  assert.equal(await code('mia', 'GET', '/users'), 'forbidden');
  assert.equal(await code('max', 'GET', '/users'), 'forbidden');
  // What cannot be found or read is no denial.
  assert.equal(await code('max', 'GET', '/models/none'), 'model-not-found');
  const told = async () => (await denials(b)).map((d) => [d.actor, d.route, d.count, d.id]);
  const first = [
    ['mia', 'DELETE /api/gyre/v1/grants', 1, '0'],
    ['mia', 'GET /api/gyre/v1/users', 1, undefined],
    ['max', 'GET /api/gyre/v1/users', 1, undefined],
  ];
  await writeDenials(b.platform, 60_000);
  assert.deepEqual(await told(), first);
  b.clock.advance(60_000);
  await writeDenials(b.platform, 60_000);
  assert.deepEqual(await told(), [...first, ['mia', 'DELETE /api/gyre/v1/grants', 49, undefined]]);
  await writeDenials(b.platform);
  assert.equal((await told()).length, 4);
});
