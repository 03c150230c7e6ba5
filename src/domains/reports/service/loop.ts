// Gathers what the monitor of an endpoint saw and what followed from it.
import type { Ctx } from '../../../kernel/ctx.ts';
import { none, type Figure } from '../../../stats/figure.ts';
import { isMetricName, metrics } from '../../../stats/metrics.ts';
import { listAlerts, type Alert } from '../../alerts/public.ts';
import { listErasures, type Erasure } from '../../governance/public.ts';
import { listWindows, type DataFigures, type PerformanceFigures, type Window } from '../../monitoring/public.ts';
import { endpointOf, type MonitorDefinition, type Revision } from '../../projects/public.ts';
import { getEvaluation, getVersion, listDecisions } from '../../registry/public.ts';
import { listReleases, listTransitions } from '../../releases/public.ts';
import { listTriggers, type Trigger } from '../../retraining/public.ts';
import type { LoopErasure, LoopRelease, LoopTrigger, LoopView, LoopWindow } from '../loop-view.ts';
import { gateView } from '../model-view.ts';
import type { Window as Span } from '../model.ts';
import { makeCounterfactual } from './counterfactual.ts';

const LAST = '~';
const MOST = 1000;

/** What a monitor saw and what followed, or the sentence that says why there is nothing to show. */
export async function describeLoop(
  ctx: Ctx,
  revision: Revision,
  monitor: MonitorDefinition,
  span: Span,
): Promise<LoopView | { readonly absent: string }> {
  const { project, definition } = revision;
  const metric = monitor.performance[0];
  if (metric === undefined || !isMetricName(metric)) return { absent: `The monitor ${monitor.name} watches no performance.` };
  const { windows, lateGenerations } = await describeWindows(ctx, project, monitor, metric, span);
  if (windows.length === 0) return { absent: `No window of the monitor ${monitor.name} has closed yet.` };
  const { title, higherIsBetter } = metrics[metric];
  return {
    monitor: monitor.name,
    metric: { name: metric, title, higherIsBetter },
    windowUs: monitor.windowUs,
    windows,
    lateGenerations,
    counterfactual: await makeCounterfactual(ctx, { project, monitor, metric, windows }),
    alerts: (await listAlerts(ctx, project, { monitor: monitor.name, limit: MOST }))
      .filter((a) => a.firedUs !== null)
      .reverse()
      .map((a) => ({
        id: a.id,
        rule: a.rule,
        severity: a.severity,
        state: a.state,
        firedUs: a.firedUs!,
        resolvedUs: a.endedUs,
        words: evidenceOf(a.history.find((h) => h.state === 'firing') ?? a.evidence),
      })),
    triggers: await describeTriggers(ctx, project, monitor, definition),
    releases: monitor.endpoint === null ? [] : await describeReleases(ctx, monitor.endpoint),
    decisions: monitor.model === null ? [] : await describeDecisions(ctx, monitor.model),
    erasures: (await listErasures(ctx.db, ctx.workspace, project, LAST, MOST)).reverse().flatMap(erasureOf),
  };
}

/** "0.62 where 0.65 is the bound, n = 6,100, 7 windows pooled" */
const evidenceOf = ({ value, threshold, n, method }: Pick<Alert['evidence'], 'value' | 'threshold' | 'n' | 'method'>): string =>
  [
    value === null ? '' : `${short(value)}${threshold === null ? '' : `, bound ${short(threshold)}`}`,
    `n\u00a0=\u00a0${n.toLocaleString('en-US')}`,
    method,
  ]
    .filter((part) => part !== '')
    .join('; ');

const short = (x: number): string => String(Number(x.toPrecision(3)));

async function describeWindows(
  ctx: Ctx,
  project: string,
  monitor: MonitorDefinition,
  metric: string,
  { fromUs, toUs }: Span,
): Promise<{ windows: LoopWindow[]; lateGenerations: number }> {
  const of = { project, monitor: monitor.name, fromUs, toUs, latestOnly: true } as const;
  const data = (await listWindows(ctx, { ...of, kind: 'data' })) as Window<DataFigures>[];
  const performance = (await listWindows(ctx, { ...of, kind: 'performance' })) as Window<PerformanceFigures>[];
  const byStart = new Map(performance.map((w) => [w.fromUs, w]));
  return {
    windows: data.map((w) => windowOf(w, byStart.get(w.fromUs), metric)),
    lateGenerations: performance.filter((w) => w.generation > 1).length,
  };
}

function windowOf(data: Window<DataFigures>, performance: Window<PerformanceFigures> | undefined, metric: string): LoopWindow {
  const { figures } = data;
  const estimate = figures.estimate[metric];
  const pool = performance?.figures.pools[metric];
  const drifted = figures.datasetDrift;
  return {
    fromUs: data.fromUs,
    toUs: data.toUs,
    records: figures.volume.records,
    version: data.lead,
    labelled: performance?.n ?? 0,
    generation: performance?.generation ?? 0,
    figure: performance?.figures.metrics[metric] ?? none('its labels are not in yet', 0),
    estimate: estimate ? estimateOf(estimate) : none('not estimated', 0),
    baseline: pool?.ok ? pool.baseline : null,
    driftShare: drifted.ok ? drifted.value : null,
    driftedColumns: drifted.ok ? drifted.columns : [],
    predictionDrift: figures.prediction.ok
      ? { value: figures.prediction.value, threshold: figures.prediction.threshold, drifted: figures.prediction.drifted }
      : null,
    qualityFindings: figures.columns.reduce((sum, c) => sum + c.quality.filter((q) => q.broken).length, 0),
  };
}

const estimateOf = (e: NonNullable<DataFigures['estimate'][string]>): Figure =>
  e.ok ? { ok: true, value: e.value, n: e.n, interval: { low: e.low, high: e.high, level: 0.95, method: e.method } } : e;

async function describeTriggers(
  ctx: Ctx,
  project: string,
  monitor: MonitorDefinition,
  { retraining, endpoints }: Revision['definition'],
): Promise<LoopTrigger[]> {
  const watched = endpointOf(monitor);
  // A policy without an endpoint of the project retrains a model that is served elsewhere.
  const isOwn = (endpoint = watched): boolean => endpoint === watched || (monitor.endpoint === null && !Object.hasOwn(endpoints, endpoint));
  const all = await listTriggers(ctx.db, ctx.workspace, project, { before: LAST, limit: MOST });
  const own = all.filter((t) => isOwn(retraining[t.policy]?.endpoint)).reverse();
  return Promise.all(own.map((t) => triggerOf(ctx, t)));
}

async function triggerOf(ctx: Ctx, t: Trigger): Promise<LoopTrigger> {
  return {
    id: t.id,
    policy: t.policy,
    atUs: t.occurredUs,
    cause: t.reason,
    accepted: t.acceptedUs !== null,
    reason: t.outcome ?? t.reason,
    outcome: t.acceptedUs === null || t.endedUs === null ? null : t.state,
    outcomeReason: t.acceptedUs === null ? '' : (t.outcome ?? ''),
    version: t.versionId === null ? null : (await getVersion(ctx, t.versionId)).number,
  };
}

async function describeReleases(ctx: Ctx, endpoint: string): Promise<LoopRelease[]> {
  const releases = (await listReleases(ctx.db, ctx.workspace, endpoint, LAST, MOST)).reverse();
  return Promise.all(
    releases.map(async (r): Promise<LoopRelease> => {
      const transitions = await listTransitions(ctx.db, ctx.workspace, r.id);
      const ended = transitions.find((t) => ['promoted', 'rolled-back', 'aborted', 'failed'].includes(t.to));
      const harmed = transitions.findLast((t) => t.figures !== null)?.figures?.harmed ?? null;
      return {
        id: r.id,
        version: r.candidate.number,
        state: r.state,
        startedUs: r.startedUs,
        endedUs: ended?.atUs ?? null,
        reason: r.standing === '' ? r.reason : r.standing,
        steps: transitions
          .filter((t) => t.to === 'canary' || t.to === 'promoted')
          .map((t) => ({ atUs: t.atUs, share: t.share, words: t.reason })),
        requests: harmed?.requests ?? null,
        errors: harmed?.errors ?? null,
        harmed: harmed === null ? null : Math.round(harmed.beyondStable),
      };
    }),
  );
}

async function describeDecisions(ctx: Ctx, model: string): Promise<LoopView['decisions']> {
  const newest = await listDecisions(ctx.db, ctx.workspace, model, LAST, MOST);
  // A version that was decided on again shows the decision that counts.
  const decisions = newest.filter((d, i) => newest.findIndex((other) => other.versionId === d.versionId) === i).reverse();
  return Promise.all(
    decisions.map(async (d) => ({
      ...gateView(d, d.evaluationId === null ? null : await getEvaluation(ctx, d.evaluationId)),
      model: d.model,
      version: (await getVersion(ctx, d.versionId)).number,
    })),
  );
}

function erasureOf(e: Erasure): LoopErasure[] {
  const { certificate } = e;
  if (!certificate) return [];
  const places = Map.groupBy(certificate.rewritten, (f) => f.place);
  return [
    {
      id: e.id,
      subject: `${certificate.subject.kind} ${certificate.subject.hmac.slice(0, 16)}`,
      reason: certificate.reason,
      atMs: Date.parse(certificate.completedAt),
      rewritten: [...places].map(([place, files]) => ({
        place,
        files: files.length,
        rows: files.reduce((sum, f) => sum + f.rowsRemoved, 0),
      })),
      clean: certificate.places.filter((p) => p.rowsRemoved === 0).map((p) => p.place),
      notCovered: certificate.notCovered.map(({ what, refs, why, action }) => ({ what, refs: refs.length, why, action })),
    },
  ];
}
