// What a report says, as numbers and words: made from what the other domains know, turned into HTML or Markdown
// elsewhere. Pure.
import type { CalibrationBin, Point } from '../../stats/curves.ts';
import type { Figure } from '../../stats/figure.ts';
import type { LoopView } from './loop-view.ts';

export type Task = 'binary' | 'regression';

export interface Window {
  readonly fromUs: number;
  readonly toUs: number;
}

/** One bar of a distribution; both bounds for numbers, a value for words. */
export interface Distribution {
  readonly kind: 'numbers' | 'words';
  readonly counts: readonly number[];
  /** Numbers: the first and the last edge; what lies beyond is in the outer bars. */
  readonly edges: readonly [number, number] | null;
  readonly words: readonly string[];
}

export interface ColumnView {
  readonly name: string;
  readonly type: string;
  readonly missing: number;
  readonly distinct: number;
  /** Its single values are somebody's: no lowest, no highest, no frequent ones. */
  readonly personal: boolean;
  readonly low: string | null;
  readonly high: string | null;
  readonly mean: number | null;
  readonly distribution: Distribution | null;
}

export interface ContractView {
  readonly file: string | null;
  readonly checks: number;
  readonly broken: readonly string[];
  /** A newer version that broke the contract and is not in use. */
  readonly quarantined: number | null;
}

export interface DatasetView {
  readonly name: string;
  readonly description: string;
  readonly madeBy: string;
  readonly version: { readonly id: string; readonly number: number; readonly logicalDigest: string; readonly recordedMs: number };
  readonly rows: number;
  readonly files: number;
  readonly sizeBytes: number;
  readonly columns: readonly ColumnView[];
  readonly contract: ContractView;
}

export interface MetricRow {
  readonly metric: string;
  readonly title: string;
  readonly meaning: string;
  readonly better: 'higher' | 'lower';
  readonly figure: Figure;
}

export interface SliceRow {
  readonly column: string;
  readonly value: string;
  readonly figure: Figure;
}

export interface EvaluationView {
  readonly id: string;
  readonly task: Task;
  readonly label: string | null;
  readonly rows: number;
  readonly window: Window;
  readonly dataset: { readonly id: string; readonly name: string };
  readonly primary: MetricRow;
  readonly metrics: readonly MetricRow[];
  readonly slices: readonly SliceRow[];
  readonly sliceMetric: string;
  readonly curves: {
    readonly roc: readonly Point[];
    readonly precisionRecall: readonly Point[];
    readonly calibration: readonly CalibrationBin[];
  };
  readonly positives: number | null;
}

export interface GateRow {
  readonly rule: string;
  readonly threshold: string;
  readonly found: string;
  readonly passed: boolean;
  readonly why: string;
}

export interface GateView {
  readonly id: string;
  readonly outcome: 'passed' | 'failed' | 'overridden';
  readonly reason: string;
  readonly actor: string;
  readonly recordedMs: number;
  readonly rows: readonly GateRow[];
  /** Floors and ceilings of the slices’ lead metric, by column. */
  readonly bounds: ReadonlyMap<string, number>;
}

export interface ModelView {
  readonly name: string;
  readonly number: number;
  readonly id: string;
  readonly state: string;
  readonly digest: string | null;
  readonly description: string;
  readonly createdMs: number;
  readonly trainingRows: number | null;
  readonly trainingTable: string | null;
  readonly trainingCutoffUs: number | null;
  readonly parameters: readonly (readonly [string, string])[];
  readonly inputs: readonly { readonly name: string; readonly type: string }[];
}

export interface DayRow {
  readonly day: string;
  readonly predictions: number;
  readonly withTruth: number;
  readonly predicted: number | null;
  readonly observed: Figure;
  readonly primary: Figure;
  readonly second: Figure;
}

export interface LiveColumn {
  readonly name: string;
  readonly missing: number;
  /** Missing share in the training table; null if it is not known. */
  readonly trainingMissing: number | null;
}

export interface LiveFeatureView {
  readonly name: string;
  readonly predictions: number;
  readonly absent: number;
  /** Age of the fact at the moment of the prediction, microseconds; null if no fact was found, or if it is timeless. */
  readonly ageMedianUs: number | null;
  readonly age95Us: number | null;
  readonly ttlUs: number | null;
}

export interface LiveView {
  readonly endpoint: string;
  readonly window: Window;
  readonly label: string;
  readonly joinedBy: string;
  readonly knownByUs: number;
  readonly predictions: number;
  readonly failed: number;
  readonly withTruth: number;
  readonly ambiguous: number;
  /** Less than 1 if the figures come from a sample of the joined rows. */
  readonly sampled: number;
  readonly versions: readonly { readonly version: string; readonly variant: string; readonly predictions: number }[];
  readonly task: Task;
  readonly metrics: readonly MetricRow[];
  readonly primaryTitle: string;
  readonly secondTitle: string;
  readonly predicted: number | null;
  readonly observed: Figure;
  readonly days: readonly DayRow[];
  readonly scores: { readonly edges: readonly number[]; readonly positive: readonly number[]; readonly negative: readonly number[] } | null;
  readonly calibration: readonly CalibrationBin[];
  readonly columns: readonly LiveColumn[];
  readonly views: readonly LiveFeatureView[];
  readonly latency: readonly {
    readonly stage: string;
    readonly medianUs: number;
    readonly p90Us: number;
    readonly p99Us: number;
    readonly maxUs: number;
  }[];
}

export interface ChainNode {
  readonly key: string;
  readonly title: string;
  readonly label: string;
  readonly id: string;
  readonly digest: string | null;
  readonly layer: number;
  /** Names of files that were folded into this node. */
  readonly files: readonly string[];
}

export interface ChainView {
  readonly prediction: {
    readonly id: string;
    readonly atUs: number;
    readonly score: number | null;
    /** What came true, in words; null if it is not known. */
    readonly outcome: string | null;
    readonly request: readonly (readonly [string, string])[];
  };
  readonly nodes: readonly ChainNode[];
  readonly edges: readonly { readonly from: string; readonly to: string }[];
  readonly folded: number;
}

export interface CommandRow {
  readonly command: string;
  readonly what: string;
}

export interface Report {
  readonly project: string;
  readonly description: string;
  readonly revision: { readonly id: string; readonly number: number };
  readonly madeMs: number;
  readonly endpoint: string | null;
  /** The monitor of a model that is served elsewhere, where the report is about that and no endpoint. */
  readonly elsewhere: string | null;
  readonly model: ModelView | null;
  readonly datasets: readonly DatasetView[];
  readonly evaluation: EvaluationView | null;
  readonly gate: GateView | null;
  /** The figures, or the sentence that says why there are none. */
  readonly live: LiveView | { readonly absent: string };
  readonly chain: ChainView | { readonly absent: string };
  readonly loop: LoopView | { readonly absent: string };
  readonly commands: readonly CommandRow[];
}

/** The figure a task is first judged by, and the one beside it. */
export const leadMetrics = {
  binary: ['roc_auc', 'log_loss'],
  regression: ['mae', 'rmse'],
} as const satisfies Readonly<Record<Task, readonly [string, string]>>;
