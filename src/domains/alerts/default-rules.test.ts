// The rules that every monitor gets, over the figures that monitoring makes of simulated rows: how often they fire
// although nothing has changed, and how soon a fall is found. Every step from rows to alert is the production's own.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  categoricalBaseline,
  countCategorical,
  countNumeric,
  numericBaseline,
  type ColumnBaseline,
  type ColumnCounts,
} from '../../stats/drift-sketch.ts';
import { driftSpread } from '../../stats/drift.ts';
import { faultSpread } from '../../stats/quality.ts';
import { generator, normalOf } from '../../stats/simulation/generator.ts';
import type { Baseline, Finding, NewFinding, Window } from '../monitoring/model.ts';
import { dataFigures } from '../monitoring/service/figures/data-figures.ts';
import { estimateQuestion, estimatesOf } from '../monitoring/service/figures/estimate.ts';
import { performanceFigures } from '../monitoring/service/figures/performance-window.ts';
import { scoresBaseline } from '../monitoring/service/figures/scores-baseline.ts';
import { SCORE } from '../monitoring/service/read-windows.ts';
import { parseProject, type MonitorDefinition } from '../projects/public.ts';
import { kindOfSignal } from './model.ts';
import { rulesOf } from './rules.ts';
import { fold } from './service/replay.ts';
import { toSignalWindow } from './service/signals.ts';
import type { SignalWindow } from './signals.ts';

const DAY_US = 86_400_000_000;
const START_US = Date.parse('2013-03-01T00:00:00Z') * 1000;
const ROWS = 900;
const REFERENCE_DAYS = 14;
const VERSION = '1';

interface Row {
  readonly score: number;
  readonly label: number;
  readonly distance: number;
  readonly hour: number;
  readonly carrier: string | null;
}
type Draw = (random: () => number) => Row;

const CARRIERS = ['UA', 'B6', 'EV', 'DL', 'AA', 'MQ', 'US', '9E'];

/** A calibrated score whose AUC is some 0.7; `faded` is the part of what it knew that is no longer so. */
const rowOf =
  (faded = 0): Draw =>
  (random) => {
    const known = normalOf(random);
    const [then, now] = [known, (1 - faded) * known].map((x) => 1 / (1 + Math.exp(1.3 - 0.82 * x)));
    const carrier = CARRIERS[Math.floor(CARRIERS.length * random() ** 2)]!;
    return {
      score: then!,
      label: random() < now! ? 1 : 0,
      distance: Math.exp(6 + normalOf(random)),
      hour: 5 + Math.floor(18 * random()),
      carrier: random() < 0.03 ? null : carrier,
    };
  };

const definition = parseProject('project: p\nmodels: { late: {} }\nendpoints: { m: { model: late } }\nmonitors: { m: {} }');
const monitor: MonitorDefinition = definition.monitors.m!;
const rules = rulesOf(definition, []);

const COLUMNS = ['distance', 'hour', 'carrier'] as const;
const numbers = (rows: readonly Row[], of: 'score' | 'label' | 'distance' | 'hour'): Float64Array => Float64Array.from(rows, (r) => r[of]);

function countsOf(column: (typeof COLUMNS)[number], baseline: ColumnBaseline, rows: readonly Row[]): ColumnCounts {
  if (baseline.kind === 'categorical')
    return countCategorical(
      baseline,
      rows.map((r) => r.carrier),
    );
  return countNumeric(baseline, numbers(rows, column === 'carrier' ? 'hour' : column));
}

/** As a registered version has it: columns with the spread of their days, scores, calibration and performance. */
function baselineOf(days: readonly (readonly Row[])[]): Baseline {
  const all = days.flat();
  const columns = COLUMNS.map((column): [string, ColumnBaseline] => {
    const plain = column === 'carrier' ? categoricalBaseline(all.map((r) => r.carrier)) : numericBaseline(numbers(all, column));
    const counts = days.map((rows) => countsOf(column, plain, rows));
    return [column, { ...plain, spread: driftSpread(plain, counts)!, faults: faultSpread(counts)! } as ColumnBaseline];
  });
  const atUs = Float64Array.from(days.flatMap((rows, day) => rows.map(() => START_US - (days.length - day) * DAY_US)));
  const rows = { task: 'binary' as const, labels: numbers(all, 'label'), scores: numbers(all, 'score'), atUs };
  return {
    format: 1,
    of: { kind: 'model-version', id: 'mv_1' },
    windowUs: DAY_US,
    rows: all.length,
    span: { fromUs: START_US - days.length * DAY_US, toUs: START_US },
    columns: Object.fromEntries(columns),
    ...scoresBaseline(rows, DAY_US),
    lacks: [],
  };
}

const findingsOf = (found: readonly NewFinding[], day: number): Finding[] =>
  found.map((f, i) => ({
    ...f,
    id: `fnd_${day}_${i}`,
    project: 'p',
    monitor: 'm',
    window: `win_${day}`,
    fromUs: START_US + day * DAY_US,
    toUs: START_US + (day + 1) * DAY_US,
    recordedMs: 0,
  }));

/** Both windows of each day, as they would be closed. */
async function watch(baseline: Baseline, days: readonly (readonly Row[])[]): Promise<SignalWindow[]> {
  const closed: SignalWindow[] = [];
  let before: Window[] = [];
  for (const [day, rows] of days.entries()) {
    const of = (kind: Window['kind'], figures: Window['figures'], found: readonly NewFinding[]): Window => ({
      id: `win_${String(day).padStart(4, '0')}_${kind}`,
      project: 'p',
      monitor: 'm',
      kind,
      fromUs: START_US + day * DAY_US,
      toUs: START_US + (day + 1) * DAY_US,
      generation: 1,
      latest: true,
      n: rows.length,
      lead: VERSION,
      baseline: 'bsl_1',
      labelsDigest: '',
      labelsSeen: 0,
      findings: found.length,
      figures,
      closedUs: START_US + (day + 2) * DAY_US,
      recordedMs: 0,
    });
    const [labels, scores] = [numbers(rows, 'label'), numbers(rows, 'score')];
    const sorted = scores.toSorted();
    const data = dataFigures({
      monitor,
      baseline,
      without: '',
      history: days.slice(Math.max(0, day - 28), day).map((d) => d.length),
      estimate: estimatesOf(estimateQuestion(monitor, baseline, sorted, '')),
      contents: {
        versions: [{ version: VERSION, records: rows.length, errors: 0 }],
        lead: VERSION,
        latency: null,
        counts: new Map([
          ...COLUMNS.map((c) => [c, countsOf(c, baseline.columns[c]!, rows)] as const),
          [SCORE, countNumeric(baseline.scores!, scores)] as const,
        ]),
        added: [],
        scores: sorted,
      },
    });
    const joined = { labels, scores, digest: String(day), slices: [] };
    const performance = await performanceFigures({
      monitor,
      rows: joined,
      baseline,
      without: '',
      data: data.figures,
      before: before.slice(0, monitor.trailing - 1),
    });
    for (const [kind, made] of [
      ['data', data],
      ['performance', performance],
    ] as const) {
      const window = of(kind, made.figures, made.findings);
      if (kind === 'performance') before = [window, ...before].slice(0, monitor.trailing);
      closed.push(toSignalWindow(window, findingsOf(made.findings, day)));
    }
  }
  return closed;
}

/** `rule day` for each time that a rule begins to fire. */
function fired(windows: readonly SignalWindow[], days: number): string[] {
  return rules.flatMap((rule) =>
    fold(
      rule,
      windows.filter((w) => w.kind === kindOfSignal(rule.signal)),
      START_US + (days + 1) * DAY_US,
    )
      .transitions.filter((x) => x.to === 'firing' && x.from !== 'recovering')
      .map((x) => `${rule.signal} ${Math.round((x.seen.atUs - START_US) / DAY_US)}`),
  );
}

const daysOf = (count: number, draw: Draw, random: () => number): Row[][] =>
  Array.from({ length: count }, () => Array.from({ length: ROWS }, () => draw(random)));

test('the rules that every monitor gets are those that the simulations below judge', () => {
  assert.deepEqual(
    rules.map((r) => `${r.signal} ${r.condition.kind} ${JSON.stringify(r.for)}`),
    [
      'quality found {"windows":1,"of":1}',
      'roc_auc below-baseline {"windows":2,"of":2}',
      'drift found {"windows":2,"of":3}',
      'prediction_drift found {"windows":2,"of":3}',
      'windows stopped {"windows":1,"of":1}',
    ],
  );
});

test('a year of days resampled from stationary rows: the default rules together fire at most once, in each of three years', async (t) => {
  for (let year = 0; year < 3; year++) {
    const random = generator(900 + year);
    const reference = daysOf(REFERENCE_DAYS, rowOf(), random);
    const pool = reference.flat();
    const days = daysOf(365, (r) => pool[Math.floor(r() * pool.length)]!, random);
    const alarms = fired(await watch(baselineOf(reference), days), 365);
    t.diagnostic(`year ${year}: ${alarms.join(', ') || 'no alarm'}`);
    assert.ok(alarms.length <= 1, alarms.join(', '));
  }
});

test('a fall of 0.05 AUC at 900 rows a day is found by the default rule within ten windows in at least 90 % of the runs', async (t) => {
  const RUNS = 40;
  const [random, before] = [generator(950), 7];
  let [found, early, days] = [0, 0, 0];
  const fall: number[] = [];
  for (let run = 0; run < RUNS; run++) {
    const baseline = baselineOf(daysOf(REFERENCE_DAYS, rowOf(), random));
    const all = [...daysOf(before, rowOf(), random), ...daysOf(10, rowOf(FADED), random)];
    const windows = await watch(baseline, all);
    const first = fired(windows, all.length).find((f) => f.startsWith('roc_auc '));
    const usual = baseline.performance.roc_auc!;
    assert.ok(!('ok' in usual));
    const later = windows.filter((w) => w.kind === 'performance').slice(-1)[0]!.signals.roc_auc!.value!;
    fall.push(usual.value - later);
    if (first === undefined) continue;
    const day = Number(first.split(' ')[1]);
    if (day <= before) early++;
    else {
      found++;
      days += day - before;
    }
  }
  const mean = fall.reduce((a, b) => a + b) / RUNS;
  t.diagnostic(`a fall of ${mean.toFixed(3)}: found in ${found} of ${RUNS} runs, after ${(days / found).toFixed(1)} windows on average`);
  assert.ok(Math.abs(mean - 0.05) < 0.008, `the rows fall by ${mean}`);
  assert.deepEqual({ enough: found >= 0.9 * RUNS, early }, { enough: true, early: 0 }, `${found} of ${RUNS}`);
});

/** Of what the score knew, the part without which its AUC is lower by 0.05. */
const FADED = 0.3;
