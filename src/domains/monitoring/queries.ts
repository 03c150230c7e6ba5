// Windows, findings and baselines as people and programs read them. SELECT only.
import type { Ctx } from '../../kernel/ctx.ts';
import { usToIso } from '../../kernel/timeline/timeline.ts';
import type { MonitorDefinition } from '../projects/public.ts';
import type { Baseline, BaselineRow, DataFigures, Drift, Finding, Nothing, PerformanceFigures, Shown, Window } from './model.ts';
import * as monitors from './store/monitors.ts';
import * as windows from './store/windows.ts';

export interface Headline {
  readonly value: number | null;
  readonly low?: number;
  readonly high?: number;
  readonly threshold?: number;
  readonly n: number;
  readonly method: string;
  readonly reason?: string;
}

const nothing = ({ reason, n }: Nothing | { reason: string; n: number }, method = ''): Headline => ({ value: null, n, method, reason });
const ofFigure = (f: Shown): Headline =>
  f.ok
    ? { value: f.value, n: f.n, method: f.method, ...(f.interval ? { low: f.interval.low, high: f.interval.high } : {}) }
    : nothing(f, f.method);
const ofDrift = (d: Drift): Headline => (d.ok ? { value: d.value, threshold: d.threshold, n: d.n, method: d.method } : nothing(d));

/** The few figures of a window that a table shows. */
export function headlineOf(w: Window): Record<string, Headline> {
  if (w.kind === 'data') {
    const f = w.figures as DataFigures;
    const { datasetDrift: d } = f;
    return {
      errors: ofFigure(f.errors),
      drift: d.ok ? { value: d.value, threshold: d.threshold, n: d.n, method: d.method } : nothing(d),
      prediction_drift: ofDrift(f.prediction),
      ...Object.fromEntries(
        Object.entries(f.estimate).map(([m, e]) => [
          `estimated.${m}`,
          e.ok ? { value: e.value, low: e.low, high: e.high, n: e.n, method: e.method } : nothing(e),
        ]),
      ),
    };
  }
  const f = w.figures as PerformanceFigures;
  return {
    coverage: ofFigure(f.coverage),
    ...Object.fromEntries(Object.entries(f.metrics).map(([m, v]) => [m, ofFigure(v)])),
    ...Object.fromEntries(
      Object.entries(f.pools).map(([m, p]) => [
        `pooled.${m}`,
        p.ok
          ? {
              value: p.value,
              ...(p.verdict.ok ? { threshold: p.verdict.threshold } : {}),
              n: p.n,
              method: `${p.windows} windows: ${p.method}`,
            }
          : nothing(p),
      ]),
    ),
  };
}

const shownWindow = (w: Window) => ({
  id: w.id,
  monitor: w.monitor,
  kind: w.kind,
  from: usToIso(w.fromUs),
  to: usToIso(w.toUs),
  generation: w.generation,
  latest: w.latest,
  n: w.n,
  version: w.lead,
  baseline: w.baseline,
  findings: w.findings,
  closedAt: usToIso(w.closedUs),
  recordedAt: usToIso(w.recordedMs * 1000),
});

export const windowSummary = (w: Window) => ({ ...shownWindow(w), headline: headlineOf(w) });
export const windowView = (w: Window) => ({ ...shownWindow(w), figures: w.figures });

export const findingView = (f: Finding) => ({
  id: f.id,
  monitor: f.monitor,
  window: f.window,
  from: usToIso(f.fromUs),
  to: usToIso(f.toUs),
  kind: f.kind,
  subject: f.subject,
  method: f.method,
  value: f.value,
  threshold: f.threshold,
  n: f.n,
  detail: f.detail,
  recordedAt: usToIso(f.recordedMs * 1000),
});

/** How a monitor is set up, how far it has come, and its last windows. */
export async function monitorView(ctx: Ctx, project: string, m: MonitorDefinition) {
  const state = await monitors.findState(ctx.db, ctx.workspace, project, m.name);
  const last = async (kind: 'data' | 'performance') => {
    const [w] = await windows.listWindows(
      ctx.db,
      ctx.workspace,
      { project, monitor: m.name, kind, latestOnly: true },
      { limit: 1, order: 'desc' },
    );
    return w ? windowSummary(w) : null;
  };
  const until = (us: number | undefined): string | null => (us === undefined ? null : usToIso(us));
  return {
    name: m.name,
    endpoint: m.endpoint,
    model: m.model,
    task: m.task,
    windowUs: m.windowUs,
    latenessUs: m.latenessUs,
    labelsWithinUs: m.labels.withinUs,
    performance: [...m.performance],
    slices: [...m.slices],
    lead: state?.lead ?? '',
    closedUntil: { data: until(state?.dataNextUs), performance: until(state?.performanceNextUs) },
    last: { data: await last('data'), performance: await last('performance') },
  };
}

export const baselineView = (row: BaselineRow, b: Baseline) => ({
  id: row.id,
  of: b.of,
  digest: row.digest,
  windowUs: row.windowUs,
  rows: b.rows,
  span: b.span === null ? null : { from: usToIso(b.span.fromUs), to: usToIso(b.span.toUs) },
  columns: Object.entries(b.columns).map(([column, c]) => ({
    column,
    kind: c.kind,
    n: c.reference.n,
    nulls: c.reference.nulls,
    bins: c.kind === 'numeric' ? c.edges.length + 1 : c.categories.length,
    spread: c.spread ?? null,
  })),
  scores: b.scores && {
    n: b.scores.reference.n,
    mean: b.scores.reference.moments.mean,
    min: b.scores.reference.min,
    max: b.scores.reference.max,
  },
  labels: b.labels,
  estimates: b.calibrator !== null,
  performance: b.performance,
  lacks: b.lacks,
});
