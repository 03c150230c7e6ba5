// A release in each of its states: what fails it there, what holds it, what lets it on.
import assert from 'node:assert/strict';
import { writeFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { setAlias, versionByAlias, versionFolder } from '../registry/public.ts';
import { assignVariant } from '../serving/plane/assignment.ts';
import { shipSegments } from '../serving/public.ts';
import { canaryProject, HOUR_US, openCanary, START_US, withStable, type CanaryBench } from './fixtures/canary.ts';
import { shipLog } from './jobs.ts';
import { liveAcks } from './service/settle.ts';

const champion = async (b: CanaryBench): Promise<number | undefined> => (await versionByAlias(b.ctx(), 'm', 'champion'))?.number;
const weights = async (b: CanaryBench): Promise<(readonly [number, number])[]> =>
  (await b.served()).map((v) => [v.number, v.weight] as const);
/** Event time of the n-th hour. */
const at = (hours: number): number => START_US + hours * HOUR_US;
/** An hour of traffic, and the tick at its end. */
async function hour(b: CanaryBench, n: number, rows = 120): Promise<void> {
  await b.traffic(rows, at(n), at(n + 1) - 1, { first: 1000 * n });
  await b.tick(at(n + 1));
}

const STAGES = `shadow: { hold: 1h, min_sample: 100 }, steps: [50%, 100%], hold: 1h, min_sample: 30, bake: 1h`;
const release = (guardrails: string, more = ''): string => `{ ${STAGES}, guardrails: [${guardrails}]${more} }`;

eachDatabase('a release warms up, runs in the shadow, takes its step, bakes, and is promoted', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject(release('error_rate, prediction_drift, disagreement, null_rate, roc_auc')));
  await withStable(b);
  await b.version();
  const { body } = await b.begin();
  assert.deepEqual([body.state, body.step, body.share], ['shadow', -1, 0], body.standing);
  assert.deepEqual(await weights(b), [
    [1, 1],
    [2, 0],
  ]);
  const answers = await b.traffic(120, at(0), at(1) - 1);
  assert.ok(
    answers.every((a) => a.status === 200 && a.variant === 'v1'),
    'nobody gets the answer of a shadow',
  );
  await b.tick(at(1));
  let { release: now, transitions } = await b.status();
  assert.deepEqual([now.state, now.share], ['canary', 0.5], now.standing);
  const seen = transitions.at(-1)!.figures!;
  assert.deepEqual([seen.candidate.requests, seen.stable.requests], [120, 120], 'copies of all of them');
  assert.deepEqual(
    seen.guardrails.map((g) => [g.metric, g.step, g.verdict]),
    [
      ['error_rate', -1, 'ok'],
      ['prediction_drift', -1, 'ok'],
      ['disagreement', -1, 'ok'],
      ['null_rate', -1, 'ok'],
      ['roc_auc', -1, 'too-little-data'],
    ],
  );
  await hour(b, 1);
  ({ release: now } = await b.status());
  assert.deepEqual([now.state, now.share, await champion(b)], ['baking', 1, 1], now.standing);
  assert.deepEqual(await weights(b), [
    [2, 1],
    [1, 0],
  ]);
  await b.traffic(600, at(2), at(3) - 1, { first: 5000 });
  await b.tick(at(3));
  ({ release: now, transitions } = await b.status());
  assert.deepEqual([now.state, await champion(b)], ['promoted', 2], now.standing);
  assert.deepEqual(await weights(b), [[2, 1]]);
  assert.deepEqual(
    transitions.map((x) => [x.from, x.to, x.share]),
    [
      ['pending', 'warming', 0],
      ['warming', 'shadow', 0],
      ['shadow', 'canary', 0.5],
      ['canary', 'baking', 1],
      ['baking', 'promoted', 1],
    ],
  );
  assert.ok(
    transitions.slice(2).every((x) => x.figures !== null),
    'each with its figures',
  );
});

interface Case {
  readonly state: 'shadow' | 'canary' | 'baking';
  readonly guardrail: string;
  /** Of the candidate. */
  readonly score?: 'good' | 'poor' | 'flipped' | 'none';
  readonly tags?: Record<string, string>;
  readonly why: RegExp;
  readonly labels?: boolean;
}

const cases: readonly Case[] = [
  { state: 'shadow', guardrail: 'error_rate', tags: { 'gyre.fault.error_rate': '0.5' }, why: /^error_rate: the candidate failed/ },
  { state: 'shadow', guardrail: 'prediction_drift', score: 'flipped', why: /^prediction_drift: distance/ },
  { state: 'shadow', guardrail: 'disagreement', score: 'flipped', why: /^disagreement: the candidate decides/ },
  { state: 'shadow', guardrail: 'null_rate', score: 'none', why: /^null_rate: the candidate had no score for/ },
  { state: 'shadow', guardrail: 'roc_auc', score: 'poor', labels: true, why: /^roc_auc: candidate 0\.[45]/ },
  { state: 'canary', guardrail: 'error_rate', tags: { 'gyre.fault.error_rate': '0.5' }, why: /^error_rate: the candidate failed/ },
  { state: 'canary', guardrail: 'prediction_drift', score: 'flipped', why: /^prediction_drift: distance/ },
  { state: 'canary', guardrail: 'null_rate', score: 'none', why: /^null_rate: the candidate had no score for/ },
  { state: 'canary', guardrail: 'roc_auc', score: 'poor', labels: true, why: /^roc_auc: candidate 0\.[45]/ },
  { state: 'baking', guardrail: 'error_rate', tags: { 'gyre.fault.error_rate': '0.5' }, why: /^error_rate: the candidate failed/ },
  { state: 'baking', guardrail: 'prediction_drift', score: 'flipped', why: /^prediction_drift: distance/ },
  { state: 'baking', guardrail: 'null_rate', score: 'none', why: /^null_rate: the candidate had no score for/ },
];

/** A policy whose first stop is the state. */
const only = ({ state, guardrail }: Case): string =>
  state === 'shadow'
    ? `{ shadow: { hold: 2h, min_sample: 1 }, steps: [100%], guardrails: [${guardrail}] }`
    : state === 'canary'
      ? `{ steps: [50%, 100%], hold: 2h, min_sample: 1, guardrails: [${guardrail}] }`
      : `{ steps: [100%], hold: 2h, min_sample: 1, bake: 2h, guardrails: [${guardrail}] }`;

for (const c of cases)
  test(`in ${c.state}, ${c.guardrail} takes a bad candidate back in one plan change`, async (t) => {
    const more = c.labels ? 'monitors:\n  e: { window: 1h }\n' : '';
    const b = await openCanary(t, 'sqlite', canaryProject(only(c), more), { GYRE_FAULT_INJECTION: '1' });
    await withStable(b);
    await b.version(c.score ?? 'good', c.tags ?? {});
    const { body } = await b.begin();
    assert.equal(body.state, c.state, body.standing);
    // In a bake the former version answers a tenth.
    const rows = c.state === 'baking' ? 1500 : 500;
    const answers = await b.traffic(rows, at(0), at(1) - 1);
    if (c.labels) await b.label(answers);
    await b.tick(at(1));
    const { release: ended, transitions } = await b.status();
    assert.equal(ended.state, 'rolled-back', ended.standing);
    assert.match(transitions.at(-1)!.reason, c.why);
    assert.deepEqual([await weights(b), await champion(b)], [[[1, 1]], 1]);
    if (c.state === 'shadow') assert.deepEqual(ended.figures!.harmed, { requests: 0, errors: 0, beyondStable: 0 });
    assert.ok((await b.traffic(40, at(1), at(2), { first: 9000 })).every((a) => a.variant === 'v1' && a.status === 200));
  });

test('in canary, a reward that is less takes the candidate back', async (t) => {
  const b = await openCanary(
    t,
    'sqlite',
    canaryProject('{ steps: [50%, 100%], hold: 2h, min_sample: 1, guardrails: [reward] }', 'monitors:\n  e: { window: 1h }\n'),
  );
  await withStable(b);
  await b.version();
  await b.begin();
  const answers = await b.traffic(500, at(0), at(1) - 1);
  // Every other one pays with the stable version, one of ten with the candidate.
  await b.label(answers, 0, ({ variant }, i) => (i % (variant === 'v2' ? 10 : 2) === 0 ? 1 : 0));
  await b.tick(at(1));
  const { release: ended } = await b.status();
  assert.equal(ended.state, 'rolled-back', ended.standing);
  assert.match(ended.reason, /^reward: candidate 0\.\d+ on \d+ outcomes, stable 0\.\d+ on \d+; worse by at least/);
});

test('in canary, callers of the two who send something else pause the release, for then nothing can be compared', async (t) => {
  const b = await openCanary(t, 'sqlite', canaryProject('{ steps: [50%, 100%], hold: 2h, min_sample: 1, guardrails: [feature_drift] }'));
  await withStable(b);
  await b.version();
  await b.begin();
  const split = [
    { id: 'v1', weight: 0.5 },
    { id: 'v2', weight: 0.5 },
  ];
  const sends = (key: string | undefined, i: number) => ({
    good: 0.5,
    poor: assignVariant(split, 'default/e', key!).id === 'v2' ? 5 + (i % 7) : i % 7,
  });
  await b.traffic(600, at(0), at(1) - 1, { sends });
  await b.tick(at(1));
  const { release: paused } = await b.status();
  assert.equal(paused.state, 'paused', paused.standing);
  assert.match(paused.standing, /feature_drift: what the callers of the two sent differs in poor \(distance 0\.\d+\)/);
});

eachDatabase('a candidate that a data plane cannot load ends while it warms up, before it gets any traffic', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject(release('error_rate')));
  await withStable(b);
  const version = await b.version();
  const folder = join(b.folder, await versionFolder(b.ctx(), version));
  for (const name of readdirSync(folder)) if (name.endsWith('.onnx')) writeFileSync(join(folder, name), 'not a model');
  const begun = await b.begin();
  assert.equal(begun.body.code, 'release-not-taken', JSON.stringify(begun.body));
  const { release: ended, transitions } = await b.status();
  assert.deepEqual(
    transitions.map((x) => [x.from, x.to]),
    [['pending', 'failed']],
  );
  assert.deepEqual([ended.state, await weights(b), await champion(b)], ['failed', [[1, 1]], 1]);
  assert.ok((await b.traffic(20, at(0), at(1))).every((a) => a.variant === 'v1'));
  // Once it can be loaded, the same again.
  assert.equal((await b.steer('pause')).body.code, 'release-none');
});

eachDatabase('a step that wants a person waits for one, who is on record; nothing else lets it on', async (t, kind) => {
  const b = await openCanary(
    t,
    kind,
    canaryProject('{ steps: [{ share: 50%, approve: true }, { share: 60%, pause: manual }, 100%], hold: 1h, min_sample: 20 }'),
  );
  await withStable(b);
  await b.version();
  const { body } = await b.begin();
  assert.deepEqual([body.state, body.share], ['warming', 0], body.standing);
  assert.match(body.standing, /waits to be let into 50 % of the traffic/);
  await b.tick(at(1));
  assert.equal((await b.status()).release.state, 'warming');
  const approved = await b.steer('approve', 'the board said yes');
  assert.deepEqual([approved.body.state, approved.body.share], ['canary', 0.5], JSON.stringify(approved.body));
  assert.equal((await b.steer('approve')).body.code, 'release-action-not-possible', 'it waits for nobody now');
  await hour(b, 1, 100);
  assert.deepEqual([(await b.status()).release.share], [0.6]);
  await hour(b, 2, 100);
  await hour(b, 3, 100);
  let { release: now, transitions } = await b.status();
  assert.deepEqual([now.state, now.share], ['canary', 0.6]);
  assert.match(now.standing, /waits to be let into 100 %/);
  // Waiting does not blind the guardrails, and a freeze keeps people out as well.
  await b.send('POST', '/projects/demo/endpoints/e/freeze', { reason: 'holidays' });
  assert.equal((await b.steer('approve')).body.code, 'endpoint-frozen');
  await b.send('DELETE', '/projects/demo/endpoints/e/freeze');
  assert.equal((await b.steer('approve', 'go')).body.state, 'promoted');
  ({ transitions } = await b.status());
  assert.deepEqual(
    transitions.map((x) => [x.to, x.share, x.actor.kind]),
    [
      ['warming', 0, 'local'],
      ['warming', 0, 'local'],
      ['canary', 0.5, 'local'],
      ['canary', 0.6, 'system'],
      ['canary', 0.6, 'system'],
      ['promoted', 1, 'local'],
    ],
  );
  assert.match(transitions.at(-1)!.reason, /^approved for 100 %: go$/);
});

eachDatabase('a calendar window freezes an endpoint in event time, whatever the wall clock says', async (t, kind) => {
  // 1 January 2030 is a Tuesday. From noon on, for a day.
  const freeze = `freeze: [{ cron: '0 12 1 1 *', for: 24h, reason: 'stocktaking' }]`;
  const b = await openCanary(
    t,
    kind,
    canaryProject('{ steps: [50%, 100%], hold: 6h, min_sample: 20 }').replace('assign_by: id,', `assign_by: id, ${freeze},`),
  );
  await withStable(b);
  await b.version();
  await b.begin();
  await b.traffic(100, at(0), at(13) - 1);
  await b.tick(at(13));
  let { release: now } = await b.status();
  assert.match(now.standing, /frozen: stocktaking, until 2030-01-02T12:00:00/);
  assert.equal((await b.steer('promote')).body.code, 'endpoint-frozen');
  const frozen = await b.send<{ calendar: { reason: string; until: string } }>('GET', '/projects/demo/endpoints/e/freeze');
  assert.deepEqual(frozen.body.calendar, { reason: 'stocktaking', until: '2030-01-02T12:00:00.000Z' });
  b.clock.advance(40 * 86_400_000);
  await b.tick(at(14));
  assert.equal((await b.status()).release.state, 'canary', 'event time decides');
  await b.tick(at(36));
  ({ release: now } = await b.status());
  assert.equal(now.state, 'promoted', now.standing);
});

eachDatabase('what becomes of a step that had too little data for too long is declared', async (t, kind) => {
  for (const [action, state] of [
    ['pause', 'paused'],
    ['promote-never', 'canary'],
    ['rollback', 'rolled-back'],
  ] as const) {
    const b = await openCanary(
      t,
      kind,
      canaryProject(`{ steps: [50%, 100%], hold: 1h, max_hold: 2h, after_max_hold: ${action}, min_sample: 50 }`),
    );
    await withStable(b);
    await b.version();
    await b.begin();
    await hour(b, 0, 20);
    await hour(b, 1, 20);
    let { release: now } = await b.status();
    assert.equal(now.state, state, `${action}: ${now.standing}`);
    assert.match(
      state === 'rolled-back' ? now.reason : now.standing,
      /lack of evidence: the candidate answered \d+ of at least 50 requests within 2 h/,
    );
    if (action !== 'promote-never') continue;
    await hour(b, 2, 300);
    ({ release: now } = await b.status());
    assert.deepEqual([now.state, now.share], ['canary', 0.5], 'what comes too late does not promote it');
    assert.equal((await b.steer('promote', 'it is enough')).body.state, 'promoted');
  }
});

eachDatabase('a newer version takes the place of the candidate; the stable one stays what it is compared with', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject('{ steps: [50%, 100%], hold: 1h, min_sample: 20 }'));
  await withStable(b);
  await b.version();
  const first = await b.begin('2');
  assert.equal((await b.begin('2')).body.code, 'release-under-way', 'the same one is no newer one');
  await b.version();
  const [second, third] = await Promise.all([b.begin('3'), b.begin('3')]);
  assert.deepEqual([second.status, third.status].sort(), [201, 409], JSON.stringify([second.body, third.body]));
  assert.deepEqual(await weights(b), [
    [1, 0.5],
    [3, 0.5],
  ]);
  const former = await b.send<{ release: { state: string; reason: string } }>(
    'GET',
    `/projects/demo/endpoints/e/releases/${first.body.id}`,
  );
  assert.deepEqual([former.body.release.state, former.body.release.reason], ['aborted', 'replaced by version 3']);
  assert.equal((await b.steer('abort')).body.state, 'aborted');
  assert.deepEqual([await weights(b), await champion(b)], [[[1, 1]], 1]);
  const again = await b.steer('retry', 'once more');
  assert.deepEqual([again.body.state, again.body.share], ['canary', 0.5], JSON.stringify(again.body));
  assert.equal((await b.steer('retry')).body.code, 'release-action-not-possible');
  await hour(b, 0, 100);
  assert.deepEqual([(await b.status()).release.state, await champion(b)], ['promoted', 3]);
});

eachDatabase('a recent revision comes back at once, an older one by the steps', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject('{ steps: [50%, 100%], hold: 1h, min_sample: 20, rollback_window: 1 }'));
  await withStable(b);
  for (const version of ['2', '3']) {
    await b.version();
    assert.equal((await b.begin(version, { atOnce: true })).body.state, 'promoted');
  }
  const back = (revision: number) => b.send<{ state: string; code?: string }>('POST', '/projects/demo/endpoints/e/rollback', { revision });
  const older = await back(1);
  assert.deepEqual([older.status, older.body.state], [201, 'canary'], JSON.stringify(older.body));
  assert.deepEqual(await weights(b), [
    [3, 0.5],
    [1, 0.5],
  ]);
  await b.steer('abort');
  const recent = await back(2);
  assert.deepEqual([recent.status, recent.body.state, await weights(b)], [201, 'promoted', [[2, 1]]], JSON.stringify(recent.body));
  assert.equal((await back(99)).body.code, 'rollback-not-possible');
});

eachDatabase(
  'an endpoint that follows the alias releases what a client points it at, by its steps; the alias stays where the traffic is',
  async (t, kind) => {
    const follow = canaryProject('{ steps: [50%, 100%], hold: 1h, min_sample: 20 }').replace(
      'assign_by: id,',
      'assign_by: id, follow: champion,',
    );
    const b = await openCanary(t, kind, follow);
    await withStable(b);
    await b.version();
    await setAlias(b.ctx(), 'm', 'champion', 2);
    await b.drain();
    const { release: now } = await b.status();
    assert.deepEqual([now.state, now.share], ['canary', 0.5], now.standing);
    assert.match(now.reason, /the alias champion was pointed at version 2 by local/);
    assert.equal((await b.steer('abort')).body.state, 'aborted');
    await b.drain();
    assert.deepEqual([await champion(b), (await b.served()).length], [1, 1]);
    await setAlias(b.ctx(), 'm', 'champion', 2);
    await b.drain();
    assert.equal(await champion(b), 1, 'not before it has all traffic');
    await hour(b, 0, 100);
    assert.deepEqual([(await b.status()).release.state, await champion(b)], ['promoted', 2]);
    // A frozen endpoint follows nobody, and says so.
    await b.version();
    await b.send('POST', '/projects/demo/endpoints/e/freeze', { reason: 'holidays' });
    await setAlias(b.ctx(), 'm', 'champion', 3);
    await b.drain();
    assert.deepEqual([(await b.status()).release.state, await champion(b)], ['promoted', 2]);
    const refused = await eventsIn(b.ctx().db)
      .selectFrom('events')
      .select('payload')
      .where('type', '=', 'endpoint.alias-not-followed')
      .execute();
    assert.deepEqual(
      refused.map((e) => (JSON.parse(e.payload) as { code: string }).code),
      ['endpoint-frozen'],
    );
  },
);

eachDatabase('while the control plane is away the data plane goes on, and the judgement comes after', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject(release('error_rate')));
  await withStable(b);
  await b.version();
  await b.begin();
  // Nobody ships, moves event time or judges for the length of three steps.
  const answers = await b.traffic(300, at(0), at(3));
  assert.ok(answers.every((a) => a.status === 200 && a.variant === 'v1'));
  await b.tick(at(3));
  const { release: now, transitions } = await b.status();
  assert.deepEqual([now.state, now.share], ['canary', 0.5], 'one step was judged, and the next one begins now');
  assert.equal(transitions.at(-1)!.figures!.candidate.requests, 300);
});

const job = { id: 'job', attempt: 1, fence: 1, report: () => undefined };

eachDatabase('a wall clock that jumps either way neither passes a step without its sample nor blinds the guardrails', async (t, kind) => {
  const live = canaryProject('{ steps: [50%, 100%], hold: 1h, min_sample: 50 }', '', '');
  const b = await openCanary(t, kind, live, { GYRE_FAULT_INJECTION: '1' });
  await withStable(b);
  await b.version('good', { 'gyre.fault.error_rate': '0.3' });
  await b.begin();
  // A day forward at once: the hold is over, the sample is not there.
  b.clock.advance(86_400_000);
  await b.traffic(20, 0, 0, { live: true });
  await shipLog.run(b.ctx(), {}, job);
  let { release: now } = await b.status();
  assert.deepEqual([now.state, now.share], ['canary', 0.5], now.standing);
  // Two days back, before the release began.
  b.clock.advance(-2 * 86_400_000 + 7_200_000);
  await b.traffic(300, 0, 0, { live: true, first: 1000 });
  await shipSegments(b.ctx(), () => liveAcks(b.ctx()));
  await shipLog.run(b.ctx(), {}, job);
  ({ release: now } = await b.status());
  assert.equal(now.state, 'rolled-back', now.standing);
});
