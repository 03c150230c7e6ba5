import assert from 'node:assert/strict';
import { eventsIn } from '../../kernel/events/events.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { openPipelines } from '../../../test/support/pipelines.ts';
import { beginRelease } from './service/release.ts';
import { isFrozen } from './service/freeze.ts';

const project = 'project: demo\nmodels:\n  m: { score: score }\nendpoints:\n  e: { model: m }\n  other: { model: m }\n';

eachDatabase('a frozen endpoint begins no release until it is unfrozen, and both are on record', async (t, kind) => {
  const b = await openPipelines(t, kind);
  await b.apply(project);
  const at = '/projects/demo/endpoints/e/freeze';
  assert.deepEqual((await b.send('GET', at)).body, { frozen: null, calendar: null });
  const { status, body } = await b.send('POST', at, { reason: 'the data are being repaired' });
  assert.deepEqual([status, body.endpoint, body.reason, body.by], [200, 'e', 'the data are being repaired', 'local']);
  assert.deepEqual((await b.send<{ frozen: object }>('GET', at)).body.frozen, body);
  assert.deepEqual([await isFrozen(b.ctx(), 'demo', 'e'), await isFrozen(b.ctx(), 'demo', 'other')], [true, false]);
  const begin = (endpoint: string) => beginRelease(b.ctx(), { project: 'demo', endpoint, version: '1', reason: 'test' });
  await assert.rejects(begin('e'), { code: 'endpoint-frozen', message: /the data are being repaired/ });
  await assert.rejects(begin('other'), { code: 'model-version-not-found' });
  // Asking twice is no second freeze; it says the newest reason.
  assert.equal((await b.send('POST', at, { reason: 'still being repaired' })).body.reason, 'still being repaired');
  assert.equal((await b.send('DELETE', at)).status, 204);
  assert.equal((await b.send('DELETE', at)).status, 204);
  assert.deepEqual((await b.send('GET', at)).body, { frozen: null, calendar: null });
  await assert.rejects(begin('e'), { code: 'model-version-not-found' });
  const events = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .select(['type', 'actor_id', 'payload'])
    .where('subject_kind', '=', 'endpoint')
    .orderBy('seq')
    .execute();
  assert.deepEqual(
    events.map((e) => [e.type, e.actor_id]),
    [
      ['endpoint.frozen', 'local'],
      ['endpoint.frozen', 'local'],
      ['endpoint.unfrozen', 'local'],
    ],
  );
  assert.ok(!JSON.stringify(events).includes('repaired'), 'the words of a person are not chained');
  assert.equal((await b.send('POST', '/projects/demo/endpoints/none/freeze', { reason: 'x' })).body.code, 'endpoint-not-found');
});
