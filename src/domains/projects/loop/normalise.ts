// Defaults and shorthand of monitors, alerts, receivers, retraining and staged releases.
import type {
  AlertCondition,
  AlertRuleDefinition,
  FreezeWindow,
  MonitorDefinition,
  ReceiverDefinition,
  ReleasePolicy,
  RetrainingDefinition,
  TriggerCause,
} from './model.ts';
import { DEFAULT_ROLLBACK_WINDOW } from './model.ts';
import { durationMs, type ProjectDefinition } from '../model.ts';
import type { RawProject } from '../parse.ts';

type RawMonitor = NonNullable<RawProject['monitors']>[string];
type RawAlert = NonNullable<RawProject['alerts']>[number];
type RawReceiver = NonNullable<RawProject['receivers']>[string];
type RawRetraining = NonNullable<RawProject['retraining']>[string];
type RawRelease = NonNullable<NonNullable<RawProject['endpoints']>[string]['release']>;
type RawFreeze = NonNullable<NonNullable<RawProject['endpoints']>[string]['freeze']>[number];

const us = (duration: string): number => durationMs(duration) * 1000;

const DEFAULT_PERFORMANCE = { binary: ['roc_auc', 'log_loss', 'brier'], regression: ['mae', 'rmse', 'r2'] } as const;

export const shareOf = (text: string): number => Number(text.slice(0, -1)) / 100;

export function releasePolicyOf(r: RawRelease): ReleasePolicy {
  const holdUs = us(r.hold ?? '1d');
  const minSample = r.min_sample ?? 300;
  const shadow = typeof r.shadow === 'string' ? { hold: r.shadow } : r.shadow;
  const steps = r.steps.map((s) => (typeof s === 'string' ? { share: s } : s));
  return {
    shadow: shadow
      ? {
          share: shadow.share ? shareOf(shadow.share) : 1,
          holdUs: shadow.hold ? us(shadow.hold) : holdUs,
          minSample: shadow.min_sample ?? minSample,
        }
      : null,
    steps: steps.map((s) => shareOf(s.share)),
    // Out of a step is into the next one.
    approve: steps.map((s, i) => s.approve === true || steps[i - 1]?.pause === 'manual'),
    holdUs,
    maxHoldUs: r.max_hold ? us(r.max_hold) : null,
    afterMaxHold: r.after_max_hold ?? 'rollback',
    minSample,
    bakeUs: r.bake ? us(r.bake) : null,
    rollbackWindow: r.rollback_window ?? DEFAULT_ROLLBACK_WINDOW,
    guardrails: (r.guardrails ?? ['error_rate']).map((g) => {
      const { metric, margin, then } = typeof g === 'string' ? { metric: g } : g;
      // Callers who differ say that the comparison is unfair, not that the candidate is bad.
      return { metric, margin: margin ?? null, then: then ?? (metric === 'feature_drift' ? 'pause' : 'rollback') };
    }),
  };
}

export const freezeWindowOf = (f: RawFreeze): FreezeWindow => ({
  cron: f.cron,
  lastsUs: us(f.for),
  zone: f.zone ?? 'UTC',
  reason: f.reason ?? 'its calendar says so',
});

export function loopOf(raw: RawProject): Pick<ProjectDefinition, 'monitors' | 'alerts' | 'receivers' | 'retraining' | 'subjects'> {
  const of = <A, B>(record: Readonly<Record<string, A>> | undefined, make: (name: string, value: A) => B): Record<string, B> =>
    Object.fromEntries(Object.entries(record ?? {}).map(([name, value]) => [name, make(name, value)]));
  return {
    monitors: of(raw.monitors, (name, m) => monitorOf(name, m, raw)),
    alerts: Object.fromEntries((raw.alerts ?? []).map((a) => alertOf(a)).map((a) => [a.name, a])),
    receivers: of(raw.receivers, receiverOf),
    retraining: of(raw.retraining, retrainingOf),
    subjects: of(raw.subjects, (_, columns) => (typeof columns === 'string' ? [columns] : columns)),
  };
}

function monitorOf(name: string, m: RawMonitor, raw: RawProject): MonitorDefinition {
  const endpoint = m.endpoint ?? (Object.hasOwn(raw.endpoints ?? {}, name) ? name : null);
  const model = m.model ?? (endpoint === null ? null : (raw.endpoints?.[endpoint]?.model ?? null));
  const task = m.task ?? (model === null ? undefined : raw.models?.[model]?.task) ?? 'binary';
  const from = m.labels?.from ?? 'feedback';
  return {
    name,
    endpoint,
    model,
    task,
    windowUs: us(m.window ?? '1d'),
    latenessUs: us(m.lateness ?? '0s'),
    labels: {
      from:
        from === 'feedback'
          ? from
          : { dataset: from.dataset, label: from.label, where: from.where ?? null, at: from.at ?? null, key: from.key },
      everyUs: us(m.labels?.every ?? '1d'),
      withinUs: us(m.labels?.within ?? '1d'),
    },
    performance: m.performance ?? DEFAULT_PERFORMANCE[task],
    slices: m.slices ?? [],
    columns: m.columns ?? null,
    drift: {
      numeric: m.drift?.numeric ?? null,
      categorical: m.drift?.categorical ?? null,
      columns: Object.fromEntries(
        Object.entries(m.drift?.columns ?? {}).map(([column, d]) => [column, { method: d.method ?? null, threshold: d.threshold ?? null }]),
      ),
    },
    estimate: m.estimate ?? task === 'binary',
    trailing: m.trailing ?? 7,
    baseline:
      m.baseline === undefined
        ? null
        : 'first' in m.baseline
          ? { firstUs: us(m.baseline.first) }
          : {
              dataset: m.baseline.dataset,
              score: m.baseline.score ?? null,
              label: m.baseline.label ?? null,
              at: m.baseline.at ?? null,
            },
  };
}

const WHEN =
  /^([A-Za-z][\w-]*)\.([A-Za-z_][\w.-]*)\s+(?:(below|above)\s+(?:(baseline)(?:\s+by\s+(\d+(?:\.\d+)?%?))?|(-?\d+(?:\.\d+)?))|(found)|stopped\s+for\s+(\d+[smhdw]))$/;

/** The monitor, the signal and the condition of a rule; undefined if it is not written in that form. */
export function parseCondition(when: string): { monitor: string; signal: string; condition: AlertCondition } | undefined {
  const match = WHEN.exec(when.trim());
  if (!match) return undefined;
  const [, monitor, signal, side, baseline, by, bound, found, stopped] = match;
  const condition: AlertCondition = found
    ? { kind: 'found' }
    : stopped
      ? { kind: 'stopped', forUs: us(stopped) }
      : baseline
        ? { kind: side === 'below' ? 'below-baseline' : 'above-baseline', ...marginOf(by ?? '0') }
        : { kind: side as 'below' | 'above', bound: Number(bound) };
  return { monitor: monitor!, signal: signal!, condition };
}

const marginOf = (by: string): { by: number; relative?: true } =>
  by.endsWith('%') ? { by: Number(by.slice(0, -1)) / 100, relative: true } : { by: Number(by) };

/** `2 windows`: in a row; `2 of 3 windows`: of the last three. */
function windowsOf(text: string): { windows: number; of?: number } | undefined {
  const match = /^(\d+)(?: of (\d+))? windows?$/.exec(text);
  if (!match) return undefined;
  const windows = Math.max(1, Number(match[1]));
  return match[2] === undefined ? { windows } : { windows, of: Math.max(windows, Number(match[2])) };
}

/** `3 of 2 windows` can never be. */
export function isForPossible(text: string): boolean {
  const match = /^(\d+) of (\d+) /.exec(text);
  return match === null || Number(match[1]) <= Number(match[2]);
}

/** A rule that is not well written keeps an empty monitor; the cross-check names it. */
export function alertOf(a: RawAlert): AlertRuleDefinition {
  const parsed = parseCondition(a.when) ?? { monitor: '', signal: '', condition: { kind: 'found' } };
  return {
    name: a.name ?? `${parsed.monitor}-${parsed.signal}`.toLowerCase().replace(/[^a-z0-9_-]+/g, '-'),
    ...parsed,
    when: a.when,
    for: windowsOf(a.for ?? '1 window') ?? { us: us(a.for!) },
    keepFiringUs: us(a.keep_firing_for ?? '0s'),
    severity: a.severity ?? 'warn',
    receivers: a.receivers ?? [],
    summary: a.summary ?? '',
  };
}

function receiverOf(name: string, r: RawReceiver): ReceiverDefinition {
  const common = { name, repeatUs: us(r.repeat ?? '4h'), sendResolved: r.send_resolved ?? true };
  if ('webhook' in r)
    return { ...common, kind: 'webhook', url: r.webhook.url, secret: r.webhook.secret ?? null, format: r.webhook.format ?? 'gyre' };
  if ('alertmanager' in r) return { ...common, kind: 'alertmanager', url: r.alertmanager.url };
  if ('slack' in r) return { ...common, kind: 'slack', url: r.slack.url };
  return { ...common, kind: 'email', to: r.email.to, from: r.email.from, server: r.email.server };
}

function retrainingOf(name: string, r: RawRetraining): RetrainingDefinition {
  return {
    name,
    pipeline: r.pipeline,
    endpoint: r.endpoint ?? name,
    on: r.on.map((text) => {
      const at = text.indexOf(':');
      return { cause: (at < 0 ? text : text.slice(0, at)) as TriggerCause, only: at < 0 ? null : text.slice(at + 1).trim() };
    }),
    params: r.params ?? {},
    cooldownUs: us(r.cooldown ?? '14d'),
    budget: r.budget ? { runs: r.budget.runs, perUs: us(r.budget.per) } : null,
    minNewLabels: r.min_new_labels ?? 0,
    approval: r.approval ?? 'auto',
    approveWithinUs: us(r.approve_within ?? '7d'),
    stopAfter: r.stop_after ?? 3,
    release: r.release ?? true,
  };
}
