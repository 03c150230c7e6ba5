// Versions, evaluations, gates and decisions. Pure.
import type { Difference, Figure } from '../../stats/figure.ts';
import type { Scan } from './scan/findings.ts';

export type { Figure } from '../../stats/figure.ts';

/** unsealed -> sealed, once; a sealed version never changes. */
export const versionStates = ['unsealed', 'sealed'] as const;
export type VersionState = (typeof versionStates)[number];

/** MLflow's stages for old clients; a deleted version keeps its row and its number. */
export const stages = ['None', 'Staging', 'Production', 'Archived'] as const;
export type Stage = (typeof stages)[number];
export type VersionStage = Stage | 'Deleted_Internal';

/** The stage of this name, in whatever case; undefined if there is none. */
export const stageNamed = (name: string): Stage | undefined => stages.find((s) => s.toLowerCase() === name.toLowerCase());

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
  /** The version that this one was converted from, and what shows that both answer the same. */
  readonly derivedFrom?: DerivedFrom;
}

export interface DerivedFrom {
  readonly version: string;
  readonly number: number;
  readonly digest: string | null;
  readonly conversion: string;
  readonly rows: number;
  readonly maxDifference: number;
  readonly tolerance: number;
}

export const conversionStates = ['running', 'succeeded', 'failed'] as const;

/** What a comparison of two models on the same rows found. */
export interface Sameness {
  readonly rows: number;
  readonly tolerance: number;
  /** The largest absolute difference of two scores. */
  readonly maxDifference: number;
  /** Rows whose labels differ though the classes are further apart than the tolerance; null of a regression. */
  readonly differingLabels: number | null;
  readonly labelRows: number | null;
  /** The row that is furthest from being the same, counted from 1 by moment and key. */
  readonly worst: { readonly row: number; readonly source: string; readonly converted: string } | null;
}

export interface Conversion {
  readonly id: string;
  readonly model: string;
  readonly versionId: string;
  readonly versionNumber: number;
  readonly to: 'onnx';
  readonly state: (typeof conversionStates)[number];
  /** What is being done, in words. */
  readonly doing: string;
  readonly tolerance: number;
  /** Dataset version whose rows show that both are the same; null = the rows of the version's evaluation. */
  readonly rowsOf: string | null;
  readonly environment: string | null;
  readonly sameness: Sameness | null;
  readonly loggedModelId: string | null;
  readonly madeVersion: number | null;
  readonly error: Readonly<Record<string, unknown>> | null;
  readonly createdMs: number;
  readonly finishedMs: number | null;
}

/**
 * Scores are the same within the tolerance of their size, or of 1 where they are smaller: a 32-bit float has seven
 * digits. Two that are no numbers are the same.
 */
export const isSameScore = (a: number | null, b: number | null, tolerance: number): boolean =>
  a === null || b === null ? a === b : Math.abs(a - b) <= tolerance * Math.max(1, Math.abs(a));

export interface Tensor {
  readonly name: string;
  readonly type: string;
  readonly shape: readonly (number | string)[];
}
export interface Signature {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

/** What an MLmodel file says of a model. */
export interface Manifest {
  readonly flavors: readonly string[];
  /** MLflow's own signature, as it is written there. */
  readonly signature: { readonly inputs?: string; readonly outputs?: string; readonly params?: string } | null;
  readonly mlflowVersion: string | null;
}

export interface ModelVersion {
  readonly id: string;
  readonly model: string;
  readonly number: number;
  readonly state: VersionState;
  readonly stage: VersionStage;
  readonly source: string;
  /** Where its files are, when the source only points there (`models:/`, `runs:/`). */
  readonly location: string | null;
  /** null = never given, or taken away. */
  readonly description: string | null;
  readonly trackingRunId: string | null;
  readonly loggedModelId: string | null;
  readonly runLink: string | null;
  /** Why it is not sealed, in words; null once it is. */
  readonly unsealedBecause: string | null;
  /** Why nothing here can serve it; null if its ONNX file loads, or before anybody looked. */
  readonly unservableBecause: string | null;
  /** What its MLmodel file says; null without one. */
  readonly manifest: Manifest | null;
  /** What its files would run when they are loaded; null before they are sealed. */
  readonly scan: Scan | null;
  readonly signature: Signature | null;
  readonly evidence: Evidence;
  /** Reference profile of the training table, per column: what monitoring compares with. */
  readonly baseline: unknown;
  readonly digest: string | null;
  readonly createdMs: number;
  readonly updatedMs: number;
  readonly version: number;
}

export interface SliceFigures {
  readonly column: string;
  readonly value: string;
  readonly n: number;
  readonly metrics: Readonly<Record<string, Figure>>;
}

export interface StoredTable {
  readonly digest: string;
  readonly sizeBytes: number;
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
  readonly scoreTable: StoredTable;
  /** The rows that were scored, with the model's columns: another model can be scored on the very same. */
  readonly input: StoredTable;
  /** Output of the model that held the score. */
  readonly score: string;
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
  readonly betterThan?: 'champion';
  readonly margin?: number;
  readonly confidence?: number;
  /** Judges the figure that the training code reported instead of one made by Gyre. */
  readonly trust?: 'reported';
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

/** Improvement of the candidate over the champion on the same rows; positive is better. */
export type PairedDifference = Difference;

/** A decision holds only while gates, evaluation and champion are what it was taken on. */
export const isCurrent = (
  decision: Decision,
  now: { gateDigest: string; evaluationId: string | null; championId: string | null },
): boolean =>
  decision.gateDigest === now.gateDigest && decision.evaluationId === now.evaluationId && decision.championId === now.championId;

export const allows = (decision: Decision): boolean => decision.outcome !== 'failed';

/** MLflow's rules: not empty, no "/" or ":". */
export const isModelName = (name: string): boolean =>
  name.trim() !== '' && name.length <= 256 && !/[/:]/.test(name) && !/^\.{1,2}$/.test(name);

/** Letters, digits, "_" and "-"; not "latest" and not "v1", which read as versions. */
export const isAliasName = (alias: string): boolean => /^[\p{L}\p{N}_-]{1,255}$/u.test(alias) && !/^(latest|v\d+)$/i.test(alias);

export interface Column {
  readonly name: string;
  /** DuckDB's name of the type. */
  readonly type: string;
}

/** What of a model's inputs the columns cannot give, in words. */
export const signatureFaults = (signature: Signature, columns: readonly Column[]): string[] => {
  const types = new Map(columns.map((c) => [c.name, c.type]));
  return signature.inputs.flatMap((input) => {
    const type = types.get(input.name);
    if (type === undefined) return [`it reads "${input.name}", and there is no such column`];
    return fits(input.type, type) ? [] : [`it reads "${input.name}" as ${input.type}, and the column is ${type}`];
  });
};

const NUMBERS = /^(U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|FLOAT|DOUBLE|DECIMAL|BOOLEAN)/;

// A boolean is a number to a model that wants one.
const fits = (tensor: string, column: string): boolean =>
  tensor === 'string' ? /^(VARCHAR|ENUM)/.test(column) : tensor === 'bool' ? column === 'BOOLEAN' : NUMBERS.test(column);
