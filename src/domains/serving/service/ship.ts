// Sealed segments of the inference log become Parquet: one blob per segment, recorded once.
import { randomBytes } from 'node:crypto';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { sqlText } from '../../../kernel/compute/compute.ts';
import { storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { turns } from '../../../kernel/turns.ts';
import type { PlanAck } from '../schema.ts';
import { fail } from '../errors.ts';
import { openName, readSegment, sealedName, sealedSegments } from '../log/segment.ts';
import type { InferenceRecord } from '../log/record.ts';
import { internalToken, readPlan, servingKey, servingPaths } from '../plan.ts';
import * as store from '../store.ts';

/** How long a data plane may take to be started again. */
const AWAY_MS = 10_000;

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

// Two at once would write each Parquet file twice, and the second would find nothing new to count.
const inTurn = turns();

/**
 * Lets every data plane that has a log here seal it, and ships each segment not shipped yet. Returns the number
 * of records. One that is being started again is waited for. Raises `data-plane-away`.
 */
export const shipSegments = (ctx: Ctx, live: () => readonly PlanAck[], patienceMs = AWAY_MS): Promise<number> =>
  inTurn(ctx.settings.dir, async () => {
    let records = 0;
    for (const replica of replicasIn(ctx.settings.dir)) records += await shipReplica(ctx, replica, live, patienceMs);
    return records;
  });

/**
 * The same for a server that has an endpoint on the live timeline; where all timelines are replays, the barrier
 * alone ships. A data plane without news is not asked, and one that does not answer is left for the next time.
 */
export const shipLive = (ctx: Ctx, live: () => readonly PlanAck[]): Promise<number> =>
  inTurn(ctx.settings.dir, async () => {
    if (!readPlan(ctx.settings.dir)?.endpoints.some((e) => e.timeline.mode === 'live')) return 0;
    let records = 0;
    for (const replica of replicasIn(ctx.settings.dir)) {
      if (!(await hasNews(ctx, replica))) continue;
      try {
        records += await shipReplica(ctx, replica, live, 0);
      } catch (error) {
        if (!isProblem(error, 'data-plane-away')) throw error;
        ctx.log.debug({ event: 'serving.ship.away', replica });
      }
    }
    return records;
  });

async function shipReplica(ctx: Ctx, replica: string, live: () => readonly PlanAck[], patienceMs: number): Promise<number> {
  const sealed = await sealedBy(ctx, replica, live, patienceMs);
  const shipped = await store.listShipped(ctx.db, sealed.replica);
  let records = 0;
  for (const { segment, path } of sealed.segments.filter((s) => !shipped.has(s.segment)))
    records += await shipOne(ctx, sealed.replica, segment, path);
  return records;
}

/** Says whether there are records that are not shipped; a log without any has no file. */
async function hasNews(ctx: Ctx, replica: string): Promise<boolean> {
  const names = readdirSync(join(servingPaths(ctx.settings.dir).log, replica));
  if (names.length === 0) return false;
  const shipped = await store.listShipped(ctx.db, replica);
  return names.some(
    (name) => name.endsWith(openName('')) || (name.endsWith(sealedName('')) && !shipped.has(basename(name, sealedName('')))),
  );
}

function replicasIn(dir: string): string[] {
  const { log } = servingPaths(dir);
  return existsSync(log) ? readdirSync(log).sort() : [];
}

async function sealedBy(ctx: Ctx, replica: string, live: () => readonly PlanAck[], patienceMs: number): Promise<Sealed> {
  const folder = join(servingPaths(ctx.settings.dir).log, replica);
  const deadline = performance.now() + patienceMs;
  for (;;) {
    const plane = live().find((ack) => ack.replica === replica);
    const sealed = plane && (await askToSeal(ctx, plane));
    if (sealed) return sealed;
    // One that was stopped in good order has sealed all it had.
    if (!plane && !readdirSync(folder).some((name) => name.endsWith(openName('')))) {
      const paths = sealedSegments(folder);
      return { replica, segments: paths.map((path) => ({ segment: basename(path, sealedName('')), path })) };
    }
    if (performance.now() > deadline) return fail('data-plane-away', { replica });
    await delay(100);
  }
}

async function askToSeal(ctx: Ctx, plane: PlanAck): Promise<Sealed | undefined> {
  try {
    const reply = await fetch(`${plane.url}/internal/seal`, {
      method: 'POST',
      headers: { authorization: `Bearer ${internalToken(servingKey(ctx.settings.dir))}` },
      signal: AbortSignal.timeout(30_000),
    });
    return reply.ok ? ((await reply.json()) as Sealed) : undefined;
  } catch {
    // It has just died: the next acknowledgement is the one of its successor.
    return undefined;
  }
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
    failpoint('serving.before-shipped');
    const shipped = {
      replica,
      segment,
      digest,
      records: own.length,
      fromUs: times.reduce((a, b) => Math.min(a, b), Number.MAX_SAFE_INTEGER),
      toUs: times.reduce((a, b) => Math.max(a, b), 0),
    };
    await scoped.tx(async (tx) => {
      const isNew = await store.insertShipped(tx.db, { ...shipped, workspace, shippedMs: tx.clock.now() });
      // Records are telemetry; that they are here, and which bytes they are, is an event.
      if (isNew && own.length > 0)
        await tx.emit({
          type: 'inference-segment.shipped',
          subject: { kind: 'inference-segment', id: `${replica}.${segment}` },
          label: `${own.length} inference records`,
          payload: shipped,
          occurredUs: shipped.toUs,
        });
    });
    failpoint('serving.after-shipped');
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
          sql: `copy (select * from (select unnest(from_json(json::json, '${STRUCTURE}')) from t) order by "eventTimeUs", id) to ${sqlText(`${name}.parquet`)} (format parquet, compression zstd)`,
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
