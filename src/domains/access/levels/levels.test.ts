import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../../test/support/platform.ts';
import { openPipelines, type PipelineBench } from '../../../../test/support/pipelines.ts';
import type { Actor, Ctx } from '../../../kernel/ctx.ts';
import { levelOf, requireLevel, visible, type Level, type Standing } from '../../../kernel/levels.ts';
import { createExperiment, createRun, searchExperiments, searchRuns } from '../../tracking/public.ts';
import { createModel, searchModels } from '../../registry/public.ts';
import type { Role } from '../model.ts';
import { createToken, createUser, grantRole, tokensFor } from '../service.ts';
import { identify } from '../service/identify.ts';
import { effectiveLevel, forgetGrants, grantLevel, moveGrants, revokeLevel } from './grants.ts';
import { addRoleGrant, assignRole, createRole, removeRoleGrant, unassignRole, updateRoleGrant } from './roles.ts';
import { fold } from './standing.ts';
import type { ResourceGrant } from '../store/levels.ts';

const PASSWORD = 'correct horse battery';
const as = (standing: Standing): { actor: Actor } => ({ actor: { kind: 'user', id: 'u', roles: ['member'], standing } });
const grant = (resourceId: string, level: ResourceGrant['level']): ResourceGrant => ({ kind: 'experiment', resourceId, level });
const code = (call: () => unknown): unknown => {
  try {
    call();
    return 'fine';
  } catch (error) {
    return (error as { code: string }).code;
  }
};
const refusal = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => 'fine',
    (error: { code: string }) => error.code,
  );

test('a grant for a resource counts before one for all of its kind, and both before what holds for everybody', () => {
  const standing = (grants: readonly ResourceGrant[], fallback: Level = 'READ', cap: Level = 'MANAGE') =>
    as({ fallback, cap, granted: fold(grants) });
  const level = (ctx: { actor: Actor }, id: string): Level => levelOf(ctx, 'experiment', id);
  assert.equal(level(standing([]), '1'), 'READ');
  assert.equal(level(standing([grant('1', 'EDIT')]), '1'), 'EDIT');
  assert.equal(level(standing([grant('1', 'EDIT')]), '2'), 'READ');
  assert.equal(level(standing([grant('1', 'NO_PERMISSIONS')]), '1'), 'NO_PERMISSIONS');
  assert.equal(level(standing([grant('*', 'EDIT')]), '2'), 'EDIT');
  // Several add up, and what is for all is among them.
  assert.equal(level(standing([grant('1', 'READ'), grant('1', 'EDIT'), grant('*', 'USE')]), '1'), 'EDIT');
  assert.equal(level(standing([grant('1', 'READ'), grant('*', 'EDIT')]), '1'), 'EDIT');
  for (const order of [(g: ResourceGrant[]) => g, (g: ResourceGrant[]) => g.toReversed()]) {
    assert.equal(level(standing(order([grant('1', 'DENY'), grant('1', 'MANAGE')])), '1'), 'NO_PERMISSIONS');
    assert.equal(level(standing(order([grant('*', 'DENY'), grant('1', 'MANAGE')])), '1'), 'NO_PERMISSIONS');
  }
  // A role's bound holds whatever was granted.
  assert.equal(level(standing([grant('1', 'MANAGE')], 'READ', 'READ'), '1'), 'READ');
  // Another kind is another matter.
  assert.equal(levelOf(standing([grant('1', 'MANAGE')]), 'model', '1'), 'READ');
});

test('who logged in without a standing may do nothing; the program itself and the local administrator everything', () => {
  for (const kind of ['user', 'service'] as const) {
    const ctx = { actor: { kind, id: 'x', roles: ['admin'] } };
    assert.equal(levelOf(ctx, 'model', 'm'), 'NO_PERMISSIONS');
    assert.equal(
      code(() => requireLevel(ctx, 'model', 'm', 'READ')),
      'level-too-low',
    );
    assert.deepEqual(visible(ctx, 'model'), { these: [] });
  }
  for (const kind of ['local', 'system', 'step'] as const)
    assert.equal(levelOf({ actor: { kind, id: 'x', roles: [] } }, 'model', 'm'), 'MANAGE');
});

test('what may be seen is all, all but some, or some', () => {
  const seen = (grants: readonly ResourceGrant[], fallback: Level) =>
    visible(as({ fallback, cap: 'MANAGE', granted: fold(grants) }), 'experiment');
  assert.equal(seen([grant('1', 'EDIT')], 'READ'), 'all');
  assert.deepEqual(seen([grant('1', 'NO_PERMISSIONS'), grant('2', 'READ')], 'READ'), { except: ['1'] });
  assert.deepEqual(seen([grant('1', 'READ'), grant('2', 'NO_PERMISSIONS')], 'NO_PERMISSIONS'), { these: ['1'] });
  assert.deepEqual(seen([grant('*', 'DENY'), grant('2', 'MANAGE')], 'MANAGE'), { these: [] });
  assert.deepEqual(seen([grant('*', 'READ'), grant('2', 'DENY')], 'NO_PERMISSIONS'), { except: ['2'] });
});

interface Bench {
  readonly b: PipelineBench;
  /** The context of somebody as a request would have it now. */
  readonly ctx: (name: string, workspace?: string) => Promise<Ctx>;
  readonly user: (name: string, role: 'admin' | 'editor' | 'member' | 'viewer') => Promise<void>;
}

async function open(t: Parameters<typeof openPipelines>[0], kind: 'sqlite' | 'postgres' = 'sqlite', fallback?: string): Promise<Bench> {
  const b = await openPipelines(t, kind, fallback ? { GYRE_DEFAULT_PERMISSION: fallback } : {});
  const { makeCtx } = await import('../../../kernel/ctx.ts');
  const ctx = async (name: string, workspace = 'default'): Promise<Ctx> => {
    const authorization = `Basic ${Buffer.from(`${name}:${PASSWORD}`).toString('base64')}`;
    return makeCtx(b.platform, await identify(b.platform, { authorization, host: '127.0.0.1', 'x-gyre-workspace': workspace }));
  };
  const user = async (name: string, role: 'admin' | 'editor' | 'member' | 'viewer') =>
    void (await createUser(b.ctx(), { name, password: PASSWORD, role }));
  await user('ada', 'admin');
  return { b, ctx, user };
}

eachDatabase('whoever makes an experiment or a model manages it, and others have what is for everybody', async (t, kind) => {
  const { ctx, user } = await open(t, kind);
  await user('mia', 'member');
  await user('max', 'member');
  const id = await createExperiment(await ctx('mia'), { name: 'mias' });
  await createModel(await ctx('mia'), { name: 'mias-model' });
  const level = async (who: string) => [levelOf(await ctx(who), 'experiment', id), levelOf(await ctx(who), 'model', 'mias-model')];
  assert.deepEqual(await level('mia'), ['MANAGE', 'MANAGE']);
  assert.deepEqual(await level('max'), ['READ', 'READ']);
  assert.deepEqual(await level('ada'), ['MANAGE', 'MANAGE']);
  assert.equal(
    await refusal(createRun(await ctx('max'), { experimentId: id, userId: '', name: '', startMs: 0, tags: [] })),
    'level-too-low',
  );
  assert.equal(await refusal(createRun(await ctx('mia'), { experimentId: id, userId: '', name: '', startMs: 0, tags: [] })), 'fine');
});

eachDatabase('a grant holds at the next request, in every process, and ends with the next one after it is taken back', async (t, kind) => {
  const { ctx, user } = await open(t, kind);
  await user('mia', 'member');
  await user('max', 'member');
  const id = await createExperiment(await ctx('mia'), { name: 'mias' });
  const level = async () => levelOf(await ctx('max'), 'experiment', id);
  assert.equal(await level(), 'READ');
  for (const given of ['EDIT', 'USE', 'NO_PERMISSIONS', 'MANAGE'] as const) {
    await grantLevel(await ctx('mia'), { user: 'max', kind: 'experiment', id, level: given });
    assert.equal(await level(), given);
    assert.equal(await effectiveLevel(await ctx('ada'), 'max', 'experiment', id), given);
  }
  await revokeLevel(await ctx('mia'), 'max', 'experiment', id);
  assert.equal(await level(), 'READ');
  assert.equal(await refusal(revokeLevel(await ctx('mia'), 'max', 'experiment', id)), 'grant-not-found');
  // Only who manages it may share it; and for all at once only who gives roles.
  const give = async (who: string, what: string) =>
    refusal(grantLevel(await ctx(who), { user: 'max', kind: 'experiment', id: what, level: 'EDIT' }));
  assert.equal(await give('max', id), 'level-too-low');
  assert.equal(await give('mia', '*'), 'forbidden');
  assert.equal(await give('ada', '*'), 'fine');
  assert.equal(await refusal(grantLevel(await ctx('ada'), { user: 'nobody', kind: 'experiment', id, level: 'EDIT' })), 'user-not-found');
});

eachDatabase('lists and searches leave out what may not be seen, before pages are cut', async (t, kind) => {
  const { b, ctx, user } = await open(t, kind, 'NO_PERMISSIONS');
  await user('mia', 'member');
  const ids: string[] = [];
  for (let i = 0; i < 6; i++) {
    const id = await createExperiment(b.ctx(), { name: `e${i}` });
    ids.push(id);
    await createRun(b.ctx(), { experimentId: id, userId: '', name: `r${i}`, startMs: i, tags: [] });
    await createModel(b.ctx(), { name: `m${i}` });
    if (i % 2 === 0) {
      await grantLevel(await ctx('ada'), { user: 'mia', kind: 'experiment', id, level: 'READ' });
      await grantLevel(await ctx('ada'), { user: 'mia', kind: 'model', id: `m${i}`, level: 'READ' });
    }
  }
  const asked = { filter: '', orderBy: ['name'], offset: 0, limit: 2 };
  const page = async (who: string, offset: number) => {
    const { experiments, more } = await searchExperiments(await ctx(who), { ...asked, offset, view: 'ALL' });
    return [experiments.map((e) => e.name).join(' '), more];
  };
  assert.deepEqual(await page('mia', 0), ['e0 e2', true]);
  assert.deepEqual(await page('mia', 2), ['e4', false]);
  assert.deepEqual(await page('ada', 0), ['Default e0', true]);
  const runs = await searchRuns(await ctx('mia'), { ...asked, experimentIds: ids, view: 'ALL', orderBy: ['attributes.start_time'] });
  assert.deepEqual([runs.runs.map((r) => r.run.name), runs.more], [['r0', 'r2'], true]);
  const models = await searchModels(await ctx('mia'), asked);
  assert.deepEqual([models.models.map((m) => m.model.name), models.more], [['m0', 'm2'], true]);
  // The other way round: all but some.
  await user('eve', 'editor');
  await grantLevel(await ctx('ada'), { user: 'eve', kind: 'experiment', id: ids[0]!, level: 'NO_PERMISSIONS' });
  assert.deepEqual(await page('eve', 0), ['Default e1', true]);
});

eachDatabase('a role of a workspace gives what it has to whom it is assigned, lets them in, and takes it back', async (t, kind) => {
  const { b, ctx, user } = await open(t, kind);
  await user('mia', 'member');
  const { createWorkspace } = await import('../service.ts');
  await createWorkspace(await ctx('ada'), 'lab');
  const lab = await ctx('ada', 'lab');
  const id = await createExperiment(lab, { name: 'in the lab' });
  const role = await createRole(await ctx('ada'), 'lab', 'reviewers', null);
  assert.equal(await refusal(createRole(await ctx('ada'), 'lab', 'reviewers', null)), 'role-exists');
  assert.equal(await refusal(ctx('mia', 'lab')), 'workspace-not-found');
  await assignRole(await ctx('ada'), 'mia', role.id);
  assert.equal(await refusal(assignRole(await ctx('ada'), 'mia', role.id)), 'role-assigned');
  const level = async () => levelOf(await ctx('mia', 'lab'), 'experiment', id);
  assert.equal(await level(), 'READ');
  const added = await addRoleGrant(await ctx('ada'), role.id, { kind: 'experiment', resourceId: '*', level: 'EDIT' });
  assert.equal(
    await refusal(addRoleGrant(await ctx('ada'), role.id, { kind: 'experiment', resourceId: '*', level: 'READ' })),
    'role-grant-exists',
  );
  assert.equal(await level(), 'EDIT');
  await updateRoleGrant(await ctx('ada'), added.id, 'DENY', () => undefined);
  assert.equal(await level(), 'NO_PERMISSIONS');
  await removeRoleGrant(await ctx('ada'), added.id);
  assert.equal(await refusal(removeRoleGrant(await ctx('ada'), added.id)), 'role-grant-not-found');
  // The whole workspace: an administrator there, and only there.
  const whole = await addRoleGrant(await ctx('ada'), role.id, { kind: 'workspace', resourceId: '*', level: 'MANAGE' });
  assert.deepEqual([(await ctx('mia', 'lab')).actor.roles, (await ctx('mia')).actor.roles], [['admin'], ['member']]);
  await removeRoleGrant(await ctx('ada'), whole.id);
  assert.deepEqual((await ctx('mia', 'lab')).actor.roles, ['member']);
  assert.equal(await refusal(assignRole(await ctx('mia', 'lab'), 'mia', role.id)), 'forbidden');
  assert.equal(await refusal(assignRole(await ctx('ada'), 'mia', 17)), 'role-not-found');
  await unassignRole(await ctx('ada'), 'mia', role.id);
  assert.equal(await refusal(unassignRole(await ctx('ada'), 'mia', role.id)), 'role-not-assigned');
  assert.equal(await refusal(ctx('mia', 'lab')), 'workspace-not-found');
  // What was given directly stays when a role that gave more goes.
  await grantRole(b.ctx({ workspace: 'lab' }), 'mia', 'viewer');
  await assignRole(await ctx('ada'), 'mia', role.id);
  assert.deepEqual((await ctx('mia', 'lab')).actor.roles, ['member']);
  await unassignRole(await ctx('ada'), 'mia', role.id);
  assert.deepEqual((await ctx('mia', 'lab')).actor.roles, ['viewer']);
});

test('the last administrator stays, also when the role that made one is taken away', async (t) => {
  const { b, ctx, user } = await open(t);
  await user('mia', 'member');
  const role = await createRole(await ctx('ada'), 'default', 'owners', null);
  await addRoleGrant(await ctx('ada'), role.id, { kind: 'workspace', resourceId: '*', level: 'MANAGE' });
  await assignRole(await ctx('ada'), 'mia', role.id);
  await grantRole(await ctx('ada'), 'ada', 'viewer');
  assert.equal(await refusal(unassignRole(await ctx('mia'), 'mia', role.id)), 'last-admin');
  assert.deepEqual((await ctx('mia')).actor.roles, ['admin']);
  assert.ok(b);
});

test('a token has the lesser of its role’s and its owner’s levels, of today', async (t) => {
  const { b, ctx, user } = await open(t);
  await user('mia', 'member');
  const own = await createExperiment(await ctx('mia'), { name: 'mias' });
  const other = await createExperiment(b.ctx(), { name: 'others' });
  const secrets = {} as Record<Role, string>;
  for (const role of ['admin', 'editor', 'member', 'viewer', 'service'] as const)
    secrets[role] = (await createToken(b.ctx(), { name: role, role, ownerId: 'mia' })).secret;
  const held = async (role: Role) => {
    const caller = await identify(b.platform, { authorization: `Bearer ${secrets[role]}`, host: '127.0.0.1' });
    return [levelOf(caller, 'experiment', own), levelOf(caller, 'experiment', other)];
  };
  assert.deepEqual(await held('admin'), ['MANAGE', 'READ']);
  assert.deepEqual(await held('editor'), ['MANAGE', 'READ']);
  assert.deepEqual(await held('member'), ['MANAGE', 'READ']);
  assert.deepEqual(await held('viewer'), ['READ', 'READ']);
  assert.deepEqual(await held('service'), ['EDIT', 'READ']);
  await grantLevel(await ctx('ada'), { user: 'mia', kind: 'experiment', id: other, level: 'NO_PERMISSIONS' });
  assert.deepEqual(await held('admin'), ['MANAGE', 'NO_PERMISSIONS']);
  await grantRole(await ctx('ada'), 'mia', 'admin');
  assert.deepEqual(await held('admin'), ['MANAGE', 'MANAGE']);
  assert.deepEqual(await held('service'), ['EDIT', 'NO_PERMISSIONS']);
});

test('data planes take a token for the endpoints that its holder may use', async (t) => {
  const { b, ctx, user } = await open(t);
  await user('mia', 'member');
  for (const [role, ownerId] of [['member', 'mia'] as const, ['service', 'a service'] as const, ['service', 'mia'] as const])
    await createToken(b.ctx(), { name: role, role, ownerId });
  const endpoints = ['e', 'f'].map((name) => ({ workspace: 'default', name }));
  const planned = async () => (await tokensFor(b.ctx(), 'serving:predict', endpoints)).map((token) => token.endpoints).sort();
  assert.deepEqual(await planned(), [[], [], '*']);
  await grantLevel(await ctx('ada'), { user: 'mia', kind: 'endpoint', id: 'f', level: 'USE' });
  assert.deepEqual(await planned(), ['*', ['f'], ['f']]);
  await grantLevel(await ctx('ada'), { user: 'mia', kind: 'endpoint', id: '*', level: 'USE' });
  assert.deepEqual(await planned(), ['*', '*', '*']);
});

eachDatabase('grants go with a model that is renamed, and end with one that is deleted', async (t, kind) => {
  const { b, ctx, user } = await open(t, kind);
  await user('mia', 'member');
  await createModel(await ctx('mia'), { name: 'old' });
  const level = async (name: string) => levelOf(await ctx('mia'), 'model', name);
  await b.ctx().tx((tx) => moveGrants(tx, 'model', 'old', 'new'));
  assert.deepEqual([await level('old'), await level('new')], ['READ', 'MANAGE']);
  await b.ctx().tx((tx) => forgetGrants(tx, 'model', 'new'));
  assert.equal(await level('new'), 'READ');
});
