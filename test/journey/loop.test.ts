// Two short loops on real flights, through public interfaces only: one whose challenger takes over, and one whose
// challenger is refused. What the server decides follows from the data; the test only asks.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readFlights, reportsOf, type Flight } from '../../scripts/demo/flights.ts';
import { startReceiver } from '../../scripts/demo/receiver.ts';
import { path, request } from '../../src/kernel/cli/client.ts';
import { openFlights, type FlightsProject } from './flights-project.ts';
import { predictAll } from './predictions.ts';
import type { Pushed, Run } from './shapes.ts';

const ENDPOINT = 'late-arrival';
const DAY_MS = 86_400_000;
const FIRST = Date.parse('2013-04-03');
/** By then the model of winter has long fallen. */
const LAST = Date.parse('2013-04-16');

interface Trigger {
  readonly id: string;
  readonly state: string;
  readonly cause: string;
  readonly outcome: string | null;
}
interface Alert {
  readonly rule: string;
  readonly state: string;
}

test('a model that falls is retrained and replaced; a retraining that does not help is refused', async (t) => {
  const secret = 'a secret of the test';
  const receiver = await startReceiver(secret);
  t.after(() => receiver.close());
  const flights = await openFlights({
    months: ['2013-01', '2013-02', '2013-03', '2013-04'],
    env: {
      FLIGHTS_ALERTS_URL: receiver.url,
      FLIGHTS_ALERTS_SECRET: secret,
      GYRE_ALERT_ALLOW_HOSTS: new URL(receiver.url).host,
    },
  });
  t.after(() => flights.close());
  // Short: three windows are pooled instead of seven, one breach is enough, and the canary has one step.
  flights.edit('gyre.yaml', 'start: 2013-03-01T00:00:00Z', 'start: 2013-04-03T00:00:00Z');
  flights.edit('gyre.yaml', 'trailing: 7', 'trailing: 3');
  flights.edit('gyre.yaml', 'below baseline by 0.03, for: 2 windows', 'below baseline by 0.02, for: 1 window');
  flights.edit('gyre.yaml', 'steps: [10%, 50%, 100%]', 'steps: [50%, 100%]');
  flights.edit('gyre.yaml', 'min_new_labels: 5000', 'min_new_labels: 1000');
  const triggers = async (): Promise<Trigger[]> => flights.json<Trigger[]>('retraining', 'triggers');

  await t.test('the first model is trained on winter and released', async () => {
    await flights.json('apply', '--no-data');
    for (const dataset of ['airports', 'planes', 'weather']) await flights.json<Pushed>('datasets', 'push', dataset);
    await flights.json<Pushed>('datasets', 'push', 'flights_raw', '--files', 'data/flights/2013-0[1-4].parquet');
    await flights.gyre('datasets', 'refresh');
    const run = await flights.json<Run>('run', 'train', '--no-data');
    assert.equal(run.state, 'succeeded');
    await flights.gyre('features', 'materialise');
    await flights.gyre('release', 'start', ENDPOINT, 'latest', '--reason', 'the first one');
  });

  await t.test('its fall raises an alert, the alert retrains, and the better challenger takes over', async () => {
    await replayUntil(flights, async () => (await triggers()).some((x) => x.state === 'promoted'));
    const [trigger] = (await triggers()).filter((x) => x.state === 'promoted');
    assert.equal(trigger?.cause, 'alert', JSON.stringify(await triggers()));
    const alerts = await flights.json<Alert[]>('alerts', 'list');
    assert.ok(
      alerts.some((a) => a.rule === 'ranking-fell'),
      JSON.stringify(alerts),
    );
    assert.ok(receiver.heard.length >= 1);
    assert.equal(receiver.refused(), 0);
    const releases = await flights.json<{ state: string }[]>('releases', ENDPOINT);
    assert.deepEqual(
      releases.map((r) => r.state),
      ['promoted', 'promoted'],
    );
  });

  await t.test('trained again on nearly the same data it is not shown to be better, and the gate refuses it', async () => {
    await flights.attempt('retrain', ENDPOINT, '--force', '--reason', 'once more');
    await flights.client().post('/settle');
    const newest = (await triggers())[0]!;
    assert.deepEqual([newest.cause, newest.state], ['api', 'refused'], JSON.stringify(newest));
    assert.match(newest.outcome ?? '', /not shown to be better than the champion/);
  });
});

/** Predicts the flights of each day, tells what became of them, and moves event time, until it is so. */
async function replayUntil(flights: FlightsProject, done: () => Promise<boolean>): Promise<void> {
  const files = ['03', '04'].map((month) => join(flights.folder, `data/flights/2013-${month}.parquet`));
  const planned = await readFlights(flights.folder, files, new Date(FIRST), new Date(LAST));
  const { dataPlane } = await flights.json<{ dataPlane: { url: string } }>('status');
  const answered: { flight: Flight; id: string }[] = [];
  for (let day = FIRST; day < LAST; day += DAY_MS) {
    const of = (us: number): boolean => us >= day * 1000 && us < (day + DAY_MS) * 1000;
    const today = planned.filter((f) => of(f.atUs));
    const answers = await predictAll(dataPlane.url, ENDPOINT, today);
    answers.forEach(({ status, body }, i) => {
      assert.equal(status, 200, JSON.stringify(body));
      answered.push({ flight: today[i]!, id: body.predictionId });
    });
    const lines = answered.flatMap(({ flight, id }) =>
      reportsOf(flight)
        .filter((r) => of(r.heardUs))
        .map((r) => JSON.stringify({ prediction_id: id, label: r.late, observed_at: new Date(r.heardUs / 1000).toISOString() })),
    );
    await request(flights.url(), path`/api/gyre/v1/projects/flights/monitors/${ENDPOINT}/feedback`, {
      method: 'POST',
      body: `${lines.join('\n')}\n`,
      headers: { 'content-type': 'application/x-ndjson' },
    });
    await flights.client().post(path`/projects/flights/timeline/advance`, { to: new Date(day + DAY_MS).toISOString() });
    if (await done()) return;
  }
}
