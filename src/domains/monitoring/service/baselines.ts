// Which baseline a window is compared with: that of the version that led in it, or the monitor's own.
import { createHash } from 'node:crypto';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { currentVersion, stageVersion } from '../../datasets/public.ts';
import type { MonitorDefinition } from '../../projects/public.ts';
import { findVersion } from '../../registry/public.ts';
import type { Baseline, MonitorState, WindowKind } from '../model.ts';
import type { BaselineKey } from '../store/monitors.ts';
import { firstKey, keepBaseline, loadBaseline, readScored, versionBaseline, type Made } from './baseline.ts';
import { computeScoresBaseline } from './figures/figures-thread.ts';
import { firstLabels, firstRecords } from './first-windows.ts';
import { tableBaseline } from './table-baseline.ts';

export interface Found {
  readonly baseline: Baseline | null;
  readonly id: string | null;
  /** Id of the registered version, if it is one. */
  readonly versionId: string | null;
  /** Why there is no baseline. */
  readonly without: string;
}

export interface Baselines {
  of(version: string, window: { readonly fromUs: number; readonly kind: WindowKind }): Promise<Found>;
}

const nothing = (without: string, versionId: string | null = null): Found => ({ baseline: null, id: null, versionId, without });
const found = ({ row, baseline }: Made, versionId: string | null): Found => ({ baseline, id: row.id, versionId, without: '' });

/** Looks each baseline up once; what a tick finds missing it makes. */
export function openBaselines(ctx: Ctx, project: string, m: MonitorDefinition, state: MonitorState): Baselines {
  const versions = new Map<string, Found>();
  let own: Found | undefined;
  const first = m.baseline !== null && 'firstUs' in m.baseline ? m.baseline : undefined;
  const span = first && { fromUs: state.firstUs, toUs: state.firstUs + first.firstUs };
  const parts: { records?: Made | undefined; labels?: Made | undefined } = {};
  return {
    of: async (version, window) => {
      const versionId = await registered(ctx, m, version);
      if (span) {
        // The windows that make the baseline are not judged by it.
        if (window.fromUs < span.toUs) return nothing('the baseline is being gathered from the first windows', versionId?.id);
        parts.records ??= await firstRecords(ctx, project, m, span);
        if (window.kind === 'performance') parts.labels ??= await firstLabels(ctx, project, m, span);
        parts.labels ??= await loadBaseline(ctx, firstKey(project, m, span, 'labels'));
        const { records, labels } = parts;
        const merged = labels ? { ...records.baseline, ...scoresOf(labels.baseline), scores: records.baseline.scores } : records.baseline;
        return { baseline: merged, id: records.row.id, versionId: versionId?.id ?? null, without: '' };
      }
      if (m.baseline !== null && 'dataset' in m.baseline) {
        const { baseline: from } = m;
        own ??= await orReason(async () => found(await datasetBaseline(ctx, project, m, from), null));
        return { ...own, versionId: versionId?.id ?? null };
      }
      if (version === '') return nothing('the window has no records');
      const held = versions.get(version);
      if (held) return held;
      const made = versionId
        ? await orReason(async () => found(await versionBaseline(ctx, versionId, m.windowUs), versionId.id), versionId.id)
        : nothing(
            m.model === null
              ? 'the monitor names neither a model nor a baseline; say "baseline: { first: 14d }" or a dataset'
              : `model ${m.model} has no registered version ${version}`,
          );
      versions.set(version, made);
      return made;
    },
  };
}

/** What cannot be made for a reason that somebody can mend, is told in the window. */
async function orReason(make: () => Promise<Found>, versionId: string | null = null): Promise<Found> {
  try {
    return await make();
  } catch (error) {
    if (!isProblem(error) || error.status >= 500) throw error;
    return nothing(`the baseline could not be made: ${error.message}`, versionId);
  }
}

const scoresOf = ({ labels, calibrator, performance }: Baseline): Pick<Baseline, 'labels' | 'calibrator' | 'performance'> => ({
  labels,
  calibrator,
  performance,
});

async function registered(ctx: Ctx, m: MonitorDefinition, version: string) {
  if (m.model === null || !/^\d{1,15}$/.test(version)) return undefined;
  try {
    return await findVersion(ctx, m.model, version);
  } catch (error) {
    if (isProblem(error, 'model-version-not-found')) return undefined;
    throw error;
  }
}

type OfDataset = Extract<NonNullable<MonitorDefinition['baseline']>, { dataset: string }>;

/** The dataset's version of the moment in which it was first needed, and that one for good; other words make another. */
async function datasetBaseline(ctx: Ctx, project: string, m: MonitorDefinition, from: OfDataset): Promise<Made> {
  const words = createHash('sha256')
    .update(JSON.stringify([from.dataset, from.score, from.label, from.at]))
    .digest('hex')
    .slice(0, 16);
  const key: BaselineKey = { project, monitor: m.name, subject: `dataset ${words}`, windowUs: m.windowUs };
  const before = await loadBaseline(ctx, key);
  if (before) return before;
  const version = await currentVersion(ctx, project, from.dataset);
  const files = await stageVersion(ctx, version);
  const what = `the baseline of monitor ${m.name}`;
  const atUs = from.at === null ? null : `epoch_us((${from.at})::timestamp)`;
  const used = new Set([from.score, from.label, from.at]);
  const table = await tableBaseline(ctx, { what, files, columns: version.columns.filter((c) => !used.has(c.name)), atUs }, m.windowUs);
  const scored =
    from.score === null
      ? undefined
      : await readScored(ctx, m.task, { what, file: files, label: from.label ?? 'null', score: from.score, atUs });
  const baseline: Baseline = {
    format: 1,
    of: { kind: 'dataset', id: version.id },
    windowUs: m.windowUs,
    rows: table.rows,
    span: table.fromUs !== null && table.toUs !== null ? { fromUs: table.fromUs, toUs: table.toUs } : null,
    columns: table.columns,
    ...(await computeScoresBaseline(scored, m.windowUs)),
    lacks: from.score === null ? ['no score column is named, so scores and performance have nothing to be compared with'] : [],
  };
  return keepBaseline(ctx, key, baseline, null);
}
