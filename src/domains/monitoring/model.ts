// Windows, figures and findings. Pure.
import type { DriftVerdict } from '../../stats/drift.ts';
import type { ColumnBaseline, NumericBaseline } from '../../stats/drift-sketch.ts';
import type { QualityVerdict } from '../../stats/quality.ts';
import type { Calibrator } from '../../stats/cbpe.ts';
import type { Figure } from '../../stats/figure.ts';
import type { FallVerdict } from '../../stats/performance-fall.ts';

export type { Figure } from '../../stats/figure.ts';

export const windowKinds = ['data', 'performance'] as const;
export type WindowKind = (typeof windowKinds)[number];

export const findingKinds = [
  'quality',
  'range',
  'drift',
  'prediction-drift',
  'dataset-drift',
  'estimate',
  'volume',
  'error-rate',
  'performance',
  'coverage',
] as const;
export type FindingKind = (typeof findingKinds)[number];

/** When event time allows a window to close: a data window when stragglers are in, a performance window when labels are. */
export const dueUs = (kind: WindowKind, toUs: number, m: { latenessUs: number; labels: { withinUs: number } }): number =>
  toUs + (kind === 'data' ? m.latenessUs : m.labels.withinUs);

/** What a monitor has done so far. All before `dataNextUs` and `performanceNextUs` is closed. */
export interface MonitorState {
  readonly project: string;
  readonly monitor: string;
  readonly firstUs: number;
  readonly dataNextUs: number;
  readonly performanceNextUs: number;
  /** Model version with most records in the last window that had any. */
  readonly lead: string;
  readonly watermarkUs: number;
  readonly version: number;
}

/** A figure as a window shows it: never without how it was made. */
export type Shown = Figure & { readonly method: string };

/** A reason in the place of a figure. */
export const absent = (reason: string, n: number, method: string): Shown => ({ ok: false, reason, n, method });

/** Value, corrected effect, threshold and its parts, sizes: as the detector says them. */
export type Drift = DriftVerdict;

export interface ColumnFigures {
  readonly column: string;
  readonly kind: 'numeric' | 'categorical';
  readonly n: number;
  readonly quality: readonly QualityVerdict[];
  /** How the shares are compared. */
  readonly qualityMethod: string;
  readonly drift: Drift;
}

/** An input that the baseline does not know, and the records that have a value of it. */
export interface AddedColumn {
  readonly column: string;
  readonly n: number;
}

export interface Nothing {
  readonly ok: false;
  readonly reason: string;
  readonly n: number;
}

/** Share of the watched columns that drifted. */
export type DatasetDrift =
  | {
      readonly ok: true;
      readonly value: number;
      readonly threshold: number;
      readonly columns: readonly string[];
      readonly of: number;
      readonly n: number;
      readonly method: string;
      readonly drifted: boolean;
    }
  | Nothing;

/** Performance without labels, with the band that chance and the baseline's own windows leave it. */
export interface Estimate {
  readonly ok: true;
  readonly value: number;
  readonly n: number;
  readonly low: number;
  readonly high: number;
  readonly method: string;
}

export interface Volume {
  readonly records: number;
  /** Of the lead version. */
  readonly lead: number;
  readonly versions: readonly { readonly version: string; readonly records: number }[];
}

export interface DataFigures {
  readonly volume: Volume;
  readonly errors: Shown;
  readonly latency: { readonly n: number; readonly method: string; readonly quantilesUs: Readonly<Record<string, number>> } | null;
  readonly columns: readonly ColumnFigures[];
  /** Absent in windows that were closed before it was told, and where there is none. */
  readonly added?: readonly AddedColumn[];
  readonly prediction: Drift;
  readonly datasetDrift: DatasetDrift;
  /** Records against those of the windows before. */
  readonly usualVolume:
    | {
        readonly ok: true;
        readonly value: number;
        readonly low: number;
        readonly high: number;
        readonly windows: number;
        readonly method: string;
      }
    | Nothing;
  readonly estimate: Readonly<Record<string, Estimate | Nothing>>;
}

/** A metric of the last windows of one lead version, pooled, against the baseline: enough to judge any margin later. */
export interface Pool {
  readonly ok: true;
  readonly value: number;
  readonly standardError: number;
  readonly windows: number;
  readonly n: number;
  readonly baseline: number;
  readonly baselineStandardError: number;
  /** Standard deviation of the true figure between windows of the baseline. */
  readonly spread: number;
  readonly higherIsBetter: boolean;
  /** Judged with the default margin. */
  readonly verdict: FallVerdict;
  readonly by: number;
  readonly method: string;
}

export interface Slice {
  readonly column: string;
  readonly value: string;
  readonly n: number;
  readonly metrics: Readonly<Record<string, Shown>>;
}

/** Truth less estimate; outside of its band the relation of inputs and outcome has changed. */
export interface Gap {
  readonly value: number;
  readonly band: number;
  readonly outside: boolean;
}

export interface Calibration {
  readonly bins: readonly {
    readonly n: number;
    readonly predicted: number;
    readonly observed: number;
    readonly low: number;
    readonly high: number;
  }[];
  readonly error: Shown;
  readonly slope: Shown;
}

export interface PerformanceFigures {
  readonly volume: Volume;
  /** Labelled predictions of those that got a score. */
  readonly coverage: Shown;
  readonly metrics: Readonly<Record<string, Shown>>;
  /** Of the metrics, for pooling. */
  readonly standardErrors: Readonly<Record<string, number>>;
  readonly pools: Readonly<Record<string, Pool | Nothing>>;
  readonly estimate: Readonly<Record<string, Estimate | Nothing>>;
  readonly gaps: Readonly<Record<string, Gap>>;
  readonly calibration: Calibration | null;
  readonly slices: readonly Slice[];
}

export interface PerformanceBaseline {
  readonly value: number;
  readonly standardError: number;
  readonly spread: number;
  readonly n: number;
  readonly windows: number;
  readonly method: string;
}

/** What a model looked like when it was made, fixed from then on. One immutable blob. */
export interface Baseline {
  readonly format: 1;
  readonly of: { readonly kind: 'model-version' | 'dataset' | 'first-windows'; readonly id: string };
  readonly windowUs: number;
  readonly rows: number;
  readonly span: { readonly fromUs: number; readonly toUs: number } | null;
  readonly columns: Readonly<Record<string, ColumnBaseline>>;
  readonly scores: NumericBaseline | null;
  readonly labels: { readonly n: number; readonly mean: number } | null;
  readonly calibrator: Calibrator | null;
  readonly performance: Readonly<Record<string, PerformanceBaseline | Nothing>>;
  /** What it lacks, and why. */
  readonly lacks: readonly string[];
}

export interface Window<F = DataFigures | PerformanceFigures> {
  readonly id: string;
  readonly project: string;
  readonly monitor: string;
  readonly kind: WindowKind;
  readonly fromUs: number;
  readonly toUs: number;
  readonly generation: number;
  readonly latest: boolean;
  /** Records (data) or labelled predictions (performance) of the lead version. */
  readonly n: number;
  readonly lead: string;
  readonly baseline: string | null;
  /** Which labels the figures are of. */
  readonly labelsDigest: string;
  /** Number of the newest join of labels that was seen; with no later one there is nothing to look at. */
  readonly labelsSeen: number;
  readonly findings: number;
  readonly figures: F;
  /** Event time at which it was closed. */
  readonly closedUs: number;
  readonly recordedMs: number;
}

export interface Finding {
  readonly id: string;
  readonly project: string;
  readonly monitor: string;
  readonly window: string;
  readonly fromUs: number;
  readonly toUs: number;
  readonly kind: FindingKind;
  /** Column, metric, or '' for the whole window. */
  readonly subject: string;
  readonly method: string;
  readonly value: number | null;
  readonly threshold: number | null;
  readonly n: number;
  readonly detail: string;
  readonly recordedMs: number;
}

export type NewFinding = Pick<Finding, 'kind' | 'subject' | 'method' | 'value' | 'threshold' | 'n' | 'detail'>;

/** One registered baseline: the row that names its blob. */
export interface BaselineRow {
  readonly id: string;
  readonly project: string;
  readonly monitor: string;
  readonly subject: string;
  readonly windowUs: number;
  readonly digest: string;
  readonly rows: number;
  readonly fromUs: number | null;
  readonly toUs: number | null;
  readonly recordedMs: number;
}
