// A dataset's profile as the report shows it. Pure.
import type { ColumnProfile, DatasetDescription } from '../datasets/public.ts';
import type { HistogramColumn } from './queries.ts';
import type { DatasetView, Distribution } from './model.ts';

/** Columns whose histogram is worth drawing: the middle of the values with room on both sides, so that a far value does not flatten it. */
export function histogramColumns(profile: readonly ColumnProfile[], personal: ReadonlySet<string>): HistogramColumn[] {
  return profile.flatMap((c) => {
    if (personal.has(c.name) || !c.quantiles || c.quantiles.length < 9) return [];
    const [min, q05, q95, max] = [c.quantiles[0]!, c.quantiles[1]!, c.quantiles[7]!, c.quantiles[8]!];
    const room = (q95 - q05) / 2;
    const [low, high] = room === 0 ? [min, max] : [Math.max(min, q05 - room), Math.min(max, q95 + room)];
    return Number.isFinite(low) && Number.isFinite(high) && high > low ? [{ name: c.name, low, high }] : [];
  });
}

function wordsOf(c: ColumnProfile): Distribution | null {
  // Ten of thousands of values say nothing of a distribution.
  const covered = c.top.reduce((sum, t) => sum + t.count, 0);
  if (c.top.length === 0 || c.type.startsWith('TIMESTAMP') || covered < 0.2 * (c.rows - c.nulls)) return null;
  return { kind: 'words', counts: c.top.map((t) => t.count), edges: null, words: c.top.map((t) => t.value) };
}

/** `personal`: columns whose single values are somebody's, and are not shown. */
export function datasetView(
  d: DatasetDescription,
  histograms: ReadonlyMap<string, Distribution>,
  personal: ReadonlySet<string>,
): DatasetView {
  const { version, definition } = d;
  return {
    name: definition.name,
    description: definition.description,
    madeBy: definition.sql === null ? definition.source.join(', ') : `${definition.sql}, from ${definition.from.join(', ')}`,
    version: { id: version.id, number: version.number, logicalDigest: version.logicalDigest, recordedMs: version.recordedMs },
    rows: version.rows,
    files: d.files.length,
    sizeBytes: d.files.reduce((sum, f) => sum + f.sizeBytes, 0),
    columns: version.profile.map((c) => ({
      name: c.name,
      type: c.type,
      missing: c.rows === 0 ? 0 : c.nulls / c.rows,
      distinct: c.approxDistinct,
      personal: personal.has(c.name),
      low: personal.has(c.name) ? null : c.min,
      high: personal.has(c.name) ? null : c.max,
      mean: c.mean,
      distribution: personal.has(c.name) ? null : (histograms.get(c.name) ?? wordsOf(c)),
    })),
    contract: {
      file: definition.contract,
      checks: d.checks,
      broken: version.violations.concat(d.quarantined?.violations ?? []).map(violationText),
      quarantined: d.quarantined?.number ?? null,
    },
  };
}

const violationText = (v: { rule: string; column: string | null; expected: string; found: string }): string =>
  `${v.column === null ? '' : `${v.column}: `}${v.rule}, expected ${v.expected}, found ${v.found}`;
