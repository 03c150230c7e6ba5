import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { eventsIn } from '../../kernel/events/events.ts';
import { eachDatabase } from '../../../test/support/platform.ts';
import { moveTimeline } from '../../kernel/timeline/timeline.ts';
import { shipSegments } from '../serving/public.ts';
import { judgeRelease } from './service/judge.ts';
import { beginMove, endMove } from './service/move.ts';
import { liveAcks } from './service/settle.ts';
import { findActive as activeRelease } from './store/releases.ts';
import { versionByAlias } from '../registry/public.ts';
import { assignVariant } from '../serving/plane/assignment.ts';
import { canaryProject, DAY_US, HOUR_US, openCanary, policy, START_US, withStable, type CanaryBench } from './fixtures/canary.ts';

const champion = async (b: CanaryBench): Promise<number | undefined> => (await versionByAlias(b.ctx(), 'm', 'champion'))?.number;

const eventTypes = async (b: CanaryBench): Promise<string[]> => {
  await b.headSeq();
  const rows = await eventsIn(b.ctx().db)
    .selectFrom('events')
    .select('type')
    .where('subject_kind', '=', 'release')
    .orderBy('seq')
    .execute();
  return rows.map((r) => r.type.replace('release.', ''));
};

eachDatabase('a good candidate goes by 10 % and 50 % to all traffic, and no key ever goes back to the stable version', async (t, kind) => {
  const b = await openCanary(t, kind);
  await withStable(b);
  await b.version();
  const { status, body } = await b.begin();
  assert.deepEqual([status, body.state, body.step, body.share], [201, 'canary', 0, 0.1], JSON.stringify(body));
  assert.deepEqual(
    (await b.served()).map((v) => [v.number, v.weight]),
    [
      [1, 0.9],
      [2, 0.1],
    ],
  );
  assert.equal(await champion(b), 1);

  const first = await b.traffic(1500, START_US, START_US + DAY_US);
  await b.tick(START_US + DAY_US / 2);
  let { release, transitions } = await b.status();
  assert.deepEqual([release.state, release.step], ['canary', 0]);
  assert.match(release.standing, /^held 12 h of 24 h$/);
  await b.tick(START_US + DAY_US);
  ({ release, transitions } = await b.status());
  assert.deepEqual([release.state, release.step, release.share], ['canary', 1, 0.5], release.standing);
  // Judged on what the ten per cent were, of which none is left out.
  const { figures } = transitions.at(-1)!;
  assert.equal(figures!.candidate.requests + figures!.stable.requests, 1500);
  assert.ok(figures!.candidate.requests > 100 && figures!.candidate.requests < 200);
  assert.equal(await champion(b), 1);

  const second = await b.traffic(600, START_US + DAY_US, START_US + 2 * DAY_US);
  await b.tick(START_US + 2 * DAY_US);
  ({ release, transitions } = await b.status());
  assert.deepEqual([release.state, release.share], ['promoted', 1], release.standing);
  assert.deepEqual(
    transitions.map((x) => [x.from, x.to, x.share]),
    [
      ['pending', 'warming', 0],
      ['warming', 'canary', 0.1],
      ['canary', 'canary', 0.5],
      ['canary', 'promoted', 1],
    ],
  );
  assert.equal(await champion(b), 2);
  assert.deepEqual(
    (await b.served()).map((v) => [v.number, v.weight]),
    [[2, 1]],
  );
  assert.deepEqual(await eventTypes(b), ['started', 'promoted', 'started', 'warmed', 'stepped', 'stepped', 'promoted']);

  // The same keys once more at 50 %: the weights grew, so whoever had the candidate has it still.
  const moved = second.map((answer, i) => [first[i]!.variant, answer.variant] as const);
  assert.deepEqual(
    moved.filter(([before, after]) => before === 'v2' && after !== 'v2'),
    [],
  );
  assert.ok(moved.filter(([before, after]) => before === 'v1' && after === 'v2').length > 150);
  // Back is what was served before, by the usual command.
  const back = await b.send('POST', '/projects/demo/endpoints/e/rollback', {});
  assert.deepEqual([back.status, back.body.state], [201, 'promoted'], JSON.stringify(back.body));
  assert.equal(await champion(b), 1);
});

eachDatabase('too little data holds a step, and rolls it back when the longest hold is over', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject(policy(', max_hold: 3d')));
  await withStable(b);
  await b.version();
  await b.begin();
  await b.traffic(200, START_US, START_US + DAY_US);
  await b.tick(START_US + DAY_US);
  await b.tick(START_US + 2 * DAY_US);
  let { release, transitions } = await b.status();
  assert.equal(release.state, 'canary');
  assert.match(release.standing, /the candidate answered \d\d of at least 100 requests/);
  assert.deepEqual(
    transitions.map((x) => [x.from, x.to]),
    [
      ['pending', 'warming'],
      ['warming', 'canary'],
      ['canary', 'canary'],
    ],
    'told once, not at every look',
  );
  await b.tick(START_US + 3 * DAY_US);
  ({ release, transitions } = await b.status());
  assert.equal(release.state, 'rolled-back');
  assert.match(release.reason, /lack of evidence: the candidate answered \d\d of at least 100 requests within 3 d/);
  assert.deepEqual(
    (await b.served()).map((v) => [v.number, v.weight]),
    [[1, 1]],
  );
  assert.equal(await champion(b), 1);
  assert.deepEqual((await eventTypes(b)).slice(2), ['started', 'warmed', 'stepped', 'held', 'rolled-back']);
  // A release that has ended leaves the way free for the next.
  assert.equal((await b.begin()).body.state, 'canary');
});

eachDatabase('a candidate that fails 5 % of its requests is rolled back, with the count of those it harmed', async (t, kind) => {
  const b = await openCanary(t, kind, undefined, { GYRE_FAULT_INJECTION: '1' });
  await withStable(b);
  await b.version('good', { 'gyre.fault.error_rate': '0.05' });
  await b.begin();
  assert.deepEqual(
    (await b.served()).map((v) => v.fault ?? null),
    [null, { errorRate: 0.05 }],
  );
  const answers = await b.traffic(4000, START_US, START_US + DAY_US);
  const failed = answers.filter((a) => a.status >= 500).length;
  assert.ok(failed >= 8, `${failed} failed`);
  // Harm that is sure does not wait for the hold: only the records up to this moment are looked at.
  await b.tick(START_US + 18 * HOUR_US);
  const ended = await b.status();
  assert.equal(ended.release.state, 'rolled-back', ended.release.standing);
  const { figures, reason, actor } = ended.transitions.at(-1)!;
  assert.match(
    reason,
    /error_rate: the candidate failed \d+ of \d+ requests \(\d.* %\), the stable variant 0 of \d+ \(0 %\); at least .* percentage points more, with 97.5 %/,
  );
  assert.equal(actor.kind, 'system');
  // Judged on what happened up to that moment; harmed is whoever was.
  assert.ok(figures!.candidate.errors < failed);
  assert.deepEqual(figures!.harmed, { requests: figures!.harmed.requests, errors: failed, beyondStable: failed });
  assert.ok(figures!.harmed.requests > figures!.candidate.requests);
  assert.equal(await champion(b), 1);
  assert.equal((await b.traffic(200, START_US + DAY_US, START_US + 2 * DAY_US)).filter((a) => a.variant !== 'v1').length, 0);
});

eachDatabase('two releases at once are refused, and a frozen endpoint takes no step', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject('{ steps: [50%, 100%], hold: 1d, min_sample: 20 }'));
  await withStable(b);
  await b.version();
  await b.begin();
  assert.equal((await b.begin()).body.code, 'release-under-way');
  await b.traffic(100, START_US, START_US + DAY_US);
  await b.send('POST', '/projects/demo/endpoints/e/freeze', { reason: 'holidays' });
  await b.tick(START_US + DAY_US);
  assert.match((await b.status()).release.standing, /frozen/);
  assert.equal((await b.steer('promote')).body.code, 'endpoint-frozen');
  await b.send('DELETE', '/projects/demo/endpoints/e/freeze');
  await b.tick(START_US + DAY_US + HOUR_US);
  assert.equal((await b.status()).release.state, 'promoted');
});

eachDatabase('a person pauses, resumes, aborts and promotes, each with a reason', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject('{ steps: [50%, 100%], hold: 1d, min_sample: 20 }'));
  await withStable(b);
  assert.equal((await b.steer('pause')).body.code, 'release-none');
  await b.version();
  await b.begin();
  assert.equal((await b.steer('resume')).body.code, 'release-action-not-possible');
  assert.equal((await b.steer('pause', 'let me look')).body.state, 'paused');
  await b.traffic(100, START_US, START_US + DAY_US);
  await b.tick(START_US + DAY_US);
  const paused = await b.status();
  assert.deepEqual([paused.release.state, paused.release.share], ['paused', 0.5]);
  assert.equal((await b.served()).length, 2, 'the split stays');
  assert.equal((await b.steer('resume', 'it is fine')).body.state, 'canary');
  await b.tick(START_US + DAY_US + HOUR_US);
  assert.match((await b.status()).release.standing, /held 1 h of 24 h/, 'hold and sample begin anew');
  const promoted = await b.steer('promote', 'the board wants it');
  assert.deepEqual([promoted.status, promoted.body.state], [200, 'promoted'], JSON.stringify(promoted.body));
  assert.equal(await champion(b), 2);
  const { transitions } = await b.status();
  assert.deepEqual(
    transitions.map((x) => [x.to, x.actor.kind, x.reason]),
    [
      ['warming', 'local', 'asked for'],
      ['canary', 'local', 'asked for'],
      ['paused', 'local', 'let me look'],
      ['canary', 'local', 'it is fine'],
      ['promoted', 'local', 'the board wants it'],
    ],
  );

  await b.version();
  await b.begin();
  assert.equal((await b.steer('abort', 'second thoughts')).body.state, 'aborted');
  assert.deepEqual([(await b.served()).map((v) => v.number), await champion(b)], [[2], 2]);
  // A rollback while a canary runs goes back to what it runs beside.
  await b.begin();
  const back = await b.send('POST', '/projects/demo/endpoints/e/rollback', { reason: 'no' });
  assert.deepEqual([back.status, back.body.state], [201, 'aborted']);
  assert.deepEqual(
    (await b.served()).map((v) => v.number),
    [2],
  );
  // All at once, where the steps are to be skipped from the start.
  assert.equal((await b.begin('3', { atOnce: true })).body.state, 'promoted');
  const events = await eventsIn(b.ctx().db).selectFrom('events').select('payload').where('type', 'like', 'release.%').execute();
  assert.ok(!JSON.stringify(events).includes('second thoughts'), 'the words of a person are not chained');
});

eachDatabase('a share of the traffic that is not as planned pauses the release', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject('{ steps: [10%, 100%], hold: 1d, min_sample: 20 }'));
  await withStable(b);
  await b.version();
  await b.begin();
  await b.traffic(2000, START_US, START_US + HOUR_US);
  // A caller who sends only keys which the candidate gets: what a proxy does that splits the traffic once more.
  const split = [
    { id: 'v1', weight: 0.9 },
    { id: 'v2', weight: 0.1 },
  ];
  const keys = Array.from({ length: 3000 }, (_, i) => `again-${i}`).filter((key) => assignVariant(split, 'default/e', key).id === 'v2');
  await b.traffic(keys.length, START_US + HOUR_US, START_US + 2 * HOUR_US, { keyOf: (i) => keys[i] });
  await b.tick(START_US + 2 * HOUR_US);
  const { release, transitions } = await b.status();
  assert.equal(release.state, 'paused', release.standing);
  assert.match(transitions.at(-1)!.reason, /the candidate got .* % of \d+ assignments where 10 % were planned/);
  assert.ok(release.figures!.ratio.pValue < 0.001);
});

eachDatabase('a candidate whose outcomes are worse is rolled back when the labels say so, and its scores alone do not', async (t, kind) => {
  const release = '{ steps: [50%, 100%], hold: 10d, min_sample: 100, guardrails: [error_rate, prediction_drift, roc_auc] }';
  const b = await openCanary(t, kind, canaryProject(release, 'monitors:\n  e: { window: 1d }\n'));
  await withStable(b);
  await b.version('poor');
  await b.begin();
  const day = async (n: number): Promise<void> => {
    const answers = await b.traffic(400, START_US + n * DAY_US, START_US + (n + 1) * DAY_US - 1, { first: 400 * n });
    if (n > 0) await b.label(answers, 400 * n);
    await b.tick(START_US + (n + 1) * DAY_US);
  };
  await day(0);
  let { release: now, transitions } = await b.status();
  assert.equal(now.state, 'canary', now.standing);
  const without = now.figures!.guardrails.map((g) => [g.metric, g.verdict]);
  assert.deepEqual(without, [
    ['error_rate', 'ok'],
    ['prediction_drift', 'ok'],
    ['roc_auc', 'too-little-data'],
  ]);
  await day(1);
  ({ release: now, transitions } = await b.status());
  assert.equal(now.state, 'rolled-back', now.standing);
  assert.match(
    transitions.at(-1)!.reason,
    /^roc_auc: candidate 0\.[45]\d* on \d+ outcomes, stable 0\.[89]\d* on \d+; worse by at least 0\.\d+, with 98\.3 % confidence at every look$/,
  );
  assert.ok(transitions.at(-1)!.figures!.candidate.labels > 100);
});

eachDatabase('outcomes of an earlier step that come late still roll the release back', async (t, kind) => {
  const release = '{ steps: [50%, 60%, 100%], hold: 1d, min_sample: 100, guardrails: [roc_auc] }';
  const b = await openCanary(t, kind, canaryProject(release, 'monitors:\n  e: { window: 1d }\n'));
  await withStable(b);
  await b.version('poor');
  await b.begin();
  const answers = await b.traffic(400, START_US, START_US + DAY_US - 1);
  await b.tick(START_US + DAY_US);
  assert.equal((await b.status()).release.step, 1);
  await b.label(answers);
  await b.tick(START_US + DAY_US + HOUR_US);
  const { release: ended, transitions } = await b.status();
  assert.equal(ended.state, 'rolled-back', ended.standing);
  assert.deepEqual(
    transitions.at(-1)!.figures!.guardrails.map((g) => [g.metric, g.step, g.verdict]),
    [
      ['roc_auc', 0, 'harm'],
      ['roc_auc', 1, 'too-little-data'],
    ],
  );
});

eachDatabase('two judgements of one tick move the release once, and an abort wins over a step that is on its way', async (t, kind) => {
  const b = await openCanary(t, kind, canaryProject('{ steps: [50%, 60%, 100%], hold: 1d, min_sample: 20 }'));
  await withStable(b);
  await b.version();
  const { body } = await b.begin();
  await b.traffic(100, START_US, START_US + DAY_US - 1);
  await shipSegments(b.ctx(), () => liveAcks(b.ctx()));
  await b.ctx().tx((tx) =>
    tx.db
      .withTables<{ timelines: { now_us: number } }>()
      .updateTable('timelines')
      .set({ now_us: START_US + DAY_US })
      .execute(),
  );
  await Promise.all([1, 2, 3].map(() => judgeRelease(b.ctx(), body.id)));
  assert.deepEqual(
    (await b.status()).transitions.map((x) => x.share),
    [0, 0.5, 0.6],
  );
  const revisions = await b.send<{ items: { number: number }[] }>('GET', '/projects/demo/endpoints/e/revisions');
  // The first one alone, with the candidate warming, and two splits.
  assert.equal(revisions.body.items.length, 4, 'no revision is made for nothing');

  // A step begins; before its plan is out, somebody aborts.
  const release = (await activeRelease(b.ctx().db, 'default', 'e'))!;
  await b.ctx().tx((tx) => beginMove(tx, release, { to: 'promoted', step: 1, reason: 'test', figures: null }));
  const overtaken = (await activeRelease(b.ctx().db, 'default', 'e'))!;
  assert.equal((await b.steer('abort')).body.state, 'aborted');
  await b.ctx().tx((tx) => endMove(tx, overtaken, { plan: 99 }));
  assert.equal((await b.status()).release.state, 'aborted');
  assert.deepEqual([(await b.served()).map((v) => v.number), await champion(b)], [[1], 1]);
});

test('the last request on the bad version is answered within a second of the decision', async (t) => {
  const b = await openCanary(t, 'sqlite', undefined, { GYRE_FAULT_INJECTION: '1' });
  await withStable(b);
  await b.version('good', { 'gyre.fault.error_rate': '0.2' });
  await b.begin();
  await b.traffic(2000, START_US, START_US + HOUR_US);
  // Callers go on asking while the decision is taken; those whom the candidate serves say when.
  let asking = true;
  const bad: number[] = [];
  const callers = [0, 1, 2, 3].map(async (caller) => {
    for (let i = 0; asking; i++)
      for (const { variant, status } of await b.traffic(5, START_US + HOUR_US, START_US + 2 * HOUR_US, {
        first: 10_000 * (caller + 1) + 5 * i,
      }))
        if (variant === 'v2' || status >= 500) bad.push(performance.now());
  });
  await shipSegments(b.ctx(), () => liveAcks(b.ctx()));
  await moveTimeline(b.ctx(), 'demo', START_US + 2 * HOUR_US);
  let decidedMs = 0;
  for (; decidedMs === 0; await turn())
    if ((await activeRelease(b.ctx().db, 'default', 'e'))?.move?.to === 'rolled-back') decidedMs = performance.now();
  await b.drain();
  assert.equal((await b.status()).release.state, 'rolled-back');
  const after = await b.traffic(50, START_US + 2 * HOUR_US, START_US + 3 * HOUR_US, { first: 90_000 });
  asking = false;
  await Promise.all(callers);
  assert.ok(bad.length > 0 && after.every((a) => a.variant === 'v1'));
  const lateMs = Math.max(...bad) - decidedMs;
  t.diagnostic(`the last answer of the bad version came ${Math.round(lateMs)} ms after the decision`);
  assert.ok(lateMs < 1000, `${lateMs} ms`);
});

test('the same records give the same decisions, and judging the same tick twice changes nothing', async (t) => {
  const run = async (): Promise<string> => {
    const b = await openCanary(t, 'sqlite', undefined, { GYRE_FAULT_INJECTION: '1' });
    await withStable(b);
    await b.version('good', { 'gyre.fault.error_rate': '0.05' });
    await b.begin();
    for (let hour = 0; hour < 24; hour += 6) {
      await b.traffic(500, START_US + hour * HOUR_US, START_US + (hour + 6) * HOUR_US, { first: hour * 100 });
      await b.tick(START_US + (hour + 6) * HOUR_US);
      const before = await b.status();
      await b.tick(START_US + (hour + 6) * HOUR_US);
      assert.deepEqual(await b.status(), before);
    }
    const { release, transitions } = await b.status();
    return JSON.stringify([release.state, transitions.map((x) => [x.to, x.reason, x.figures?.harmed])]);
  };
  const one = await run();
  assert.match(one, /rolled-back/);
  assert.equal(await run(), one);
});
