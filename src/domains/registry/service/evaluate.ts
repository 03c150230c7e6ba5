// An evaluation: the sealed model scores named rows with the serving runtime, and the figures come from
// those scores. Nothing that user code reports enters here.
import { randomBytes } from 'node:crypto';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getBlob, storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { newId } from '../../../kernel/ids.ts';
import { calibrationBins, precisionRecallCurve, rocCurve } from '../../../stats/curves.ts';
import { computeMetrics } from '../../../stats/metrics.ts';
import { scoreTable, validateModel } from '../../serving/public.ts';
import { filesDigest, getLoggedModel, modelFiles } from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import { signatureFaults, type Evaluation, type Evidence, type SliceFigures } from '../model.ts';
import * as store from '../store/evaluations.ts';
import { interpreterOf } from './interpreter.ts';
import { sealedFolder } from './sealed-files.ts';

export interface EvaluateInput {
  readonly loggedModelId: string;
  /** Parquet file with row_key, at_us, label and the model's columns. */
  readonly table: string;
  readonly datasetVersion: string;
  readonly datasetVersions: readonly string[];
  readonly task: 'binary' | 'regression';
  /** Output of the model that holds the score. */
  readonly score: string;
  readonly slices: readonly string[];
  readonly window: { readonly fromUs: number; readonly toUs: number };
  /** Of the run that made the model; without it a model in Python has the one that its folder describes. */
  readonly environment?: Evidence['environment'];
}

/** Slices with more values than this are cut to the most frequent ones. */
const MAX_SLICE_VALUES = 50;

/** What the table has besides the model's columns; a model may not read these. */
const NOT_FEATURES = ['row_key', 'at_us', 'label'];

/** Raises `version-unsealed`, `model-signature-mismatch`, `onnx-*`, `scoring-failed`. */
export async function evaluate(ctx: Ctx, input: EvaluateInput): Promise<Evaluation> {
  const model = await getLoggedModel(ctx, input.loggedModelId);
  const files = await modelFiles(ctx, model.id);
  if (files.length === 0) return fail('version-unsealed', { model: model.name, version: 0 });
  const folder = join(ctx.settings.dir, await sealedFolder(ctx, files));
  const { rows, scores } = await score(ctx, input, model.name, folder);
  const labels = Float64Array.from(rows, (r) => (r.label === null || r.label === undefined ? Number.NaN : Number(r.label)));
  const all = { labels, scores };
  const lines = rows.map((r, i) =>
    JSON.stringify({
      row_key: r.row_key,
      at_us: r.at_us,
      label: r.label,
      score: scores[i],
      ...Object.fromEntries(input.slices.map((s) => [s, r[s] ?? null])),
    }),
  );
  const [scored, given] = await storeBlobs(ctx, [Buffer.from(`${lines.join('\n')}\n`), { path: input.table }]);
  const evaluation: Evaluation = {
    id: newId('evl', ctx.ids),
    loggedModelId: model.id,
    datasetVersion: input.datasetVersion,
    task: input.task,
    rows: rows.length,
    metrics: computeMetrics(input.task, all),
    slices: input.slices.flatMap((column) => sliceFigures(column, rows, labels, scores, input.task)),
    curves:
      input.task === 'binary' ? { roc: rocCurve(all), precisionRecall: precisionRecallCurve(all), calibration: calibrationBins(all) } : {},
    scoreTable: { digest: scored!.digest, sizeBytes: scored!.sizeBytes },
    input: { digest: given!.digest, sizeBytes: given!.sizeBytes },
    score: input.score,
    window: input.window,
    createdMs: ctx.clock.now(),
  };
  await ctx.tx(async (tx) => {
    await store.insertEvaluation(tx.db, tx.workspace, evaluation);
    const self = { kind: 'evaluation', id: evaluation.id };
    await tx.emit({
      type: 'evaluation.recorded',
      subject: self,
      label: `evaluation of ${model.name} on ${rows.length} rows`,
      payload: { rows: rows.length, scoreTable: evaluation.scoreTable.digest, modelFiles: filesDigest(files) },
      edges: [
        { from: self, to: { kind: 'logged-model', id: model.id }, relation: 'evaluates' },
        ...input.datasetVersions.map((id) => ({ from: self, to: { kind: 'dataset-version', id }, relation: 'input' })),
      ],
    });
  });
  return evaluation;
}

// Rows and their scores in the same order: by event time, then key.
async function score(
  ctx: Ctx,
  input: EvaluateInput,
  name: string,
  folder: string,
): Promise<{ rows: readonly Readonly<Record<string, unknown>>[]; scores: Float64Array }> {
  const made = join(ctx.settings.dir, 'compute', 'made');
  await mkdir(made, { recursive: true });
  const rowsPath = join(made, `${randomBytes(8).toString('hex')}.ndjson`);
  const what = `the rows of an evaluation of ${name}`;
  const tables = { t: { files: [input.table] } };
  try {
    const { columns } = await ctx.compute.run({ what, tables, statements: [], rows: 'select * from t limit 0' }, ctx.signal);
    const interpreter = await interpreterOf(ctx, folder, input.environment);
    const signature = await validateModel(folder, { score: input.score, interpreter, signal: ctx.signal });
    const faults = signatureFaults(
      signature,
      columns.filter((c) => !NOT_FEATURES.includes(c.name)),
    );
    if (faults.length > 0) fail('model-signature-mismatch', { model: name, faults });
    const order = 'order by at_us, row_key';
    const wanted = ['row_key', 'at_us', 'label', ...input.slices.map((s) => `${sqlName(s)}::varchar as ${sqlName(s)}`)];
    const { rows } = await ctx.compute.run(
      {
        what,
        tables,
        writes: [rowsPath],
        statements: [{ sql: `copy (select * from t ${order}) to ${sqlText(rowsPath)} (format json)` }],
        rows: `select ${wanted.join(', ')} from t ${order}`,
      },
      ctx.signal,
    );
    return { rows, scores: await scoreTable({ modelPath: folder, rowsPath, score: input.score, interpreter, signal: ctx.signal }) };
  } finally {
    await rm(rowsPath, { force: true });
  }
}

/** Scores another model on the rows of an evaluation; the same evaluation again if there is one already. */
export async function evaluateOnSameRows(ctx: Ctx, of: Evaluation, loggedModelId: string): Promise<Evaluation> {
  const before = await store.findEvaluationOn(ctx.db, ctx.workspace, loggedModelId, of.input.digest);
  if (before) return before;
  const folder = join(ctx.settings.dir, 'compute', 'made');
  const table = join(folder, `${randomBytes(8).toString('hex')}.parquet`);
  try {
    await ctx.blobs.materialise(await getBlob(ctx.db, ctx.workspace, of.input.digest), table);
    return await evaluate(ctx, {
      loggedModelId,
      table,
      datasetVersion: of.datasetVersion,
      datasetVersions: [of.datasetVersion],
      task: of.task,
      score: of.score,
      slices: [...new Set(of.slices.map((s) => s.column))],
      window: of.window,
    });
  } finally {
    await rm(table, { force: true });
  }
}

function sliceFigures(
  column: string,
  rows: readonly Readonly<Record<string, unknown>>[],
  labels: Float64Array,
  scores: Float64Array,
  task: 'binary' | 'regression',
): SliceFigures[] {
  const members = new Map<string, number[]>();
  rows.forEach((r, i) => {
    const value = r[column] === null || r[column] === undefined ? '(missing)' : String(r[column]);
    const held = members.get(value);
    if (held) held.push(i);
    else members.set(value, [i]);
  });
  return [...members]
    .sort(([a, x], [b, y]) => y.length - x.length || (a < b ? -1 : 1))
    .slice(0, MAX_SLICE_VALUES)
    .map(([value, at]) => ({
      column,
      value,
      n: at.length,
      metrics: computeMetrics(task, { labels: Float64Array.from(at, (i) => labels[i]!), scores: Float64Array.from(at, (i) => scores[i]!) }),
    }));
}

/** Raises `evaluation-not-found`. */
export const getEvaluation = async (ctx: Ctx, id: string): Promise<Evaluation> =>
  (await store.getEvaluation(ctx.db, ctx.workspace, id)) ?? fail('evaluation-not-found', { id });

export interface ScoredRow {
  readonly rowKey: string;
  readonly label: number;
  readonly score: number;
}

/** The score table of an evaluation, in its own order. */
export async function scoresOf(ctx: Ctx, evaluation: Evaluation): Promise<ScoredRow[]> {
  const text = (await ctx.blobs.read(await getBlob(ctx.db, ctx.workspace, evaluation.scoreTable.digest))).toString('utf8');
  return text
    .split('\n')
    .filter(Boolean)
    .map((line) => {
      const {
        row_key,
        label,
        score: given,
      } = JSON.parse(line) as { row_key: string; label: number | boolean | null; score: number | null };
      return { rowKey: row_key, label: label === null ? Number.NaN : Number(label), score: given ?? Number.NaN };
    });
}
