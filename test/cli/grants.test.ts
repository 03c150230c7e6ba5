// gyre grants, as typed.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createToken, createUser } from '../../src/domains/access/service.ts';
import { createExperiment } from '../../src/domains/tracking/public.ts';
import { startServer } from '../support/server.ts';
import { gyre, start } from './gyre.ts';

test('gyre grants adds, lists, shows and removes what users may do with single resources', async (t) => {
  const server = await startServer(t, 'sqlite', { GYRE_DEFAULT_PERMISSION: 'NO_PERMISSIONS' });
  for (const [name, role] of [
    ['ada', 'admin'],
    ['mia', 'member'],
  ] as const)
    await createUser(server.ctx(), { name, password: 'correct horse battery', role });
  const id = await createExperiment(server.ctx(), { name: 'e' });
  const token = async (ownerId: string, role: 'admin' | 'member') =>
    (await createToken(server.ctx(), { name: ownerId, role, ownerId })).secret;
  const [ada, mia] = [await token('ada', 'admin'), await token('mia', 'member')];
  const say = async (who: string, ...args: string[]) =>
    start(['grants', ...args, '--url', server.url], { cwd: server.folder, env: { GYRE_TOKEN: who } }).ended;
  const fine = async (...args: string[]): Promise<string> => {
    const { code, out, err } = await say(ada, ...args);
    assert.equal(code, 0, `${args.join(' ')}: ${err}`);
    return out;
  };
  assert.match(await fine('show', 'mia', `experiment:${id}`), /mia has NO_PERMISSIONS for experiment/);
  assert.match(await fine('add', 'mia', `experiment:${id}`, 'edit'), /mia has EDIT for experiment/);
  assert.match(await fine('add', 'mia', 'dataset:flights/raw', 'DENY', '--json'), /"id": ?"flights\/raw"/);
  assert.deepEqual(JSON.parse(await fine('list', `experiment:${id}`, '--json')), [{ user: 'mia', level: 'EDIT' }]);
  assert.match(await fine('list', `experiment:${id}`), /USER +LEVEL\nmia +EDIT/);
  assert.match(await fine('show', 'mia', `experiment:${id}`), /mia has EDIT/);
  const lacks = await say(mia, 'add', 'mia', `experiment:${id}`, 'MANAGE');
  assert.match(lacks.err, /needs the level MANAGE.*level-too-low/s);
  await fine('remove', 'mia', `experiment:${id}`);
  assert.match((await say(ada, 'remove', 'mia', `experiment:${id}`)).err, /grant-not-found/);
  assert.match((await say(ada, 'add', 'nobody', `experiment:${id}`, 'READ')).err, /user-not-found/);
  for (const [args, says] of [
    [['list', 'churn'], /write experiment:ID, model:NAME, endpoint:NAME or dataset:PROJECT\/DATASET/],
    [['list', 'run:1'], /write experiment:ID/],
    [['add', 'mia', 'model:m', 'OWN'], /write one of NO_PERMISSIONS, READ, USE, EDIT, MANAGE, DENY/],
  ] as const) {
    const { code, err } = await say(ada, ...args);
    assert.notEqual(code, 0);
    assert.match(err, says);
  }
  assert.match((await gyre('grants', '--help')).out, /gyre grants add bob experiment:12 EDIT/);
});
