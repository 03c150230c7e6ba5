// Sealed segments of the inference log become Parquet with typed columns: one file for each workspace, project,
// endpoint and set of columns in it, each recorded once.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { makeCtx, systemActor, type Ctx } from '../../../kernel/ctx.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { failpoint } from '../../../kernel/failpoints.ts';
import { turns } from '../../../kernel/turns.ts';
import type { PlanAck } from '../schema.ts';
import { fail } from '../errors.ts';
import { writeLinesAside } from '../log/segment-lines.ts';
import { openName, sealedName, sealedSegments } from '../log/segment.ts';
import { internalToken, readPlan, servingKey, servingPaths } from '../plan.ts';
import * as store from '../store.ts';
import { lineColumns, partOf, recordFile, storeRecords, withWorkFolder } from './inference-files.ts';

/** How long a data plane may take to be started again. */
const AWAY_MS = 10_000;

interface Sealed {
  readonly replica: string;
  readonly segments: readonly { readonly segment: string; readonly path: string }[];
}

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
  return withWorkFolder(ctx, async (folder) => {
    const files = await writeLinesAside(path, folder);
    for (const { path: lines, ...file } of files) {
      const scoped = makeCtx(ctx, { actor: systemActor, workspace: file.workspace, signal: ctx.signal });
      const tables = { t: { files: [lines], format: 'ndjson', columns: lineColumns(file) } } as const;
      const { digest } = await storeRecords(scoped, folder, { what: 'the inference log', tables, statements: [] }, 'select * from t');
      failpoint('serving.before-shipped');
      await recordFile(scoped, { ...file, replica, segment, part: partOf(file), digest });
      failpoint('serving.after-shipped');
    }
    const records = files.reduce((sum, f) => sum + f.records, 0);
    await ctx.tx((tx) => store.insertShipped(tx.db, { replica, segment, records, shippedMs: tx.clock.now() }));
    failpoint('serving.after-segment');
    return records;
  });
}
