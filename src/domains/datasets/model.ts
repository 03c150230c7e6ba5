// Dataset versions and what is known of them. Pure.
import { createHash } from 'node:crypto';

/** created as current or quarantined; current -> superseded when a newer one becomes current. */
export const versionStates = ['current', 'superseded', 'quarantined'] as const;
export type VersionState = (typeof versionStates)[number];

export interface Column {
  readonly name: string;
  readonly type: string;
}

export interface VersionFile {
  readonly path: string;
  readonly digest: string;
  readonly sizeBytes: number;
}

export interface ColumnProfile {
  readonly name: string;
  readonly type: string;
  readonly rows: number;
  readonly nulls: number;
  /** Infinite values and NaN: in no mean, deviation or quantile. */
  readonly notFinite: number;
  /** HyperLogLog estimate. */
  readonly approxDistinct: number;
  readonly min: string | null;
  readonly max: string | null;
  readonly mean: number | null;
  readonly std: number | null;
  /** Values at 0, 5, 10, 25, 50, 75, 90, 95, 100 percent; numbers only. */
  readonly quantiles: readonly number[] | null;
  /** Most frequent values with their counts. */
  readonly top: readonly { readonly value: string; readonly count: number }[];
}
export const profileQuantiles = [0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1] as const;

export interface Violation {
  readonly rule: string;
  readonly column: string | null;
  readonly expected: string;
  readonly found: string;
  readonly failingRows: number;
  readonly sampleRows: readonly string[];
}

export interface DatasetVersion {
  readonly id: string;
  readonly project: string;
  readonly dataset: string;
  readonly number: number;
  readonly state: VersionState;
  readonly columns: readonly Column[];
  readonly rows: number;
  readonly logicalDigest: string;
  readonly profile: readonly ColumnProfile[];
  readonly violations: readonly Violation[];
  /** Digest of the rules it was checked against and, when SQL built it, of the SQL and its inputs too. */
  readonly buildKey: string;
  readonly inputs: readonly string[];
  readonly generation: number;
  readonly actor: string;
  readonly recordedMs: number;
}

/** Digest of a table: its schema and an order-independent sum of row hashes. */
export const logicalDigest = (columns: readonly Column[], rows: number, low: string, high: string): string =>
  createHash('sha256')
    .update(JSON.stringify([columns.map((c) => [c.name, c.type]), rows, low, high]))
    .digest('hex');

/** Columns that a new version lost or changed the type of. */
export const brokenColumns = (
  before: readonly Column[],
  after: readonly Column[],
): { column: string; before: string; after: string | null }[] => {
  const now = new Map(after.map((c) => [c.name, c.type]));
  return before.filter((c) => now.get(c.name) !== c.type).map((c) => ({ column: c.name, before: c.type, after: now.get(c.name) ?? null }));
};

export interface ColumnChange {
  readonly column: string;
  readonly change: 'added' | 'removed' | 'type' | 'statistics';
  readonly before: unknown;
  readonly after: unknown;
}

export function diffProfiles(before: readonly ColumnProfile[], after: readonly ColumnProfile[]): ColumnChange[] {
  const a = new Map(before.map((c) => [c.name, c]));
  const b = new Map(after.map((c) => [c.name, c]));
  const summary = (c: ColumnProfile) => ({
    rows: c.rows,
    nulls: c.nulls,
    notFinite: c.notFinite,
    approxDistinct: c.approxDistinct,
    min: c.min,
    max: c.max,
    mean: c.mean,
    std: c.std,
  });
  return [...new Set([...a.keys(), ...b.keys()])].flatMap((column): ColumnChange[] => {
    const [x, y] = [a.get(column), b.get(column)];
    if (!x) return [{ column, change: 'added', before: null, after: y!.type }];
    if (!y) return [{ column, change: 'removed', before: x.type, after: null }];
    if (x.type !== y.type) return [{ column, change: 'type', before: x.type, after: y.type }];
    return JSON.stringify(summary(x)) === JSON.stringify(summary(y))
      ? []
      : [{ column, change: 'statistics', before: summary(x), after: summary(y) }];
  });
}
