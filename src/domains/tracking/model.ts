// Rules of MLflow's nouns that are easy to get wrong. Pure.
import { fail } from './errors.ts';

export const runStatuses = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'] as const;
export type RunStatus = (typeof runStatuses)[number];
export type Lifecycle = 'active' | 'deleted';
export type ViewType = 'ACTIVE_ONLY' | 'DELETED_ONLY' | 'ALL';

export interface Pair {
  readonly key: string;
  readonly value: string;
}

export interface Metric {
  readonly key: string;
  /** NaN and infinities are allowed. */
  readonly value: number;
  readonly timestampMs: number;
  readonly step: number;
  readonly modelId?: string;
  readonly datasetName?: string;
  readonly datasetDigest?: string;
}

export interface Experiment {
  readonly id: string;
  readonly name: string;
  readonly artifactLocation: string;
  readonly lifecycle: Lifecycle;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly tags: readonly Pair[];
}

export interface TrackingRun {
  readonly id: string;
  readonly experimentId: string;
  readonly name: string;
  readonly userId: string;
  readonly status: RunStatus;
  readonly startMs: number | null;
  readonly endMs: number | null;
  readonly artifactUri: string;
  readonly lifecycle: Lifecycle;
}

export const modelStatuses = ['LOGGED_MODEL_PENDING', 'LOGGED_MODEL_READY', 'LOGGED_MODEL_UPLOAD_FAILED'] as const;
export type ModelStatus = (typeof modelStatuses)[number];

export interface LoggedModel {
  readonly id: string;
  readonly experimentId: string;
  readonly name: string;
  readonly modelType: string;
  readonly sourceRunId: string | null;
  readonly status: ModelStatus;
  readonly statusMessage: string;
  readonly artifactUri: string;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly lifecycle: Lifecycle;
  readonly params: readonly Pair[];
  readonly tags: readonly Pair[];
}

export const limits = {
  metrics: 1000,
  params: 100,
  tags: 100,
  total: 1000,
  key: 250,
  paramValue: 6000,
  runTagValue: 8000,
  experimentName: 500,
  experimentTagValue: 5000,
} as const;

/** MLflow stores infinities as the largest double, and compares NaN as 0. */
export const storedValue = (value: number): { value: number; isNan: boolean } =>
  Number.isNaN(value)
    ? { value: 0, isNan: true }
    : { value: value === Infinity ? Number.MAX_VALUE : value === -Infinity ? -Number.MAX_VALUE : value, isNan: false };

/** The latest metric is the greatest by (step, timestamp, value), not the last to arrive. */
export const isLater = (
  a: { step: number; timestampMs: number; value: number },
  b: { step: number; timestampMs: number; value: number },
): boolean => (a.step !== b.step ? a.step > b.step : a.timestampMs !== b.timestampMs ? a.timestampMs > b.timestampMs : a.value > b.value);

/** Raises `tracking-invalid` unless it is a point MLflow would take; `path` leads to it. */
export function checkMetric(m: Metric, path: string): void {
  checkKey('Metric', m.key, `${path}name`);
  if (m.timestampMs < 0)
    fail('tracking-invalid', {
      message: `Invalid value ${m.timestampMs} for parameter '${path}timestamp' supplied: metric '${m.key}' (value=${m.value}). Timestamp must be a nonnegative long (64-bit integer) `,
    });
}

/** Raises `tracking-invalid` unless the name may be used for a metric, param or tag. */
export function checkKey(kind: string, key: string, path: string): void {
  if (key === '')
    fail('tracking-invalid', {
      message: `Missing value for required parameter '${path}'. See the API docs for more information about request parameters.`,
    });
  if (key.length > limits.key)
    fail('tracking-invalid', {
      message: `${kind} name '${key.slice(0, 40)}...' had length ${key.length}, which exceeded length limit of ${limits.key} (parameter '${path}')`,
    });
  if (!/^[/\p{L}\p{N}_.\- :]+$/u.test(key))
    fail('tracking-invalid', {
      message: `Invalid value "${key}" for parameter '${path}' supplied: Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).`,
    });
  if (key.startsWith('/') || key.split('/').some((p) => p === '' || p === '.' || p === '..'))
    fail('tracking-invalid', {
      message: `Invalid value "${key}" for parameter '${path}' supplied: Names may be treated as files in certain cases. Names must be equivalent to a canonical relative path.`,
    });
}

const predicates = [
  'able',
  'amused',
  'bold',
  'calm',
  'clever',
  'dapper',
  'eager',
  'fair',
  'gentle',
  'handsome',
  'keen',
  'lively',
  'merry',
  'nimble',
  'polite',
  'quiet',
  'rapid',
  'serene',
  'tidy',
  'wise',
];
const nouns = [
  'ape',
  'bear',
  'bee',
  'crane',
  'deer',
  'dove',
  'eel',
  'finch',
  'fox',
  'goat',
  'hare',
  'hen',
  'jay',
  'koi',
  'lark',
  'lynx',
  'mole',
  'newt',
  'owl',
  'pug',
  'seal',
  'swan',
  'toad',
  'wren',
];

/** A name for a run that was given none, in MLflow's form. */
export const randomRunName = (random: (bytes: number) => Uint8Array): string => {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  return `${predicates[a % predicates.length]}-${nouns[b % nouns.length]}-${(c * 256 + d) % 1000}`;
};

export const RUN_NAME_TAG = 'mlflow.runName';
export const PARENT_RUN_TAG = 'mlflow.parentRunId';
export const DATASET_CONTEXT_TAG = 'mlflow.data.context';
