// Records of a model that is served elsewhere: checked as a whole, and kept in the form of the inference log.
import { createHash } from 'node:crypto';
import { sqlText, type ComputeTable, type Statement } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Fault } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { turns } from '../../../kernel/turns.ts';
import { fail } from '../errors.ts';
import * as store from '../store.ts';
import { columnsOfStructure, faultsTable, firstLook, linesTable, MAX_FAULTS, parquetTable, structOf, withoutNaN } from './external-sql.ts';
import { inferenceFiles, partOf, recordFile, storeRecords, withWorkFolder } from './inference-files.ts';

/** Of records that were sent, not logged by a data plane. */
export const EXTERNAL_REPLICA = 'ext';

export interface ExternalBatch {
  readonly project: string;
  /** The monitor's name stands for the endpoint that Gyre does not have. */
  readonly monitor: string;
  /** Lines `{n, json}` with the number of each record and its text, or a Parquet file as it was sent. */
  readonly file: { readonly path: string; readonly format: 'lines' | 'parquet' };
  /** Of the bytes that were sent. */
  readonly digest: string;
  /** Names the n-th record in a fault: "line 3", "row 3", "/2". */
  readonly place: (n: number, member: string) => string;
  /** Paths of stored files, for compute. */
  readonly stage: (digests: readonly string[]) => Promise<string[]>;
}

export interface ExternalTaken {
  readonly accepted: number;
  readonly duplicates: number;
  /** The same for the same bytes. */
  readonly batch: string;
}

interface Look {
  readonly rows: number;
  readonly faults: number;
  readonly first: readonly { readonly n: number; readonly member: string; readonly detail: string }[] | null;
  readonly fromUs: number;
  readonly toUs: number;
  readonly inputs: string | null;
  readonly request: string | null;
}

// Two batches at once could not see each other's ids.
const inTurn = turns();

/**
 * Takes a batch whole or not at all. A record whose id is there already, in this batch or in one whose span of event
 * time touches this one's, is a duplicate and not taken again; so the same batch sent twice changes nothing. An id
 * that comes again with a moment far from the first is not found out. Raises `records-invalid` with the first faults.
 */
export const insertExternalRecords = (ctx: Ctx, batch: ExternalBatch): Promise<ExternalTaken> =>
  inTurn(`${ctx.workspace}/${batch.project}/${batch.monitor}`, () => withWorkFolder(ctx, (folder) => take(ctx, batch, folder)));

async function take(ctx: Ctx, { project, monitor, file, digest, place, stage }: ExternalBatch, folder: string): Promise<ExternalTaken> {
  const segment = createHash('sha256')
    .update(JSON.stringify([project, monitor, digest]))
    .digest('hex')
    .slice(0, 32);
  const batch = `${EXTERNAL_REPLICA}.${segment}`;
  const what = `records for monitor ${monitor}`;
  const table: ComputeTable =
    file.format === 'parquet'
      ? { files: [file.path] }
      : { files: [file.path], format: 'ndjson', columns: { n: 'BIGINT', json: 'VARCHAR' } };
  const shape = await shapeOf(ctx, what, file.format, table);
  const refuse = (faults: readonly Fault[], count: number): never =>
    fail('records-invalid', { monitor, count, shown: Math.min(count, MAX_FAULTS) }, faults.slice(0, MAX_FAULTS));
  if (shape.faults.length > 0)
    refuse(
      shape.faults.map((detail) => ({ pointer: 'columns', detail })),
      shape.faults.length,
    );
  const { rows: looked } = await ctx.compute.run(
    { what, tables: { t: table }, statements: [...shape.statements, faultsTable(file.format)], rows: firstLook(file.format) },
    ctx.signal,
  );
  const look = looked[0] as unknown as Look;
  if (look.rows === 0) refuse([{ pointer: 'body', detail: 'has no records' }], 1);
  if (look.faults > 0)
    refuse(
      (look.first ?? []).map((f) => ({ pointer: place(f.n, f.member), detail: f.detail })),
      look.faults,
    );
  const columns = file.format === 'parquet' ? shape : await columnsOf(ctx, what, table, shape.statements, look, place, refuse);
  const earlier = await inferenceFiles(ctx, { project, endpoint: monitor, fromUs: look.fromUs, toUs: look.toUs });
  const staged = await stage(earlier.map((f) => f.digest));
  const counted: Statement[] = [
    ...shape.statements,
    { sql: `create table known as select id from ${staged.length > 0 ? 'log' : '(select null::varchar as id)'} where id is not null` },
    {
      sql: `create table fresh as select * from u where id not in (from known) qualify row_number() over (partition by id order by n) = 1`,
    },
  ];
  const tables = { t: table, ...(staged.length > 0 ? { log: { files: staged } } : {}) };
  const { rows: counts } = await ctx.compute.run(
    { what, tables, statements: counted, rows: `select count(*) as n, min(at_us) as "fromUs", max(at_us) as "toUs" from fresh` },
    ctx.signal,
  );
  const { n: accepted, fromUs, toUs } = counts[0] as unknown as { n: number; fromUs: number; toUs: number };
  if (accepted === 0) return { accepted: 0, duplicates: look.rows, batch };
  const stored = await storeRecords(
    ctx,
    folder,
    { tables, statements: counted },
    recordsQuery(ctx, project, monitor, file.format, columns),
  );
  failpoint('serving.before-shipped');
  const isNew = await recordFile(ctx, {
    workspace: ctx.workspace,
    project,
    endpoint: monitor,
    replica: EXTERNAL_REPLICA,
    segment,
    part: partOf(columns),
    digest: stored,
    records: accepted,
    fromUs,
    toUs,
    inputs: columns.inputs,
    request: columns.request,
  });
  failpoint('serving.after-shipped');
  return isNew ? { accepted, duplicates: look.rows - accepted, batch } : { accepted: 0, duplicates: look.rows, batch };
}

interface Shape extends store.LoggedColumns {
  readonly statements: readonly Statement[];
  readonly faults: readonly string[];
}

async function shapeOf(ctx: Ctx, what: string, format: 'lines' | 'parquet', table: ComputeTable): Promise<Shape> {
  if (format === 'lines') return { statements: linesTable, inputs: [], request: [], faults: [] };
  const { columns } = await ctx.compute.run({ what, tables: { t: table }, statements: [], rows: 'from t limit 0' }, ctx.signal);
  return parquetTable(columns);
}

/** The columns of the structs of lines. Values that are no values are faults, which a second look finds. */
async function columnsOf(
  ctx: Ctx,
  what: string,
  table: ComputeTable,
  statements: readonly Statement[],
  look: Look,
  place: ExternalBatch['place'],
  refuse: (faults: readonly Fault[], count: number) => never,
): Promise<store.LoggedColumns> {
  const found = { inputs: columnsOfStructure(look.inputs), request: columnsOfStructure(look.request) };
  for (const [struct, { nested, clashing }] of Object.entries(found)) {
    if (clashing.length > 0)
      refuse(
        clashing.map((name) => ({ pointer: `${struct}/${name}`, detail: 'differs from another column in upper and lower case alone' })),
        clashing.length,
      );
    // A value of several kinds is nested in some records only.
    const suspects = [...nested, ...found[struct as 'inputs' | 'request'].columns.filter((c) => c.type === 'string').map((c) => c.name)];
    if (suspects.length === 0) continue;
    const pointer = (name: string): string => sqlText(`/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`);
    const { rows } = await ctx.compute.run(
      {
        what,
        tables: { t: table },
        statements: [
          ...statements,
          {
            sql: `create table f as ${suspects
              .map(
                (s) =>
                  `select n, ${sqlText(`${struct}/${s}`)} as member from u where json_type(${struct}, ${pointer(s)}) in ('OBJECT', 'ARRAY')`,
              )
              .join(' union all ')}`,
          },
        ],
        rows: `select n, member, count(*) over () as count from f order by n, member limit ${MAX_FAULTS}`,
      },
      ctx.signal,
    );
    if (rows.length > 0)
      refuse(
        rows.map((r) => ({ pointer: place(r.n as number, r.member as string), detail: 'must be a number, a text, true, false or null' })),
        rows[0]!.count as number,
      );
  }
  return { inputs: found.inputs.columns, request: found.request.columns };
}

function recordsQuery(ctx: Ctx, project: string, monitor: string, format: 'lines' | 'parquet', columns: store.LoggedColumns): string {
  const has = (['request', 'inputs'] as const).filter((name) => columns[name].length > 0);
  const parsed = has.map((name) => `${format === 'lines' ? structOf(name, columns[name]) : name} as ${name}`);
  const packed = has.map((name) => `${format === 'lines' ? withoutNaN(name, columns[name]) : name} as ${name}, `);
  const text = (member: string): string => `json_extract_string(j, '/${member}')`;
  return `select id, ${sqlText(ctx.workspace)} as workspace, ${sqlText(project)} as project, ${sqlText(monitor)} as endpoint,
    0::bigint as revision, coalesce(${text('variant')}, '') as variant, '' as model, coalesce(${text('model_version')}, '') as "modelVersion",
    '' as "modelDigest", at_us as "eventTimeUs", ${ctx.clock.now()}::bigint as "recordedMs",
    try_cast(json_extract(j, '/latency_us') as double)::bigint as "latencyUs", null::varchar as "assignmentKey", null::varchar as assignment,
    ${packed.join('')}[]::STRUCT("view" VARCHAR, "knownAtUs" BIGINT, "occurredAtUs" BIGINT)[] as features,
    try_cast(json_extract(j, '/score') as double) as score, ${text('error')} as error
    from (select ${['id', 'j', 'at_us', ...parsed].join(', ')} from fresh)`;
}
