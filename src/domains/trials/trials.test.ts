import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { assignVariant } from '../serving/plane/assignment.ts';
import { readPlan } from '../serving/public.ts';
import { beginSplit, readySplit } from '../releases/public.ts';
import { canaryProject, DAY_US, openCanary, policy, START_US, withStable, type CanaryBench } from '../releases/fixtures/canary.ts';
import { ON_THEIR_WAY, settleLater, settleTrial } from './service/settle.ts';
import { findTrial, updateTrial } from './store.ts';

const monitored = canaryProject(policy(), 'monitors:\n  e: { window: 1d }\n');

interface TrialReply {
  readonly id: string;
  readonly state: string;
  readonly standing: string;
  readonly code?: string;
  readonly detail?: string;
  readonly release: string | null;
  readonly size: {
    readonly units: number;
    readonly unitsPerDay: number;
    readonly days: number;
    readonly baseline: { readonly from: string };
  };
  readonly decision: { readonly verdict: { readonly kind: string; readonly arm: string | null; readonly rule: string } } | null;
}
interface ReadoutReply {
  readonly kind: string;
  readonly arms: readonly { readonly name: string; readonly assigned: number; readonly units: number; readonly value: number }[];
  readonly comparisons: readonly {
    readonly difference: number;
    readonly fixed: { readonly low: number; readonly high: number; readonly pValue: number } | null;
    readonly always: { readonly low: number; readonly high: number } | null;
  }[];
  readonly units: number;
  readonly ratio: { readonly pValue: number };
  readonly verdict: { readonly kind: string; readonly arm: string | null; readonly rule: string; readonly why: string };
}

const at = '/projects/demo/endpoints/e/trials';
const plan = (b: CanaryBench, more: object = {}) =>
  b.send<TrialReply>('POST', at, {
    ...{ name: 't', arms: [{ name: 'b', version: '2' }], metric: 'accuracy', effect: 0.15, given: { mean: 0.7, unitsPerDay: 200 } },
    ...more,
  });
const act = (b: CanaryBench, what: string, body: object = {}) => b.send<TrialReply>('POST', `${at}/t/${what}`, body);
const read = async (b: CanaryBench): Promise<ReadoutReply> => (await b.send<ReadoutReply>('GET', `${at}/t/readout`)).body;

eachDatabase(
  'a trial is planned, split, read, decided by its rule, and its winner released by the steps of the endpoint',
  async (t, kind) => {
    const b = await openCanary(t, kind, monitored);
    // What is served scores by the column that says nothing.
    await b.version('poor');
    assert.equal((await b.begin('1')).body.state, 'promoted');
    await b.version('good');

    const planned = await plan(b);
    assert.deepEqual([planned.status, planned.body.state], [201, 'planned'], JSON.stringify(planned.body));
    // Twice 120.5, as statsmodels has it for shares of 0.7 and 0.85.
    assert.deepEqual([planned.body.size.units, planned.body.size.days], [241, 2]);
    assert.equal((await plan(b)).body.code, 'trial-name-taken');

    const started = await act(b, 'start');
    assert.deepEqual(
      [started.status, started.body.state, started.body.standing],
      [200, 'running', 'its arms answer'],
      JSON.stringify(started.body),
    );
    const answers = await b.traffic(400, START_US, START_US + DAY_US);
    // Assigned as anybody can recompute it, by a salt of the trial's own.
    const { salt, variants } = readPlan(b.folder)!.endpoints[0]!;
    assert.equal(salt, `default/e/${started.body.id}`);
    answers.forEach(({ variant }, i) => assert.equal(variant, assignVariant(variants, salt, `k${i}`).id));

    // One writer: no release while it runs.
    await b.version('good');
    assert.equal((await b.begin('3')).body.code, 'endpoint-in-trial');

    await b.label(answers.slice(0, 200));
    await b.tick(START_US + DAY_US);
    const early = await read(b);
    assert.equal(early.verdict.kind, 'continue', JSON.stringify(early));
    assert.equal(early.comparisons[0]!.fixed, null);
    assert.equal((await act(b, 'decide', { reason: 'now' })).body.code, 'trial-undecided');

    await b.label(answers.slice(200), 200);
    await b.tick(START_US + 2 * DAY_US);
    const full = await read(b);
    assert.deepEqual([full.kind, full.units, full.verdict.kind, full.verdict.arm], ['shares', 400, 'winner', 'b'], JSON.stringify(full));
    const [compared] = full.comparisons;
    assert.ok(compared!.fixed!.low > 0 && compared!.always!.low > 0 && full.arms[1]!.value > full.arms[0]!.value);
    assert.match(full.verdict.rule, /^fixed horizon at 241 units, two-sided alpha 0.05$/);

    const decided = await act(b, 'decide', { reason: 'it is better', promote: true });
    assert.deepEqual([decided.status, decided.body.state], [200, 'decided'], JSON.stringify(decided.body));
    assert.equal(decided.body.decision!.verdict.rule, full.verdict.rule);
    await b.drain();
    // Never around the steps: the winner is a canary at ten per cent.
    const { release } = await b.status();
    assert.deepEqual([release.id, release.state, release.share], [decided.body.release, 'canary', 0.1]);
    assert.match(release.reason, /^trial t: b is better by .*, by fixed horizon/);
    assert.equal(readPlan(b.folder)!.endpoints[0]!.salt, 'default/e');
    // Deciding once more changes nothing.
    assert.equal((await act(b, 'decide', { reason: 'again', promote: true })).body.release, decided.body.release);

    await b.headSeq();
    const events = await eventsIn(b.ctx().db)
      .selectFrom('events')
      .select('type')
      .where('subject_kind', '=', 'trial')
      .orderBy('seq')
      .execute();
    assert.deepEqual(
      events.map((e) => e.type),
      ['trial.planned', 'trial.started', 'trial.decided', 'trial.promoted'],
    );
  },
);

eachDatabase('an A/A check splits one version from itself and finds nothing', async (t, kind) => {
  const b = await openCanary(t, kind, monitored);
  await withStable(b);
  const planned = await plan(b, {
    kind: 'aa',
    arms: [{ name: 'same' }],
    metric: 'accuracy',
    rule: 'confidence-sequence',
    effect: 0.2,
    given: { mean: 0.7, unitsPerDay: 300 },
  });
  assert.equal(planned.status, 201, JSON.stringify(planned.body));
  assert.equal((await act(b, 'start')).body.state, 'running');
  const answers = await b.traffic(planned.body.size.units + 20, START_US, START_US + DAY_US);
  await b.label(answers);
  await b.tick(START_US + DAY_US);
  const found = await read(b);
  assert.deepEqual([found.verdict.kind, found.arms.map((a) => a.name)], ['no-difference', ['control', 'same']], JSON.stringify(found));
  assert.ok(found.arms.every((a) => a.assigned > 50) && found.ratio.pValue > 0.001);
  // There is no winner to promote.
  const decided = await act(b, 'decide', { reason: 'checked', promote: true });
  assert.equal(decided.body.code, 'trial-action-not-possible');
  const { body } = await b.send<TrialReply>('GET', `${at}/t`);
  assert.deepEqual([body.state, body.decision!.verdict.kind], ['decided', 'no-difference']);
});

eachDatabase('a trial that is stopped gives all traffic back to the control, and plans from live traffic', async (t, kind) => {
  const b = await openCanary(t, kind, monitored);
  await withStable(b);
  await b.version('poor');
  assert.equal((await plan(b, { given: {} })).body.code, 'trial-without-traffic');
  // Some keys ask twice: units are keys, not requests.
  const answers = await b.traffic(280, START_US, START_US + DAY_US, { keyOf: (i) => `k${i % 140}` });
  await b.label(answers);
  await b.tick(START_US + DAY_US);
  const planned = await plan(b, { name: 'brier', given: {}, metric: 'brier', effect: 0.05 });
  assert.deepEqual(
    [planned.status, planned.body.size.unitsPerDay, planned.body.size.baseline.from],
    [201, 10, 'log'],
    JSON.stringify(planned.body),
  );
  assert.equal((await plan(b, { arms: [{ name: 'b' }] })).body.code, 'trial-plan-invalid');
  assert.equal((await plan(b, { covariate: { column: 'nothing' }, given: {} })).body.code, 'trial-plan-invalid');

  assert.equal((await plan(b, { covariate: { column: 'good' } })).status, 201);
  assert.equal((await b.send<TrialReply>('GET', `${at}/t/readout`)).body.code, 'trial-action-not-possible');
  assert.equal((await b.send<TrialReply>('GET', `${at}/none`)).body.code, 'trial-not-found');
  assert.equal((await act(b, 'start')).body.state, 'running');
  assert.equal((await b.send<TrialReply>('POST', `${at}/brier/start`, {})).body.code, 'endpoint-in-trial');
  const stopped = await act(b, 'stop', { reason: 'enough' });
  assert.deepEqual([stopped.body.state, stopped.body.standing], ['stopped', 'stopped: enough']);
  assert.deepEqual(
    (await b.served()).map((v) => [v.number, v.weight]),
    [[1, 1]],
  );
  assert.equal((await act(b, 'start')).body.code, 'trial-action-not-possible');
  const { body } = await b.send<{ items: { name: string }[] }>('GET', at);
  assert.deepEqual(
    body.items.map((i) => i.name),
    ['t', 'brier'],
  );
});

eachDatabase('a trial that a data plane cannot take leaves what was served in place, and can start again', async (t, kind) => {
  const b = await openCanary(t, kind, monitored);
  await withStable(b);
  const two = await b.version();
  await plan(b, { name: 'nine', arms: [{ name: 'b', version: '9' }] });
  assert.equal((await b.send<TrialReply>('POST', `${at}/nine/start`, {})).body.code, 'model-version-not-found');
  await plan(b);
  const folder = join(b.folder, 'models', two.digest!);
  const sealed = readdirSync(folder).map((name) => [join(folder, name), readFileSync(join(folder, name))] as const);
  for (const [path] of sealed) writeFileSync(path, 'no model any more');
  const refused = await act(b, 'start');
  assert.deepEqual([refused.status, refused.body.code], [409, 'trial-not-taken'], JSON.stringify(refused.body));
  assert.equal((await b.send<TrialReply>('GET', `${at}/t`)).body.state, 'planned');
  assert.deepEqual(
    (await b.served()).map((v) => [v.number, v.weight]),
    [[1, 1]],
  );
  for (const [path, bytes] of sealed) writeFileSync(path, bytes);
  assert.equal((await act(b, 'start')).body.state, 'running');
});

eachDatabase('an arm whose gate has not passed, and an endpoint that is frozen or being released, begin no trial', async (t, kind) => {
  const b = await openCanary(t, kind, monitored);
  assert.equal((await plan(b)).body.code, 'trial-without-traffic');
  await withStable(b);
  await b.version();
  await plan(b);
  await b.apply(monitored.replace('floor: 0.5', 'floor: 0.95'));
  assert.equal((await act(b, 'start')).body.code, 'gate-not-passed');
  await b.apply(monitored);
  await b.send('POST', '/projects/demo/endpoints/e/freeze', { reason: 'Friday' });
  assert.equal((await act(b, 'start')).body.code, 'endpoint-frozen');
  await b.send('DELETE', '/projects/demo/endpoints/e/freeze');
  assert.equal((await b.begin()).body.state, 'canary');
  assert.equal((await act(b, 'start')).body.code, 'release-under-way');
  await b.steer('abort');
  assert.equal((await act(b, 'start')).body.state, 'running');
  // What a trial splits with cannot be the control of another one.
  assert.deepEqual(await settleTrial(b.ctx(), (await b.send<TrialReply>('GET', `${at}/t`)).body.id).then((x) => x.state), 'running');
});

test('an endpoint that serves nothing has no control', async (t) => {
  const b = await openCanary(t, 'sqlite', monitored);
  const arms = [{ name: 'control', version: null, weight: 1 }];
  const of = { project: 'demo', endpoint: 'e' };
  const ready = await readySplit(b.ctx(), of);
  const refused = b.ctx().tx((tx) => beginSplit(tx, { ...of, trial: 't', arms, ready }));
  await assert.rejects(refused, { code: 'trial-arm-unusable' });
});

test('a server that dies between the split and the plan goes on with it', async (t) => {
  const b = await openCanary(t, 'sqlite', monitored);
  await withStable(b);
  await b.version();
  await plan(b);
  const { body } = await b.send<TrialReply>('GET', `${at}/t`);
  const arms = [
    { name: 'control', version: null, weight: 0.5 },
    { name: 'b', version: '2', weight: 0.5 },
  ];
  // As `start` leaves it when the process ends after its transaction.
  const ready = await readySplit(b.ctx(), { project: 'demo', endpoint: 'e' });
  await b.ctx().tx(async (tx) => {
    const trial = (await findTrial(tx.db, tx.workspace, body.id))!;
    const { revision, before } = await beginSplit(tx, { project: 'demo', endpoint: 'e', trial: trial.id, arms, ready });
    const versions = revision.variants.map((v) => ({ id: v.versionId, model: v.model, number: v.number }));
    const started = {
      revision: revision.id,
      spans: [[revision.number, revision.number]] as const,
      previous: before.id,
      again: false,
      invalid: false,
      versions,
      atUs: START_US,
    };
    await updateTrial(tx.db, tx.workspace, { ...trial, state: 'running', started, settled: false, standing: ON_THEIR_WAY });
    await settleLater(tx, trial.id);
  });
  assert.equal((await act(b, 'stop', { reason: 'too soon' })).body.code, 'trial-action-not-possible');
  b.clock.advance(5000);
  await b.drain();
  assert.equal((await b.send<TrialReply>('GET', `${at}/t`)).body.standing, 'its arms answer');
  assert.deepEqual(
    readPlan(b.folder)!.endpoints[0]!.variants.map((v) => [v.id, v.weight]),
    [
      ['control', 0.5],
      ['b', 0.5],
    ],
  );
});
