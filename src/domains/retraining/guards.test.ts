import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { parquet } from '../../../test/support/parquet.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import type { Alert } from '../alerts/public.ts';
import { insertAlert } from '../alerts/store/alerts.ts';
import { openSmall, smallYaml, type SmallTrigger } from './fixtures/small.ts';

eachDatabase('an alert that flaps retrains once, and again when the cooldown of event time is over', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [alert]\n    cooldown: 14d' });
  await b.fire('alr_1');
  await b.advance('2013-03-02T00:00:00Z');
  // The same instance is told again; then it resolves and fires anew.
  await b.fire('alr_1');
  await b.fire('alr_2');
  await b.advance('2013-03-05T00:00:00Z');
  await b.fire('alr_3');
  await b.advance('2013-03-15T23:59:59Z');
  await b.fire('alr_4');
  await b.advance('2013-03-16T00:00:00Z');
  assert.deepEqual(await b.told(), ['alert failed', 'alert duplicate', 'alert cooldown', 'alert cooldown', 'alert failed']);
  const [, , third] = await b.triggers();
  assert.deepEqual(third!.figures.until, '2013-03-16T00:00:00.000Z');
  const events = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .select('payload')
    .where('type', '=', 'trigger.recorded')
    .orderBy('seq')
    .execute();
  assert.deepEqual(
    events.map((e) => (JSON.parse(e.payload) as { accepted: boolean; guard: string | null }).guard),
    [null, 'duplicate', 'cooldown', 'cooldown', null],
  );
});

/** An alert as its room keeps one that has begun to fire. */
const firing = (id: string, atUs: number): Alert => ({
  id,
  project: 'demo',
  monitor: 'e',
  rule: 'fell',
  signal: 'roc_auc',
  severity: 'page',
  fingerprint: id,
  labels: {},
  summary: '',
  receivers: [],
  state: 'firing',
  muted: '',
  told: true,
  startedUs: atUs,
  firedUs: atUs,
  endedUs: null,
  evidence: { window: 'win_1', value: 0.61, threshold: 0.66, n: 900, method: 'roc_auc' },
  history: [],
  version: 1,
  recordedMs: 1,
});

eachDatabase('an alert that goes on firing is a cause again when nothing speaks against it any more, and only then', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [alert]\n    cooldown: 7d\n    stop_after: 2' });
  await b.send('POST', '/projects/demo/endpoints/e/freeze', { reason: 'holiday' });
  await b.ctx().tx((tx) => insertAlert(tx.db, tx.workspace, firing('alr_1', Date.parse('2013-03-02T00:00:00Z') * 1000)));
  await b.fire('alr_1');
  for (const day of ['02', '03', '04']) await b.advance(`2013-03-${day}T00:00:00Z`);
  assert.deepEqual(await b.told(), ['alert frozen'], 'what is suppressed again is not put on record again');
  await b.send('DELETE', '/projects/demo/endpoints/e/freeze');
  await b.advance('2013-03-05T00:00:00Z');
  await b.advance('2013-03-11T23:00:00Z');
  assert.deepEqual(await b.told(), ['alert frozen', 'alert failed']);
  assert.equal((await b.triggers())[1]!.reason, 'alert fell of monitor e still fires');
  // The try did not end it, so after the cooldown it counts anew; after the second one a person is asked for.
  for (const day of ['12', '20', '28']) await b.advance(`2013-03-${day}T00:00:00Z`);
  assert.deepEqual(await b.told(), ['alert frozen', 'alert failed', 'alert failed']);
  assert.deepEqual((await b.send('GET', '/projects/demo/retraining/keep')).body.state, 'halted');
});

eachDatabase('an alert whose retraining a person rejected is not asked about again while it goes on firing', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [alert]\n    approval: person\n    approve_within: 30d' });
  const alert = firing('alr_1', Date.parse('2013-03-02T00:00:00Z') * 1000);
  await b.ctx().tx((tx) => insertAlert(tx.db, tx.workspace, alert));
  await b.fire('alr_1');
  await b.advance('2013-03-02T00:00:00Z');
  const [first] = await b.triggers();
  assert.equal(first!.state, 'waiting-approval');
  await b.send('POST', `/triggers/${first!.id}/reject`, { reason: 'we know' });
  for (const day of ['03', '04']) await b.advance(`2013-03-${day}T00:00:00Z`);
  assert.deepEqual(await b.told(), ['alert rejected']);
  // It is another alert that fires anew.
  await b.fire('alr_2');
  await b.advance('2013-03-05T00:00:00Z');
  assert.deepEqual(await b.told(), ['alert rejected', 'alert waiting-approval']);
});

eachDatabase('one try of a policy at a time, and no more than its budget', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [alert]\n    cooldown: 0s\n    budget: { runs: 2, per: 10d }\n    stop_after: 100' });
  await b.fire('alr_1');
  await b.fire('alr_2');
  await b.advance('2013-03-02T00:00:00Z');
  assert.deepEqual(await b.told(), ['alert failed', 'alert one-at-a-time']);
  for (const [day, id] of [
    ['03', 'alr_3'],
    ['04', 'alr_4'],
    ['12', 'alr_5'],
  ] as const) {
    await b.fire(id);
    await b.advance(`2013-03-${day}T00:00:00Z`);
  }
  assert.deepEqual((await b.told()).slice(2), ['alert failed', 'alert budget', 'alert failed']);
  assert.deepEqual((await b.triggers())[3]!.figures.used, 2);
});

eachDatabase('data that broke their contract are not trained on, nor what is made from them', async (t, kind) => {
  const datasets =
    'datasets:\n  raw: { source: r.parquet, key: [id], contract: steps/raw.yaml }\n  rows: { sql: steps/rows.sql, from: [raw], key: [id], occurred_at: make_timestamp(id) }';
  const step = '{ features: plain, spine: { dataset: rows, at: make_timestamp(id), label: "1.0", between: [2013-01-01, $to] } }';
  const more =
    'features:\n  views: { v: { dataset: rows, entity: [id], columns: [z] } }\n  services: { plain: { views: [v], request: [id] } }\n';
  const b = await openSmall(t, kind);
  await b.apply(smallYaml({ datasets, step, more, policy: 'on: [api]\n    cooldown: 0s' }), {
    'steps/rows.sql': 'select id, 1 as z from raw',
    'steps/raw.yaml':
      'apiVersion: v3.1.0\nkind: DataContract\nid: d\nversion: 1.0.0\nstatus: active\nschema: [{ name: raw, properties: [{ name: x, quality: [{ metric: nullValues, mustBe: 0 }] }] }]',
  });
  const push = async (sql: string): Promise<void> => {
    const [stored] = await storeBlobs(b.ctx(), [await parquet(sql)]);
    await b.send('POST', '/projects/demo/datasets/raw/versions', { files: [{ path: 'r.parquet', digest: stored!.digest }] });
    await b.drain();
  };
  await push('select i as id, 1::double as x from range(5) t(i)');
  assert.equal((await b.retrain()).state, 'accepted');
  await b.drain();
  await push('select i as id, null::double as x from range(5) t(i)');
  const broken = await b.retrain({ force: true });
  assert.deepEqual([broken.guard, broken.figures.dataset, broken.figures.number], ['broken-data', 'raw', 2], JSON.stringify(broken));
  await push('select i as id, 1::double as x from range(6) t(i)');
  assert.equal((await b.retrain()).state, 'accepted');
  await b.drain();
});

eachDatabase('what asks for more labels than there are is suppressed with their number', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [api]\n    min_new_labels: 100' });
  const { guard, figures } = await b.retrain();
  assert.deepEqual([guard, figures.labels, figures.needed], ['new-labels', 0, 100]);
  assert.equal((await b.retrain({ force: true })).state, 'accepted');
  await b.drain();
});

eachDatabase('a policy halts after tries in a row that did not help, tells so once, and goes on when it is resumed', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [api]\n    cooldown: 0s\n    stop_after: 2' });
  for (let i = 0; i < 2; i++) {
    assert.equal((await b.retrain()).state, 'accepted');
    await b.drain();
  }
  assert.equal((await b.retrain()).guard, 'halted');
  const halted = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .select(['subject_id', 'payload'])
    .where('type', '=', 'retraining.halted')
    .execute();
  assert.deepEqual(
    halted.map((e) => [e.subject_id, (JSON.parse(e.payload) as { useless: number }).useless]),
    [['demo/keep', 2]],
  );
  assert.equal((await b.send('POST', '/projects/demo/retraining/resume', { policy: 'keep' })).status, 200);
  assert.equal((await b.retrain()).state, 'accepted');
  await b.drain();
  assert.equal((await b.retrain()).state, 'accepted', 'one try is not two');
  await b.drain();
});

eachDatabase('where a person decides, a trigger waits for one, and expires in event time', async (t, kind) => {
  const b = await openSmall(t, kind, {
    policy: 'on: [alert]\n    approval: person\n    cooldown: 0s\n    approve_within: 3d\n    stop_after: 100',
  });
  await b.fire('alr_1');
  await b.advance('2013-03-02T00:00:00Z');
  const [first] = await b.triggers();
  assert.deepEqual(
    [first!.state, first!.acceptedAt, first!.expiresAt, first!.run],
    ['waiting-approval', null, '2013-03-05T00:00:00.000Z', null],
  );
  const shown = (await b.send<{ waitsFor: string }>('GET', `/triggers/${first!.id}`)).body;
  assert.equal(shown.waitsFor, 'somebody to approve it, until 2013-03-05T00:00:00.000Z');
  // While one waits there is no second one.
  await b.fire('alr_2');
  await b.advance('2013-03-03T00:00:00Z');
  assert.equal((await b.triggers())[1]!.guard, 'one-at-a-time');
  const approved = await b.send<{ state: string; acceptedAt: string }>('POST', `/triggers/${first!.id}/approve`);
  assert.deepEqual([approved.status, approved.body.state, approved.body.acceptedAt], [200, 'accepted', '2013-03-03T00:00:00.000Z']);
  await b.drain();
  assert.equal((await b.triggers())[0]!.state, 'failed');
  assert.equal((await b.send('POST', `/triggers/${first!.id}/approve`)).body.code, 'trigger-not-waiting');

  await b.fire('alr_3');
  await b.advance('2013-03-04T00:00:00Z');
  const third = (await b.triggers())[2]!;
  const rejected = await b.send<{ state: string; outcome: string }>('POST', `/triggers/${third.id}/reject`, { reason: 'it is Easter' });
  assert.deepEqual([rejected.body.state, rejected.body.outcome], ['rejected', 'local rejected it: it is Easter']);
  await b.fire('alr_4');
  await b.advance('2013-03-05T00:00:00Z');
  await b.advance('2013-03-08T00:00:00Z');
  const fourth = (await b.triggers())[3]!;
  assert.deepEqual([fourth.state, fourth.outcome], ['expired', 'nobody approved it in time']);
  assert.equal((await b.send('POST', `/triggers/${fourth.id}/approve`)).body.code, 'trigger-not-waiting');
  // Who asks has decided already.
  assert.equal((await b.retrain()).state, 'accepted');
  await b.drain();
  const ended = await eventsIn(b.ctx().db).selectFrom('events').select('payload').where('type', '=', 'trigger.ended').execute();
  assert.ok(!JSON.stringify(ended).includes('Easter'), 'the words of a person are not chained');
});

eachDatabase('of those who ask at the same instant one is accepted, and who asks twice under one key is heard once', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [api]\n    cooldown: 0s\n    stop_after: 100' });
  const asked = await Promise.all(Array.from({ length: 6 }, () => b.retrain()));
  assert.deepEqual(asked.map((x) => x.guard ?? x.state).sort(), ['accepted', ...Array.from({ length: 5 }, () => 'one-at-a-time')]);
  await b.drain();
  const runs = async () => (await b.send<{ items: object[] }>('GET', '/projects/demo/runs')).body.items.length;
  assert.equal(await runs(), 1);
  const again = () =>
    b.send<SmallTrigger>('POST', '/projects/demo/retraining/keep/trigger', { reason: 'once' }, { 'idempotency-key': 'a-key-of-the-test' });
  const [first, second] = [await again(), await again()];
  assert.deepEqual([first.status, first.body.state, second.body.id], [201, 'accepted', first.body.id]);
  await b.drain();
  assert.deepEqual([await runs(), (await b.triggers()).length], [2, 7]);
});

test('what nobody knows is said so', async (t) => {
  const b = await openSmall(t);
  const code = async (method: 'GET' | 'POST', path: string, body?: object): Promise<string> =>
    (await b.send<{ code: string }>(method, path, body)).body.code;
  assert.equal(await code('POST', '/projects/demo/retraining/none/trigger', {}), 'retraining-policy-not-found');
  assert.equal(await code('GET', '/projects/demo/retraining/none'), 'retraining-policy-not-found');
  assert.equal(await code('GET', '/triggers/trg_none'), 'trigger-not-found');
  assert.equal(await code('POST', '/projects/none/retraining/stop', { reason: 'x' }), 'project-not-found');
});
