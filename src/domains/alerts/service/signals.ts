// Monitoring's windows and findings as the signals that rules name.
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { getWindow, listFindings, listWindows } from '../../monitoring/public.ts';
import type { DataFigures, Finding, PerformanceFigures, Shown, Window } from '../../monitoring/public.ts';
import type { Found, Signal, SignalReader, SignalWindow } from '../signals.ts';

/** The signal that a kind of finding belongs to. */
const SIGNAL_OF: Readonly<Record<Finding['kind'], (subject: string) => string>> = {
  quality: () => 'quality',
  drift: (column) => `drift.${column}`,
  'prediction-drift': () => 'prediction_drift',
  range: () => 'range',
  'dataset-drift': () => 'drift',
  estimate: (metric) => `estimated.${metric}`,
  volume: () => 'volume',
  'error-rate': () => 'error_rate',
  performance: (metric) => metric,
  coverage: () => 'coverage',
};

const none = (reason: string, n: number): Signal => ({ value: null, n, method: '', reason });

const shown = (f: Shown): Signal =>
  f.ok ? { value: f.value, n: f.n, method: f.method, ...(f.interval ? { interval: f.interval } : {}) } : none(f.reason, f.n);

const driftOf = (d: DataFigures['prediction']): Signal =>
  d.ok ? { value: d.value, n: d.n, method: d.method, threshold: d.threshold } : none(d.reason, d.n);

/** Of the band that monitoring gives an estimate. */
const ESTIMATE_LEVEL = 0.95;

function dataSignals(f: DataFigures, baselines: Baselines): Record<string, Signal> {
  return {
    volume: { value: f.volume.records, n: f.volume.records, method: 'records of all model versions' },
    error_rate: shown(f.errors),
    drift: f.datasetDrift.ok
      ? { value: f.datasetDrift.value, n: f.datasetDrift.n, method: f.datasetDrift.method, threshold: f.datasetDrift.threshold }
      : none(f.datasetDrift.reason, f.datasetDrift.n),
    prediction_drift: driftOf(f.prediction),
    ...Object.fromEntries(f.columns.map((c) => [`drift.${c.column}`, driftOf(c.drift)])),
    ...Object.fromEntries(
      Object.entries(f.estimate).map(([metric, e]): [string, Signal] => [
        `estimated.${metric}`,
        e.ok
          ? {
              value: e.value,
              n: e.n,
              method: e.method,
              interval: { low: e.low, high: e.high, level: ESTIMATE_LEVEL },
              ...baselines[metric],
            }
          : none(e.reason, e.n),
      ]),
    ),
  };
}

function countOf({ volume, columns }: DataFigures, findings: readonly Found[] | undefined, method: string): Signal {
  if (findings === undefined && columns.length === 0) return none('there was no column to check', volume.lead);
  return { value: findings?.length ?? 0, n: volume.lead, method };
}

function performanceSignals(f: PerformanceFigures): Record<string, Signal> {
  return {
    ...Object.fromEntries(Object.entries(f.metrics).map(([metric, figure]) => [metric, shown(figure)])),
    ...Object.fromEntries(
      Object.entries(f.pools).map(([metric, p]): [string, Signal] => [
        metric,
        p.ok
          ? {
              value: p.value,
              n: p.n,
              method: `${p.windows} windows pooled`,
              windows: p.windows,
              standardError: p.standardError,
              baseline: p.baseline,
              baselineStandardError: p.baselineStandardError,
              spread: p.spread,
            }
          : none(p.reason, p.n),
      ]),
    ),
    coverage: shown(f.coverage),
  };
}

export function toSignalWindow(w: Window, findings: readonly Finding[], baselines: Baselines = {}): SignalWindow {
  const found: Record<string, Found[]> = {};
  for (const f of findings) {
    const one = {
      subject: f.subject,
      value: f.value,
      threshold: f.threshold,
      n: f.n,
      method: f.detail === '' ? f.method : `${f.method}: ${f.detail}`,
    };
    (found[SIGNAL_OF[f.kind](f.subject)] ??= []).push(one);
  }
  const signals =
    w.kind === 'data' ? dataSignals(w.figures as DataFigures, baselines) : performanceSignals(w.figures as PerformanceFigures);
  if (w.kind === 'data') {
    signals.quality = countOf(w.figures as DataFigures, found.quality, 'findings of broken data');
    signals.range = countOf(w.figures as DataFigures, found.range, 'findings of values beyond those of the baseline');
  }
  const { id, kind, fromUs, toUs, closedUs, generation, n } = w;
  return {
    id,
    kind,
    fromUs,
    toUs,
    closedUs,
    generation,
    n: kind === 'data' ? (w.figures as DataFigures).volume.records : n,
    signals,
    found,
  };
}

/** Windows of a project's monitors as rules read them. Reads the database only, so it may be used in a transaction. */
export function signalsOf(ctx: Ctx, project: string): SignalReader {
  const known = new Map<string, Promise<Baselines>>();
  const read = async (w: Window): Promise<SignalWindow> => {
    const findings = w.findings === 0 ? [] : await listFindings(ctx, { project, monitor: w.monitor, window: w.id });
    if (w.kind === 'performance' || Object.keys((w.figures as DataFigures).estimate).length === 0) return toSignalWindow(w, findings);
    const key = `${w.monitor} ${w.lead}`;
    if (!known.has(key)) known.set(key, baselinesOf(ctx, w));
    return toSignalWindow(w, findings, await known.get(key));
  };
  return {
    window: async (id) => {
      try {
        const found = await getWindow(ctx, id);
        return found.project === project ? await read(found) : undefined;
      } catch (error) {
        // Its retention may have ended before it was judged.
        if (isProblem(error, 'window-not-found')) return undefined;
        throw error;
      }
    },
    windows: async (span) => {
      const all: SignalWindow[] = [];
      for (const w of await listWindows(ctx, { project, ...span })) all.push(await read(w));
      // Ids sort by their making, which is the order in which windows closed and rules judged them.
      return all.toSorted((a, b) => (a.id < b.id ? -1 : 1));
    },
  };
}

type Baselines = Readonly<Record<string, { readonly baseline: number; readonly baselineStandardError: number }>>;

/** What a version's metrics were when it was made: its performance windows carry that. */
async function baselinesOf(ctx: Ctx, { project, monitor, lead }: Window): Promise<Baselines> {
  const [last] = await listWindows(ctx, { project, monitor, kind: 'performance', lead, order: 'desc', limit: 1 });
  const pools = Object.entries((last?.figures as PerformanceFigures | undefined)?.pools ?? {});
  return Object.fromEntries(
    pools.flatMap(([metric, p]) => (p.ok ? [[metric, { baseline: p.baseline, baselineStandardError: p.baselineStandardError }]] : [])),
  );
}
