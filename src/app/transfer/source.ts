// What an import reads from: the installations of others, each read in its own way into the same records.
import type { Readable } from 'node:stream';
import type { TakenExperiment, TakenLoggedModel, TakenRun } from '../../domains/tracking/public.ts';
import type { TakenModel } from '../../domains/registry/public.ts';
import type { Point } from '../../domains/transfers/public.ts';

/** Where its artifacts are in the source stands in the location or URI. */
export type SourceExperiment = TakenExperiment & { readonly artifactLocation: string };
export type SourceRun = TakenRun & { readonly artifactUri: string };
export type SourceLoggedModel = TakenLoggedModel & { readonly artifactUri: string };

/** A metric, or a part of one that follows the part before it. */
export interface SourceMetric {
  readonly key: string;
  /** Each point once, in the order of time, step and value, over all parts. */
  readonly points: readonly Point[];
}

export interface SourceFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly open: () => Promise<Readable>;
}

export type Owner = { readonly kind: 'run'; readonly of: SourceRun } | { readonly kind: 'logged-model'; readonly of: SourceLoggedModel };

export interface Source {
  readonly origin: 'mlflow' | 'gyre';
  /** Its address or folder, without secrets. */
  readonly place: string;
  /** Of the installation that it was taken from, where it knows that better than its experiments do. */
  readonly identity?: string;
  experiments(): Promise<SourceExperiment[]>;
  runs(of: SourceExperiment): AsyncIterable<SourceRun>;
  metrics(of: SourceRun): AsyncIterable<SourceMetric>;
  loggedModels(of: SourceExperiment): AsyncIterable<SourceLoggedModel>;
  models(): AsyncIterable<TakenModel>;
  /** undefined where the files are out of reach from here. */
  artifacts(owner: Owner): Promise<AsyncIterable<SourceFile> | undefined>;
  /** What it has and nobody here takes, by name; null where it cannot be counted. */
  leftOut(): Promise<Readonly<Record<string, number | null>>>;
  /** What could not be read. */
  readonly faults: readonly string[];
  close(): Promise<void>;
}
