// What travels from one installation to another, and digests by which both sides say whether they have the same. Pure.
import { createHash } from 'node:crypto';
import { storedValue, type Pair, type TakenLoggedModel, type TakenRun } from '../tracking/public.ts';
import type { TakenModel } from '../registry/public.ts';

export const importKinds = ['experiment', 'run', 'logged-model', 'model'] as const;
export type ImportKind = (typeof importKinds)[number];

export type ImportState = 'running' | 'verified' | 'differs';

export interface Import {
  readonly id: string;
  /** Names the installation, wherever it lies: the same one is recognised when it is imported again. */
  readonly source: string;
  readonly origin: string;
  /** An address or folder without secrets. */
  readonly place: string;
  readonly state: ImportState;
  readonly counts: Readonly<Record<string, number>>;
  readonly startedMs: number;
  readonly endedMs: number | null;
}

const sha256 = (value: unknown): string => createHash('sha256').update(JSON.stringify(value)).digest('hex');
const byText = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);
const pairs = (list: readonly Pair[]): [string, string][] =>
  [...new Map(list.map((p) => [p.key, p.value]))].toSorted(([a], [b]) => byText(a, b));
const sorted = (rows: readonly unknown[]): unknown[] =>
  rows
    .map((r) => [JSON.stringify(r), r] as const)
    .toSorted(([a], [b]) => byText(a, b))
    .map(([, r]) => r);

/** Of all that a run records but its metrics and files. */
export const runDigest = (r: TakenRun): string =>
  sha256([
    r.name,
    r.userId,
    r.status,
    r.startMs,
    r.endMs,
    r.lifecycle,
    pairs(r.params),
    pairs(r.tags),
    sorted(r.inputs.map((i) => [i.name, i.digest, i.sourceType, i.source, i.schema, i.profile, pairs(i.tags)])),
    sorted(r.models.map((m) => [m.id, m.role, m.step])),
  ]);

/** Of all that a logged model records but its files. */
export const loggedModelDigest = (m: TakenLoggedModel): string =>
  sha256([
    m.name,
    m.modelType,
    m.sourceRunId,
    m.status,
    m.statusMessage,
    m.createdMs,
    m.lifecycle,
    pairs(m.params),
    pairs(m.tags),
    sorted(
      m.metrics.map((x) => {
        const { value, isNan } = storedValue(x.value);
        return [x.key, x.timestampMs, x.step, isNan ? 'NaN' : value, x.runId, x.datasetName, x.datasetDigest];
      }),
    ),
  ]);

// What Gyre itself notes on a version is none of the source's.
const foreign = (list: readonly Pair[]): [string, string][] => pairs(list.filter((t) => !t.key.startsWith('gyre.')));

/** Of a registered model with its versions, tags and aliases, but their files and where these lie. */
export const modelDigest = (m: TakenModel): string =>
  sha256([
    m.name,
    m.description,
    m.createdMs,
    foreign(m.tags),
    sorted(m.aliases.map((a) => [a.alias, a.number])),
    m.versions
      .toSorted((a, b) => a.number - b.number)
      .map((v) => [v.number, v.stage, v.description ?? '', v.createdMs, v.trackingRunId, foreign(v.tags)]),
  ]);

/** Point of a metric: milliseconds, step, value. */
export type Point = readonly [timestampMs: number, step: number, value: number];

export interface PointsDigest {
  readonly count: number;
  readonly digest: string;
}

/** Of all points of one metric, each once, in the order of time, step and value. */
export interface PointsHash {
  add(points: readonly Point[]): void;
  end(): PointsDigest;
}

export function hashPoints(): PointsHash {
  const hash = createHash('sha256');
  let count = 0;
  return {
    add: (points) => {
      count += points.length;
      hash.update(points.map((p) => pointLine(p)).join(''));
    },
    end: () => ({ count, digest: hash.digest('hex') }),
  };
}

function pointLine([timestampMs, step, given]: Point): string {
  const { value, isNan } = storedValue(given);
  return `${timestampMs} ${step} ${isNan ? 'NaN' : String(value + 0)}\n`;
}

/** In the order that is digested, without repetitions. */
export function inOrder(points: readonly Point[]): Point[] {
  const stored = points.map((p) => ({ p, ...storedValue(p[2]) }));
  stored.sort(
    (a, b) =>
      a.p[0] - b.p[0] || a.p[1] - b.p[1] || (a.value < b.value ? -1 : a.value > b.value ? 1 : 0) || Number(a.isNan) - Number(b.isNan),
  );
  return stored
    .filter((s, i) => {
      const before = stored[i - 1];
      return !before || before.p[0] !== s.p[0] || before.p[1] !== s.p[1] || before.value !== s.value || before.isNan !== s.isNan;
    })
    .map((s) => s.p);
}

/** Of all metrics of a run, by the digest of each. */
export const metricsDigest = (of: ReadonlyMap<string, PointsDigest>): PointsDigest => ({
  count: [...of.values()].reduce((sum, m) => sum + m.count, 0),
  digest: sha256([...of].map(([key, m]) => [key, m.count, m.digest]).toSorted((a, b) => byText(String(a[0]), String(b[0])))),
});

export interface FileDigest {
  readonly path: string;
  readonly sizeBytes: number;
  readonly digest: string;
}

/** Of all files of a run or model. */
export const filesOfDigest = (files: readonly FileDigest[]): { files: number; bytes: number; digest: string } => ({
  files: files.length,
  bytes: files.reduce((sum, f) => sum + f.sizeBytes, 0),
  digest: sha256(files.map((f) => [f.path, f.sizeBytes, f.digest]).toSorted((a, b) => byText(String(a[0]), String(b[0])))),
});

/** Names an installation by its oldest experiment, which every copy of it has. */
export const sourceIdentity = (experiments: readonly { id: string; createdMs: number; name: string }[]): string => {
  const [oldest] = experiments.toSorted((a, b) => a.id.length - b.id.length || byText(a.id, b.id));
  return oldest ? sha256([oldest.id, oldest.createdMs || oldest.name]).slice(0, 32) : 'empty';
};
