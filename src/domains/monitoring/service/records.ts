// Inference records as a query that all figures read: the same columns, whoever served the model.
import { sqlName, sqlText } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { stageFiles } from '../../datasets/public.ts';
import { inferenceFiles, columnsOf, sqlType, type LoggedColumn } from '../../serving/public.ts';

export interface RecordSpan {
  readonly files: readonly string[];
  readonly records: number;
  readonly fromUs: number;
  readonly toUs: number;
  /** SQL and type of each column: the model's inputs, and what the request carries besides. */
  readonly columns: ReadonlyMap<string, { readonly sql: string; readonly type: string }>;
  /** Those of them that are inputs of the model. */
  readonly inputs: readonly string[];
}

/** Files with records of [fromUs, toUs); undefined if there are none. */
export async function recordsOf(
  ctx: Ctx,
  of: { readonly project: string; readonly endpoint: string },
  fromUs: number,
  toUs: number,
): Promise<RecordSpan | undefined> {
  const files = await inferenceFiles(ctx, { ...of, fromUs, toUs: toUs - 1 });
  if (files.length === 0) return undefined;
  const { request, inputs } = columnsOf(files);
  const sqlOf = (struct: string, columns: readonly LoggedColumn[]) =>
    columns.map((c) => [c.name, { sql: `${struct}.${sqlName(c.name)}`, type: sqlType[c.type] }] as const);
  return {
    files: await stageFiles(ctx, [...new Set(files.map((f) => f.digest))]),
    records: files.reduce((sum, f) => sum + f.records, 0),
    fromUs: files.reduce((least, f) => Math.min(least, f.fromUs), Infinity),
    toUs: files.reduce((most, f) => Math.max(most, f.toUs), -Infinity),
    columns: new Map([...sqlOf('request', request), ...sqlOf('inputs', inputs)]),
    inputs: inputs.map((c) => c.name),
  };
}

/** Records of a span in windows of equal length from `fromUs` on, numbered by `w`; of one model version if it is given. */
export const windowedSql = (fromUs: number, toUs: number, windowUs: number, version?: string): string =>
  `select *, ("eventTimeUs" - ${fromUs}) // ${windowUs} as w from records where "eventTimeUs" >= ${fromUs} and "eventTimeUs" < ${toUs}${
    version === undefined ? '' : ` and coalesce("modelVersion", '') = ${sqlText(version)}`
  }`;
