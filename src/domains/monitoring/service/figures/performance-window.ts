// A performance window: the figures of its labels, the estimate beside them, and the newest windows of the same version
// together against the baseline.
import { judgeFall, pool, type WindowFigure } from '../../../../stats/performance-fall.ts';
import type { MonitorDefinition } from '../../../projects/public.ts';
import type { Baseline, DataFigures, Gap, NewFinding, Nothing, PerformanceFigures, Pool, Volume, Window } from '../../model.ts';
import type { JoinedRows } from '../joined-rows.ts';
import { coverageOf, higherIsBetter, marginOf } from './performance-figures.ts';
import { computePerformance } from './figures-thread.ts';

const POOL_METHOD = 'windows of the lead version pooled by their rows, one-sided 99 % interval of the fall';

export interface PerformanceWindow {
  readonly monitor: MonitorDefinition;
  readonly rows: JoinedRows | undefined;
  readonly baseline: Baseline | null;
  readonly without: string;
  /** Figures of the data window of the same span, if it was closed. */
  readonly data: DataFigures | null;
  /** Performance windows of the same lead version before this one, newest first. */
  readonly before: readonly Window[];
}

const none = { labels: new Float64Array(), scores: new Float64Array() };

export async function performanceFigures(q: PerformanceWindow): Promise<{ figures: PerformanceFigures; findings: NewFinding[] }> {
  const { monitor, rows = { ...none, digest: '', slices: [] }, data } = q;
  const made = await computePerformance({ task: monitor.task, metrics: monitor.performance, rows, slices: rows.slices });
  const volume: Volume = data?.volume ?? { records: rows.labels.length, lead: rows.labels.length, versions: [] };
  const failed = data?.errors.ok ? Math.round(data.errors.value * data.errors.n) : 0;
  const estimate = data?.estimate ?? {};
  const figures: PerformanceFigures = {
    volume,
    coverage: coverageOf(rows.labels.length, data ? data.volume.lead - failed : undefined),
    ...made,
    pools: Object.fromEntries(monitor.performance.map((metric) => [metric, poolOf(metric, q, made)])),
    estimate,
    gaps: gapsOf(made, estimate),
  };
  return { figures, findings: findingsOf(q, figures) };
}

function poolOf(metric: string, q: PerformanceWindow, now: Pick<PerformanceFigures, 'metrics' | 'standardErrors'>): Pool | Nothing {
  const windows = [now, ...q.before.map((w) => w.figures as PerformanceFigures)].slice(0, q.monitor.trailing);
  const usable = windows.flatMap(({ metrics, standardErrors }): WindowFigure[] => {
    const [figure, standardError] = [metrics[metric], standardErrors[metric]];
    return figure?.ok && standardError !== undefined ? [{ value: figure.value, standardError, n: figure.n }] : [];
  });
  const pooled = pool(usable);
  const n = usable.reduce((sum, w) => sum + w.n, 0);
  if (!pooled.ok) return { ok: false, reason: pooled.reason, n };
  if (!now.metrics[metric]?.ok) return { ok: false, reason: 'this window has no figure of its own', n };
  const baseline = q.baseline?.performance[metric];
  if (!baseline || 'ok' in baseline)
    return { ok: false, reason: baseline ? baseline.reason : q.baseline ? 'the baseline has no such metric' : q.without, n };
  const better = higherIsBetter(metric);
  const by = marginOf(metric, baseline.value);
  const verdict = judgeFall({ pooled, baseline, by, higherIsBetter: better });
  return {
    ok: true,
    value: pooled.value,
    standardError: pooled.standardError,
    windows: pooled.windows,
    n: pooled.n,
    baseline: baseline.value,
    baselineStandardError: baseline.standardError,
    spread: baseline.spread,
    higherIsBetter: better,
    verdict,
    by,
    method: POOL_METHOD,
  };
}

/** Two independent 95 % bands of truth and estimate: outside of both together is no chance. */
function gapsOf(now: Pick<PerformanceFigures, 'metrics'>, estimate: DataFigures['estimate']): Record<string, Gap> {
  const gaps: Record<string, Gap> = {};
  for (const [metric, e] of Object.entries(estimate)) {
    const truth = now.metrics[metric];
    if (!truth?.ok || !e.ok) continue;
    const half = truth.interval ? Math.max(truth.interval.high - truth.value, truth.value - truth.interval.low) : 0;
    const band = Math.hypot(half, (e.high - e.low) / 2);
    const value = truth.value - e.value;
    gaps[metric] = { value, band, outside: Math.abs(value) > band };
  }
  return gaps;
}

/** Windows whose coverage tells what is usual, and the part of it below which labels are missing. */
const LEAST_WINDOWS = 3;
const MISSING_PART = 0.5;

function findingsOf({ before, monitor }: PerformanceWindow, f: PerformanceFigures): NewFinding[] {
  const found: NewFinding[] = [];
  for (const metric of monitor.performance) {
    const p = f.pools[metric];
    if (!p?.ok || !p.verdict.ok || !p.verdict.fallen) continue;
    found.push({
      kind: 'performance',
      subject: metric,
      method: p.method,
      value: p.value,
      threshold: p.verdict.threshold,
      n: p.n,
      detail: `${round(p.value)} over ${p.windows} windows, baseline ${round(p.baseline)}: worse by ${round(p.verdict.fall)}, at least ${round(p.verdict.low)}`,
    });
  }
  const shares = before.flatMap((w) => {
    const { coverage } = w.figures as PerformanceFigures;
    return coverage.ok ? [coverage.value] : [];
  });
  const { coverage } = f;
  if (shares.length >= LEAST_WINDOWS && coverage.ok) {
    const usual = shares.toSorted((a, b) => a - b)[shares.length >> 1]!;
    const threshold = MISSING_PART * usual;
    if (coverage.interval!.high < threshold)
      found.push({
        kind: 'coverage',
        subject: '',
        method: coverage.method,
        value: coverage.value,
        threshold,
        n: coverage.n,
        detail: `${Math.round(coverage.value * coverage.n)} of ${coverage.n} predictions have a label; usual are ${Math.round(usual * 100)} %`,
      });
  }
  return found;
}

const round = (x: number): string => String(Number(x.toPrecision(4)));
