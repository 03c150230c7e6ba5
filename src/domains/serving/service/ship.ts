// Sealed segments of the inference log become Parquet: one blob per segment, recorded once.
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import type { PlanAck } from '../schema.ts';
import { readSegment } from '../log/segment.ts';
import type { InferenceRecord } from '../log/record.ts';
import { internalToken, servingKey } from '../plan.ts';
import * as store from '../store.ts';

interface Sealed {
  readonly replica: string;
  readonly segments: readonly { readonly segment: string; readonly path: string }[];
}

/**
 * Digests of the Parquet files with records between two event times, both included; files also hold other
 * endpoints' records.
 */
export const inferenceFiles = (ctx: Ctx, fromUs: number, toUs: number): Promise<string[]> =>
  store.listFiles(ctx.db, ctx.workspace, fromUs, toUs);

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
    const shipped = await store.listShipped(ctx.db, sealed.replica);
    for (const { segment, path } of sealed.segments.filter((s) => !shipped.has(s.segment)))
      records += await shipOne(ctx, sealed.replica, segment, path);
  }
  return records;
}

async function shipOne(ctx: Ctx, replica: string, segment: string, path: string): Promise<number> {
  const { records } = readSegment(path);
  // A workspace sees its own records only, so each gets its own file.
  const byWorkspace = new Map<string, InferenceRecord[]>();
  for (const record of records) {
    const own = byWorkspace.get(record.workspace);
    if (own) own.push(record);
    else byWorkspace.set(record.workspace, [record]);
  }
  for (const [workspace, own] of [...byWorkspace, [store.WHOLE, []] as const]) {
    const scoped = makeCtx(ctx, { actor: systemActor, workspace });
    const digest = own.length === 0 ? '' : await toParquet(scoped, own);
    const times = own.map((r) => r.eventTimeUs);
    await scoped.tx((tx) =>
      store.insertShipped(tx.db, {
        workspace,
        replica,
        segment,
        digest,
        records: own.length,
        fromUs: times.reduce((a, b) => Math.min(a, b), Number.MAX_SAFE_INTEGER),
        toUs: times.reduce((a, b) => Math.max(a, b), 0),
        shippedMs: tx.clock.now(),
      }),
    );
  }
  return records.length;
}

// The columns are named here and nothing is guessed from the values: a text that looks like a date stays as it
// was sent, and all segments have one schema. What differs by endpoint (request, inputs) stays JSON.
const STRUCTURE = JSON.stringify({
  id: 'VARCHAR',
  workspace: 'VARCHAR',
  project: 'VARCHAR',
  endpoint: 'VARCHAR',
  revision: 'BIGINT',
  variant: 'VARCHAR',
  model: 'VARCHAR',
  modelVersion: 'VARCHAR',
  modelDigest: 'VARCHAR',
  eventTimeUs: 'BIGINT',
  recordedMs: 'BIGINT',
  latencyUs: 'BIGINT',
  assignmentKey: 'VARCHAR',
  assignment: 'VARCHAR',
  request: 'JSON',
  inputs: 'JSON',
  features: [{ view: 'VARCHAR', knownAtUs: 'BIGINT', occurredAtUs: 'BIGINT' }],
  score: 'DOUBLE',
  error: 'VARCHAR',
});

async function toParquet(ctx: Ctx, records: readonly InferenceRecord[]): Promise<string> {
  const folder = join(ctx.settings.dir, 'compute', 'made');
  await mkdir(folder, { recursive: true });
  const name = join(folder, randomBytes(8).toString('hex'));
  try {
    const lines = records.map((r) => {
      const features = r.features.map(({ view, fact }) => ({
        view,
        knownAtUs: fact?.knownAtUs ?? null,
        occurredAtUs: fact?.occurredAtUs ?? null,
      }));
      return JSON.stringify({ json: JSON.stringify({ ...r, features }) });
    });
    await writeFile(`${name}.ndjson`, lines.join('\n'));
    await ctx.compute.run({
      what: 'the inference log',
      tables: { t: { files: [`${name}.ndjson`], format: 'ndjson' } },
      writes: [`${name}.parquet`],
      statements: [
        {
          sql: `copy (select * from (select unnest(from_json(json::json, '${STRUCTURE}')) from t) order by "eventTimeUs", id) to '${name}.parquet' (format parquet, compression zstd)`,
        },
      ],
    });
    const [stored] = await storeBlobs(ctx, [{ path: `${name}.parquet` }]);
    return stored!.digest;
  } finally {
    await rm(`${name}.ndjson`, { force: true });
    await rm(`${name}.parquet`, { force: true });
  }
}
