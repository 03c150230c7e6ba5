// Removal for good of what was deleted. Each record goes at once, together with a note of what belonged to it; that follows in
// transactions short enough that nobody who writes waits for them, and a process that comes after a killed one goes on with it.
import { setTimeout as delay } from 'node:timers/promises';
import type { Ctx } from '../../../../kernel/ctx.ts';
import { failpoint } from '../../../../kernel/failpoints.ts';
import { newId } from '../../../../kernel/ids.ts';
import type { Progress } from '../../../../kernel/jobs/jobs.ts';
import { forgetGrants } from '../../../access/public.ts';
import { heldModels, heldRuns, HOLD_TAG } from '../../queries.ts';
import { getExperiment } from '../../store/experiments.ts';
import * as store from '../../store/purges.ts';
import type { After, Candidate, PurgeResult, PurgeScope, Tally } from '../../store/purges.ts';
import type { PurgeRow, RemovalRow } from '../../store/tables.ts';
import { measure, removeArtifacts } from './artifacts.ts';

/** Records that are looked at together. */
const AT_ONCE = 100;
const MOST_KEPT_SHOWN = 1000;
/** A transaction is to take about so long; how many rows that is shows itself. */
const AIM_MS = 15;
const MOST_REST_MS = 50;
const [FEWEST_ROWS, MOST_ROWS] = [50, 5000];
/** Blocks of points are long rows. */
export const MOST_BLOCKS = 100;

export interface Purge {
  readonly id: string;
  readonly state: PurgeRow['state'];
  readonly dryRun: boolean;
  readonly scope: PurgeScope;
  readonly result: PurgeResult;
  readonly actor: string;
  readonly createdMs: number;
  readonly finishedMs: number | null;
}

export const toPurge = (r: PurgeRow): Purge => ({
  id: r.id,
  state: r.state,
  dryRun: r.dry_run === 1,
  scope: JSON.parse(r.scope) as PurgeScope,
  result: JSON.parse(r.result) as PurgeResult,
  actor: r.actor_id,
  createdMs: r.created_ms,
  finishedMs: r.finished_ms,
});

/** Records that it is to be done, inside a transaction. */
export async function insertPurge(tx: Ctx, scope: PurgeScope, dryRun: boolean): Promise<Purge> {
  const row: PurgeRow = {
    workspace_id: tx.workspace,
    id: newId('prg', tx.ids),
    state: 'running',
    dry_run: dryRun ? 1 : 0,
    scope: JSON.stringify(scope),
    result: JSON.stringify(store.emptyResult()),
    actor_kind: tx.actor.kind,
    actor_id: tx.actor.id,
    created_ms: tx.clock.now(),
    finished_ms: null,
  };
  await store.insertPurge(tx.db, row);
  return toPurge(row);
}

interface Work {
  readonly ctx: Ctx;
  readonly purge: Purge;
  readonly result: PurgeResult;
  readonly report: (progress: Progress) => void;
  /** Logged models that a dry run has found to go. */
  readonly gone: Set<string>;
  rows: number;
}

type Kind = RemovalRow['kind'];

/** Does it, or goes on with it. Done twice it changes nothing. */
export async function runPurge(ctx: Ctx, id: string, report: (progress: Progress) => void): Promise<void> {
  const row = await store.getPurge(ctx.db, ctx.workspace, id);
  if (!row || row.state === 'done') return;
  const purge = toPurge(row);
  // What it says of those that stay is found again.
  const result: PurgeResult = { ...purge.result, kept: [], keptCount: 0, ...(purge.dryRun ? store.emptyResult() : {}) };
  const work: Work = { ctx, purge, result, report, gone: new Set(), rows: 500 };
  await finishRemovals(work);
  await goThrough(work, 'logged-model', store.deletedModels, heldModels);
  await goThrough(work, 'run', store.deletedRuns, (db, workspace, ids) => heldRuns(db, workspace, ids, work.gone));
  for (const e of await store.deletedExperiments(ctx.db, ctx.workspace, purge.scope)) await removeExperiment(work, e);
  await ctx.tx(async (tx) => {
    const sum = (of: (t: Tally) => number): number => Object.values(result.removed).reduce((n, t) => n + of(t), 0);
    const counts = {
      experiments: sum((t) => (t.experiment ? 1 : 0)),
      runs: sum((t) => t.runs),
      loggedModels: sum((t) => t.loggedModels),
      points: sum((t) => t.points),
      files: sum((t) => t.files),
      bytes: sum((t) => t.bytes),
    };
    const nothing = counts.experiments + counts.runs + counts.loggedModels === 0;
    // Of each day on which the retention had nothing to do there is nothing to say.
    if (nothing && row.actor_kind === 'system') return void (await store.deletePurge(tx.db, tx.workspace, id));
    await store.updatePurge(tx.db, tx.workspace, id, { state: 'done', result: JSON.stringify(result), finished_ms: tx.clock.now() });
    if (!purge.dryRun)
      await tx.emit({
        type: 'tracking-purge.finished',
        subject: { kind: 'tracking-purge', id },
        payload: { ...counts, kept: result.keptCount, requestedBy: { kind: row.actor_kind, id: row.actor_id } },
      });
  });
}

const tallyOf = (work: Work, experimentId: string): Tally =>
  (work.result.removed[experimentId] ??= { runs: 0, loggedModels: 0, points: 0, files: 0, bytes: 0, experiment: false });

/** A short transaction that also keeps what was counted so far. Answers how long it took, in milliseconds. */
async function step(work: Work, body: (tx: Ctx) => Promise<void>): Promise<number> {
  work.ctx.signal.throwIfAborted();
  const begun = performance.now();
  await work.ctx.tx(async (tx) => {
    await body(tx);
    await store.updatePurge(tx.db, tx.workspace, work.purge.id, { result: JSON.stringify(work.result) });
  });
  const tookMs = performance.now() - begun;
  failpoint('tracking.purge-step');
  // Half of the time is for those who wait to write or to be answered.
  await delay(Math.min(tookMs, MOST_REST_MS));
  return tookMs;
}

async function goThrough(
  work: Work,
  kind: 'run' | 'logged-model',
  find: (db: Ctx['db'], workspace: string, scope: PurgeScope, after: After, limit: number) => Promise<readonly Candidate[]>,
  heldAmong: (db: Ctx['db'], workspace: string, ids: readonly string[]) => Promise<Map<string, string>>,
): Promise<void> {
  const { ctx, purge, result } = work;
  let after: After;
  for (let seen = 0; ;) {
    const found = await find(ctx.db, ctx.workspace, purge.scope, after, AT_ONCE);
    if (found.length === 0) return;
    after = found.at(-1)!;
    const note = (held: ReadonlyMap<string, string>): Candidate[] => {
      for (const c of found) {
        const why = held.get(c.id);
        if (why === undefined) continue;
        result.keptCount++;
        if (result.kept.length < MOST_KEPT_SHOWN) result.kept.push({ kind, id: c.id, experimentId: c.experiment_id, why });
      }
      return found.filter((c) => !held.has(c.id));
    };
    const ids = found.map((c) => c.id);
    if (purge.dryRun) {
      const go = note(await heldAmong(ctx.db, ctx.workspace, ids));
      for (const c of go) await count(work, kind, c);
      if (kind === 'logged-model') for (const c of go) work.gone.add(c.id);
      await step(work, async () => undefined);
    } else {
      await step(work, async (tx) => {
        // Looked at again where nobody can change it meanwhile: somebody may have restored or registered one.
        const still = await store.stillDeleted(tx.db, tx.workspace, kind, purge.scope, ids);
        const go = note(await heldAmong(tx.db, tx.workspace, ids)).filter((c) => still.has(c.id));
        const notes = go.map((c) => removal(tx, purge, kind, c));
        await store.insertRemovals(tx.db, notes);
        await store.deleteRecords(
          tx.db,
          tx.workspace,
          kind,
          go.map((c) => c.id),
        );
        for (const c of go) tallyOf(work, c.experiment_id)[kind === 'run' ? 'runs' : 'loggedModels']++;
      });
      await finishRemovals(work);
    }
    seen += found.length;
    work.report({ what: kind === 'run' ? 'purging runs' : 'purging logged models', done: seen });
  }
}

const removal = (tx: Ctx, purge: Purge, kind: Kind, c: { id: string; experiment_id: string; artifact_uri: string }): RemovalRow => ({
  workspace_id: tx.workspace,
  kind,
  id: c.id,
  purge_id: purge.id,
  experiment_id: c.experiment_id,
  artifact_uri: c.artifact_uri,
  number: null,
  state: 'pending',
});

/** What one of them would free, for a dry run. */
async function count(work: Work, kind: Kind, c: { id: string; experiment_id: string; artifact_uri: string }): Promise<void> {
  const { ctx } = work;
  const tally = tallyOf(work, c.experiment_id);
  if (kind === 'run') tally.runs++;
  if (kind === 'logged-model') tally.loggedModels++;
  if (kind === 'run') tally.points += await store.countPoints(ctx.db, ctx.workspace, [c.id]);
  await weigh(work, kind, c.id, c.experiment_id, c.artifact_uri);
}

async function weigh(work: Work, kind: Kind, id: string, experimentId: string, uri: string | null): Promise<void> {
  const found = await measure(work.ctx, kind, id, uri);
  if (found === undefined) work.result.artifactsLeft++;
  else {
    tallyOf(work, experimentId).files += found.files;
    tallyOf(work, experimentId).bytes += found.bytes;
  }
}

/** Removes what belonged to records that are gone. */
async function finishRemovals(work: Work): Promise<void> {
  const { ctx, purge } = work;
  for (;;) {
    const open = await store.openRemovals(ctx.db, ctx.workspace, purge.id, AT_ONCE);
    if (open.length === 0) return;
    // One kind of one experiment at a time, so that what goes can be counted for it.
    const { kind, experiment_id: experimentId } = open[0]!;
    const some = open.filter((r) => r.kind === kind && r.experiment_id === experimentId);
    const ids = some.map((r) => r.id);
    const pending = some.filter((r) => r.state === 'pending');
    if (pending.length > 0) {
      for (const r of pending) await weigh(work, kind, r.id, experimentId, r.artifact_uri);
      if (kind === 'run')
        tallyOf(work, experimentId).points += await store.countPoints(
          ctx.db,
          ctx.workspace,
          pending.map((r) => r.id),
        );
      // Counted once, though they may have to be removed twice.
      await step(
        work,
        async (tx) =>
          void (await store.setRemovals(
            tx.db,
            tx.workspace,
            kind,
            pending.map((r) => r.id),
            'counted',
          )),
      );
    }
    for (const table of store.belongings[kind]) await removeRows(work, table, ids);
    for (const r of some) await removeArtifacts(ctx, kind, r.id, r.artifact_uri);
    failpoint('tracking.purge-artifacts-removed');
    await step(work, async (tx) => {
      // The number of an experiment is never given to another.
      if (kind === 'experiment') await store.setRemovals(tx.db, tx.workspace, kind, ids, 'gone');
      else await store.dropRemovals(tx.db, tx.workspace, kind, ids);
    });
  }
}

async function removeRows(work: Work, table: readonly [string, string, readonly string[]], ids: readonly string[]): Promise<void> {
  const most = table[0] === 'metric_blocks' ? MOST_BLOCKS : MOST_ROWS;
  for (let removed = Infinity, asked = 0; removed >= asked;) {
    asked = Math.min(work.rows, most);
    const tookMs = await step(work, async (tx) => void (removed = await store.deleteBelongings(tx.db, tx.workspace, table, ids, asked)));
    if (removed >= asked) work.rows = nextRows(asked, tookMs);
  }
}

/** As many rows as would have taken the time aimed at. */
export const nextRows = (rows: number, tookMs: number): number =>
  Math.max(FEWEST_ROWS, Math.min(MOST_ROWS, rows * 2, Math.round((rows * AIM_MS) / Math.max(1, tookMs))));

async function removeExperiment(work: Work, e: store.DeletedExperiment): Promise<void> {
  const { ctx, purge, result } = work;
  const held = (await getExperiment(ctx.db, ctx.workspace, e.id))?.tags.some((t) => t.key === HOLD_TAG);
  const left = await store.leftIn(ctx.db, ctx.workspace, e.id);
  const gone = purge.dryRun ? (result.removed[e.id] ?? { runs: 0, loggedModels: 0 }) : { runs: 0, loggedModels: 0 };
  const why = held
    ? `it has the tag ${HOLD_TAG}`
    : left.runs > gone.runs || left.models > gone.loggedModels
      ? 'runs or logged models of it have to stay'
      : undefined;
  if (why !== undefined) {
    result.keptCount++;
    if (result.kept.length < MOST_KEPT_SHOWN) result.kept.push({ kind: 'experiment', id: e.id, experimentId: e.id, why });
    return;
  }
  tallyOf(work, e.id).experiment = true;
  const artifacts = { id: e.id, experiment_id: e.id, artifact_uri: e.artifact_location };
  if (purge.dryRun) {
    // Its folder is that of its runs, which were counted.
    return;
  }
  await step(work, async (tx) => {
    await store.insertRemovals(tx.db, [{ ...removal(tx, purge, 'experiment', artifacts), number: e.number }]);
    await store.deleteRecords(tx.db, tx.workspace, 'experiment', [e.id]);
    await forgetGrants(tx, 'experiment', e.id);
  });
  await finishRemovals(work);
}
