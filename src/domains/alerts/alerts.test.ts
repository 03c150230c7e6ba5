// The life of an alert, on both databases.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eachDatabase } from '../../../test/support/platform.ts';
import { DAY, dayEnd, openAlerts, type AlertBench } from '../../../test/support/alert-bench.ts';
import { fresh } from './model.ts';
import { listInstances, saveInstance } from './store/rules.ts';
import { activeAlerts, isMutedByData, listAlerts } from './public.ts';

const FALL = 'alerts: [{ when: e.roc_auc below baseline by 0.03, for: 2 windows, severity: page }]';

interface AlertReply {
  readonly id: string;
  readonly rule: string;
  readonly state: string;
  readonly muted: string;
  readonly evidence: { readonly value: number; readonly n: number; readonly window: string };
  readonly history: readonly { readonly state: string; readonly at: string; readonly why: string }[];
}
const list = async (b: AlertBench, query = ''): Promise<AlertReply[]> =>
  (await b.send<{ items: AlertReply[] }>('GET', `/alerts${query}`)).body.items;
const told = async (b: AlertBench): Promise<string[]> => (await b.events()).map((e) => `${e.type} ${e.payload.rule as string}`);
interface RuleReply {
  readonly name: string;
  readonly state: string;
  readonly managedBy: string;
  readonly noDataSince: string | null;
  readonly noDataReason: string;
}
const rule = async (b: AlertBench, name: string): Promise<RuleReply | undefined> =>
  (await b.send<{ items: RuleReply[] }>('GET', '/alert-rules')).body.items.find((r) => r.name === name);

eachDatabase('a fall is pending, fires at the second window and resolves, each with its figures', async (t, kind) => {
  const b = await openAlerts(t, kind, { more: FALL });
  await b.aucs(0.7, 0.66, 0.65, 0.65, 0.7);
  assert.deepEqual(await told(b), ['alert.pending e-roc_auc', 'alert.firing e-roc_auc', 'alert.resolved e-roc_auc']);
  const [alert] = await list(b);
  assert.deepEqual(
    alert!.history.map((h) => [h.state, h.at]),
    [
      ['pending', '2026-01-03T00:00:00.000Z'],
      ['firing', '2026-01-04T00:00:00.000Z'],
      ['resolved', '2026-01-06T00:00:00.000Z'],
    ],
  );
  const firing = (await b.events('alert.firing'))[0]!;
  assert.deepEqual([firing.subject, firing.occurredUs], [{ kind: 'alert', id: alert!.id }, dayEnd(3)]);
  const { value, n, window, monitor, severity } = firing.payload;
  assert.deepEqual([value, n, monitor, severity], [0.65, 900, 'e', 'page']);
  assert.deepEqual(firing.edges.find((e) => e.relation === 'raised-by')?.to, { kind: 'window', id: window });
  assert.deepEqual(await list(b, '?state=active'), []);
  assert.equal((await b.send<AlertReply>('GET', `/alerts/${alert!.id}`)).body.evidence.value, 0.7);
  assert.equal((await b.send('GET', '/alerts/alr_none')).body.code, 'alert-not-found');
  assert.deepEqual(
    (await listAlerts(b.ctx(), 'demo')).map((a) => a.state),
    ['resolved'],
  );
});

eachDatabase('a breach that does not last is dropped, and the next alert is another one', async (t, kind) => {
  const b = await openAlerts(t, kind, { more: FALL });
  await b.aucs(0.66, 0.7, 0.66, 0.66);
  assert.deepEqual(await told(b), [
    'alert.pending e-roc_auc',
    'alert.dropped e-roc_auc',
    'alert.pending e-roc_auc',
    'alert.firing e-roc_auc',
  ]);
  assert.deepEqual(
    (await list(b)).map((a) => a.state),
    ['firing', 'dropped'],
  );
  assert.equal((await list(b, '?limit=1')).length, 1);
  assert.equal((await activeAlerts(b.ctx(), 'demo', { monitor: 'e' })).length, 1);
  assert.equal((await activeAlerts(b.ctx(), 'demo', { monitor: 'other' })).length, 0);
});

eachDatabase('a window that can tell nothing keeps the state, visibly', async (t, kind) => {
  const b = await openAlerts(t, kind, { more: FALL });
  await b.aucs(0.66, 0.66, null, null);
  const shown = (await rule(b, 'e-roc_auc'))!;
  assert.deepEqual([shown.state, shown.noDataSince, shown.noDataReason], ['firing', '2026-01-04T00:00:00.000Z', 'too few labels']);
  await b.closeWindow({ day: 5, kind: 'performance', auc: 0.66 });
  assert.equal((await rule(b, 'e-roc_auc'))!.noDataSince, null);
  assert.equal((await told(b)).length, 2);
});

eachDatabase('late labels make a new generation, and rules see it', async (t, kind) => {
  const b = await openAlerts(t, kind, { more: FALL });
  await b.aucs(0.66, 0.7);
  await b.closeWindow({ day: 2, kind: 'performance', auc: 0.66, generation: 2 });
  assert.deepEqual((await told(b)).at(-1), 'alert.firing e-roc_auc');
  assert.equal((await b.events('alert.firing'))[0]!.occurredUs, dayEnd(2) + DAY);
});

eachDatabase('a window told twice is judged once', async (t, kind) => {
  const b = await openAlerts(t, kind, { more: FALL });
  const id = await b.closeWindow({ day: 1, kind: 'performance', auc: 0.66 });
  await b.ctx().tx((tx) => tx.emit({ type: 'window.closed', subject: { kind: 'window', id }, project: 'demo', payload: { monitor: 'e' } }));
  await b.drain();
  assert.deepEqual(await told(b), ['alert.pending e-roc_auc']);
});

eachDatabase('changing what a rule decides by begins it anew; other words change in place', async (t, kind) => {
  const b = await openAlerts(t, kind, { more: FALL });
  await b.aucs(0.66, 0.66);
  await b.apply(FALL.replace('page', 'info'));
  const [same] = await activeAlerts(b.ctx(), 'demo');
  assert.deepEqual([same!.state, same!.severity, same!.labels.severity], ['firing', 'info', 'info']);
  await b.apply(FALL.replace('0.03', '0.02'));
  const [ended] = await list(b);
  assert.deepEqual([ended!.state, ended!.history.at(-1)!.why], ['resolved', 'the rule was changed']);
  assert.equal((await rule(b, 'e-roc_auc'))!.state, 'normal');
  await b.closeWindow({ day: 3, kind: 'performance', auc: 0.66 });
  assert.equal((await rule(b, 'e-roc_auc'))!.state, 'pending');
  await b.apply('alerts: [{ when: e.roc_auc below 0.1 }]');
  assert.deepEqual(
    (await list(b)).map((a) => a.history.at(-1)!.why),
    ['the rule was changed', 'the rule was changed'],
  );
  assert.equal((await list(b))[0]!.state, 'dropped');
});

eachDatabase('rules come by the API, too, and the file has the last word', async (t, kind) => {
  const b = await openAlerts(t, kind, { more: FALL });
  const made = await b.send('POST', '/alert-rules', { name: 'quiet', when: 'e.volume below 100', for: '2 of 3 windows', severity: 'info' });
  assert.deepEqual([made.status, made.body.managedBy, made.body.for], [201, 'api', '2 of 3 windows']);
  for (const [body, code] of [
    [{ name: 'quiet', when: 'e.volume below 10' }, 'alert-rule-exists'],
    [{ name: 'e-roc_auc', when: 'e.volume below 10' }, 'alert-rule-exists'],
    [{ name: 'x', when: 'e.volume falls' }, 'alert-rule-invalid'],
    [{ name: 'x', when: 'f.volume below 10' }, 'alert-rule-invalid'],
    [{ name: 'x', when: 'e.f1 below 10' }, 'alert-rule-invalid'],
    [{ name: 'x', when: 'e.windows found' }, 'alert-rule-invalid'],
    [{ name: 'x', when: 'e.volume below 10', receivers: ['nobody'] }, 'alert-rule-invalid'],
    [{ name: 'x', when: 'e.volume below 10', for: 'ever' }, 'invalid-input'],
    [{ name: 'x', when: 'e.volume below 10', for: '0 windows' }, 'invalid-input'],
    [{ name: 'x', when: 'e.volume below 10', for: '3 of 2 windows' }, 'alert-rule-invalid'],
  ] as const)
    assert.equal((await b.send('POST', '/alert-rules', body)).body.code, code, JSON.stringify(body));
  await b.closeWindow({ day: 1, n: 50 });
  await b.closeWindow({ day: 2, n: 50 });
  assert.ok((await told(b)).includes('alert.firing quiet'));
  for (const [name, code] of [
    ['e-roc_auc', 'alert-rule-managed'],
    ['e-drift', 'alert-rule-managed'],
    ['none', 'alert-rule-not-found'],
  ])
    assert.equal((await b.send('DELETE', `/alert-rules/${name}`)).body.code, code);
  assert.equal((await b.send('DELETE', '/alert-rules/quiet')).status, 204);
  assert.deepEqual(
    (await list(b)).map((a) => [a.rule, a.state, a.history.at(-1)!.why]),
    [['quiet', 'resolved', 'the rule was removed']],
  );
  assert.equal(await rule(b, 'quiet'), undefined);
});

eachDatabase('broken data mutes drift: it is recorded, not told, until the data is whole again', async (t, kind) => {
  const b = await openAlerts(t, kind);
  await b.closeWindow({ day: 1, findings: ['quality', 'dataset-drift'] });
  assert.equal(await isMutedByData(b.ctx(), 'demo', 'e'), true);
  await b.closeWindow({ day: 2, findings: ['quality', 'dataset-drift'] });
  assert.deepEqual(await told(b), ['alert.firing e-quality', 'alert.pending e-drift', 'alert.muted e-drift']);
  const muted = (await list(b)).find((a) => a.rule === 'e-drift')!;
  assert.deepEqual([muted.state, muted.muted], ['firing', 'the quality alert "e-quality" is firing']);
  assert.equal((await b.events('alert.muted'))[0]!.payload.reason, muted.muted);
  await b.closeWindow({ day: 3, findings: ['dataset-drift'] });
  assert.deepEqual((await told(b)).slice(3), ['alert.resolved e-quality', 'alert.firing e-drift']);
  assert.equal(await isMutedByData(b.ctx(), 'demo', 'e'), false);
  await b.closeWindow({ day: 4, findings: ['quality', 'dataset-drift'] });
  await b.closeWindow({ day: 5 });
  await b.closeWindow({ day: 6 });
  assert.deepEqual((await told(b)).slice(5), [
    'alert.firing e-quality',
    'alert.muted e-drift',
    'alert.resolved e-quality',
    'alert.resolved e-drift',
  ]);
});

eachDatabase('the dead man fires when windows with records stop, and is well again with the next one', async (t, kind) => {
  const b = await openAlerts(t, kind);
  await b.to(1);
  assert.match((await rule(b, 'e-windows'))!.noDataReason, /no window with records/);
  await b.closeWindow({ day: 1 });
  await b.to(4);
  assert.deepEqual(await told(b), []);
  await b.closeWindow({ day: 4, n: 0 });
  await b.to(5);
  await b.to(6);
  assert.deepEqual(await told(b), ['alert.firing e-windows']);
  await b.closeWindow({ day: 7 });
  assert.deepEqual(await told(b), ['alert.firing e-windows', 'alert.resolved e-windows']);
  const [alert] = await list(b);
  assert.equal(alert!.history[0]!.at, '2026-01-06T00:00:00.000Z');
});

eachDatabase('on a live timeline the dead man looks at the clock each minute, whatever is wrong with another project', async (t, kind) => {
  const b = await openAlerts(t, kind, { timeline: '{ mode: live }' });
  const broken = { project: 'a', fingerprint: 'f', monitor: 'm', rule: 'r', logic: '', memory: fresh, alert: null, version: 0 };
  await b.ctx().tx((tx) => saveInstance(tx.db, 'default', broken));
  await b.closeWindow({ day: 1, us: b.clock.now() * 1000 });
  const { version } = (await listInstances(b.ctx().db, 'default', 'demo')).find((i) => i.rule === 'e-windows')!;
  for (let minute = 0; minute < 5; minute++) await b.later(60_000);
  assert.equal(
    (await listInstances(b.ctx().db, 'default', 'demo')).find((i) => i.rule === 'e-windows')!.version,
    version,
    'a quiet minute writes nothing',
  );
  assert.deepEqual(await told(b), []);
  await b.later((3 * DAY) / 1000);
  await b.later(60_000);
  await b.later(60_000);
  assert.deepEqual(await told(b), ['alert.firing e-windows']);
});

eachDatabase('windows of an outage that close late neither end what the dead man said nor begin it anew', async (t, kind) => {
  const b = await openAlerts(t, kind, { timeline: '{ mode: live }' });
  const nowUs = (): number => b.clock.now() * 1000;
  const begunUs = nowUs();
  await b.closeWindow({ day: 1, us: begunUs });
  await b.later(60_000);
  await b.later((5 * DAY) / 1000);
  await b.later(60_000);
  assert.deepEqual(await told(b), ['alert.firing e-windows']);
  // What came before the outage is closed now: with records, without, and at last one of today.
  await b.closeWindow({ day: 2, us: begunUs + DAY });
  await b.closeWindow({ day: 3, us: begunUs + 2 * DAY - 60e6 });
  await b.closeWindow({ day: 4, us: begunUs + 3 * DAY, n: 0 });
  await b.later(60_000);
  assert.deepEqual(await told(b), ['alert.firing e-windows']);
  await b.closeWindow({ day: 5, us: nowUs() });
  assert.deepEqual(await told(b), ['alert.firing e-windows', 'alert.resolved e-windows']);
  const [alert] = await list(b);
  const moments = alert!.history.map((h) => h.at);
  assert.deepEqual(moments, moments.toSorted());
});

const WORDS = ['1 window', '2 windows', '2 of 3 windows', '3d'];
const KEEP = ['0s', '2d'];

test('whatever windows come, late generations among them, a rule replayed over them says what happened', async (t) => {
  const seen = fc.record({ auc: fc.constantFrom(0.66, 0.7, null), late: fc.constantFrom(undefined, undefined, 0.66, 0.7) });
  for (const [run, sequence] of fc.sample(fc.array(seen, { minLength: 6, maxLength: 14 }), { numRuns: 8, seed: 4 }).entries()) {
    const b = await openAlerts(t, 'sqlite', {
      more: `alerts: [{ name: r, when: e.roc_auc below baseline by 0.03, for: ${WORDS[run % 4]}, keep_firing_for: ${KEEP[run % 2]} }]`,
    });
    for (const [i, { auc }] of sequence.entries()) {
      await b.closeWindow({ day: i + 1, kind: 'performance', auc });
      const before = sequence[i - 1]?.late;
      if (before !== undefined) await b.closeWindow({ day: i, kind: 'performance', auc: before, generation: 2 });
    }
    const lived = (await list(b, '?limit=1000'))
      .toReversed()
      .flatMap((a) => a.history.map((h) => `${h.state} ${h.at}`))
      .toSorted();
    const { body } = await b.send<{ transitions: { state: string; at: string }[] }>('POST', '/alerts/test', { rule: 'r' });
    const replayed = body.transitions.map((x) => `${x.state === 'normal' ? 'dropped' : x.state} ${x.at}`).toSorted();
    assert.deepEqual(replayed, lived);
  }
});

eachDatabase('drift is muted while the newest version of a dataset is in quarantine', async (t, kind) => {
  const b = await openAlerts(t, kind);
  const arrive = (number: number, state: 'current' | 'quarantined') =>
    b.ctx().tx(async ({ db, workspace: workspace_id }) => {
      const tables = db.withTables<{ datasets: Record<string, unknown>; dataset_versions: Record<string, unknown> }>();
      await tables.deleteFrom('datasets').execute();
      await tables
        .insertInto('datasets')
        .values({ workspace_id, project: 'demo', name: 'flights', current_version: null, last_number: number })
        .execute();
      const none = { columns: '[]', row_count: 0, logical_digest: '', profile: '[]', violations: '[]', build_key: '', inputs: '[]' };
      const version = {
        workspace_id,
        id: `dsv_${number}`,
        project: 'demo',
        dataset: 'flights',
        number,
        state,
        generation: 1,
        actor_id: 'x',
        recorded_ms: 1,
      };
      await tables
        .insertInto('dataset_versions')
        .values({ ...version, ...none })
        .execute();
    });
  await arrive(1, 'current');
  assert.equal(await isMutedByData(b.ctx(), 'demo', 'e'), false);
  await arrive(2, 'quarantined');
  assert.equal(await isMutedByData(b.ctx(), 'demo', 'e'), true);
  await b.closeWindow({ day: 1, findings: ['prediction-drift'] });
  await b.closeWindow({ day: 2, findings: ['prediction-drift'] });
  assert.deepEqual((await told(b)).at(-1), 'alert.muted e-prediction_drift');
  assert.equal((await list(b))[0]!.muted, 'the newest version of dataset "flights" is in quarantine');
  await arrive(3, 'current');
  await b.closeWindow({ day: 3, findings: ['prediction-drift'] });
  assert.deepEqual((await told(b)).at(-1), 'alert.firing e-prediction_drift');
});
