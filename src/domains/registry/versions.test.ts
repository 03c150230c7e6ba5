import assert from 'node:assert/strict';
import { existsSync, fstatSync, readFileSync, rmSync, statSync } from 'node:fs';
import { open, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { eventsIn } from '../../kernel/events/events.ts';
import { eachDatabase, openPlatform } from '../../../test/support/platform.ts';
import { finishLoggedModel, pathOfUri } from '../tracking/public.ts';
import { identityModel, logModel } from './fixtures/models.ts';
import {
  createModel,
  findVersion,
  registerVersion,
  removeAlias,
  searchModels,
  searchVersions,
  setAlias,
  setModelTag,
  versionByAlias,
  versionFolder,
} from './public.ts';
import { lineageOf, locate } from './service/sources.ts';
import { seal } from './service/seal.ts';
import { listVersionFiles } from './store/versions.ts';

const late = readFileSync(join(import.meta.dirname, '../serving/fixtures/late.onnx'));
const bare = { model: 'm', evidence: {}, baseline: null };
const lateColumns = [
  { name: 'carrier', type: 'VARCHAR' },
  { name: 'hour', type: 'BIGINT' },
  { name: 'temp', type: 'DOUBLE' },
  { name: 'wind_speed', type: 'DOUBLE' },
];

eachDatabase('a version with its files here is sealed at once, with signature and digest, and numbers count up', async (t, kind) => {
  const platform = await openPlatform(t, { database: kind });
  const ctx = platform.ctx();
  const logged = await logModel(ctx, { 'model.onnx': late, MLmodel: Buffer.from('flavors: {}') });
  const input = { ...bare, loggedModelId: logged.id, source: logged.source, trackingRunId: logged.runId };
  const version = await registerVersion(ctx, { ...input, score: 'probabilities', columns: lateColumns });
  assert.deepEqual([version.number, version.state, version.unsealedBecause], [1, 'sealed', null]);
  assert.deepEqual(version.signature!.inputs.map((i) => i.name).sort(), ['carrier', 'hour', 'temp', 'wind_speed']);
  const files = await listVersionFiles(ctx.db, ctx.workspace, version.id);
  assert.deepEqual(
    files.map((f) => f.path),
    ['MLmodel', 'model.onnx'],
  );
  assert.deepEqual(readFileSync(join(platform.folder, await versionFolder(ctx, version), 'model.onnx')), late);
  assert.equal((await registerVersion(ctx, input)).number, 2);
  assert.equal((await findVersion(ctx, 'm', 'latest')).number, 2);
  const events = await eventsIn(ctx.db).selectFrom('events').select(['type', 'edges']).where('subject_id', '=', version.id).execute();
  assert.deepEqual(
    events.map((e) => e.type),
    ['model-version.sealed'],
  );
  for (const id of [logged.id, logged.runId]) assert.match(events[0]!.edges, new RegExp(id));
});

test('the folder of a sealed model gets its name when its bytes are on disk, and the name is put there too', async (t) => {
  const platform = await openPlatform(t);
  const ctx = platform.ctx();
  const logged = await logModel(ctx, { 'model.onnx': late, 'extra/notes.txt': Buffer.from('notes') });
  const version = await registerVersion(ctx, { ...bare, loggedModelId: logged.id, source: logged.source, trackingRunId: logged.runId });
  const folder = join(platform.folder, await versionFolder(ctx, version));
  const synced: string[] = [];
  // What is synced is told by its inode, which a rename keeps.
  const handle = await open(platform.folder);
  const prototype = Object.getPrototypeOf(handle) as FileHandle;
  await handle.close();
  const sync = prototype.sync;
  t.mock.method(prototype, 'sync', function (this: FileHandle) {
    synced.push(`${existsSync(folder) ? 'named' : 'unnamed'} ${fstatSync(this.fd).ino}`);
    return sync.call(this);
  });
  const syncedBy = async (durability: 'power' | 'process'): Promise<string[]> => {
    rmSync(join(platform.folder, 'models'), { recursive: true });
    synced.length = 0;
    await versionFolder({ ...ctx, settings: { ...ctx.settings, durability } }, version);
    return [...synced];
  };
  const at = (path: string): number => statSync(path).ino;
  const found = await syncedBy('power');
  assert.deepEqual(
    new Set(found.slice(0, 4)),
    new Set(['model.onnx', 'extra/notes.txt', 'extra', '.'].map((path) => `unnamed ${at(join(folder, path))}`)),
  );
  assert.equal(found[3], `unnamed ${at(folder)}`, 'the folder comes after what is in it');
  assert.deepEqual(found.slice(4), [`named ${at(join(platform.folder, 'models'))}`, `named ${at(platform.folder)}`]);
  assert.deepEqual(await syncedBy('process'), []);
});

eachDatabase('a run registers a logged model once, however often its step is performed', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const logged = await logModel(ctx, { 'model.onnx': late, MLmodel: Buffer.from('flavors: {}') });
  const of = (pipelineRun: string) =>
    registerVersion(ctx, { ...bare, evidence: { pipelineRun }, loggedModelId: logged.id, source: logged.source, trackingRunId: null });
  assert.deepEqual(
    [await of('run_1'), await of('run_1'), await of('run_2')].map((v) => v.number),
    [1, 1, 2],
  );
});

eachDatabase('a model that does not load, or does not fit what it is given, is refused and takes no number', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const of = async (onnx: Buffer) => {
    const logged = await logModel(ctx, { 'model.onnx': onnx });
    return { ...bare, loggedModelId: logged.id, source: logged.source, trackingRunId: logged.runId };
  };
  const broken = await of(late.subarray(0, 5000));
  await assert.rejects(registerVersion(ctx, broken), { code: 'onnx-unreadable' });
  await assert.rejects(registerVersion(ctx, broken, 'lenient'), { code: 'onnx-unreadable' });
  const fine = await of(late);
  await assert.rejects(registerVersion(ctx, { ...fine, score: 'nothing' }), { code: 'onnx-signature-unsupported' });
  await assert.rejects(registerVersion(ctx, { ...fine, columns: [{ name: 'carrier', type: 'BIGINT' }, ...lateColumns.slice(1, 3)] }), {
    code: 'model-signature-mismatch',
    message: /"carrier" as string, and the column is BIGINT; it reads "wind_speed", and there is no such column/,
  });
  await assert.rejects(registerVersion(ctx, { ...fine, evidence: { evaluation: 'evl_none' } }), { code: 'evaluation-not-found' });
  await assert.rejects(registerVersion(ctx, { ...fine, model: 'a/b' }), { code: 'model-name-invalid' });
  await assert.rejects(registerVersion(ctx, { ...fine, loggedModelId: 'm-none' }), { code: 'logged-model-not-found' });
  assert.equal((await registerVersion(ctx, fine)).number, 1);
});

eachDatabase(
  'what cannot be read or served yet is registered unsealed with the reason, and sealed once its files have come',
  async (t, kind) => {
    const ctx = (await openPlatform(t, { database: kind })).ctx();
    const logged = await logModel(ctx, { 'model.onnx': identityModel({ x: 'float' }) }, { ready: false });
    const waiting = await registerVersion(ctx, { ...bare, loggedModelId: logged.id, source: logged.source, trackingRunId: logged.runId });
    assert.deepEqual([waiting.state, waiting.signature, waiting.digest], ['unsealed', null, null]);
    assert.match(waiting.unsealedBecause!, /no files at its source/);
    await assert.rejects(versionFolder(ctx, waiting), { code: 'version-unsealed' });
    await assert.rejects(seal(ctx, waiting, {}), { code: 'model-not-loadable' });
    await finishLoggedModel(ctx, logged.id, 'LOGGED_MODEL_READY', '');
    await assert.rejects(seal(ctx, waiting, { columns: [{ name: 'y', type: 'DOUBLE' }] }), { code: 'model-signature-mismatch' });
    const both = await Promise.allSettled([seal(ctx, waiting, {}), seal(ctx, waiting, {})]);
    const sealed = await findVersion(ctx, 'm', '1');
    assert.deepEqual([sealed.state, sealed.unsealedBecause, sealed.version], ['sealed', null, 2]);
    assert.deepEqual(
      both.map((b) => b.status),
      ['fulfilled', 'fulfilled'],
      'whoever is second finds it sealed',
    );
    assert.deepEqual(await seal(ctx, sealed, {}), sealed, 'sealing again is nothing');

    const elsewhere = { ...bare, loggedModelId: null, source: 's3://bucket/m', trackingRunId: null };
    assert.match((await registerVersion(ctx, elsewhere, 'lenient')).unsealedBecause!, /no files at its source/);
    const pickled = await logModel(ctx, { 'model.pkl': Buffer.from('x') });
    const python = { ...elsewhere, loggedModelId: pickled.id, source: pickled.source };
    const sealedPython = await registerVersion(ctx, python, 'lenient');
    assert.deepEqual([sealedPython.state, sealedPython.signature], ['sealed', null]);
    assert.match(sealedPython.unservableBecause!, /no model\.onnx/);
    const wide = await logModel(ctx, { 'model.onnx': identityModel({ x: 'float' }, 3) });
    const matrix = { ...elsewhere, loggedModelId: wide.id, source: wide.source };
    assert.match((await registerVersion(ctx, matrix, 'lenient')).unservableBecause!, /Input "x" is float32 of shape \[N, 3\]/);
    await assert.rejects(registerVersion(ctx, matrix), { code: 'onnx-signature-unsupported' });
  },
);

eachDatabase('a sealed version never changes, whatever happens to the files it came from', async (t, kind) => {
  const platform = await openPlatform(t, { database: kind });
  const ctx = platform.ctx();
  const logged = await logModel(ctx, { 'model.onnx': identityModel({ x: 'float' }) });
  const version = await registerVersion(ctx, { ...bare, loggedModelId: logged.id, source: logged.source, trackingRunId: null });
  const before = await listVersionFiles(ctx.db, ctx.workspace, version.id);
  const root = pathOfUri(ctx.workspace, logged.source)!;
  await ctx.blobs.paths.write(`${root}/model.onnx`, Readable.from([identityModel({ y: 'float' })]));
  await finishLoggedModel(ctx, logged.id, 'LOGGED_MODEL_READY', '');
  await ctx.blobs.paths.remove(root);
  assert.deepEqual(await findVersion(ctx, 'm', '1'), version);
  assert.deepEqual(await listVersionFiles(ctx.db, ctx.workspace, version.id), before);
  assert.deepEqual(readFileSync(join(platform.folder, await versionFolder(ctx, version), 'model.onnx')), identityModel({ x: 'float' }));
});

eachDatabase('artifacts of a run, and other versions, can be the source too', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const logged = await logModel(ctx, { 'model.onnx': identityModel({ x: 'float' }) });
  const runRoot = pathOfUri(ctx.workspace, `mlflow-artifacts:/0/${logged.runId}/artifacts`)!;
  await ctx.blobs.paths.write(`${runRoot}/old/model.onnx`, Readable.from([identityModel({ y: 'float' })]));
  const from = (source: string) => registerVersion(ctx, { ...bare, loggedModelId: null, source, trackingRunId: null }, 'lenient');
  const ofRun = await from(`runs:/${logged.runId}/old`);
  assert.deepEqual([ofRun.state, ofRun.signature?.inputs[0]?.name], ['sealed', 'y']);
  assert.equal((await from('models:/m/1')).digest, ofRun.digest);
  await setAlias(ctx, 'm', 'a', 2);
  assert.equal(await locate(ctx, 'models:/m@a'), `mlflow-artifacts:/0/${logged.runId}/artifacts/old`);
  assert.equal(await locate(ctx, `models:/${logged.id}`), logged.source);
  await assert.rejects(locate(ctx, 'models:/m/9'), { code: 'model-version-not-found' });
  await assert.rejects(locate(ctx, 'runs:/none/x'), { code: 'tracking-run-not-found' });
  const nobody = { runId: null, loggedModelId: null };
  assert.deepEqual(await lineageOf(ctx, logged.source, nobody), { loggedModelId: logged.id, runId: logged.runId });
  assert.deepEqual(await lineageOf(ctx, `runs:/${logged.runId}/x`, nobody), { loggedModelId: null, runId: logged.runId });
});

eachDatabase('an alias points at one version and moves; versions count on whoever registers', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  await createModel(ctx, { name: 'm' });
  await assert.rejects(createModel(ctx, { name: 'm' }), { code: 'model-exists' });
  const elsewhere = { ...bare, loggedModelId: null, source: 's3://bucket/m', trackingRunId: null };
  const made = await Promise.all(Array.from({ length: 6 }, () => registerVersion(ctx, elsewhere, 'lenient')));
  assert.deepEqual(made.map((v) => v.number).sort(), [1, 2, 3, 4, 5, 6]);
  await setAlias(ctx, 'm', 'a', 1);
  await setAlias(ctx, 'm', 'b', 1);
  await setAlias(ctx, 'm', 'a', 3);
  assert.equal((await versionByAlias(ctx, 'm', 'a')).number, 3);
  assert.equal((await findVersion(ctx, 'm', 'b')).number, 1);
  await removeAlias(ctx, 'm', 'a');
  await removeAlias(ctx, 'm', 'a');
  await assert.rejects(versionByAlias(ctx, 'm', 'a'), { code: 'alias-not-found' });
  await assert.rejects(findVersion(ctx, 'm', 'a'), { code: 'model-version-not-found' });
  await assert.rejects(setAlias(ctx, 'm', 'latest', 1), { code: 'alias-invalid' });
  await assert.rejects(setAlias(ctx, 'm', 'a', 7), { code: 'model-version-not-found' });
  await assert.rejects(setAlias(ctx, 'n', 'a', 1), { code: 'model-version-not-found' });
  const types = (
    await eventsIn(ctx.db).selectFrom('events').select('type').where('subject_kind', '=', 'model').orderBy('id').execute()
  ).map((e) => e.type);
  assert.deepEqual(types, ['model.created', 'alias.set', 'alias.set', 'alias.set', 'alias.removed']);
  await setModelTag(ctx, 'm', 2, { key: 'k', value: 'v' });
  const page = { orderBy: [], offset: 0, limit: 10 };
  const found = await searchVersions(ctx, { ...page, filter: "name = 'm' AND tags.k = 'v'" });
  assert.deepEqual(
    found.versions.map((v) => [v.version.number, v.tags]),
    [[2, [{ key: 'k', value: 'v' }]]],
  );
  const [model] = (await searchModels(ctx, { ...page, filter: "name ILIKE 'M'" })).models;
  assert.deepEqual([model!.latest.at(-1)!.version.number, model!.aliases], [6, [{ alias: 'b', number: 1 }]]);
});
