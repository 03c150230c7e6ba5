// What callers send for a monitor: labels, and records of a model that is served elsewhere.
import { mkdir, rm } from 'node:fs/promises';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { sqlName, sqlText, type ComputeColumn } from '../../../kernel/compute/compute.ts';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail as failAny } from '../../../kernel/errors.ts';
import { personalColumns, stageFiles } from '../../datasets/public.ts';
import { currentRevision, type MonitorDefinition, type Revision } from '../../projects/public.ts';
import { insertExternalRecords, orUnreadable, placeIn, rowTexts, type ExternalTaken } from '../../serving/public.ts';
import { fail } from '../errors.ts';
import { acceptBatch, type AcceptedBatch } from './accept.ts';
import { receiveBatch, type ReceivedBatch } from './receive.ts';

export interface Sent {
  readonly project: string;
  readonly monitor: string;
  readonly body: Readable;
  readonly contentType: unknown;
  readonly contentEncoding?: unknown;
}

/** Raises `project-not-found`, `not-found`. */
export async function monitorOf(ctx: Ctx, project: string, name: string): Promise<{ revision: Revision; monitor: MonitorDefinition }> {
  const revision = await currentRevision(ctx, project);
  const { monitors } = revision.definition;
  const monitor = Object.hasOwn(monitors, name) ? monitors[name] : undefined;
  return { revision, monitor: monitor ?? failAny('not-found', { kind: 'monitor', id: name }) };
}

/** `work` hears the digest of the bytes before anything is done with them. */
async function withBody<T>(
  ctx: Ctx,
  { body, contentType, contentEncoding }: Sent,
  work: (batch: ReceivedBatch, folder: string) => Promise<T>,
): Promise<T> {
  const folder = join(ctx.settings.dir, 'compute', 'made', randomBytes(8).toString('hex'));
  await mkdir(folder, { recursive: true });
  try {
    return await work(await receiveBatch(ctx, { body, contentType, contentEncoding }, folder), folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Wraps the work of a request by what tells its body from another. */
export type Once = <T>(digest: string, work: () => Promise<T>) => Promise<T>;

/** Raises `monitor-served-here`, `records-invalid`, `batch-unreadable`, `batch-type-unsupported`, `payload-too-large`. */
export async function sendRecords(ctx: Ctx, sent: Sent, once: Once): Promise<ExternalTaken> {
  const { monitor } = await monitorOf(ctx, sent.project, sent.monitor);
  if (monitor.endpoint !== null) fail('monitor-served-here', { monitor: monitor.name, endpoint: monitor.endpoint });
  return withBody(ctx, sent, (received) =>
    once(received.digest, () =>
      insertExternalRecords(ctx, {
        ...received,
        project: sent.project,
        monitor: monitor.name,
        stage: (digests) => stageFiles(ctx, digests),
      }),
    ),
  );
}

/** Raises `feedback-invalid`, `batch-unreadable`, `batch-type-unsupported`, `payload-too-large`. */
export async function sendFeedback(ctx: Ctx, sent: Sent, once: Once): Promise<AcceptedBatch> {
  const { revision, monitor } = await monitorOf(ctx, sent.project, sent.monitor);
  return withBody(ctx, sent, (received, folder) =>
    once(received.digest, async () => {
      const lines = received.format === 'parquet' ? await parquetLines(ctx, monitor.name, received, folder) : received;
      return acceptBatch(ctx, {
        project: sent.project,
        monitor,
        rows: rowTexts(lines),
        place: placeIn(received.format),
        personal: await personalOf(ctx, revision, monitor),
        folder,
      });
    }),
  );
}

async function personalOf(ctx: Ctx, revision: Revision, { endpoint }: MonitorDefinition): Promise<ReadonlySet<string>> {
  if (endpoint === null) return new Set();
  return new Set([...(revision.definition.endpoints[endpoint]?.personal ?? []), ...(await personalColumns(ctx, revision))]);
}

const MEMBERS = ['prediction_id', 'key', 'at', 'label', 'observed_at'];

/** A Parquet file of labels as lines of JSON; columns that are no members of a label are its key. */
async function parquetLines(
  ctx: Ctx,
  monitor: string,
  received: ReceivedBatch,
  folder: string,
): Promise<Pick<ReceivedBatch, 'path' | 'format'>> {
  const what = `labels for monitor ${monitor}`;
  const tables = { t: { files: [received.path] } };
  const { columns } = await orUnreadable(ctx.compute.run({ what, tables, statements: [], rows: 'from t limit 0' }, ctx.signal));
  const path = join(folder, 'rows.ndjson');
  await orUnreadable(
    ctx.compute.run(
      { what, tables, writes: [path], statements: [{ sql: `copy (${labelsQuery(columns)}) to ${sqlText(path)} (format json)` }] },
      ctx.signal,
    ),
  );
  return { path, format: 'ndjson' };
}

function labelsQuery(columns: readonly ComputeColumn[]): string {
  const types = new Map(columns.map((c) => [c.name, c.type]));
  const moment = (name: string): string =>
    /^TIMESTAMP/.test(types.get(name) ?? '') ? `epoch_us(${sqlName(name)}::timestamptz) as ${name}` : `${sqlName(name)} as ${name}`;
  const keys = columns.filter((c) => !MEMBERS.includes(c.name));
  // DuckDB writes whole floats as 1.0, which is another text than 1.
  const value = ({ name, type }: ComputeColumn): string => {
    if (/^(FLOAT|DOUBLE|DECIMAL)/.test(type)) return `to_json(${sqlName(name)}::double)`;
    return /INT|BOOLEAN/.test(type) ? `to_json(${sqlName(name)})` : `to_json(${sqlName(name)}::varchar)`;
  };
  const present = keys.map((c) => `${sqlName(c.name)} is not null`).join(' or ');
  const key = types.has('key')
    ? ['"key" as key']
    : keys.length > 0
      ? [`case when ${present} then json_object(${keys.map((c) => `${sqlText(c.name)}, ${value(c)}`).join(', ')}) end as key`]
      : [];
  const label = /^(FLOAT|DOUBLE)$/.test(types.get('label') ?? '')
    ? `case when isnan(label) then '"NaN"'::json else to_json(label) end as label`
    : 'label';
  return `select ${[
    ...(types.has('prediction_id') ? ['prediction_id::varchar as prediction_id'] : []),
    ...key,
    ...(types.has('at') ? [moment('at')] : []),
    ...(types.has('label') ? [label] : []),
    ...(types.has('observed_at') ? [moment('observed_at')] : []),
  ].join(', ')} from t`;
}
