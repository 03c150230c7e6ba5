import assert from 'node:assert/strict';
import { eventsIn } from '../../kernel/events/events.ts';
import { eachDatabase, openPlatform } from '../../../test/support/platform.ts';
import { logModel } from './fixtures/models.ts';
import { scanInWords } from './scan/findings.ts';
import {
  createModel,
  deleteModel,
  deleteVersion,
  findVersion,
  getModel,
  getVersion,
  registerVersion,
  renameModel,
  searchModels,
  searchVersions,
  setModelTag,
  transitionVersion,
} from './public.ts';

const elsewhere = { model: 'm', evidence: {}, baseline: null, loggedModelId: null, source: 's3://bucket/m', trackingRunId: null };
const page = { filter: '', orderBy: [], offset: 0, limit: 10 };

eachDatabase('what is deleted, renamed or moved to a stage says so as an event', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  const first = await registerVersion(ctx, elsewhere, 'lenient');
  await registerVersion(ctx, elsewhere, 'lenient');
  await setModelTag(ctx, 'm', 1, { key: 'k', value: 'v' });
  await assert.rejects(transitionVersion(ctx, 'm', 1, { stage: 'Live', archiveExisting: false }), { code: 'stage-invalid' });
  await assert.rejects(transitionVersion(ctx, 'm', 1, { stage: 'none', archiveExisting: true }), { code: 'stage-not-active' });
  await assert.rejects(transitionVersion(ctx, 'm', 7, { stage: 'None', archiveExisting: false }), { code: 'model-version-not-found' });
  assert.equal((await transitionVersion(ctx, 'm', 1, { stage: 'staging', archiveExisting: true })).stage, 'Staging');
  await assert.rejects(renameModel(ctx, 'm', 'a/b'), { code: 'model-name-invalid' });
  await createModel(ctx, { name: 'taken' });
  await assert.rejects(renameModel(ctx, 'm', 'taken'), { code: 'model-exists' });
  await assert.rejects(renameModel(ctx, 'none', 'n'), { code: 'model-not-found' });
  await renameModel(ctx, 'm', 'n');
  assert.deepEqual(
    (await searchVersions(ctx, { ...page, filter: "name = 'n' and tags.k = 'v'" })).versions.map((v) => v.version.number),
    [1],
  );
  await deleteVersion(ctx, 'n', 1);
  await assert.rejects(findVersion(ctx, 'n', '1'), { code: 'model-version-not-found' });
  const kept = await getVersion(ctx, first.id);
  assert.deepEqual([kept.stage, kept.source, kept.model], ['Deleted_Internal', 'REDACTED-SOURCE-PATH', 'n'], 'its row stays, redacted');
  await deleteModel(ctx, 'n');
  await assert.rejects(getModel(ctx, 'n'), { code: 'model-not-found' });
  await assert.rejects(deleteModel(ctx, 'n'), { code: 'model-not-found' });
  const types = (await eventsIn(ctx.db).selectFrom('events').select('type').orderBy('id').execute()).map((e) => e.type);
  for (const type of ['model-version.staged', 'model.renamed', 'model-version.deleted', 'model.deleted', 'model-tag.set'])
    assert.ok(types.includes(type), type);
});

eachDatabase('searches say what they cannot read', async (t, kind) => {
  const ctx = (await openPlatform(t, { database: kind })).ctx();
  await registerVersion(ctx, elsewhere, 'lenient');
  await assert.rejects(searchModels(ctx, { ...page, orderBy: ['tags.k'] }), { code: 'search-invalid' });
  await assert.rejects(searchVersions(ctx, { ...page, filter: 'version_number < 1.5' }), { code: 'search-invalid' });
  assert.equal((await searchModels(ctx, { ...page, orderBy: ['timestamp DESC', 'name'] })).models.length, 1);
  assert.equal((await searchVersions(ctx, { ...page, filter: "run_id NOT IN ('x')" })).versions.length, 1, 'no run is a run of no name');
});

eachDatabase('a policy that refuses keeps what may run anything unsealed, and says what it is', async (t, kind) => {
  const platform = await openPlatform(t, { database: kind });
  const ctx = platform.ctx();
  const strict = { ...ctx, settings: { ...ctx.settings, picklePolicy: 'refuse' as const } };
  const of = async (pickle: string) => {
    const logged = await logModel(ctx, {
      MLmodel: Buffer.from('flavors:\n  sklearn: {}\nmlflow_version: 3.0.0\n'),
      'model.pkl': Buffer.from(pickle, 'latin1'),
    });
    return { ...elsewhere, loggedModelId: logged.id, source: logged.source };
  };
  const command = await of('cposix\nsystem\n(S"id"\ntR.');
  const refused = await registerVersion(strict, command, 'lenient');
  assert.deepEqual([refused.state, refused.scan?.executesOnLoad, refused.digest], ['unsealed', true, null]);
  assert.match(refused.unsealedBecause!, /would run code that is dangerous: posix\.system in model\.pkl; GYRE_PICKLE_POLICY is "refuse"/);
  assert.match((await registerVersion(strict, await of('cmycompany\nModel\n.'), 'lenient')).unsealedBecause!, /unknown: mycompany\.Model/);
  assert.equal((await registerVersion(strict, await of('cnumpy\nndarray\n.'), 'lenient')).state, 'sealed');
  const marked = await registerVersion(ctx, command, 'lenient');
  assert.deepEqual([marked.state, marked.manifest], ['sealed', { flavors: ['sklearn'], signature: null, mlflowVersion: '3.0.0' }]);
  assert.equal(scanInWords(marked.scan!), 'dangerous: posix.system in model.pkl');
  const [found] = (await searchVersions(ctx, { ...page, filter: `name = 'm' and version_number = 4` })).versions;
  assert.deepEqual(found?.tags, [], 'tags are what its user set');
});
