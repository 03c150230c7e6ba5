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
  /** MLflow's client sends no more at once. */
  datasets: 1000,
  /** Tags that an experiment or a run is made with: MLflow has no bound, and whoever else writes waits for them. */
  tagsMadeWith: 5000,
  key: 250,
  paramValue: 6000,
  runTagValue: 8000,
  experimentName: 500,
  experimentTagValue: 20_000,
  datasetName: 500,
  datasetDigest: 36,
  datasetSource: 65_535,
  datasetSchema: 1_048_575,
  datasetProfile: 16_777_215,
  inputTagKey: 255,
  inputTagValue: 500,
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

const invalid = (message: string): never => fail('tracking-invalid', { message });

/** At most so many characters (not UTF-16 units) of a text. */
export const shortened = (text: string, limit: number): string => (text.length > limit ? [...text].slice(0, limit).join('') : text);
const isLonger = (text: string, limit: number): boolean => text.length > limit && [...text].length > limit;

/** Raises `tracking-invalid` for more tags than something may be made with. */
export function checkMadeWith(what: string, tags: readonly unknown[]): void {
  if (tags.length > limits.tagsMadeWith)
    invalid(
      `A request can contain at most ${limits.tagsMadeWith} tags of ${what}. Got ${tags.length} tags. Please split up tags across multiple requests and try again.`,
    );
}

/** Raises `tracking-invalid` if a text has more characters than that. */
export function checkLength(what: string, text: string, limit: number): void {
  if (isLonger(text, limit)) invalid(`'${what}' exceeds the maximum length of ${limit} characters`);
}

// Messages show values as Python's json and repr write them.
const asJson = (text: string): string =>
  JSON.stringify(text).replace(/[\u0080-\uffff]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
export const pythonText = (text: string): string => {
  const escaped = text.replace(/[\\\n\r\t]/g, (c) => ({ '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' })[c]!);
  return text.includes("'") && !text.includes('"') ? `"${escaped}"` : `'${escaped.replaceAll("'", String.raw`\'`)}'`;
};
const pythonFloat = (value: number): string =>
  Number.isNaN(value)
    ? 'nan'
    : !Number.isFinite(value)
      ? value > 0
        ? 'inf'
        : '-inf'
      : Number.isInteger(value) && Math.abs(value) < 1e16
        ? value.toFixed(1)
        : String(value);

/** The path a name would be, were it a file's: POSIX, without looking at any. */
function normalPath(name: string): string {
  const root = /^\/\/(?!\/)/.test(name) ? '//' : name.startsWith('/') ? '/' : '';
  const parts: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part !== '..' || parts.at(-1) === '..' || (root === '' && parts.length === 0)) parts.push(part);
    else parts.pop();
  }
  return root + parts.join('/') || '.';
}

/** Raises `tracking-invalid` unless it is a point MLflow would take; `index` is its place in a batch. */
export function checkMetric(m: Metric, index?: number): void {
  // Where it is, is written for a message only: a batch has a thousand of them.
  const path = (): string => (index === undefined ? '' : `metrics[${index}].`);
  if (!isSimple(m.key)) checkName(m.key, `${path()}name`);
  if (m.timestampMs < 0)
    invalid(
      `Invalid value ${m.timestampMs} for parameter '${path()}timestamp' supplied: metric '${m.key}' (value=${pythonFloat(m.value)}). Timestamp must be a nonnegative long (64-bit integer) `,
    );
  checkLength('Metric name', m.key, limits.key);
  checkLength('model_id', m.modelId ?? '', limits.key);
}

/** Raises `tracking-invalid` unless the name may be used for a param or tag. */
export function checkKey(kind: 'Param' | 'Tag', key: string, path: string): void {
  checkName(key, path);
  checkLength(kind === 'Param' ? 'Param key' : path, key, limits.key);
}

/** Nothing in such a name could be a path. */
const isSimple = (name: string): boolean => /^\w[\w-]*$/.test(name);

function checkName(name: string, path: string): void {
  if (isSimple(name)) return;
  if (!/^[/\p{L}\p{N}_.\- :]*$/u.test(name))
    invalid(
      `Invalid value ${asJson(name)} for parameter '${path}' supplied: Names may only contain alphanumerics, underscores (_), dashes (-), periods (.), spaces ( ), colon(:) and slashes (/).`,
    );
  const normal = normalPath(name);
  if (normal !== name || normal === '.' || normal.startsWith('..') || normal.startsWith('/'))
    invalid(
      `Invalid value ${asJson(name)} for parameter '${path}' supplied: Names may be treated as files in certain cases, and must not resolve to other names when treated as such. This name would resolve to ${pythonText(normal)}`,
    );
}

/** The number an experiment's id stands for, as text. Raises `tracking-invalid`. */
export function experimentIdOf(text: string): string {
  const digits = /^\s*([-+]?)0*(\d+(?:_\d+)*)\s*$/.exec(text);
  if (!digits) return invalid(`Invalid experiment ID '${text}'. Experiment ID must be a valid integer.`);
  const number = digits[2]!.replaceAll('_', '');
  return digits[1] === '-' && number !== '0' ? `-${number}` : number;
}

/** Raises `tracking-invalid` unless it could be a run's id. */
export function checkRunId(id: string): void {
  if (!/^[a-zA-Z0-9][\w-]{0,255}$/.test(id)) invalid(`Invalid value ${asJson(id)} for parameter 'run_id' supplied.`);
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
