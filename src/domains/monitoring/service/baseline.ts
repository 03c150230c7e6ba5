// Baselines: made once, kept as one immutable blob, and never made again from raw data. A registered version brings its
// training table and the score table of its evaluation; a model served elsewhere brings a dataset or its first windows.
import { getBlob, storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { recordedMs } from '../../../kernel/recorded.ts';
import { stageFiles } from '../../datasets/public.ts';
import { currentRevision, revisionById, type MonitorDefinition } from '../../projects/public.ts';
import { getEvaluation, getVersion, type ModelVersion } from '../../registry/public.ts';
import type { Baseline, BaselineRow } from '../model.ts';
import * as monitors from '../store/monitors.ts';
import { computeScoresBaseline } from './figures/figures-thread.ts';
import type { ScoredRows } from './figures/scores-baseline.ts';
import { tableBaseline, type SourceTable, type TableBaseline } from './table-baseline.ts';

export interface Made {
  readonly row: BaselineRow;
  readonly baseline: Baseline;
}

export const DAY_US = 86_400_000_000;

/** A baseline that is there already, read from its blob. */
export async function loadBaseline(ctx: Ctx, key: monitors.BaselineKey): Promise<Made | undefined> {
  const row = await monitors.findBaseline(ctx.db, ctx.workspace, key);
  return row && { row, baseline: await readBaseline(ctx, row.digest) };
}

/** Digest -> baseline; immutable, so that a tick a minute does not read it each time. */
const read = new Map<string, Baseline>();
const KEPT = 32;

async function readBaseline(ctx: Ctx, digest: string): Promise<Baseline> {
  const key = `${ctx.settings.dir} ${ctx.workspace} ${digest}`;
  const held = read.get(key);
  if (held) return held;
  const baseline = JSON.parse((await ctx.blobs.read(await getBlob(ctx.db, ctx.workspace, digest))).toString('utf8')) as Baseline;
  if (read.size >= KEPT) read.delete(read.keys().next().value!);
  read.set(key, baseline);
  return baseline;
}

/** Stores a baseline under its key, once: the one that was first stays. */
export async function keepBaseline(ctx: Ctx, key: monitors.BaselineKey, baseline: Baseline, versionId: string | null): Promise<Made> {
  const [stored] = await storeBlobs(ctx, [Buffer.from(JSON.stringify(baseline))]);
  await ctx.tx(async (tx) => {
    const row: BaselineRow = {
      ...key,
      id: newId('bsl', tx.ids),
      digest: stored!.digest,
      rows: baseline.rows,
      fromUs: baseline.span?.fromUs ?? null,
      toUs: baseline.span?.toUs ?? null,
      recordedMs: recordedMs(tx),
    };
    if (!(await monitors.insertBaseline(tx.db, tx.workspace, row))) return;
    const self = { kind: 'baseline', id: row.id };
    await tx.emit({
      type: 'baseline.fixed',
      subject: self,
      label: `baseline of ${baseline.of.kind} ${baseline.of.id}`,
      ...(key.project === '' ? {} : { project: key.project }),
      payload: { digest: row.digest, rows: row.rows, windowUs: row.windowUs, of: baseline.of, lacks: baseline.lacks },
      edges: versionId === null ? [] : [{ from: self, to: { kind: 'model-version', id: versionId }, relation: 'baseline-of' }],
    });
  });
  return (await loadBaseline(ctx, key))!;
}

export const versionKey = (versionId: string, windowUs: number): monitors.BaselineKey => ({
  project: '',
  monitor: '',
  subject: versionId,
  windowUs,
});

/** Of the first windows of a model served elsewhere. */
export const firstKey = (
  project: string,
  m: MonitorDefinition,
  span: { readonly fromUs: number; readonly toUs: number },
  part: 'records' | 'labels',
): monitors.BaselineKey => ({ project, monitor: m.name, subject: `first ${span.fromUs}-${span.toUs} ${part}`, windowUs: m.windowUs });

/** The job after a registration: one baseline for each length of window that monitors of the model have, at least of a day. */
export async function makeBaselines(ctx: Ctx, versionId: string): Promise<void> {
  const version = await getVersion(ctx, versionId);
  const { projectRevision } = version.evidence;
  if (projectRevision === undefined) return;
  const { project } = await revisionById(ctx, projectRevision);
  const { definition } = await currentRevision(ctx, project);
  const lengths = Object.values(definition.monitors)
    .filter((m) => m.model === version.model)
    .map((m) => m.windowUs);
  for (const windowUs of new Set(lengths.length > 0 ? lengths : [DAY_US])) await versionBaseline(ctx, version, windowUs);
}

/** The baseline of a registered version, made if it is not there yet. */
export async function versionBaseline(ctx: Ctx, version: ModelVersion, windowUs: number): Promise<Made> {
  const key = versionKey(version.id, windowUs);
  const before = await loadBaseline(ctx, key);
  if (before) return before;
  const lacks: string[] = [];
  const table = await trainingTable(ctx, version, windowUs, lacks);
  const scored = await scoredRows(ctx, version, lacks);
  const baseline: Baseline = {
    format: 1,
    of: { kind: 'model-version', id: version.id },
    windowUs,
    rows: table?.rows ?? scored?.labels.length ?? 0,
    span: table && table.fromUs !== null && table.toUs !== null ? { fromUs: table.fromUs, toUs: table.toUs } : null,
    columns: table?.columns ?? {},
    ...(await computeScoresBaseline(scored, windowUs)),
    lacks,
  };
  return keepBaseline(ctx, key, baseline, version.id);
}

const NOT_FEATURES = ['row_key', 'at_us', 'label'];

async function trainingTable(ctx: Ctx, version: ModelVersion, windowUs: number, lacks: string[]): Promise<TableBaseline | undefined> {
  const { table } = (version.baseline ?? {}) as { table?: { files: string[]; columns: SourceTable['columns'] } };
  if (!table) {
    lacks.push('the version was registered without its training table, so inputs have nothing to be compared with');
    return undefined;
  }
  return tableBaseline(
    ctx,
    {
      what: `the baseline of ${version.model} version ${version.number}`,
      files: await stageFiles(ctx, table.files),
      columns: table.columns.filter((c) => !NOT_FEATURES.includes(c.name)),
      atUs: table.columns.some((c) => c.name === 'at_us') ? 'at_us' : null,
    },
    windowUs,
  );
}

async function scoredRows(ctx: Ctx, version: ModelVersion, lacks: string[]): Promise<ScoredRows | undefined> {
  const { evaluation: id } = version.evidence;
  if (id === undefined) {
    lacks.push('the version was registered without an evaluation, so scores and performance have nothing to be compared with');
    return undefined;
  }
  const evaluation = await getEvaluation(ctx, id);
  const [path] = await stageFiles(ctx, [evaluation.scoreTable.digest]);
  return readScored(ctx, evaluation.task, { what: `the score table of ${version.model}`, file: path!, format: 'ndjson' });
}

/** Rows with a label and a score, in the order of event time. */
export async function readScored(
  ctx: Ctx,
  task: 'binary' | 'regression',
  t: {
    readonly what: string;
    readonly file: string | readonly string[];
    readonly format?: 'ndjson';
    readonly label?: string;
    readonly score?: string;
    readonly atUs?: string | null;
  },
): Promise<ScoredRows> {
  const at = t.atUs === undefined ? 'at_us' : (t.atUs ?? 'null');
  const order = 'order by at_us, score, label';
  const { rows } = await ctx.compute.run(
    {
      what: t.what,
      tables: { t: { files: [t.file].flat(), ...(t.format ? { format: t.format } : {}) } },
      statements: [],
      threads: 1,
      rows: `select list(label ${order}) as labels, list(score ${order}) as scores, list(at_us ${order}) as at
        from (select (${t.label ?? 'label'})::double as label, (${t.score ?? 'score'})::double as score, coalesce((${at})::double, 'nan'::double) as at_us from t)
        where isfinite(label) and isfinite(score)`,
    },
    ctx.signal,
  );
  const numbers = (name: string): Float64Array => Float64Array.from((rows[0]?.[name] as number[] | null) ?? []);
  return { task, labels: numbers('labels'), scores: numbers('scores'), atUs: numbers('at') };
}
