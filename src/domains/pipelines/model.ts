// Runs, steps, attempts: their states, cache keys, and why a step missed the cache. Pure.
import { createHash } from 'node:crypto';

/** running -> succeeded | failed | cancelled; failed | cancelled -> running (resumed). */
export const runStates = ['running', 'succeeded', 'failed', 'cancelled'] as const;
export type RunState = (typeof runStates)[number];

/**
 * waiting -> running -> succeeded | failed | cancelled; waiting -> succeeded (cache hit) | failed | skipped | cancelled;
 * failed | skipped | cancelled -> waiting (the run is resumed).
 */
export const stepStates = ['waiting', 'running', 'succeeded', 'failed', 'skipped', 'cancelled'] as const;
export type StepState = (typeof stepStates)[number];

/** running -> succeeded | failed | lost (its process vanished, or the run was cancelled). */
export const attemptStates = ['running', 'succeeded', 'failed', 'lost'] as const;
export type AttemptState = (typeof attemptStates)[number];

export interface StoredFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

/** What a step made. `digest` is what the next step's key is built from. */
export type StepOutput =
  | {
      readonly kind: 'table';
      readonly digest: string;
      readonly files: readonly StoredFile[];
      readonly rows: number;
      readonly columns: readonly { readonly name: string; readonly type: string }[];
      readonly datasetVersions: readonly string[];
      readonly knownByUs: number | null;
    }
  | { readonly kind: 'folder'; readonly digest: string; readonly files: readonly StoredFile[] }
  | { readonly kind: 'logged-model'; readonly digest: string; readonly id: string }
  | { readonly kind: 'evaluation'; readonly digest: string; readonly id: string }
  | { readonly kind: 'model-version'; readonly digest: string; readonly id: string }
  | { readonly kind: 'dataset-version'; readonly digest: string; readonly id: string };

export type Outputs = Readonly<Record<string, StepOutput>>;

/** Everything that may change what a step makes. Each part can be named when it differs. */
export interface KeyParts {
  readonly runner: string;
  readonly kind: string;
  readonly definition: string;
  readonly params: Readonly<Record<string, string | number | boolean>>;
  readonly code: Readonly<Record<string, string>>;
  readonly inputs: Readonly<Record<string, string>>;
  readonly environment: string | null;
  readonly variables: Readonly<Record<string, string>>;
  readonly secrets: Readonly<Record<string, string>>;
}

/** Grows when the runner changes in a way that changes what steps make. */
export const RUNNER_VERSION = '1';

const sorted = (record: Readonly<Record<string, unknown>>): [string, unknown][] =>
  Object.entries(record).sort(([a], [b]) => (a < b ? -1 : 1));

export const cacheKey = (p: KeyParts): string =>
  createHash('sha256')
    .update(
      JSON.stringify([
        p.runner,
        p.kind,
        p.definition,
        sorted(p.params),
        sorted(p.code),
        sorted(p.inputs),
        p.environment,
        sorted(p.variables),
        sorted(p.secrets),
      ]),
    )
    .digest('hex');

export interface Difference {
  readonly part: string;
  readonly name: string;
  readonly change: 'added' | 'removed' | 'changed';
  readonly before: string | null;
  readonly after: string | null;
}

/** Which parts of the key differ from the last time; the reason of a miss, file by file. */
export function explainMiss(before: KeyParts | undefined, after: KeyParts): Difference[] {
  if (!before) return [reason('history', 'first run of this step')];
  const scalar = (part: string, a: string | null, b: string | null): Difference[] =>
    a === b ? [] : [{ part, name: part, change: 'changed', before: a, after: b }];
  const record = (part: string, a: Readonly<Record<string, unknown>>, b: Readonly<Record<string, unknown>>): Difference[] =>
    [...new Set([...Object.keys(a), ...Object.keys(b)])].sort().flatMap((name): Difference[] => {
      const [x, y] = [a[name], b[name]].map((v) => (v === undefined ? null : String(v))) as [string | null, string | null];
      if (x === y) return [];
      return [{ part, name, change: x === null ? 'added' : y === null ? 'removed' : 'changed', before: x, after: y }];
    });
  const differences = [
    ...scalar('runner', before.runner, after.runner),
    ...scalar('kind', before.kind, after.kind),
    ...scalar('definition', before.definition, after.definition),
    ...record('parameter', before.params, after.params),
    ...record('code', before.code, after.code),
    ...record('input', before.inputs, after.inputs),
    ...scalar('environment', before.environment, after.environment),
    ...record('variable', before.variables, after.variables),
    ...record('secret', before.secrets, after.secrets),
  ];
  return differences.length > 0 ? differences : [reason('cache', 'nothing changed, but no result of it is kept')];
}

/** A miss that no difference explains, in words. */
export const reason = (part: 'history' | 'cache', name: string): Difference => ({ part, name, change: 'added', before: null, after: null });

export interface StepStatus {
  readonly name: string;
  readonly state: StepState;
  readonly needs: readonly string[];
}

/** Says whether a step waits for nothing but to be decided. */
export const isReady = (step: StepStatus, steps: ReadonlyMap<string, StepStatus>): boolean =>
  step.state === 'waiting' && step.needs.every((name) => steps.get(name)?.state === 'succeeded');

/** Names of the steps that need a step. */
export function dependantsOf(steps: Iterable<StepStatus>): ReadonlyMap<string, readonly string[]> {
  const dependants = new Map<string, string[]>();
  for (const step of steps)
    for (const need of step.needs) {
      const held = dependants.get(need);
      if (held) held.push(step.name);
      else dependants.set(need, [step.name]);
    }
  return dependants;
}

/** Waiting steps that can never start because something before them did not succeed. */
export function doomedSteps<S extends StepStatus>(steps: readonly S[]): S[] {
  const dependants = dependantsOf(steps);
  const bad = new Set<string>();
  const reached = steps.filter((s) => ['failed', 'skipped', 'cancelled'].includes(s.state)).map((s) => s.name);
  for (let name = reached.pop(); name !== undefined; name = reached.pop())
    for (const next of dependants.get(name) ?? [])
      if (!bad.has(next)) {
        bad.add(next);
        reached.push(next);
      }
  return steps.filter((s) => s.state === 'waiting' && bad.has(s.name));
}

/** The state of a run whose steps have all ended; undefined while one has not. */
export function outcomeOf(steps: readonly StepStatus[]): RunState | undefined {
  if (steps.some((s) => s.state === 'waiting' || s.state === 'running')) return undefined;
  if (steps.some((s) => s.state === 'failed')) return 'failed';
  if (steps.some((s) => s.state === 'cancelled')) return 'cancelled';
  return 'succeeded';
}

/** Of attempts whose process vanished, so many are repeated besides what the step's own "retry" allows. */
export const LOST_LIMIT = 3;

/** Says whether these ended attempts of a step leave room for another one. */
export function mayTryAgain(ended: readonly { readonly state: AttemptState }[], retry: number): boolean {
  const failed = ended.filter((a) => a.state === 'failed').length;
  return failed <= retry && ended.length - failed <= LOST_LIMIT;
}

/** Quotes a value for `/bin/sh`; plain words stay as they are. */
export const shellQuote = (value: string): string => (/^[\w@%+=:,./-]+$/.test(value) ? value : `'${value.replaceAll("'", `'\\''`)}'`);

type Params = Readonly<Record<string, string | number | boolean>>;

/** Puts parameters in place of `$name`. */
export const substitute = (text: string, params: Params): string =>
  text.replace(/\$([A-Za-z_][A-Za-z0-9_]*)/g, (whole, name: string) => (Object.hasOwn(params, name) ? String(params[name]) : whole));

const inQuotes: Readonly<Record<string, (value: string) => string>> = {
  '': shellQuote,
  "'": (value) => value.replaceAll("'", `'\\''`),
  '"': (value) => value.replace(/["$`\\]/g, '\\$&'),
};

/** The same in a command of `/bin/sh`: a value is that one text there, whether the name stands in quotes or not. */
export function substituteInShell(command: string, params: Params): string {
  const part = /\$([A-Za-z_][A-Za-z0-9_]*)|\\[^]|[^]/gu;
  let quote = '';
  let result = '';
  for (let found = part.exec(command); found; found = part.exec(command)) {
    let [text, name] = found as unknown as [string, string | undefined];
    // Within single quotes a backslash is a character like any other.
    if (quote === "'" && text.length > 1 && text.startsWith('\\')) {
      text = '\\';
      part.lastIndex = found.index + 1;
    }
    if (name !== undefined && Object.hasOwn(params, name)) {
      result += inQuotes[quote]!(String(params[name]));
      continue;
    }
    result += text;
    if (text === quote) quote = '';
    else if (quote === '' && (text === "'" || text === '"')) quote = text;
  }
  return result;
}

export const treeDigest = (files: readonly StoredFile[]): string =>
  createHash('sha256')
    .update(JSON.stringify(files.map((f) => [f.path, f.digest]).sort(([a], [b]) => (a! < b! ? -1 : 1))))
    .digest('hex');
