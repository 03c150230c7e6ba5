// Rules over the windows that monitoring really makes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eachDatabase } from '../../../test/support/platform.ts';
import { eventsIn } from '../../kernel/events/events.ts';
import { days, labels, openMonitor, type Bench } from '../monitoring/fixtures/bench.ts';
import { at, inputs, iso, projectText, registerWithBaseline, sendLabels, sendRecords } from '../monitoring/fixtures/records.ts';
import { activeAlerts, isMutedByData } from './public.ts';

const told = async (b: Bench): Promise<string[]> => {
  const rows = await eventsIn(b.ctx().db).selectFrom('events').selectAll().where('type', 'like', 'alert.%').orderBy('seq').execute();
  return rows.map((r) => `${r.type.slice('alert.'.length)} ${(JSON.parse(r.payload) as { rule: string }).rule}`);
};

interface Tested {
  readonly windows: number;
  readonly withoutData: number;
  readonly transitions: readonly {
    readonly state: string;
    readonly at: string;
    readonly window: string;
    readonly value: number;
    readonly threshold: number;
  }[];
}
const replay = async (b: Bench, body: object): Promise<Tested> => (await b.send<Tested>('POST', '/projects/demo/alerts/test', body)).body;

/** The history of a rule's alerts as it happened. */
async function lived(b: Bench, rule: string): Promise<string[]> {
  const { items } = (
    await b.send<{ items: { rule: string; history: { state: string; at: string; value: number }[] }[] }>('GET', '/projects/demo/alerts')
  ).body;
  return items
    .filter((a) => a.rule === rule)
    .toReversed()
    .flatMap((a) => a.history.map((h) => `${h.state} ${h.at} ${h.value}`));
}

/** Labels that have nothing to do with the scores. */
const noise = async (b: Bench, from: number, to: number): Promise<void> => {
  for (let d = from; d < to; d++)
    await sendLabels(b.ctx(), { fromUs: at(d), toUs: at(d + 1), rows: 900, first: d * 900, number: 500 + d, label: '(i % 7) // 4' });
};

eachDatabase(
  'a model that gets worse fires in order, and the rule replayed over its windows says the same as happened',
  async (t, kind) => {
    const b = await openMonitor(t, kind);
    await registerWithBaseline(b.ctx(), b.folder);
    await days(b, 0, 8);
    await labels(b, 0, 4);
    await noise(b, 4, 8);
    for (let day = 1; day <= 10; day++) await b.advance(at(day, 1));
    const heard = (await told(b)).filter((line) => line.endsWith('roc_auc'));
    assert.deepEqual(heard, ['pending e-roc_auc', 'firing e-roc_auc']);
    const [alert] = (await activeAlerts(b.ctx(), 'demo', { monitor: 'e' })).filter((a) => a.signal === 'roc_auc');
    assert.ok(alert!.evidence.value! <= alert!.evidence.threshold!);
    assert.match(alert!.evidence.method, /windows pooled; baseline 0\.\d+; worse by/);
    const window = (await b.windows('performance')).find((w) => w.id === alert!.evidence.window)!;
    assert.equal(window.closedUs, alert!.firedUs);
    const again = await replay(b, { rule: 'e-roc_auc' });
    assert.equal(again.windows, (await b.windows('performance')).length);
    assert.deepEqual(
      again.transitions.map((x) => `${x.state} ${x.at} ${x.value}`),
      await lived(b, 'e-roc_auc'),
    );
    const written = await replay(b, { when: 'e.roc_auc below baseline by 0.3', for: '1 window' });
    assert.deepEqual(written.transitions, []);
    const early = await replay(b, { rule: 'e-roc_auc', to: iso(at(4)) });
    assert.deepEqual([early.windows, early.transitions.length], [4, 0]);
    for (const [body, code] of [
      [{}, 'alert-rule-invalid'],
      [{ rule: 'e-roc_auc', when: 'e.quality found' }, 'alert-rule-invalid'],
      [{ rule: 'none' }, 'alert-rule-not-found'],
      [{ when: 'e.nothing found' }, 'alert-rule-invalid'],
    ] as const)
      assert.equal((await b.send<{ code: string }>('POST', '/projects/demo/alerts/test', body)).body.code, code);
  },
);

test('however event time is moved, the same alerts come at the same moments', async (t) => {
  const histories: string[][] = [];
  for (const steps of [[1, 2, 3, 4, 5, 6, 7, 8], [8]]) {
    const b = await openMonitor(t, 'sqlite');
    await registerWithBaseline(b.ctx(), b.folder);
    await days(b, 0, 5);
    await labels(b, 0, 2);
    await noise(b, 2, 5);
    for (const day of steps) await b.advance(at(day, 1));
    histories.push(await lived(b, 'e-roc_auc'));
  }
  assert.ok(histories[0]!.some((line) => line.startsWith('firing')));
  assert.deepEqual(histories[1], histories[0]);
});

eachDatabase('nulls and a column that moved in the same days are broken data first, and drift once they are mended', async (t, kind) => {
  const b = await openMonitor(t, kind);
  await registerWithBaseline(b.ctx(), b.folder);
  // Within the range that the baseline knows, or the values themselves would be at fault.
  const moved = inputs(0, 0.95).replace(/^\((.*) \+ 0\)::double as x/, '(0.05 + 0.9 * pow($1, 4))::double as x');
  const halfNull = moved.replace(/^(.*?) as x/, 'case when i % 4 = 0 then null else $1 end as x');
  await days(b, 0, 3, { inputs: halfNull });
  await days(b, 3, 6, { inputs: moved });
  for (let day = 1; day <= 3; day++) await b.advance(at(day, 1));
  assert.equal(await isMutedByData(b.ctx(), 'demo', 'e'), true);
  const first = await told(b);
  assert.ok(first.includes('firing e-quality'), first.join());
  assert.ok(first.includes('muted e-drift'), first.join());
  assert.ok(!first.includes('firing e-drift'), first.join());
  for (let day = 4; day <= 6; day++) await b.advance(at(day, 1));
  assert.equal(await isMutedByData(b.ctx(), 'demo', 'e'), false);
  assert.deepEqual((await told(b)).slice(first.length).slice(0, 2), ['resolved e-quality', 'firing e-drift']);
});

eachDatabase('good days tell nothing; records that stop are told after three windows of event time', async (t, kind) => {
  const b = await openMonitor(t, kind);
  await registerWithBaseline(b.ctx(), b.folder);
  await days(b, 0, 5);
  await labels(b, 0, 5);
  for (let day = 1; day <= 8; day++) await b.advance(at(day, 1));
  assert.deepEqual(await told(b), []);
  await b.advance(at(9));
  assert.deepEqual(
    (await told(b)).filter((line) => line.endsWith('windows')),
    ['firing e-windows'],
  );
  const again = await replay(b, { rule: 'e-windows' });
  assert.deepEqual(
    again.transitions.map((x) => x.state),
    ['firing'],
  );
  await sendRecords(b.ctx(), { fromUs: at(9), toUs: at(10), rows: 900, first: 9000 });
  await b.advance(at(10, 1));
  assert.deepEqual(
    (await told(b)).filter((line) => line.endsWith('windows')),
    ['firing e-windows', 'resolved e-windows'],
  );
});

test('each signal of a rule has a figure or a reason in the windows of monitoring', async (t) => {
  const b = await openMonitor(t, 'sqlite', projectText());
  await registerWithBaseline(b.ctx(), b.folder);
  await days(b, 0, 4);
  await labels(b, 0, 4);
  await b.advance(at(7, 1));
  for (const [when, breaches] of [
    ['e.volume below 100', false],
    ['e.volume above 100', true],
    ['e.error_rate above 0.5', false],
    ['e.drift above 0.9', false],
    ['e.drift.x above 100', false],
    ['e.prediction_drift found', false],
    ['e.quality above 5', false],
    ['e.coverage below 0.5', false],
    ['e.coverage above 0.5', true],
    ['e.roc_auc below 0.1', false],
    ['e.roc_auc above 0.1', true],
    ['e.estimated.roc_auc below 0.1', false],
    ['e.estimated.roc_auc above baseline by 0.5', false],
    ['e.log_loss above baseline by 10%', false],
  ] as const) {
    const r = await replay(b, { when, to: iso(at(4)) });
    assert.equal(
      r.transitions.some((x) => x.state === 'firing'),
      breaches,
      when,
    );
    assert.ok(r.windows - r.withoutData >= 4, `${when}: ${r.withoutData} of ${r.windows} without data`);
  }
});
