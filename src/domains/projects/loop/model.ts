// The part of a project that keeps a model good, with its defaults applied.
import type { Parameter } from '../model.ts';

export interface GuardrailPolicy {
  readonly metric: string;
  readonly margin: number | null;
  readonly then: 'rollback' | 'pause';
}

/** Of an endpoint that declares none. */
export const DEFAULT_ROLLBACK_WINDOW = 10;

export interface ReleasePolicy {
  /** null = the candidate gets traffic as soon as it is warm. */
  readonly shadow: { readonly share: number; readonly holdUs: number; readonly minSample: number } | null;
  /** Shares of the traffic in (0, 1], growing; the last is 1. */
  readonly steps: readonly number[];
  /** By position of `steps`: whether a person lets the release into it. */
  readonly approve: readonly boolean[];
  readonly holdUs: number;
  /** null = a step that lacks data waits. */
  readonly maxHoldUs: number | null;
  /** What becomes of a step that could not be decided by then. */
  readonly afterMaxHold: 'rollback' | 'pause' | 'promote-never';
  readonly minSample: number;
  /** null = with the last step it is promoted. */
  readonly bakeUs: number | null;
  /** So many promoted revisions can be gone back to without steps. */
  readonly rollbackWindow: number;
  readonly guardrails: readonly GuardrailPolicy[];
}

/** A calendar window in which no release moves forward, on event time. */
export interface FreezeWindow {
  readonly cron: string;
  readonly lastsUs: number;
  readonly zone: string;
  readonly reason: string;
}

export const driftMethods = ['js', 'psi', 'ks', 'chi2', 'wasserstein', 'hellinger'] as const;
export type DriftMethod = (typeof driftMethods)[number];

/** Labels by a query over a dataset. */
export interface LabelQuery {
  readonly dataset: string;
  readonly label: string;
  readonly where: string | null;
  readonly at: string | null;
  readonly key: readonly string[];
}

export interface MonitorDefinition {
  readonly name: string;
  /** null = the model is served elsewhere and its records are sent here under the monitor's name. */
  readonly endpoint: string | null;
  /** Registered model whose versions bring the baselines; null = `baseline` says where from. */
  readonly model: string | null;
  readonly task: 'binary' | 'regression';
  readonly windowUs: number;
  readonly latenessUs: number;
  readonly labels: { readonly from: 'feedback' | LabelQuery; readonly everyUs: number; readonly withinUs: number };
  readonly performance: readonly string[];
  readonly slices: readonly string[];
  /** null = all inputs of the model. */
  readonly columns: readonly string[] | null;
  readonly drift: {
    readonly numeric: DriftMethod | null;
    readonly categorical: DriftMethod | null;
    readonly columns: Readonly<Record<string, { readonly method: DriftMethod | null; readonly threshold: number | null }>>;
  };
  readonly estimate: boolean;
  readonly trailing: number;
  readonly baseline:
    | { readonly dataset: string; readonly score: string | null; readonly label: string | null; readonly at: string | null }
    | { readonly firstUs: number }
    | null;
}

/** The name that the records of a monitor are logged under: its endpoint, or its own where the model is served elsewhere. */
export const endpointOf = (m: Pick<MonitorDefinition, 'endpoint' | 'name'>): string => m.endpoint ?? m.name;

/** The monitor whose labels speak for an endpoint: of several that watch it the first by name. */
export const monitorOfEndpoint = (monitors: Readonly<Record<string, MonitorDefinition>>, endpoint: string): MonitorDefinition | undefined =>
  Object.values(monitors)
    .filter((m) => m.endpoint === endpoint)
    .sort((a, b) => (a.name < b.name ? -1 : 1))[0];

/**
 * What a rule of alerts may look at besides the metrics of a monitor, `drift.<column>` and `estimated.<metric>`, and the
 * windows that it is read from. `windows` is the passing of time without any.
 */
export const monitorSignals = {
  drift: 'data',
  prediction_drift: 'data',
  quality: 'data',
  range: 'data',
  volume: 'data',
  error_rate: 'data',
  windows: 'data',
  coverage: 'performance',
} as const satisfies Readonly<Record<string, 'data' | 'performance'>>;

/** Says whether a signal tells how good the model is, realised or estimated. */
export const isPerformanceSignal = (signal: string): boolean => !Object.hasOwn(monitorSignals, signal) && !signal.startsWith('drift.');

/** `below` and `above` compare with a bound or with the baseline; `found` = the window has such a finding. */
export type AlertCondition =
  | { readonly kind: 'below' | 'above'; readonly bound: number }
  | {
      readonly kind: 'below-baseline' | 'above-baseline';
      readonly by: number;
      /** `by` is a share of the baseline. */ readonly relative?: true;
    }
  | { readonly kind: 'found' }
  | { readonly kind: 'stopped'; readonly forUs: number };

export interface AlertRuleDefinition {
  readonly name: string;
  readonly monitor: string;
  /** A metric, `estimated.<metric>`, `drift`, `drift.<column>`, `prediction_drift`, `quality`, `range`, `coverage`, `volume`, `error_rate`, `windows`. */
  readonly signal: string;
  readonly condition: AlertCondition;
  /** As written. */
  readonly when: string;
  /** `of`: the last so many windows, where they need not follow each other. */
  readonly for: { readonly windows: number; readonly of?: number } | { readonly us: number };
  readonly keepFiringUs: number;
  readonly severity: 'page' | 'warn' | 'info';
  readonly receivers: readonly string[];
  readonly summary: string;
}

export type ReceiverDefinition = {
  readonly name: string;
  readonly repeatUs: number;
  readonly sendResolved: boolean;
} & (
  | { readonly kind: 'webhook'; readonly url: string; readonly secret: string | null; readonly format: 'gyre' | 'alertmanager' }
  | { readonly kind: 'alertmanager' | 'slack'; readonly url: string }
  | { readonly kind: 'email'; readonly to: readonly string[]; readonly from: string; readonly server: string }
);

export type TriggerCause = 'alert' | 'finding' | 'data' | 'cron' | 'push' | 'api';

export interface RetrainingDefinition {
  readonly name: string;
  readonly pipeline: string;
  readonly endpoint: string;
  /** `only`: name of the alert, kind of the finding, dataset, or cron expression; null = any. */
  readonly on: readonly { readonly cause: TriggerCause; readonly only: string | null }[];
  readonly params: Readonly<Record<string, Parameter>>;
  readonly cooldownUs: number;
  readonly budget: { readonly runs: number; readonly perUs: number } | null;
  readonly minNewLabels: number;
  readonly approval: 'auto' | 'person';
  /** What nobody has approved by then (event time) expires. */
  readonly approveWithinUs: number;
  readonly stopAfter: number;
  readonly release: boolean;
}
