// Sealed segments of the inference log become Parquet: one blob per segment, recorded once.
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import type { Db } from '../../../kernel/db/database.ts';
import type { PlanAck } from '../schema.ts';
import { readSegment } from '../log/segment.ts';
import type { InferenceRecord } from '../log/record.ts';
import { internalToken, servingKey } from '../plan.ts';

type SegmentRow = {
  workspace_id: string;
  replica: string;
  segment: number;
  digest: string;
  records: number;
  from_us: number;
  to_us: number;
  shipped_ms: number;
};
const segmentsIn = (db: Db) => db.withTables<{ inference_segments: SegmentRow }>();

interface Sealed {
  readonly replica: string;
  readonly segments: readonly { readonly segment: number; readonly path: string }[];
}

/** Asks the given data planes to seal what they have, and ships every segment not shipped yet. Returns the number of records. */
export async function shipSegments(ctx: Ctx, planes: readonly PlanAck[]): Promise<number> {
  let records = 0;
  for (const plane of planes) {
    const reply = await fetch(`${plane.url}/internal/seal`, {
      method: 'POST',
      headers: { authorization: `Bearer ${internalToken(servingKey(ctx.settings.dir))}` },
      signal: AbortSignal.timeout(30_000),
    });
    if (!reply.ok) throw new Error(`data plane ${plane.replica} did not seal its log: ${reply.status}`);
    const sealed = (await reply.json()) as Sealed;
    const known = await segmentsIn(ctx.db)
      .selectFrom('inference_segments')
      .select('segment')
      .where('replica', '=', sealed.replica)
      .execute();
    const shipped = new Set(known.map((r) => r.segment));
    for (const { segment, path } of sealed.segments.filter((s) => !shipped.has(s.segment)))
      records += await shipOne(ctx, sealed.replica, segment, path);
  }
  return records;
}

async function shipOne(ctx: Ctx, replica: string, segment: number, path: string): Promise<number> {
  const { records } = readSegment(path);
  // A workspace sees its own records only, so each gets its own file; the empty one marks the segment as done.
  const byWorkspace = new Map<string, InferenceRecord[]>([['', []]]);
  for (const record of records) {
    const own = byWorkspace.get(record.workspace);
    if (own) own.push(record);
    else byWorkspace.set(record.workspace, [record]);
  }
  for (const [workspace, own] of byWorkspace) {
    const scoped = makeCtx(ctx, { actor: systemActor, workspace });
    const digest = own.length === 0 ? '' : await toParquet(scoped, own);
    const times = own.map((r) => r.eventTimeUs);
    await scoped.tx((tx) =>
      segmentsIn(tx.db)
        .insertInto('inference_segments')
        .values({
          workspace_id: workspace,
          replica,
          segment,
          digest,
          records: own.length,
          from_us: times.reduce((a, b) => Math.min(a, b), Number.MAX_SAFE_INTEGER),
          to_us: times.reduce((a, b) => Math.max(a, b), 0),
          shipped_ms: tx.clock.now(),
        })
        .onConflict((c) => c.doNothing())
        .execute(),
    );
  }
  return records.length;
}

async function toParquet(ctx: Ctx, records: readonly InferenceRecord[]): Promise<string> {
  const folder = join(ctx.settings.dir, 'compute', 'made');
  await mkdir(folder, { recursive: true });
  const name = join(folder, randomBytes(8).toString('hex'));
  try {
    const lines = records.map((r) =>
      JSON.stringify(
        {
          ...r,
          features: r.features.map((f) => ({
            view: f.view,
            known_us: f.fact?.knownAtUs ?? null,
            occurred_us: f.fact?.occurredAtUs ?? null,
          })),
        },
        (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value),
      ),
    );
    await writeFile(`${name}.ndjson`, lines.join('\n'));
    await ctx.compute.run({
      what: 'the inference log',
      tables: { t: { files: [`${name}.ndjson`], format: 'ndjson' } },
      writes: [`${name}.parquet`],
      statements: [{ sql: `copy (select * from t order by "eventTimeUs", id) to '${name}.parquet' (format parquet, compression zstd)` }],
    });
    const [stored] = await storeBlobs(ctx, [{ path: `${name}.parquet` }]);
    return stored!.digest;
  } finally {
    await rm(`${name}.ndjson`, { force: true });
    await rm(`${name}.parquet`, { force: true });
  }
}
