// A project file with its defaults applied: what the other domains read.
import { shownMember } from './addresses.ts';
import type {
  AlertRuleDefinition,
  FreezeWindow,
  MonitorDefinition,
  ReceiverDefinition,
  ReleasePolicy,
  RetrainingDefinition,
} from './loop/model.ts';
import type { TrialDefinition } from './trials/trials.ts';

export interface DatasetDefinition {
  readonly name: string;
  readonly source: readonly string[];
  readonly sql: string | null;
  readonly from: readonly string[];
  readonly key: readonly string[];
  readonly occurredAt: string | null;
  readonly knownAt: string | null;
  readonly contract: string | null;
  readonly description: string;
  /** What it may be used for; null = not limited. */
  readonly purposes: readonly string[] | null;
  readonly legalBasis: string | null;
  /** How long rows and versions are kept; null = for ever. */
  readonly retentionUs: number | null;
}

export interface FeatureViewDefinition {
  readonly name: string;
  readonly dataset: string;
  readonly entity: readonly string[];
  /** null = unbounded. */
  readonly ttlUs: number | null;
  readonly columns: readonly string[];
  readonly sql: string | null;
}

export interface FeatureServiceDefinition {
  readonly name: string;
  readonly views: readonly string[];
  readonly request: readonly string[];
}

export interface SpineDefinition {
  readonly dataset: string;
  readonly at: string;
  readonly label: string;
  readonly where: string | null;
  /** Moments or `$parameters`. */
  readonly between: readonly [string, string];
  /** "none", or a moment; null = the end of `between`. */
  readonly knownBy: string | null;
}

export type OutputKind = 'folder' | 'table' | 'logged-model';

interface StepBase {
  readonly name: string;
  /** Steps that must have succeeded before. */
  readonly needs: readonly string[];
}
export interface FeaturesStep extends StepBase {
  readonly kind: 'features';
  readonly service: string;
  readonly spine: SpineDefinition;
}
export interface RunStep extends StepBase {
  readonly kind: 'run';
  readonly command: string;
  readonly environment: string | null;
  /** Inputs: `step` or `step.output`. */
  readonly inputs: readonly string[];
  readonly code: readonly string[] | null;
  readonly outputs: Readonly<Record<string, OutputKind>>;
  readonly env: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly retry: number;
}
export interface EvaluateStep extends StepBase {
  readonly kind: 'evaluate';
  readonly model: string;
  readonly service: string;
  readonly spine: SpineDefinition;
  readonly slices: readonly string[];
}
export interface RegisterStep extends StepBase {
  readonly kind: 'register';
  readonly model: string;
  readonly from: string;
  readonly evaluation: string;
}
/** Rows to score: a table that a step made, or rows of a dataset, with features as they were known at each row's moment. */
export type PredictRows =
  | { readonly kind: 'step'; readonly ref: string }
  | {
      readonly kind: 'dataset';
      readonly dataset: string;
      /** Written as "features" and "spine". */
      readonly spine: boolean;
      /** null = the rows have all that the model reads. */
      readonly service: string | null;
      /** Expression: the moment of a row; null = the dataset's occurred_at. */
      readonly at: string | null;
      readonly where: string | null;
      /** Moments or `$parameters`; null = all rows. */
      readonly between: readonly [string, string] | null;
    };
export interface PredictStep extends StepBase {
  readonly kind: 'predict';
  readonly model: string;
  /** A number, an alias or "latest"; or the step (or step.output) that makes the model. */
  readonly version: string;
  readonly on: PredictRows;
  /** Endpoint whose rules hold for values that are missing; null = the model has none. */
  readonly endpoint: string | null;
  readonly into: string;
  /** Columns of the rows that are kept beside the scores. */
  readonly columns: readonly string[];
  readonly monitor: string | null;
}
export type StepDefinition = FeaturesStep | RunStep | EvaluateStep | RegisterStep | PredictStep;

export type Parameter = string | number | boolean;

export interface PipelineDefinition {
  readonly name: string;
  readonly params: Readonly<Record<string, Parameter>>;
  /** What its runs use data for. */
  readonly purpose: string | null;
  readonly steps: readonly StepDefinition[];
}

export interface GateDefinition {
  readonly metric: string;
  readonly floor?: number;
  readonly ceiling?: number;
  readonly slice?: string;
  readonly minRows?: number;
  readonly notWorseThan?: 'champion';
  readonly betterThan?: 'champion';
  readonly margin?: number;
  readonly confidence?: number;
  readonly trust?: 'reported';
}

export interface ModelDefinition {
  readonly name: string;
  readonly task: 'binary' | 'regression';
  /** Output of the model that holds the score; null = found by shape. */
  readonly score: string | null;
  readonly gates: readonly GateDefinition[];
  readonly description: string;
}

export type MissingRule = { readonly kind: 'null' } | { readonly kind: 'reject' } | { readonly kind: 'default'; readonly value: Parameter };

export interface EndpointDefinition {
  readonly name: string;
  readonly model: string;
  readonly service: string | null;
  readonly assignBy: readonly string[];
  readonly missing: Readonly<Record<string, MissingRule>>;
  readonly personal: readonly string[];
  /** How long inference records are kept; null = for ever. */
  readonly retentionUs: number | null;
  /** Part of the predictions that is logged while one variant answers. */
  readonly logShare: number;
  /** null = the candidate gets all traffic at once. */
  readonly release: ReleasePolicy | null;
  readonly freeze: readonly FreezeWindow[];
  /** The alias whose move by a client begins a release. */
  readonly follow: 'champion' | null;
}

export interface ProjectDefinition {
  readonly project: string;
  readonly description: string;
  readonly code: readonly string[];
  readonly timeline: { readonly mode: 'live' | 'replay'; readonly startUs: number };
  readonly environments: Readonly<Record<string, { readonly lock: string; readonly python: string | null }>>;
  readonly datasets: Readonly<Record<string, DatasetDefinition>>;
  readonly views: Readonly<Record<string, FeatureViewDefinition>>;
  readonly services: Readonly<Record<string, FeatureServiceDefinition>>;
  readonly pipelines: Readonly<Record<string, PipelineDefinition>>;
  readonly models: Readonly<Record<string, ModelDefinition>>;
  readonly endpoints: Readonly<Record<string, EndpointDefinition>>;
  readonly monitors: Readonly<Record<string, MonitorDefinition>>;
  readonly alerts: Readonly<Record<string, AlertRuleDefinition>>;
  readonly receivers: Readonly<Record<string, ReceiverDefinition>>;
  readonly retraining: Readonly<Record<string, RetrainingDefinition>>;
  readonly trials: Readonly<Record<string, TrialDefinition>>;
  /** Kind of subject -> columns that hold its identifier. */
  readonly subjects: Readonly<Record<string, readonly string[]>>;
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };

/** "6h" in milliseconds. The schema has checked the form. */
export const durationMs = (text: string): number => Number(text.slice(0, -1)) * UNIT_MS[text.at(-1)!]!;

/** Names of `$parameters` in a text. */
export const parametersIn = (text: string): string[] => [...text.matchAll(/\$([A-Za-z_][A-Za-z0-9_]*)/g)].map((m) => m[1]!);

/** Files that a definition names, to be part of the code snapshot. */
export const namedFiles = (d: ProjectDefinition): string[] => [
  ...new Set(
    [
      ...Object.values(d.datasets).flatMap((x) => [x.sql, x.contract]),
      ...Object.values(d.views).map((x) => x.sql),
      ...Object.values(d.environments).map((x) => x.lock),
    ].filter((x) => x !== null),
  ),
];

export interface Change {
  readonly kind:
    | 'dataset'
    | 'view'
    | 'service'
    | 'environment'
    | 'pipeline'
    | 'model'
    | 'endpoint'
    | 'monitor'
    | 'alert'
    | 'receiver'
    | 'retraining'
    | 'trial'
    | 'subject';
  readonly name: string;
  readonly change: 'added' | 'changed' | 'detached';
  /** Of what has changed: the members that differ, such as "release.steps: [0.1,1] -> [0.1,0.5,1]". */
  readonly differs?: readonly string[];
}

/** What applying `next` over `current` changes; what vanished is detached, never destroyed. */
export function diffProjects(current: ProjectDefinition | undefined, next: ProjectDefinition): Change[] {
  const parts = [
    ['dataset', 'datasets'],
    ['view', 'views'],
    ['service', 'services'],
    ['environment', 'environments'],
    ['pipeline', 'pipelines'],
    ['model', 'models'],
    ['endpoint', 'endpoints'],
    ['monitor', 'monitors'],
    ['alert', 'alerts'],
    ['receiver', 'receivers'],
    ['retraining', 'retraining'],
    ['trial', 'trials'],
    ['subject', 'subjects'],
  ] as const;
  return parts.flatMap(([kind, member]) => {
    const before: Readonly<Record<string, unknown>> = current?.[member] ?? {};
    const after: Readonly<Record<string, unknown>> = next[member];
    const names = [...new Set([...Object.keys(before), ...Object.keys(after)])].sort();
    return names.flatMap((name): Change[] => {
      if (!(name in before)) return [{ kind, name, change: 'added' }];
      if (!(name in after)) return [{ kind, name, change: 'detached' }];
      const differs = differencesOf(before[name], after[name], kind === 'receiver' ? shownMember : asItIs);
      return differs.length === 0 ? [] : [{ kind, name, change: 'changed', differs }];
    });
  });
}

const isMembers = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const shown = (value: unknown): string => {
  const text = value === undefined ? 'none' : JSON.stringify(value);
  return text.length > 200 ? `${text.slice(0, 200)}…` : text;
};

const asItIs = (_name: string, value: unknown): unknown => value;

/** `show` says how a member may be shown: what changed is told in the plan and in the event. */
function differencesOf(before: unknown, after: unknown, show: typeof asItIs, path = ''): string[] {
  if (JSON.stringify(before) === JSON.stringify(after)) return [];
  if (!isMembers(before) || !isMembers(after)) return [`${path}: ${shown(show(path, before))} -> ${shown(show(path, after))}`];
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  const found = names.flatMap((name) => differencesOf(before[name], after[name], show, path === '' ? name : `${path}.${name}`));
  // The same members in another order.
  return found.length > 0 ? found : [`${path === '' ? 'order' : path}: the order of its members`];
}
