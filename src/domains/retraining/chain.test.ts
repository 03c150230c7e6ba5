// The whole way on real models: a cause, a run, the gate, a release.
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { startServer, type TestServer } from '../../../test/support/server.ts';
import type { DatabaseKind } from '../../../test/support/databases.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { silentLog } from '../../kernel/log.ts';
import { openOnlineReader } from '../features/online-store.ts';
import { startDataPlane } from '../serving/plane/data-plane.ts';
import { applyLoop, callsTo, loopRows, loopYaml, pushRows, type LoopOptions } from './fixtures/loop.ts';

interface TriggerView {
  readonly id: string;
  readonly state: string;
  readonly guard: string | null;
  readonly outcome: string | null;
  readonly waitsFor: string | null;
  readonly cause: string;
  readonly params: Record<string, unknown> | null;
  readonly run: string | null;
  readonly version: string | null;
  readonly decision: string | null;
  readonly decided: {
    readonly outcome: string;
    readonly champion: string | null;
    readonly results: { found: string; passed: boolean }[];
  } | null;
  readonly release: string | null;
}

interface Loop {
  readonly server: TestServer;
  readonly apply: (options?: LoopOptions) => Promise<void>;
  readonly advance: (to: string) => Promise<void>;
  readonly retrain: (body?: object) => Promise<TriggerView>;
  readonly trigger: (id: string) => Promise<TriggerView>;
  readonly triggers: () => Promise<TriggerView[]>;
  readonly served: () => Promise<string>;
  readonly call: ReturnType<typeof callsTo>;
  readonly settle: () => Promise<void>;
}

/** A loop whose first champion, "fair", is served since February. */
async function open(t: TestContext, kind: DatabaseKind = 'sqlite', options: LoopOptions = {}): Promise<Loop> {
  const server = await startServer(t, kind);
  const plane = await startDataPlane({
    dir: server.folder,
    host: '127.0.0.1',
    port: 0,
    log: silentLog,
    programVersion: '0',
    dialects: [],
    openFacts: openOnlineReader,
    pollMs: 20,
  });
  t.after(() => plane.close());
  const call = callsTo(() => server.url);
  const settle = async (): Promise<void> => void (await call('POST', '/settle'));
  const loop: Loop = {
    server,
    call,
    settle,
    apply: async (o = options) => {
      await applyLoop(call, loopYaml(o));
      await settle();
    },
    advance: async (to) => void (await call('POST', '/projects/demo/timeline/advance', { to })),
    retrain: async (body = {}) => (await call('POST', '/projects/demo/retraining/keep/trigger', body)).body as never,
    trigger: async (id) => (await call('GET', `/triggers/${id}`)).body as never,
    triggers: async () => ((await call('GET', '/projects/demo/triggers')).body.items as TriggerView[]).toReversed(),
    served: async () => {
      const { items } = (await call('GET', '/projects/demo/endpoints')).body as {
        items: { current: { variants: { number: number }[] } | null }[];
      };
      return (items[0]!.current?.variants ?? []).map((v) => `v${v.number}`).join(' ');
    },
  };
  await loop.apply();
  await pushRows(call, await loopRows());
  await call('POST', '/projects/demo/pipelines/train/runs', {});
  await settle();
  await call('POST', '/projects/demo/endpoints/e/releases', { version: '1' });
  await settle();
  assert.equal(await loop.served(), 'v1');
  return loop;
}

eachDatabase('a challenger that is better on the same rows takes over; one that is not is refused, with figures', async (t, kind) => {
  const loop = await open(t, kind, { policy: 'on: [api]\n    cooldown: 7d' });
  await loop.advance('2013-03-05T06:30:00Z');
  const asked = await loop.retrain({ reason: 'look' });
  assert.deepEqual([asked.state, asked.cause], ['accepted', 'api'], JSON.stringify(asked));
  await loop.settle();
  const better = await loop.trigger(asked.id);
  assert.equal(better.state, 'promoted', JSON.stringify(better));
  assert.deepEqual(better.params, { from: '2013-01-22', to: '2013-02-19', test_to: '2013-03-05', column: 'good' });
  assert.deepEqual([better.decided!.outcome, better.decided!.results.map((r) => r.passed)], ['passed', [true, true]]);
  assert.match(better.decided!.results[1]!.found, /^improvement 0\.\d+ \[0\.\d+, 0\.\d+\], n = 336, paired DeLong, 95 %$/);
  assert.notEqual(better.decided!.champion, null, 'the champion was trained before and is scored on the same rows');
  assert.equal(await loop.served(), 'v2');

  // From April on the newest model would be a poor one.
  await loop.apply({ policy: 'on: [api]\n    cooldown: 7d', params: 'from: now - 42d, to: now - 14d, test_to: now, column: poor' });
  const soon = await loop.retrain();
  assert.deepEqual([soon.state, soon.guard], ['suppressed', 'cooldown']);
  await loop.advance('2013-03-26T00:00:00Z');
  const again = await loop.retrain();
  assert.equal(again.state, 'accepted', JSON.stringify(again));
  await loop.settle();
  const worse = await loop.trigger(again.id);
  assert.equal(worse.state, 'refused', JSON.stringify(worse));
  assert.match(worse.outcome!, /^the gate refused version 3 of m: .*not shown to be better than the champion/);
  assert.match(worse.decided!.results[1]!.found, /^improvement -0\.\d+ /);
  assert.deepEqual([worse.release, await loop.served()], [null, 'v2']);

  const { db } = loop.server.ctx();
  const events = await eventsIn(db).selectFrom('events').selectAll().where('subject_id', '=', better.id).orderBy('seq').execute();
  assert.deepEqual(
    events.map((e) => e.type),
    ['trigger.recorded', 'trigger.started', 'trigger.decided', 'trigger.released', 'trigger.ended'],
  );
  const started = await eventsIn(db)
    .selectFrom('events')
    .selectAll()
    .where('subject_id', '=', better.run!)
    .where('type', '=', 'pipeline-run.started')
    .executeTakeFirstOrThrow();
  assert.ok(started.edges.includes(`"to":{"kind":"trigger","id":"${better.id}"},"relation":"started-by"`), started.edges);
  const decisions = await eventsIn(db).selectFrom('events').select('id').where('type', '=', 'decision.recorded').execute();
  assert.equal(decisions.length, 3, 'the gate of the run’s own register step counts; nothing is decided twice');
});

test('a run that comes to the champion again is refused as such; one that fails says why; both count, and the third halts', async (t) => {
  const policy = 'on: [api]\n    cooldown: 0s\n    stop_after: 3';
  const loop = await open(t, 'sqlite', { policy, params: 'from: 2013-01-01, to: 2013-01-15, test_to: 2013-01-29, column: fair' });
  const end = async (body = {}): Promise<TriggerView> => {
    const { id } = await loop.retrain(body);
    await loop.settle();
    return loop.trigger(id);
  };
  assert.match((await end()).outcome!, /^nothing that the model is made from changed: .*version 1 of m again, which is the champion$/);
  await loop.apply({ policy, params: 'column: none' });
  const failed = await end();
  assert.deepEqual([failed.state, failed.version], ['failed', null]);
  assert.match(failed.outcome!, /^its run failed: step fit failed: /);
  await loop.apply({ policy, params: 'to: 2020-01-01, from: 2019-01-01' });
  assert.match((await end()).outcome!, /^its run failed: step rows failed: /);
  const halted = await end();
  assert.deepEqual([halted.state, halted.guard], ['suppressed', 'halted']);
  const { db } = loop.server.ctx();
  const told = await eventsIn(db).selectFrom('events').selectAll().where('type', '=', 'retraining.halted').execute();
  assert.deepEqual(
    told.map((e) => (JSON.parse(e.payload) as { useless: number }).useless),
    [3],
  );
  const policyNow = async () => (await loop.call('GET', '/projects/demo/retraining/keep')).body;
  assert.deepEqual([(await policyNow()).state, (await policyNow()).useless], ['halted', 3]);

  // With force a person may try all the same, and what helps sets the count back.
  await loop.apply({ policy });
  await loop.advance('2013-03-05T00:00:00Z');
  assert.equal((await end({ force: true })).state, 'promoted');
  assert.deepEqual([(await policyNow()).state, (await policyNow()).useless], ['ready', 0]);
});

test('a passed challenger waits while its endpoint is frozen, and goes on when it is not', async (t) => {
  const loop = await open(t, 'sqlite', { policy: 'on: [api]\n    cooldown: 0s' });
  await loop.advance('2013-03-05T00:00:00Z');
  const asked = await loop.retrain();
  await loop.call('POST', '/projects/demo/endpoints/e/freeze', { reason: 'holiday' });
  await loop.settle();
  const waiting = await loop.trigger(asked.id);
  assert.deepEqual([waiting.state, waiting.waitsFor, waiting.decided?.outcome], ['deciding', 'endpoint e to be unfrozen', 'passed']);
  assert.equal(await loop.served(), 'v1');
  await loop.call('DELETE', '/projects/demo/endpoints/e/freeze');
  await loop.settle();
  assert.equal((await loop.trigger(asked.id)).state, 'promoted');
  assert.equal(await loop.served(), 'v2');
});

test('a policy that does not release ends when the gate has passed', async (t) => {
  const loop = await open(t, 'sqlite', { policy: 'on: [api]\n    release: false' });
  await loop.advance('2013-03-05T00:00:00Z');
  const { id } = await loop.retrain();
  await loop.settle();
  const passed = await loop.trigger(id);
  assert.deepEqual([passed.state, passed.release, await loop.served()], ['passed', null, 'v1']);
});

test('a challenger that passes the gate goes by the endpoint’s steps, and one that is taken back on the way did not help', async (t) => {
  const endpoint = '{ model: m, features: plain, release: { steps: [10%, 100%], hold: 1d } }';
  const loop = await open(t, 'sqlite', { policy: 'on: [api]\n    cooldown: 0s', endpoint });
  await loop.advance('2013-03-05T00:00:00Z');
  const { id } = await loop.retrain();
  await loop.settle();
  const canary = await loop.trigger(id);
  assert.deepEqual([canary.state, canary.waitsFor], ['releasing', `release ${canary.release}`]);
  assert.equal(await loop.served(), 'v1 v2');
  assert.equal((await loop.retrain()).guard, 'one-at-a-time');
  await loop.call('POST', '/projects/demo/endpoints/e/release/abort', { reason: 'ada does not trust it' });
  await loop.settle();
  const back = await loop.trigger(id);
  assert.deepEqual([back.state, await loop.served()], ['rolled-back', 'v1'], JSON.stringify(back));
  assert.match(back.outcome!, /^release rel_\w+ was aborted: .*ada does not trust it/);
  assert.equal((await loop.call('GET', '/projects/demo/retraining/keep')).body.useless, 1);
  const { db } = loop.server.ctx();
  const ended = await eventsIn(db).selectFrom('events').select('payload').where('type', '=', 'trigger.ended').execute();
  assert.ok(!JSON.stringify(ended).includes('ada does not'), 'the words of a person are not chained');
});
