// The work of a predict step: rows out of storage, through the scoring process, and into files of scores and of records.
import { sqlName, sqlText, type ComputeTable } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { personalColumns, stageFiles, type Column } from '../../datasets/public.ts';
import { buildScoringTable, columnTypeOf } from '../../features/public.ts';
import { revisionById, type PredictStep } from '../../projects/public.ts';
import { scoreRows, validateModel, type ColumnType, type ModelSignature } from '../../serving/public.ts';
import { fail } from '../errors.ts';
import { missingRules, rowsFor, scoredColumns, targetOf, type ScoringModel } from './predict-parts.ts';
import { outputOf, type RunContext } from './run-context.ts';

export interface Folder {
  /** A file of the attempt. */
  readonly path: (name: string) => string;
  readonly log: (line: string) => Promise<void>;
}

export interface Rows {
  /** n, row_key, at_us, then the others. */
  readonly columns: readonly Column[];
  readonly rows: number;
  readonly datasetVersions: readonly string[];
  /** Inputs of the model. */
  readonly inputs: readonly string[];
  /** Output of the model that holds the scores. */
  readonly score: string;
}

/** A classifier's probabilities, or the only output that is a number. */
function scoreOf(step: PredictStep, { outputs }: ModelSignature): string {
  const numbers = outputs.filter((o) => /^(float|double|u?int)/.test(o.type));
  const found = numbers.find((o) => o.name === 'probabilities') ?? (numbers.length === 1 ? numbers[0] : undefined);
  return (
    found?.name ??
    fail('step-failed', {
      step: step.name,
      why: `nothing says which output of the model holds the scores (${outputs.map((o) => o.name).join(', ') || 'it has none'}); say "score:" of the model in gyre.yaml`,
    })
  );
}

/** Hands the rows of a step to `use` as a Parquet file, numbered from 1 by moment and key. */
export async function withRows<T>(
  ctx: Ctx,
  context: RunContext,
  step: PredictStep,
  model: ScoringModel,
  folder: Folder,
  use: (rows: Rows, path: string) => Promise<T>,
): Promise<T> {
  const { definition, run } = context;
  const signature = await validateModel(model.folder, {
    ...(model.score === null ? {} : { score: model.score }),
    interpreter: model.interpreter,
    signal: ctx.signal,
  });
  const inputs = signature.inputs.map((i) => i.name);
  const score = model.score ?? scoreOf(step, signature);
  if (step.on.kind === 'step') return withStepRows(ctx, context, step, { inputs, score }, folder, use);
  const on = rowsFor(context, step.on);
  const lookedUp = new Set(
    (on.service === null ? [] : definition.services[on.service]!.views).flatMap((v) => definition.views[v]!.columns),
  );
  const dataset = definition.datasets[on.dataset]!;
  return buildScoringTable(
    ctx,
    {
      definition,
      snapshot: run.snapshot,
      datasets: run.datasets,
      dataset: on.dataset,
      key: dataset.key,
      service: on.service,
      at: on.at ?? dataset.occurredAt,
      where: on.where,
      between: on.between,
      columns: [...inputs.filter((name) => !lookedUp.has(name)), ...step.columns.filter((name) => !lookedUp.has(name))],
      defaults: Object.fromEntries(
        Object.entries(missingRules(context, step)).flatMap(([name, rule]) =>
          rule !== null && rule !== 'reject' ? [[name, rule.default] as const] : [],
        ),
      ),
    },
    (table, path) => use({ ...table, inputs, score }, path),
  );
}

/** The table of another step: its own `row_key` and `at_us` where it has them, as training tables do. */
async function withStepRows<T>(
  ctx: Ctx,
  context: RunContext,
  step: PredictStep,
  { inputs, score }: Pick<Rows, 'inputs' | 'score'>,
  folder: Folder,
  use: (rows: Rows, path: string) => Promise<T>,
): Promise<T> {
  const { on } = step as PredictStep & { on: { kind: 'step'; ref: string } };
  const table = outputOf(context, on.ref);
  if (table.kind !== 'table') return fail('step-failed', { step: step.name, why: `"${on.ref}" is not a table` });
  const has = (name: string): boolean => table.columns.some((c) => c.name === name);
  const { key } = targetOf(context, step);
  for (const column of [...key, ...inputs, ...step.columns])
    if (!has(column)) fail('step-failed', { step: step.name, why: `the table "${on.ref}" has no column "${column}"` });
  const files = await stageFiles(
    ctx,
    table.files.filter((f) => f.path.endsWith('.parquet')).map((f) => f.digest),
  );
  const rowKey = has('row_key') ? 'row_key::varchar' : `to_json([${key.map((k) => `${sqlName(k)}::varchar`).join(', ')}])::varchar`;
  const others = [...new Set([...key, ...inputs, ...step.columns])].filter((c) => !['row_key', 'at_us'].includes(c)).map(sqlName);
  const from = `(select ${[`${rowKey} as row_key`, `${has('at_us') ? 'at_us::bigint' : 'null::bigint'} as at_us`, ...others].join(', ')} from t)`;
  const path = folder.path('rows.parquet');
  const { rows } = await ctx.compute.run(
    {
      what: `the rows of "${on.ref}" to score`,
      tables: { t: { files } },
      writes: [path],
      memoryMb: ctx.settings.computeMemoryMb,
      statements: [
        { sql: `create table numbered as select row_number() over (order by at_us, row_key) as n, * from ${from}` },
        { sql: `copy (select * from numbered order by n) to ${sqlText(path)} (format parquet, compression zstd)` },
      ],
      rows: `select count(*) as rows, (select list(struct_pack(name := column_name, type := column_type)) from (describe numbered)) as columns from numbered`,
    },
    ctx.signal,
  );
  const found = rows[0] as unknown as { rows: number; columns: Column[] };
  if (found.rows === 0) return fail('step-failed', { step: step.name, why: `the table "${on.ref}" has no rows` });
  return use({ ...found, datasetVersions: table.datasetVersions, inputs, score }, path);
}

export interface Scored {
  /** Parquet files. */
  readonly scores: string;
  readonly records: string | null;
  readonly scoringMs: number;
}

const LOG_EVERY_MS = 2000;

/** Nothing is left half written: the files are whole, or this raises. Raises `row-not-scored`. */
export async function scoreTheRows(
  ctx: Ctx,
  context: RunContext,
  step: PredictStep,
  model: ScoringModel,
  folder: Folder,
  rows: Rows & { readonly path: string },
): Promise<Scored> {
  const types = new Map(rows.columns.map((c) => [c.name, columnTypeOf(c.type)]));
  for (const name of rows.inputs)
    if (!types.get(name))
      fail('step-failed', {
        step: step.name,
        why: `the model reads "${name}", which is ${rows.columns.find((c) => c.name === name)?.type ?? 'not there'}; it takes numbers, texts and booleans`,
      });
  const columns = scoredColumns(context, step, rows.inputs, types as ReadonlyMap<string, ColumnType>).filter((c) => types.get(c.name));
  const what = `the scores for ${step.into}`;
  const table: ComputeTable = { files: [rows.path] };
  const lines = folder.path('rows.ndjson');
  const wanted = ['n', ...columns.map((c) => sqlName(c.name))].join(', ');
  await ctx.compute.run(
    {
      what,
      tables: { t: table },
      writes: [lines],
      statements: [{ sql: `copy (select ${wanted} from t order by n) to ${sqlText(lines)} (format json)` }],
    },
    ctx.signal,
  );
  const scores = folder.path('scores.ndjson');
  const began = performance.now();
  let toldMs = began;
  const progress = (done: number): void => {
    failpoint('pipelines.while-scoring');
    const now = performance.now();
    if (now - toldMs < LOG_EVERY_MS) return;
    toldMs = now;
    void folder.log(`${done} of ${rows.rows} rows scored (${Math.round(done / ((now - began) / 1000))} rows/s)`);
  };
  try {
    await scoreRows({
      modelPath: model.folder,
      interpreter: model.interpreter,
      rowsPath: lines,
      outPath: scores,
      score: rows.score,
      columns,
      signal: ctx.signal,
      progress,
    });
  } catch (error) {
    if (!isProblem(error, 'score-rows-invalid')) throw error;
    const { row, column, why } = error.params as { row: number; column: string; why: string };
    return fail('row-not-scored', { dataset: step.into, row, key: await keyOf(ctx, context, step, table, row), column, why });
  }
  const scoringMs = performance.now() - began;
  return { ...(await writeTables(ctx, context, step, model, folder, rows, scores)), scoringMs };
}

/** The key of a row in words; null where it may say whom the row is about. */
async function keyOf(ctx: Ctx, context: RunContext, step: PredictStep, t: ComputeTable, n: number): Promise<string | null> {
  const personal = await personalNames(ctx, context);
  const key = step.on.kind === 'dataset' ? context.definition.datasets[step.on.dataset]!.key : targetOf(context, step).key;
  if (key.some((k) => personal.has(k)) || key.includes('row_key')) return null;
  const { rows } = await ctx.compute.run(
    { what: 'the key of a row', tables: { t }, statements: [], rows: `select row_key from t where n = ${n}` },
    ctx.signal,
  );
  const values = JSON.parse(String(rows[0]?.row_key ?? '[]')) as unknown[];
  return key.map((k, i) => `${k} ${String(values[i])}`).join(', ');
}

async function personalNames(ctx: Ctx, { run, definition }: RunContext): Promise<ReadonlySet<string>> {
  const classified = await personalColumns(ctx, await revisionById(ctx, run.revisionId));
  return new Set([...classified, ...Object.values(definition.subjects).flat()]);
}

async function writeTables(
  ctx: Ctx,
  context: RunContext,
  step: PredictStep,
  model: ScoringModel,
  folder: Folder,
  rows: Rows & { readonly path: string },
  scored: string,
): Promise<Pick<Scored, 'scores' | 'records'>> {
  const scores = folder.path('scores.parquet');
  const records = step.monitor === null ? null : folder.path('records.parquet');
  const personal = await personalNames(ctx, context);
  const has = new Set(rows.columns.map((c) => c.name));
  const source = step.on.kind === 'dataset' ? context.definition.datasets[step.on.dataset]!.key : [];
  const kept = [...new Set([...source, ...targetOf(context, step).key, ...step.columns])].filter((c) => has.has(c) && !OWN.includes(c));
  const hasMoments = step.on.kind === 'step' || (step.on.at ?? context.definition.datasets[step.on.dataset]!.occurredAt) !== null;
  const label = sqlText(model.label);
  // The same row of the same moment, scored by the same model for the same purpose, is the same prediction.
  const id = `'b-' || md5(concat_ws(chr(31), ${sqlText(step.monitor ?? step.into)}, ${sqlText(model.ref.id)}, row_key, coalesce(at_us, 0)))`;
  const at = hasMoments ? ['make_timestamp(at_us) as event_time'] : [];
  const struct = (name: string, of: readonly string[]): string[] =>
    of.length === 0 ? [] : [`struct_pack(${of.map((c) => `${sqlName(c)} := ${sqlName(c)}`).join(', ')}) as ${name}`];
  // What says whom a row is about does not leave the dataset.
  const inputs = rows.inputs.filter((c) => !personal.has(c));
  const request = kept.filter((c) => !personal.has(c) && !inputs.includes(c));
  const record = [
    `${id} as id`,
    `coalesce(at_us, ${context.run.occurredUs}) as at`,
    ...struct('inputs', inputs),
    ...struct('request', request),
    'score',
    `case when score is null then 'the model answered no finite number' end as error`,
    `${label} as model_version`,
  ];
  const copy = (columns: readonly string[], to: string): { sql: string } => ({
    sql: `copy (select ${columns.join(', ')} from t join s using (n) order by n) to ${sqlText(to)} (format parquet, compression zstd)`,
  });
  await ctx.compute.run(
    {
      what: `the scores for ${step.into}`,
      tables: { t: { files: [rows.path] }, s: { files: [scored], format: 'ndjson', columns: { n: 'BIGINT', score: 'DOUBLE' } } },
      writes: [scores, ...(records === null ? [] : [records])],
      memoryMb: ctx.settings.computeMemoryMb,
      statements: [
        copy(
          [
            'row_key',
            ...at,
            ...kept.map(sqlName),
            `${id} as prediction_id`,
            'score',
            `${label} as model_version`,
            `make_timestamp(${context.run.occurredUs}) as scored_at`,
          ],
          scores,
        ),
        ...(records === null ? [] : [copy(record, records)]),
      ],
    },
    ctx.signal,
  );
  return { scores, records };
}

const OWN = ['row_key', 'at_us', 'n'];
