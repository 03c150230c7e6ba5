// Records of a model that is served elsewhere: checked as a whole, and kept in the form of the inference log.
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { sqlName, sqlText, type ComputeTable } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import type { Fault } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { turns } from '../../../kernel/turns.ts';
import { canonicalSql, holds, suppressedIn } from '../../subjects/public.ts';
import { fail } from '../errors.ts';
import { MAX_FAULTS, writeExternalLinesAside } from '../log/external-lines.ts';
import { placeIn, type BatchFormat } from '../log/row-texts.ts';
import type { LoggedColumns } from '../store.ts';
import { parquetShape } from './external-sql.ts';
import { orUnreadable } from './parquet-body.ts';
import { inferenceFiles, lineColumns, partOf, recordFile, storeRecords, withWorkFolder } from './inference-files.ts';

/** Of records that were sent, not logged by a data plane. */
const EXTERNAL_REPLICA = 'ext';

export interface ExternalBatch {
  readonly project: string;
  /** The monitor's name stands for the endpoint that Gyre does not have. */
  readonly monitor: string;
  /** As it was sent. */
  readonly path: string;
  readonly format: BatchFormat;
  /** Of the bytes that were sent. */
  readonly digest: string;
  /** Paths of stored files, for compute. */
  readonly stage: (digests: readonly string[]) => Promise<string[]>;
}

export interface ExternalTaken {
  readonly accepted: number;
  readonly duplicates: number;
  /** Records about erased subjects, which are not kept; only where there are any. */
  readonly suppressed?: number;
  /** Records of the batch whose moment is still to come, on a live timeline; only where there are any. */
  readonly ahead?: number;
  /** The same for the same bytes. */
  readonly batch: string;
}

/** Clocks differ by so much. */
const SKEW_US = 3_600_000_000;

// Two batches at once could not see each other's ids.
const inTurn = turns();

/**
 * Takes a batch whole or not at all. A record whose id is there already, in this batch or in one whose span of event
 * time touches this one's, is a duplicate and not taken again; so the same batch sent twice changes nothing. An id
 * that comes again with a moment far from the first is not found out. Raises `records-invalid` with the first faults,
 * `batch-unreadable`.
 */
export const insertExternalRecords = (ctx: Ctx, batch: ExternalBatch): Promise<ExternalTaken> =>
  inTurn(`${ctx.settings.dir} ${ctx.workspace}/${batch.project}/${batch.monitor}`, () =>
    withWorkFolder(ctx, (folder) => take(ctx, batch, folder)),
  );

/** A batch without faults: `query` gives its rows by number, in the form of the log. */
interface Checked extends LoggedColumns {
  readonly table: ComputeTable;
  readonly query: string;
  readonly rows: number;
  readonly fromUs: number;
  readonly toUs: number;
}

async function take(ctx: Ctx, batch: ExternalBatch, folder: string): Promise<ExternalTaken> {
  const { project, monitor } = batch;
  const segment = createHash('sha256')
    .update(JSON.stringify([project, monitor, batch.digest]))
    .digest('hex')
    .slice(0, 32);
  const checked = batch.format === 'parquet' ? await checkParquet(ctx, batch) : await checkLines(ctx, batch, batch.format, folder);
  const { table, query, rows, inputs, request } = checked;
  const earlier = await inferenceFiles(ctx, { project, endpoint: monitor, fromUs: checked.fromUs, toUs: checked.toUs });
  const staged = await batch.stage(earlier.map((f) => f.digest));
  const tables = { t: table, ...(staged.length > 0 ? { log: { files: staged } } : {}) };
  const what = `records for monitor ${monitor}`;
  const erased = await erasedCondition(ctx, project, what, checked);
  const taken = `create table taken as select n, id, "eventTimeUs" as at_us, ${erased} as erased from (${query})`;
  const fresh = `create table fresh as select n, at_us from taken
    where not erased and id not in (select id from ${staged.length > 0 ? 'log' : '(select null::varchar as id) where false'}) qualify row_number() over (partition by id order by n) = 1`;
  const { mode, nowUs } = await ctx.timeline.read(ctx.db, ctx.workspace, project);
  // A replay is sent its records before it comes to them.
  const soonUs = mode === 'live' ? nowUs + SKEW_US : Number.MAX_SAFE_INTEGER;
  const counts = `select count(*) as n, min(at_us) as "fromUs", max(at_us) as "toUs", count(*) filter (at_us > ${soonUs}) as ahead,
    (select count(*) from taken where erased) as suppressed from fresh`;
  const found = await storeRecords(
    ctx,
    folder,
    { what, tables, statements: [{ sql: taken }, { sql: fresh }], rows: counts },
    `select * exclude (n) from (${query}) where n in (select n from fresh)`,
  );
  const {
    n: accepted,
    fromUs,
    toUs,
    ahead,
    suppressed,
  } = found.rows[0] as unknown as Record<'n' | 'fromUs' | 'toUs' | 'ahead' | 'suppressed', number>;
  const told = (n: number): ExternalTaken => ({
    accepted: n,
    duplicates: rows - n - suppressed,
    ...(suppressed > 0 ? { suppressed } : {}),
    ...(n > 0 && ahead > 0 ? { ahead } : {}),
    batch: `${EXTERNAL_REPLICA}.${segment}`,
  });
  if (accepted === 0) return told(0);
  failpoint('serving.before-shipped');
  const isNew = await recordFile(ctx, {
    workspace: ctx.workspace,
    project,
    endpoint: monitor,
    replica: EXTERNAL_REPLICA,
    segment,
    part: partOf(checked),
    digest: found.digest,
    records: accepted,
    fromUs,
    toUs,
    inputs,
    request,
  });
  failpoint('serving.after-shipped');
  return told(isNew ? accepted : 0);
}

/** SQL that says whether a row of a batch is about an erased subject. */
async function erasedCondition(ctx: Ctx, project: string, what: string, { table, query, inputs, request }: Checked): Promise<string> {
  const suppressed = await suppressedIn(ctx, project);
  const conditions: string[] = [];
  for (const [struct, columns] of Object.entries({ inputs, request }))
    for (const { name } of columns.filter((c) => suppressed.columns.some((id) => holds(c.name, id)))) {
      const value = canonicalSql(`${struct}.${sqlName(name)}`);
      const { rows } = await ctx.compute.run(
        { what, tables: { t: table }, statements: [], rows: `select distinct ${value} as v from (${query}) where ${value} is not null` },
        ctx.signal,
      );
      const values = rows.map(({ v }) => String(v)).filter((v) => suppressed.has(name, v));
      if (values.length > 0) conditions.push(`coalesce(${value} in (${values.map(sqlText).join(', ')}), false)`);
    }
  return conditions.length === 0 ? 'false' : `(${conditions.join(' or ')})`;
}

const refuse = (monitor: string, faults: readonly Fault[], count = faults.length): never =>
  fail('records-invalid', { monitor, count, shown: Math.min(faults.length, MAX_FAULTS) }, faults.slice(0, MAX_FAULTS));

const noRecords: Fault = { pointer: 'body', detail: 'has no records' };

async function checkLines(
  ctx: Ctx,
  { project, monitor, path }: ExternalBatch,
  format: 'ndjson' | 'json',
  folder: string,
): Promise<Checked> {
  const to = join(folder, 'lines.ndjson');
  const read = await writeExternalLinesAside({
    path,
    format,
    to,
    workspace: ctx.workspace,
    project,
    endpoint: monitor,
    recordedMs: ctx.clock.now(),
  });
  if (read.unreadable !== null) fail('batch-unreadable', { why: read.unreadable });
  if (read.rows === 0) refuse(monitor, [noRecords]);
  if (read.faultCount > 0) refuse(monitor, read.faults, read.faultCount);
  return { ...read, table: { files: [to], format: 'ndjson', columns: { n: 'BIGINT', ...lineColumns(read) } }, query: 'from t' };
}

async function checkParquet(ctx: Ctx, { project, monitor, path }: ExternalBatch): Promise<Checked> {
  const what = `records for monitor ${monitor}`;
  const table = { files: [path] };
  const { columns } = await orUnreadable(
    ctx.compute.run({ what, tables: { t: table }, statements: [], rows: 'from t limit 0' }, ctx.signal),
  );
  const shape = parquetShape(columns, { workspace: ctx.workspace, project, endpoint: monitor, recordedMs: ctx.clock.now() });
  if (shape.unusable.length > 0)
    refuse(
      monitor,
      shape.unusable.map((detail) => ({ pointer: 'columns', detail })),
    );
  const { rows } = await orUnreadable(
    ctx.compute.run(
      {
        what,
        tables: { t: table },
        statements: [
          { sql: `create view records as ${shape.rows}` },
          { sql: `create table f as ${shape.faults}` },
          {
            sql: `create table looked as select count(*) as rows, min("eventTimeUs") as "fromUs", max("eventTimeUs") as "toUs" from records`,
          },
        ],
        rows: `select looked.*, (select count(*) from f) as faults,
        (select list(struct_pack(n := n, member := member, detail := detail) order by n, member) from (from f order by n, member limit ${MAX_FAULTS})) as first from looked`,
      },
      ctx.signal,
    ),
  );
  const look = rows[0] as unknown as Omit<Checked, 'table' | 'query'> & {
    readonly faults: number;
    readonly first: readonly { readonly n: number; readonly member: string; readonly detail: string }[] | null;
  };
  if (look.rows === 0) refuse(monitor, [noRecords]);
  const place = placeIn('parquet');
  if (look.faults > 0)
    refuse(
      monitor,
      (look.first ?? []).map((f) => ({ pointer: place(f.n, f.member), detail: f.detail })),
      look.faults,
    );
  return { ...look, inputs: shape.inputs, request: shape.request, table, query: shape.rows };
}
