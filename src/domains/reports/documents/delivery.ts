// Delivery metrics of models, after DORA's, from the events alone. Definitions: docs/domains/reports.md. Pure.
import type { Edge } from '../../../kernel/events/events.ts';
import type { Figure, Interval } from '../../../stats/figure.ts';
import { wilson } from '../../../stats/intervals.ts';

/** An event as the metrics need it. */
export interface Told {
  readonly id: string;
  readonly type: string;
  readonly subject: { readonly kind: string; readonly id: string };
  readonly payload: Readonly<Record<string, unknown>>;
  readonly edges: readonly Edge[];
  readonly recordedMs: number;
  readonly occurredUs: number | null;
}

export interface DeliveryInput {
  readonly project: string;
  readonly fromUs: number;
  readonly toUs: number;
  /** Each endpoint with the monitors that watch it. */
  readonly endpoints: ReadonlyMap<string, readonly string[]>;
  /** Of the project, in the order in which they were recorded. */
  readonly events: readonly Told[];
  /** Model version -> event time of its newest training row. */
  readonly cutoffs: ReadonlyMap<string, number>;
  /** An alert within this span of event time after a deployment counts as its failure. */
  readonly failWithinUs: number;
}

export type DeploymentKind = 'change' | 'retraining' | 'rollback';
export interface Deployment {
  readonly release: string;
  readonly modelVersion: string;
  readonly kind: DeploymentKind;
  /** The candidate's first request could come from then on. */
  readonly servedUs: number;
  /** All requests went to it from then on; null = it did not come so far. */
  readonly promotedUs: number | null;
  readonly outcome: 'promoted' | 'rolled-back' | 'aborted' | 'failed' | 'under way';
  readonly failed: { readonly why: string; readonly evidence: string } | null;
  readonly fixesIncident: boolean;
  readonly leadTimeUs: { readonly commit: number | null; readonly data: number | null; readonly alert: number | null };
}

export interface EndpointDelivery {
  readonly endpoint: string;
  readonly deployments: readonly Deployment[];
  /** Per week of event time. */
  readonly frequency: { readonly perWeek: number; readonly n: number; readonly weeks: number };
  readonly leadTimeUs: { readonly commit: Figure; readonly data: Figure; readonly alert: Figure };
  readonly changeFailRate: Figure;
  readonly recoveryUs: Figure;
  readonly reworkRate: Figure;
}

export interface Delivery {
  readonly project: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly failWithinUs: number;
  readonly endpoints: readonly EndpointDelivery[];
}

const WEEK_US = 7 * 86_400_000_000;
const text = (x: unknown): string => (typeof x === 'string' ? x : '');
const isServed = (e: Told): boolean => typeof e.payload.share === 'number' && e.payload.share > 0;

export function deliveryOf(input: DeliveryInput): Delivery {
  const { project, fromUs, toUs, failWithinUs } = input;
  const context = contextOf(input);
  return {
    project,
    fromUs,
    toUs,
    failWithinUs,
    endpoints: [...input.endpoints.keys()].sort().map((endpoint) => endpointDelivery(input, context, endpoint)),
  };
}

interface Context {
  readonly releases: readonly (readonly Told[])[];
  readonly alerts: readonly AlertStory[];
  /** Model version -> run; run -> trigger; trigger -> alert. */
  readonly runOf: ReadonlyMap<string, string>;
  readonly triggerOf: ReadonlyMap<string, string>;
  readonly alertOf: ReadonlyMap<string, string>;
  /** Run -> when its project revision with a commit was applied, wall clock. */
  readonly committedMs: ReadonlyMap<string, number>;
}
interface AlertStory {
  readonly id: string;
  readonly monitor: string;
  readonly severity: string;
  readonly firedUs: number;
  readonly resolvedUs: number | null;
}

function contextOf({ events }: DeliveryInput): Context {
  const releases = new Map<string, Told[]>();
  const alerts = new Map<string, AlertStory>();
  const runOf = new Map<string, string>();
  const triggerOf = new Map<string, string>();
  const alertOf = new Map<string, string>();
  const commits = new Map<string, number>();
  const committedMs = new Map<string, number>();
  for (const e of events) {
    const { kind, id } = e.subject;
    const to = (relation: string, target: string): string | undefined =>
      e.edges.find((x) => x.relation === relation && x.to.kind === target && x.from.id === id)?.to.id;
    if (kind === 'release') releases.set(id, [...(releases.get(id) ?? []), e]);
    if (e.type === 'alert.firing' && !alerts.has(id))
      alerts.set(id, {
        id,
        monitor: text(e.payload.monitor),
        severity: text(e.payload.severity),
        firedUs: e.occurredUs ?? e.recordedMs * 1000,
        resolvedUs: null,
      });
    const fired = alerts.get(id);
    if (e.type === 'alert.resolved' && fired) alerts.set(id, { ...fired, resolvedUs: e.occurredUs ?? e.recordedMs * 1000 });
    if (kind === 'model-version') put(runOf, id, to('produced-by', 'pipeline-run'));
    if (kind === 'pipeline-run') {
      put(triggerOf, id, to('started-by', 'trigger'));
      const revision = to('definition', 'project-revision');
      if (revision !== undefined && commits.has(revision)) committedMs.set(id, commits.get(revision)!);
    }
    if (kind === 'trigger') put(alertOf, id, to('caused-by', 'alert'));
    if (e.type === 'project-revision.applied' && text(e.payload.commit) !== '') commits.set(id, e.recordedMs);
  }
  return { releases: [...releases.values()], alerts: [...alerts.values()], runOf, triggerOf, alertOf, committedMs };
}

function put(map: Map<string, string>, key: string, value: string | undefined): void {
  if (value !== undefined && !map.has(key)) map.set(key, value);
}

function endpointDelivery(input: DeliveryInput, context: Context, endpoint: string): EndpointDelivery {
  const { fromUs, toUs } = input;
  const monitors = new Set(input.endpoints.get(endpoint));
  const alerts = context.alerts.filter((a) => monitors.has(a.monitor) && a.severity === 'page');
  const all = context.releases
    .filter((story) => story.some((e) => e.payload.endpoint === endpoint))
    .flatMap((story) => deploymentOf(story, input, context))
    .sort((a, b) => a.servedUs - b.servedUs || (a.release < b.release ? -1 : 1));
  const blamed = all.map((d, i) => blame(d, all[i + 1], alerts, input.failWithinUs));
  const deployments = blamed.filter((d) => d.servedUs >= fromUs && d.servedUs < toUs);
  const judged = deployments.filter((d) => d.outcome !== 'under way');
  const weeks = Math.max(0, toUs - fromUs) / WEEK_US;
  const of = (pick: (d: Deployment) => number | null): number[] =>
    deployments.filter((d) => d.kind !== 'rollback').flatMap((d) => pick(d) ?? []);
  const recoveries = alerts
    .filter((a) => a.firedUs >= fromUs && a.firedUs < toUs)
    .flatMap((a) => {
      // A canary of the next version leaves most requests with the one that is bad.
      const next = blamed.find((d) => d.servedUs >= a.firedUs && d.promotedUs !== null)?.promotedUs ?? null;
      const ends = [a.resolvedUs, next].filter((us) => us !== null);
      return ends.length === 0 ? [] : [Math.min(...ends) - a.firedUs];
    });
  return {
    endpoint,
    deployments,
    frequency: { perWeek: weeks === 0 ? 0 : deployments.length / weeks, n: deployments.length, weeks },
    leadTimeUs: {
      commit: median(
        of((d) => d.leadTimeUs.commit),
        'no deployment came from a commit that is known',
      ),
      data: median(
        of((d) => d.leadTimeUs.data),
        'no deployed version says what its newest training row is',
      ),
      alert: median(
        of((d) => d.leadTimeUs.alert),
        'no deployment was caused by an alert',
      ),
    },
    changeFailRate: share(judged.filter((d) => d.failed !== null).length, judged.length, 'no deployment has ended'),
    recoveryUs: median(recoveries, 'no page was raised and ended'),
    reworkRate: share(deployments.filter((d) => d.fixesIncident).length, deployments.length, 'there was no deployment'),
  };
}

function deploymentOf(story: readonly Told[], { cutoffs }: DeliveryInput, context: Context): Deployment[] {
  const served = story.find(isServed);
  // A release that never got traffic is no deployment.
  if (!served) return [];
  const started = story.find((e) => e.type === 'release.started') ?? served;
  const modelVersion = text(served.payload.version) || text(started.payload.version);
  const run = context.runOf.get(modelVersion);
  const trigger = run === undefined ? undefined : context.triggerOf.get(run);
  const alert = trigger === undefined ? undefined : context.alertOf.get(trigger);
  const fired = context.alerts.find((a) => a.id === alert);
  const isRollback = started.payload.rollbackTo !== undefined;
  const servedUs = served.occurredUs ?? served.recordedMs * 1000;
  const committed = run === undefined ? undefined : context.committedMs.get(run);
  const cutoff = cutoffs.get(modelVersion);
  const end = story.at(-1)!;
  const last = end.type.slice('release.'.length);
  const outcome = (['promoted', 'rolled-back', 'aborted', 'failed'] as const).find((o) => o === last) ?? 'under way';
  return [
    {
      release: served.subject.id,
      modelVersion,
      kind: isRollback ? 'rollback' : trigger === undefined ? 'change' : 'retraining',
      servedUs,
      promotedUs: outcome === 'promoted' ? (end.occurredUs ?? end.recordedMs * 1000) : null,
      outcome,
      failed: outcome in FAILED ? { why: FAILED[outcome as keyof typeof FAILED], evidence: end.id } : null,
      fixesIncident: isRollback || fired !== undefined,
      leadTimeUs: {
        // Both ends on the wall clock: a commit knows no event time.
        commit: committed === undefined ? null : (served.recordedMs - committed) * 1000,
        data: cutoff === undefined ? null : servedUs - cutoff,
        alert: fired === undefined ? null : servedUs - fired.firedUs,
      },
    },
  ];
}

/** Ends of a release that took traffic and was not kept. */
const FAILED = {
  'rolled-back': 'rolled back in its canary',
  aborted: 'aborted after it took traffic',
  failed: 'failed after it took traffic',
} as const;

/** A deployment that held its canary may still fail: a page within the span, or a rollback that came next. */
function blame(d: Deployment, next: Deployment | undefined, alerts: readonly AlertStory[], withinUs: number): Deployment {
  if (d.failed !== null || d.outcome !== 'promoted') return d;
  const untilUs = Math.min(d.servedUs + withinUs, next?.servedUs ?? Number.POSITIVE_INFINITY);
  const page = alerts.find((a) => a.firedUs > d.servedUs && a.firedUs <= untilUs);
  if (page) return { ...d, failed: { why: 'a page was raised', evidence: page.id } };
  if (next?.kind === 'rollback' && next.servedUs <= d.servedUs + withinUs)
    return { ...d, failed: { why: 'it was rolled back', evidence: next.release } };
  return d;
}

const share = (k: number, n: number, reason: string): Figure =>
  n === 0 ? { ok: false, reason, n } : { ok: true, value: k / n, n, interval: wilson(k, n) };

/** Median with the interval of order statistics, which asks nothing of the distribution; none below six values. */
export function median(values: readonly number[], reason: string): Figure {
  const n = values.length;
  if (n === 0) return { ok: false, reason, n };
  const sorted = [...values].sort((a, b) => a - b);
  const value = (sorted[Math.floor((n - 1) / 2)]! + sorted[Math.ceil((n - 1) / 2)]!) / 2;
  const interval = orderInterval(sorted);
  return { ok: true, value, n, ...(interval ? { interval } : {}) };
}

function orderInterval(sorted: readonly number[]): Interval | undefined {
  const n = sorted.length;
  // P(fewer than k of n lie below the median), binomial with 1/2; the largest k whose two tails miss at most 5 %.
  let [probability, tail, k] = [0.5 ** n, 0, 0];
  while (2 * (tail + probability) <= 0.05) {
    tail += probability;
    probability *= (n - k) / (k + 1);
    k++;
  }
  return k === 0
    ? undefined
    : { low: sorted[k - 1]!, high: sorted[n - k]!, level: Number((1 - 2 * tail).toFixed(4)), method: 'order statistics' };
}
