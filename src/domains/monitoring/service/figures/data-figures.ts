// The figures of a data window from its counts, and what of them is worth a finding. Pure.
import { judgeDrift, methodText, type DriftVerdict } from '../../../../stats/drift.ts';
import type { ColumnBaseline, ColumnCounts } from '../../../../stats/drift-sketch.ts';
import { wilson } from '../../../../stats/intervals.ts';
import { judgeQuality, type QualityVerdict } from '../../../../stats/quality.ts';
import type { MonitorDefinition } from '../../../projects/public.ts';
import {
  absent,
  type Baseline,
  type ColumnFigures,
  type DataFigures,
  type DatasetDrift,
  type Drift,
  type NewFinding,
  type Shown,
} from '../../model.ts';
import { judgeEstimate, type Estimates } from './estimate.ts';
import { SCORE, type WindowContents } from '../read-windows.ts';

/** Share of the watched columns from which on the whole input counts as drifted (Evidently's default). */
const DATASET_SHARE = 0.5;
/** One column is no majority of anything. */
const LEAST_DRIFTED = 2;
const QUALITY_METHOD = 'Wilson bounds of window and baseline, level shared among columns and kinds';
const OUTCOMES_METHOD = 'share of records without a score, Wilson interval';
/** Share of failed predictions that nobody has to explain. */
const TOLERATED_ERRORS = 0.01;

export interface DataQuestion {
  readonly monitor: MonitorDefinition;
  readonly contents: WindowContents;
  readonly baseline: Baseline | null;
  /** Why there is none. */
  readonly without: string;
  /** Records of the windows before, newest last. */
  readonly history: readonly number[];
  readonly estimate: Estimates;
}

export function dataFigures(q: DataQuestion): {
  figures: DataFigures;
  findings: NewFinding[];
  sketch: Record<string, ColumnCounts> | null;
} {
  const { contents } = q;
  const lead = contents.versions[0];
  const n = lead?.records ?? 0;
  const records = contents.versions.reduce((sum, v) => sum + v.records, 0);
  const columns = columnFigures(q, n);
  const figures: DataFigures = {
    volume: { records, lead: n, versions: contents.versions.map(({ version, records: r }) => ({ version, records: r })) },
    errors: errorShare(lead?.errors ?? 0, n),
    latency: contents.latency && { ...contents.latency, method: 'exact quantiles of the records of the lead version' },
    columns,
    ...(contents.added.length === 0 ? {} : { added: contents.added }),
    prediction: predictionDrift(q, n),
    datasetDrift: datasetDrift(columns, n),
    usualVolume: usualVolume(records, q.history),
    estimate: q.estimate,
  };
  return { figures, findings: findingsOf(q, figures, n), sketch: contents.counts.size === 0 ? null : Object.fromEntries(contents.counts) };
}

function errorShare(errors: number, n: number): Shown {
  if (n === 0) return absent('the window has no records', 0, OUTCOMES_METHOD);
  return { ok: true, value: errors / n, n, interval: wilson(errors, n), method: OUTCOMES_METHOD };
}

function columnFigures({ monitor, contents, baseline }: DataQuestion, n: number): ColumnFigures[] {
  if (!baseline || n === 0) return [];
  const watched = Object.entries(baseline.columns).filter(([name]) => monitor.columns?.includes(name) ?? true);
  const { size } = new Map(watched.filter(([name]) => contents.counts.has(name)));
  return watched.map(([column, b]) => {
    const counts = contents.counts.get(column);
    if (!counts)
      return {
        column,
        kind: b.kind,
        n: 0,
        quality: [],
        qualityMethod: QUALITY_METHOD,
        drift: { ok: false, reason: 'the records have no such column', n: 0 },
      };
    return {
      column,
      kind: b.kind,
      n: counts.n,
      quality: judgeQuality({ counts, baseline: b, columns: size }),
      qualityMethod: QUALITY_METHOD,
      drift: driftOf(monitor, column, counts, b, size),
    };
  });
}

/** The column's own method and threshold come before those of its kind. */
function driftOf(m: MonitorDefinition, column: string, counts: ColumnCounts, baseline: ColumnBaseline, columns: number): DriftVerdict {
  const own = Object.hasOwn(m.drift.columns, column) ? m.drift.columns[column] : undefined;
  const method = own?.method ?? m.drift[baseline.kind];
  return judgeDrift({
    counts,
    baseline,
    columns,
    ...(method ? { method } : {}),
    ...(own?.threshold === null || own?.threshold === undefined ? {} : { threshold: own.threshold }),
  });
}

function predictionDrift({ monitor, contents, baseline, without }: DataQuestion, n: number): Drift {
  if (n === 0) return { ok: false, reason: 'the window has no records', n: 0 };
  if (!baseline?.scores) return { ok: false, reason: baseline ? 'the baseline has no scores' : without, n };
  const counts = contents.counts.get(SCORE);
  return counts ? driftOf(monitor, SCORE, counts, baseline.scores, 1) : { ok: false, reason: 'the records have no scores', n };
}

function datasetDrift(columns: readonly ColumnFigures[], n: number): DatasetDrift {
  const judged = columns.filter((c) => c.drift.ok);
  if (judged.length === 0) return { ok: false, reason: 'no column could be compared', n };
  const drifted = judged.filter((c) => c.drift.ok && c.drift.drifted).map((c) => c.column);
  const value = drifted.length / judged.length;
  return {
    ok: true,
    value,
    threshold: DATASET_SHARE,
    columns: drifted,
    of: judged.length,
    n,
    method: 'share of the compared columns that drifted',
    drifted: value >= DATASET_SHARE && drifted.length >= LEAST_DRIFTED,
  };
}

const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length === 0 ? 0 : sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
};

const LEAST_HISTORY = 7;
/** Where so many records are usual, none at all is no chance (5 in 100,000 by Poisson). */
const LEAST_USUAL = 10;
const VOLUME_METHOD = 'median of the windows before, 6 robust standard deviations (MAD) or half of it, whichever is more';

/** Usual volume: days differ, so only what is far outside of what the last windows had is told. */
function usualVolume(records: number, history: readonly number[]): DataFigures['usualVolume'] {
  if (history.length < LEAST_HISTORY)
    return { ok: false, reason: `${history.length} windows before are too few; ${LEAST_HISTORY} are needed`, n: records };
  const middle = median(history);
  const spread = 1.4826 * median(history.map((x) => Math.abs(x - middle)));
  const far = Math.max(6 * spread, middle / 2);
  return { ok: true, value: records, low: Math.max(0, middle - far), high: middle + far, windows: history.length, method: VOLUME_METHOD };
}

function findingsOf({ baseline, history }: DataQuestion, f: DataFigures, n: number): NewFinding[] {
  const found: NewFinding[] = [];
  for (const c of f.columns) {
    for (const q of c.quality) if (q.broken) found.push(qualityFinding(c.column, q));
    if (c.drift.ok && c.drift.drifted) found.push(driftFinding('drift', c.column, c.drift));
  }
  const missing = f.columns.filter((c) => c.n === 0 && c.quality.length === 0 && n > 0);
  for (const c of missing)
    found.push({
      kind: 'quality',
      subject: c.column,
      method: 'columns of the records',
      value: 1,
      threshold: 0,
      n,
      detail: 'the records have no such column',
    });
  if (f.prediction.ok && f.prediction.drifted) found.push(driftFinding('prediction-drift', '', f.prediction));
  if (f.datasetDrift.ok && f.datasetDrift.drifted) {
    const { method, value, threshold, columns, of } = f.datasetDrift;
    found.push({
      kind: 'dataset-drift',
      subject: '',
      method,
      value,
      threshold,
      n,
      detail: `${columns.length} of ${of} columns drifted: ${columns.join(', ')}`,
    });
  }
  const { usualVolume: v } = f;
  const fell = v.ok && (v.value < v.low || v.value > v.high);
  const stopped = f.volume.records === 0 && (history.at(-1) ?? 0) > 0 && median(history.slice(-LEAST_HISTORY)) >= LEAST_USUAL;
  if (fell || stopped) {
    const [value, threshold] = [f.volume.records, v.ok ? (f.volume.records < v.low ? v.low : v.high) : 1];
    const usual = v.ok ? `usual are ${Math.round(v.low)} to ${Math.round(v.high)}` : 'the window before had some';
    found.push({
      kind: 'volume',
      subject: '',
      method: v.ok ? v.method : 'records at all',
      value,
      threshold,
      n: value,
      detail: `${value} records; ${usual}`,
    });
  }
  if (f.errors.ok && f.errors.interval && f.errors.interval.low > TOLERATED_ERRORS)
    found.push({
      kind: 'error-rate',
      subject: '',
      method: f.errors.method,
      value: f.errors.value,
      threshold: TOLERATED_ERRORS,
      n: f.errors.n,
      detail: `${Math.round(f.errors.value * f.errors.n)} of ${f.errors.n} records have no score`,
    });
  return [...found, ...judgeEstimate(baseline, f.estimate)];
}

const driftFinding = (kind: 'drift' | 'prediction-drift', subject: string, d: DriftVerdict & { ok: true }): NewFinding => ({
  kind,
  subject,
  method: methodText[d.method],
  value: d.value,
  threshold: d.threshold,
  n: d.n,
  detail: `corrected for chance ${round(d.corrected)}; practical ${round(d.parts.practical)}, chance ${round(d.parts.sampling)}${d.parts.spread === null ? '' : `, days of the baseline ${round(d.parts.spread)}`}; against ${d.m} rows`,
});

// Values beyond the reference's are told, and are not broken: a summer is warmer than any day of winter.
const qualityFinding = (subject: string, q: QualityVerdict): NewFinding => ({
  kind: q.kind === 'out_of_range' ? 'range' : 'quality',
  subject,
  method: `${q.kind}: ${QUALITY_METHOD}`,
  value: q.share,
  threshold: q.threshold,
  n: q.n,
  // Values may be personal; how many there are is not.
  detail: `${q.kind} ${q.count} of ${q.n}; in the baseline ${round(q.reference)}`,
});

const round = (x: number): string => String(Number(x.toPrecision(4)));
