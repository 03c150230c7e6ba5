import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { openSmall } from './fixtures/small.ts';

eachDatabase('one call stops retraining: what is open ends, its run is cancelled, nothing new is accepted', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [api, alert]\n    cooldown: 0s', step: '{ run: "sleep 60", code: [] }' });
  const asked = await b.retrain();
  await b.subscribers.drain();
  const run = async () => (await b.send<{ run: string | null }>('GET', `/triggers/${asked.id}`)).body.run;
  while ((await run()) === null) await b.subscribers.drain();
  const stopped = await b.send('POST', '/projects/demo/retraining/stop', { reason: 'the labels are wrong' });
  assert.deepEqual(stopped.body, { scope: 'project demo', ended: [asked.id] });
  await b.drain();
  const [ended] = await b.triggers();
  assert.deepEqual([ended!.state, ended!.outcome], ['cancelled', 'local stopped retraining: the labels are wrong']);
  assert.equal((await b.run(ended!.run!)).state, 'cancelled');
  const refused = await b.retrain({ force: true });
  assert.deepEqual([refused.guard, refused.outcome], ['stopped', 'retraining of project demo was stopped by local: the labels are wrong']);
  const shown = (await b.send<{ items: { state: string; because: string; useless: number }[] }>('GET', '/projects/demo/retraining')).body
    .items[0]!;
  assert.deepEqual([shown.state, shown.because, shown.useless], ['stopped', 'project demo, by local: the labels are wrong', 0]);

  assert.deepEqual((await b.send('POST', '/projects/demo/retraining/resume', {})).body, { scope: 'project demo', stillStopped: null });
  assert.equal((await b.retrain()).state, 'accepted');
  await b.send('POST', '/projects/demo/retraining/stop', { reason: 'end of the test' });
  await b.drain();
  const events = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .select(['type', 'actor_id', 'payload'])
    .where('type', 'like', 'retraining.%')
    .orderBy('seq')
    .execute();
  assert.deepEqual(
    events.map((e) => [e.type, e.actor_id]),
    [
      ['retraining.stopped', 'local'],
      ['retraining.resumed', 'local'],
      ['retraining.stopped', 'local'],
    ],
  );
  assert.ok(!JSON.stringify(events).includes('labels are wrong'), 'the words of a person are not chained');
});

eachDatabase('a stop of everything holds over the resumption of one project, and a policy may be stopped alone', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [api]\n    cooldown: 0s\n    stop_after: 100' });
  await b.send('POST', '/retraining/stop', { reason: 'all hands' });
  assert.match((await b.retrain()).outcome!, /^retraining of all projects was stopped/);
  const resumed = await b.send('POST', '/projects/demo/retraining/resume', {});
  assert.deepEqual(resumed.body, { scope: 'project demo', stillStopped: 'all projects, by local: all hands' });
  assert.equal((await b.retrain()).guard, 'stopped');
  await b.send('POST', '/retraining/resume');
  assert.equal((await b.retrain()).state, 'accepted');
  await b.drain();
  await b.send('POST', '/projects/demo/retraining/stop', { reason: 'not this one', policy: 'keep' });
  assert.match((await b.retrain()).outcome!, /^retraining of policy keep was stopped/);
});

test('a stop catches what waits for approval, and an approval does not get past one', async (t) => {
  const b = await openSmall(t, 'sqlite', { policy: 'on: [alert]\n    approval: person\n    cooldown: 0s' });
  await b.fire('alr_1');
  await b.advance('2013-03-02T00:00:00Z');
  const [waiting] = await b.triggers();
  await b.send('POST', '/projects/demo/endpoints/e/freeze', { reason: 'holiday' });
  const held = await b.send<{ code: string; detail: string }>('POST', `/triggers/${waiting!.id}/approve`);
  assert.deepEqual([held.status, held.body.code], [409, 'retraining-held']);
  assert.match(held.body.detail, /endpoint e was frozen by local: holiday/);
  assert.equal((await b.retrain()).guard, 'frozen');
  await b.send('DELETE', '/projects/demo/endpoints/e/freeze');
  await b.send('POST', '/projects/demo/retraining/stop', { reason: 'x' });
  assert.equal((await b.triggers())[0]!.state, 'cancelled');
  assert.equal((await b.send('POST', `/triggers/${waiting!.id}/approve`)).body.code, 'trigger-not-waiting');
});
