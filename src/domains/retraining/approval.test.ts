// Who may say yes where a policy wants a person, asked over HTTP.
import assert from 'node:assert/strict';
import { parquet } from '../../../test/support/parquet.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { storeBlobs } from '../../kernel/blobs/blob-index.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { createToken, createUser } from '../access/public.ts';
import { openSmall, smallYaml, type SmallBench, type SmallTrigger } from './fixtures/small.ts';

const PASSWORD = 'correct horse battery';
const basic = (name: string) => ({ authorization: `Basic ${Buffer.from(`${name}:${PASSWORD}`).toString('base64')}` });
const bearer = (secret: string) => ({ authorization: `Bearer ${secret}` });

/** Tokens of one person of each role, and one of a service account that is an editor, too. */
async function withPeople(b: SmallBench): Promise<Record<'editor' | 'member' | 'viewer' | 'ci', Record<string, string>>> {
  const ada = basic('ada');
  await b.send('POST', '/users', { name: 'ada', password: PASSWORD, role: 'admin' });
  const person = async (role: 'editor' | 'member' | 'viewer') => {
    await createUser(b.ctx(), { name: role, password: PASSWORD, role });
    return bearer((await createToken(b.ctx(), { name: 'laptop', role, ownerId: role })).secret);
  };
  assert.equal((await b.send('POST', '/service-accounts', { name: 'ci', role: 'editor' }, ada)).status, 201);
  const made = await b.send<{ secret: string }>('POST', '/service-accounts/ci/tokens', { name: 'runner' }, ada);
  return { editor: await person('editor'), member: await person('member'), viewer: await person('viewer'), ci: bearer(made.body.secret) };
}

eachDatabase('where a person has to approve, members, viewers and programs are refused, and an editor is not', async (t, kind) => {
  const b = await openSmall(t, kind, { policy: 'on: [alert]\n    approval: person\n    cooldown: 0s\n    stop_after: 100' });
  await b.fire('alr_1');
  await b.advance('2013-03-02T00:00:00Z');
  const [{ id }] = (await b.triggers()) as [SmallTrigger];
  const tokens = await withPeople(b);
  const ask = async (headers: Record<string, string>, path = `/triggers/${id}/approve`, body?: object) => {
    const reply = await b.send<{ code?: string; state?: string }>('POST', path, body, headers);
    return [reply.status, reply.body.code ?? reply.body.state];
  };
  assert.deepEqual(await ask({}), [401, 'unauthenticated']);
  for (const who of ['member', 'viewer'] as const) {
    assert.deepEqual(await ask(tokens[who]), [403, 'forbidden'], who);
    assert.deepEqual(await ask(tokens[who], `/triggers/${id}/reject`, {}), [403, 'forbidden'], who);
  }
  assert.deepEqual(await ask(tokens.ci), [403, 'person-needed']);
  assert.deepEqual(await ask(basic('editor')), [200, 'accepted']);
  assert.deepEqual(await ask(tokens.editor), [409, 'trigger-not-waiting'], 'once is enough');
  await b.drain();
  const approved = await eventsIn(b.ctx().db).selectFrom('events').select('actor_id').where('type', '=', 'trigger.approved').execute();
  assert.deepEqual(
    approved.map((e) => e.actor_id),
    ['editor'],
  );

  // Whose token asks has decided already if it is a person's; a program still waits for one.
  const retrain = '/projects/demo/retraining/keep/trigger';
  assert.deepEqual(await ask(tokens.editor, retrain, {}), [201, 'accepted']);
  await b.drain();
  assert.deepEqual(await ask(tokens.ci, retrain, {}), [201, 'waiting-approval']);
  assert.deepEqual(await ask(tokens.member, retrain, {}), [403, 'forbidden']);
});

eachDatabase('an approval comes too late for data that broke their contract while it was waited for', async (t, kind) => {
  const datasets = 'datasets:\n  rows: { source: r.parquet, key: [id], occurred_at: make_timestamp(id), contract: steps/rows.yaml }';
  const step = '{ features: plain, spine: { dataset: rows, at: make_timestamp(id), label: "1.0", between: [2013-01-01, $to] } }';
  const more =
    'features:\n  views: { v: { dataset: rows, entity: [id], columns: [x] } }\n  services: { plain: { views: [v], request: [id] } }\n';
  const options = { datasets, step, more, policy: 'on: [alert]\n    approval: person' };
  const b = await openSmall(t, kind);
  await b.apply(smallYaml(options), {
    'steps/rows.yaml':
      'apiVersion: v3.1.0\nkind: DataContract\nid: d\nversion: 1.0.0\nstatus: active\nschema: [{ name: rows, properties: [{ name: x, quality: [{ metric: nullValues, mustBe: 0 }] }] }]',
  });
  const push = async (sql: string): Promise<void> => {
    const [stored] = await storeBlobs(b.ctx(), [await parquet(sql)]);
    await b.send('POST', '/projects/demo/datasets/rows/versions', { files: [{ path: 'r.parquet', digest: stored!.digest }] });
    await b.drain();
  };
  await push('select i as id, 1::double as x from range(5) t(i)');
  await b.fire('alr_1');
  await b.advance('2013-03-02T00:00:00Z');
  const [waiting] = (await b.triggers()) as [SmallTrigger];
  assert.equal(waiting.state, 'waiting-approval');
  await push('select i as id, null::double as x from range(5) t(i)');
  const approve = () => b.send<{ code?: string; detail: string; state?: string }>('POST', `/triggers/${waiting.id}/approve`);
  const held = await approve();
  assert.deepEqual([held.status, held.body.code], [409, 'retraining-held']);
  assert.match(held.body.detail, /version 2 of dataset rows broke its contract/);
  // It waits still, and a good version lets it go on.
  await push('select i as id, 1::double as x from range(6) t(i)');
  assert.deepEqual((await approve()).body.state, 'accepted');
  await b.drain();
});
