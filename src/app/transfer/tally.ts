// What a source has, counted while it is read, and what became of it: the two sides that are compared in the end.
import type { PointsDigest } from '../../domains/transfers/public.ts';

export interface Files {
  readonly files: number;
  readonly bytes: number;
  readonly digest: string;
}
export interface Counted {
  readonly sourceId: string;
  readonly targetId: string;
  readonly experiment: string;
  readonly record: string;
  readonly params: number;
  readonly tags: number;
  readonly metrics: PointsDigest;
  /** undefined where files are not copied. */
  files?: Files;
}

export interface Side {
  runs: number;
  params: number;
  tags: number;
  points: number;
  loggedModels: number;
  files: number;
  bytes: number;
}
export const nothing = (): Side => ({ runs: 0, params: 0, tags: 0, points: 0, loggedModels: 0, files: 0, bytes: 0 });

export interface ExperimentTally {
  readonly sourceId: string;
  readonly targetId: string;
  readonly name: string;
  readonly source: Side;
  readonly target: Side;
  readonly differences: string[];
}

export type Progress = (what: 'runs' | 'logged models' | 'registered models' | 'compared', done: number) => void;

/** What has been done so far. */
export interface State {
  readonly tallies: ExperimentTally[];
  readonly runs: Counted[];
  readonly loggedModels: Counted[];
  readonly registered: { readonly name: string; readonly record: string }[];
  readonly differences: string[];
  readonly notes: Set<string>;
  unchanged: number;
}
export const newState = (): State => ({
  tallies: [],
  runs: [],
  loggedModels: [],
  registered: [],
  differences: [],
  notes: new Set(),
  unchanged: 0,
});

export interface Report {
  readonly import: string | null;
  readonly from: string;
  readonly dryRun: boolean;
  readonly verified: boolean;
  readonly experiments: readonly ExperimentTally[];
  readonly models: { readonly source: number; readonly target: number; readonly versions: number; readonly sealed: number };
  /** Runs, models and files that had come before and were not sent again. */
  readonly unchanged: number;
  readonly leftOut: Readonly<Record<string, number | null>>;
  readonly differences: readonly string[];
  /** What a person may want to know, and is no difference. */
  readonly notes: readonly string[];
  readonly elapsedMs: number;
}

/** What was counted on one side, as numbers by name. */
export const totals = (experiments: readonly ExperimentTally[], side: 'source' | 'target'): Side => {
  const sum = nothing();
  for (const e of experiments) for (const key of Object.keys(sum) as (keyof Side)[]) sum[key] += e[side][key];
  return sum;
};
