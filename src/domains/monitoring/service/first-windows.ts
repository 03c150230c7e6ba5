// The first windows of a model served elsewhere become its baseline: inputs and scores when the last of them is closed,
// performance when their labels are in. Each part is fixed once made.
import type { Ctx } from '../../../kernel/ctx.ts';
import { endpointOf, type MonitorDefinition } from '../../projects/public.ts';
import type { Baseline } from '../model.ts';
import { firstKey, keepBaseline, loadBaseline, type Made } from './baseline.ts';
import { computeScoresBaseline } from './figures/figures-thread.ts';
import { readSpan } from './joined-rows.ts';
import { SCORE, type Span } from './read-windows.ts';
import { recordsOf } from './records.ts';
import { tableBaseline } from './table-baseline.ts';

const blank = (
  m: MonitorDefinition,
  span: Span,
): Omit<Baseline, 'rows' | 'columns' | 'scores' | 'labels' | 'calibrator' | 'performance' | 'lacks'> => ({
  format: 1,
  of: { kind: 'first-windows', id: m.name },
  windowUs: m.windowUs,
  span: { fromUs: span.fromUs, toUs: span.toUs },
});

/** Inputs and scores of the records of the span. */
export async function firstRecords(ctx: Ctx, project: string, m: MonitorDefinition, span: Span): Promise<Made> {
  const key = firstKey(project, m, span, 'records');
  const before = await loadBaseline(ctx, key);
  if (before) return before;
  const records = await recordsOf(ctx, { project, endpoint: endpointOf(m) }, span.fromUs, span.toUs);
  const columns = records ? [...records.columns].map(([name, { type }]) => ({ name, type })) : [];
  const table = records && {
    what: `the baseline of monitor ${m.name}`,
    files: records.files,
    columns: [...columns, { name: SCORE, type: 'DOUBLE' }],
    atUs: '"eventTimeUs"',
    rows: `"eventTimeUs" >= ${span.fromUs} and "eventTimeUs" < ${span.toUs}`,
    sqlOf: new Map([...records.columns].map(([name, { sql }]) => [name, sql] as const).concat([[SCORE, 'score'] as const])),
  };
  const made = table ? await tableBaseline(ctx, table, m.windowUs) : undefined;
  const { [SCORE]: scores, ...inputs } = made?.columns ?? {};
  const baseline: Baseline = {
    ...blank(m, span),
    rows: made?.rows ?? 0,
    columns: inputs,
    scores: scores?.kind === 'numeric' ? scores : null,
    labels: null,
    calibrator: null,
    performance: {},
    lacks: made ? [] : ['the first windows have no records'],
  };
  return keepBaseline(ctx, key, baseline, null);
}

/** Performance and calibration of the labelled records of the span. */
export async function firstLabels(ctx: Ctx, project: string, m: MonitorDefinition, span: Span): Promise<Made> {
  const key = firstKey(project, m, span, 'labels');
  const before = await loadBaseline(ctx, key);
  if (before) return before;
  const rows = { task: m.task, ...(await readSpan(ctx, { project, monitor: m }, span)) };
  const baseline: Baseline = {
    ...blank(m, span),
    rows: rows.labels.length,
    columns: {},
    ...(await computeScoresBaseline(rows, m.windowUs)),
    lacks: rows.labels.length === 0 ? ['no label of the first windows came in time'] : [],
  };
  return keepBaseline(ctx, key, baseline, null);
}
