// A loop that goes round in a few days of event time, on models whose scores are known: version 1 answers with the column
// "fair", which turns against the truth once the model is in use; its successor answers with "good".
import { identityModel } from '../../src/domains/registry/fixtures/models.ts';
import { START, applyLoop, callsTo, loopCode, loopRows, loopYaml, pushRows } from '../../src/domains/retraining/fixtures/loop.ts';
import { System } from './system.ts';

const DAY_US = 86_400_000_000;
const START_US = Date.parse(START) * 1000;
/** Two days until the alert fires and the pipeline has run, three of release, one until the alert resolves. */
export const DAYS = 6;
/** Requests of one day. */
const PER_DAY = 60;
/** Labels of a day that come a day late. */
const LATE = 6;

/** Where the server finds the receiver's address and secret. */
export const receiverEnv = (url: string, secret: string): Readonly<Record<string, string>> => ({
  LOOP_ALERTS_URL: url,
  LOOP_ALERTS_SECRET: secret,
  GYRE_ALERT_ALLOW_HOSTS: new URL(url).host,
});

const definition = loopYaml({
  policy: 'on: [alert]\n    cooldown: 20d\n    min_new_labels: 50',
  params: 'from: now - 30d, to: now - 14d, test_to: now, column: good',
  endpoint:
    '{ model: m, features: plain, assign_by: id, release: { steps: [20%, 40%, 100%], hold: 1d, min_sample: 4, guardrails: [error_rate] } }',
  more: `monitors:
  e: { window: 1d, lateness: 1h, labels: { from: feedback, within: 1h }, performance: [roc_auc], trailing: 2 }
alerts:
  - { name: fell, when: e.roc_auc below baseline by 0.03, for: 2 windows, severity: page, receivers: [ops] }
receivers:
  ops: { webhook: { url: "env:LOOP_ALERTS_URL", secret: "env:LOOP_ALERTS_SECRET" }, repeat: 2d }
`,
});

/** Both models read every column, so that each takes the requests of the other. */
const code = {
  ...loopCode(),
  'steps/fair.onnx': identityModel({ fair: 'float', good: 'float', poor: 'float' }),
  'steps/good.onnx': identityModel({ good: 'float', fair: 'float', poor: 'float' }),
};

/** A stopped server whose champion is version 1, at the start of the replay. Others begin with a copy of its state. */
export async function makeFirstChampion(env: Readonly<Record<string, string>> = {}): Promise<System> {
  const system = new System({ env });
  await system.start();
  const call = callsTo(() => system.url);
  await applyLoop(call, definition, code);
  await pushRows(call, await loopRows());
  await call('POST', '/projects/demo/pipelines/train/runs', {});
  await call('POST', '/settle');
  await call('POST', '/projects/demo/endpoints/e/releases', { version: '1' });
  await call('POST', '/settle');
  await system.stop();
  return system;
}

export interface Request {
  /** Event time, microseconds. */
  readonly atUs: number;
  readonly label: number;
  readonly isLate: boolean;
  readonly inputs: Readonly<Record<string, unknown>>;
}

const noise = (i: number, a: number): number => ((i * a + 13) % 1009) / 1009;

/** What is asked on a day of the replay, after the barrier of the day before and before its own. */
export const requestsOf = (day: number): Request[] =>
  Array.from({ length: PER_DAY }, (_, k) => {
    const i = day * PER_DAY + k;
    const label = i % 3 === 0 ? 1 : 0;
    return {
      atUs: START_US + day * DAY_US + Math.floor((3 + (20 * k) / PER_DAY) * 3_600_000_000),
      label,
      isLate: k < LATE,
      inputs: {
        id: `row-${i}`,
        good: 0.45 * label + 0.55 * noise(i, 7919),
        fair: 0.2 * (1 - label) + 0.8 * noise(i, 104_729),
        poor: noise(i, 31_337),
      },
    };
  });

/** The moment to which the barrier of a day moves: its windows and their labels are due. */
export const endOf = (day: number): string => new Date((START_US + (day + 1) * DAY_US) / 1000 + 2 * 3_600_000).toISOString();
