// Versions, evaluations, gates and decisions. Pure.

/** unsealed -> sealed, once; a sealed version never changes. */
export const versionStates = ['unsealed', 'sealed'] as const;
export type VersionState = (typeof versionStates)[number];

export interface Model {
  readonly name: string;
  readonly description: string;
  readonly managedBy: 'file' | 'api';
  readonly project: string | null;
  readonly createdMs: number;
  readonly updatedMs: number;
}

/** What a version was made from: every id can be asked further by `gyre why`. */
export interface Evidence {
  readonly pipelineRun?: string;
  readonly step?: string;
  readonly projectRevision?: string;
  readonly codeSnapshot?: string;
  readonly commit?: string;
  readonly environment?: { readonly digest: string; readonly lockDigest: string };
  readonly datasetVersions?: readonly string[];
  readonly parameters?: Readonly<Record<string, unknown>>;
  readonly evaluation?: string;
  readonly trainingTable?: { readonly digest: string; readonly rows: number };
  /** Event time (microseconds): every label the fit saw was known before it. */
  readonly trainingCutoffUs?: number;
}

export interface Tensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}
export interface Signature {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export interface ModelVersion {
  readonly id: string;
  readonly model: string;
  readonly number: number;
  readonly state: VersionState;
  readonly source: string;
  readonly description: string;
  readonly trackingRunId: string | null;
  readonly loggedModelId: string | null;
  readonly signature: Signature | null;
  readonly evidence: Evidence;
  /** Reference profile of the training table, per column: what monitoring compares with. */
  readonly baseline: unknown;
  readonly digest: string | null;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly version: number;
}

/** A figure with what is needed to judge it, or the reason there is none. */
export type Figure =
  | {
      readonly ok: true;
      readonly value: number;
      readonly n: number;
      readonly interval?: { readonly low: number; readonly high: number; readonly level: number; readonly method: string };
    }
  | { readonly ok: false; readonly reason: string; readonly n: number };

export interface SliceFigures {
  readonly column: string;
  readonly value: string;
  readonly n: number;
  readonly metrics: Readonly<Record<string, Figure>>;
}

export interface Evaluation {
  readonly id: string;
  readonly loggedModelId: string;
  readonly datasetVersion: string;
  readonly task: 'binary' | 'regression';
  readonly rows: number;
  readonly metrics: Readonly<Record<string, Figure>>;
  readonly slices: readonly SliceFigures[];
  readonly curves: Readonly<Record<string, unknown>>;
  readonly scoreTable: { readonly digest: string; readonly sizeBytes: number };
  readonly window: { readonly fromUs: number; readonly toUs: number };
  readonly createdMs: number;
}

export interface Gate {
  readonly metric: string;
  readonly floor?: number;
  readonly ceiling?: number;
  /** Column whose every value with at least `minRows` rows must pass. */
  readonly slice?: string;
  readonly minRows?: number;
  readonly notWorseThan?: 'champion';
  readonly margin?: number;
  readonly confidence?: number;
}

export interface GateResult {
  readonly gate: Gate;
  readonly passed: boolean;
  /** The figure the judgement hangs on, in words: value, interval, rows. */
  readonly found: string;
  readonly why: string;
}

export const decisionOutcomes = ['passed', 'failed', 'overridden'] as const;

export interface Decision {
  readonly id: string;
  readonly model: string;
  readonly versionId: string;
  readonly evaluationId: string | null;
  readonly championId: string | null;
  /** Digest of the gates as they were: a decision expires when they change. */
  readonly gateDigest: string;
  readonly outcome: (typeof decisionOutcomes)[number];
  readonly results: readonly GateResult[];
  readonly reason: string;
  readonly actor: { readonly kind: string; readonly id: string };
  readonly recordedMs: number;
}

/** Difference of the candidate to the champion on the same rows. */
export type PairedDifference =
  | {
      readonly ok: true;
      readonly difference: number;
      readonly low: number;
      readonly high: number;
      readonly n: number;
      readonly method: string;
    }
  | { readonly ok: false; readonly reason: string };

const DEFAULT_MIN_ROWS = 100;
const round = (x: number): string => x.toFixed(4);

const describe = (f: Figure): string =>
  f.ok
    ? `${round(f.value)}${f.interval ? ` [${round(f.interval.low)}, ${round(f.interval.high)}]` : ''}, n = ${f.n}`
    : `none (${f.reason}), n = ${f.n}`;

/** Judges one gate. A figure that could not be computed never passes. */
export function judgeGate(gate: Gate, evaluation: Evaluation, againstChampion: (gate: Gate) => PairedDifference | undefined): GateResult {
  if (gate.notWorseThan) return judgeAgainstChampion(gate, againstChampion(gate));
  if (gate.slice !== undefined) return judgeSlices(gate, evaluation);
  const figure = evaluation.metrics[gate.metric] ?? { ok: false as const, reason: `the evaluation has no ${gate.metric}`, n: 0 };
  const fault = outOfBounds(gate, figure);
  return { gate, passed: fault === undefined, found: describe(figure), why: fault ?? `${gate.metric} is within its bounds` };
}

function outOfBounds(gate: Gate, figure: Figure): string | undefined {
  if (!figure.ok) return `${gate.metric} could not be computed: ${figure.reason}`;
  if (gate.floor !== undefined && figure.value < gate.floor)
    return `${gate.metric} ${round(figure.value)} is below the floor ${gate.floor}`;
  if (gate.ceiling !== undefined && figure.value > gate.ceiling)
    return `${gate.metric} ${round(figure.value)} is above the ceiling ${gate.ceiling}`;
  return undefined;
}

function judgeSlices(gate: Gate, evaluation: Evaluation): GateResult {
  const minRows = gate.minRows ?? DEFAULT_MIN_ROWS;
  const slices = evaluation.slices.filter((s) => s.column === gate.slice);
  if (slices.length === 0)
    return {
      gate,
      passed: false,
      found: 'no slices',
      why: `the evaluation was not sliced by ${gate.slice}; add it to the step's "slices"`,
    };
  const judged = slices.filter((s) => s.n >= minRows);
  const faults = judged.flatMap((s) => {
    const fault = outOfBounds(gate, s.metrics[gate.metric] ?? { ok: false, reason: 'not computed', n: s.n });
    return fault === undefined ? [] : [`${s.column} = ${s.value} (n = ${s.n}): ${fault}`];
  });
  const found = `${judged.length} of ${slices.length} slices have at least ${minRows} rows`;
  if (judged.length === 0) return { gate, passed: false, found, why: 'no slice is large enough to judge' };
  return {
    gate,
    passed: faults.length === 0,
    found,
    why: faults.length === 0 ? 'every judged slice is within its bounds' : faults.join('; '),
  };
}

function judgeAgainstChampion(gate: Gate, difference: PairedDifference | undefined): GateResult {
  if (difference === undefined) return { gate, passed: true, found: 'no champion', why: 'there is no champion yet to compare with' };
  if (!difference.ok) return { gate, passed: false, found: 'none', why: `the comparison could not be made: ${difference.reason}` };
  const margin = gate.margin ?? 0;
  const found = `difference ${round(difference.difference)} [${round(difference.low)}, ${round(difference.high)}], n = ${difference.n}, ${difference.method}`;
  const passed = difference.low >= -margin;
  return {
    gate,
    passed,
    found,
    why: passed
      ? `not worse than the champion by more than ${margin}`
      : `the interval reaches below -${margin}: it may be worse than the champion`,
  };
}

/** Champion decision holds only for the same version, evaluation and gates. */
export const isCurrent = (
  decision: Decision,
  now: { gateDigest: string; evaluationId: string | null; championId: string | null },
): boolean =>
  decision.gateDigest === now.gateDigest && decision.evaluationId === now.evaluationId && decision.championId === now.championId;

export const allows = (decision: Decision): boolean => decision.outcome !== 'failed';

/** MLflow's rules: not empty, no "/" or ":". */
export const isModelName = (name: string): boolean => name.length > 0 && name.length <= 256 && !/[/:]/.test(name);

/** Letters, digits, "_" and "-"; not "latest" and not "v1", which read as versions. */
export const isAliasName = (alias: string): boolean => /^[\w-]{1,255}$/.test(alias) && !/^(latest|v\d+)$/i.test(alias);
