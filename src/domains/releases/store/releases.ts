// Releases and what each of them went through.
import type { Db } from '../../../kernel/db/database.ts';
import {
  activeStates,
  judgedStates,
  type Move,
  type Release,
  type ReleaseState,
  type StepFigures,
  type Transition,
  type Variant,
  type Waiting,
} from '../model.ts';

type ReleaseRow = {
  workspace_id: string;
  id: string;
  project: string;
  endpoint: string;
  revision: string;
  previous: string | null;
  candidate: string;
  state: ReleaseState;
  policy: string | null;
  step: number;
  move: string | null;
  waiting: string | null;
  reason: string;
  standing: string;
  figures: string | null;
  looks: number;
  started_us: number;
  since_us: number;
  judged_us: number;
  plan_number: number;
  created_ms: number;
  finished_ms: number | null;
  version: number;
};
type TransitionRow = {
  workspace_id: string;
  release_id: string;
  number: number;
  from_state: ReleaseState;
  to_state: ReleaseState;
  step: number;
  share: number;
  revision: string;
  actor_kind: string;
  actor_id: string;
  reason: string;
  figures: string | null;
  at_us: number;
  at_ms: number;
};
const tablesIn = (db: Db) => db.withTables<{ releases: ReleaseRow; release_transitions: TransitionRow }>();

const parsed = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T));
const text = (value: unknown): string | null => (value === null ? null : JSON.stringify(value));

const toRelease = (r: ReleaseRow): Release => ({
  id: r.id,
  project: r.project,
  endpoint: r.endpoint,
  revision: r.revision,
  previous: r.previous,
  candidate: JSON.parse(r.candidate) as Variant,
  state: r.state,
  policy: parsed(r.policy),
  step: r.step,
  move: parsed<Move>(r.move),
  waiting: parsed<Waiting>(r.waiting),
  reason: r.reason,
  standing: r.standing,
  figures: parsed<StepFigures>(r.figures),
  looks: r.looks,
  startedUs: r.started_us,
  sinceUs: r.since_us,
  judgedUs: r.judged_us,
  planNumber: r.plan_number,
  createdMs: r.created_ms,
  finishedMs: r.finished_ms,
  version: r.version,
});

const toRow = (workspace: string, r: Release): ReleaseRow => ({
  workspace_id: workspace,
  id: r.id,
  project: r.project,
  endpoint: r.endpoint,
  revision: r.revision,
  previous: r.previous,
  candidate: JSON.stringify(r.candidate),
  state: r.state,
  policy: text(r.policy),
  step: r.step,
  move: text(r.move),
  waiting: text(r.waiting),
  reason: r.reason,
  standing: r.standing,
  figures: text(r.figures),
  looks: r.looks,
  started_us: r.startedUs,
  since_us: r.sinceUs,
  judged_us: r.judgedUs,
  plan_number: r.planNumber,
  created_ms: r.createdMs,
  finished_ms: r.finishedMs,
  version: r.version,
});

const toTransition = (r: TransitionRow): Transition => ({
  number: r.number,
  from: r.from_state,
  to: r.to_state,
  step: r.step,
  share: r.share,
  revision: r.revision,
  actor: { kind: r.actor_kind, id: r.actor_id },
  reason: r.reason,
  figures: parsed<StepFigures>(r.figures),
  atUs: r.at_us,
  atMs: r.at_ms,
});

export const insertRelease = (db: Db, workspace: string, r: Release) =>
  tablesIn(db).insertInto('releases').values(toRow(workspace, r)).execute();

/** Writes a release that still is what it was read as; false if another process has moved it on. */
export async function updateRelease(db: Db, workspace: string, { version, ...next }: Release): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('releases')
    .set(toRow(workspace, { ...next, version: version + 1 }))
    .where('workspace_id', '=', workspace)
    .where('id', '=', next.id)
    .where('version', '=', version)
    .where('state', 'in', activeStates)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function findRelease(db: Db, workspace: string, id: string): Promise<Release | undefined> {
  const row = await tablesIn(db)
    .selectFrom('releases')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toRelease(row);
}

/** The release of an endpoint that has not ended, if there is one. */
export async function findActive(db: Db, workspace: string, endpoint: string): Promise<Release | undefined> {
  const row = await tablesIn(db)
    .selectFrom('releases')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('endpoint', '=', endpoint)
    .where('state', 'in', activeStates)
    .limit(1)
    .executeTakeFirst();
  return row && toRelease(row);
}

/** A release by an id that was read from a record. */
export async function getRelease(db: Db, workspace: string, id: string): Promise<Release> {
  const release = await findRelease(db, workspace, id);
  if (!release) throw new Error(`there is no release ${id}`);
  return release;
}

/** Staged releases of all workspaces that are judged now. */
export async function listJudged(db: Db): Promise<{ workspace: string; release: Release }[]> {
  const rows = await tablesIn(db)
    .selectFrom('releases')
    .selectAll()
    .where('state', 'in', judgedStates)
    .orderBy('workspace_id')
    .orderBy('id')
    .execute();
  return rows.map((row) => ({ workspace: row.workspace_id, release: toRelease(row) }));
}

export async function listReleases(db: Db, workspace: string, endpoint: string, before: string, limit: number): Promise<Release[]> {
  const rows = await tablesIn(db)
    .selectFrom('releases')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('endpoint', '=', endpoint)
    .where('id', '<', before)
    .orderBy('id', 'desc')
    .limit(limit)
    .execute();
  return rows.map(toRelease);
}

export const insertTransition = (db: Db, workspace: string, releaseId: string, t: Transition) =>
  tablesIn(db)
    .insertInto('release_transitions')
    .values({
      workspace_id: workspace,
      release_id: releaseId,
      number: t.number,
      from_state: t.from,
      to_state: t.to,
      step: t.step,
      share: t.share,
      revision: t.revision,
      actor_kind: t.actor.kind,
      actor_id: t.actor.id,
      reason: t.reason,
      figures: text(t.figures),
      at_us: t.atUs,
      at_ms: t.atMs,
    })
    .execute();

export async function listTransitions(db: Db, workspace: string, releaseId: string): Promise<Transition[]> {
  const rows = await tablesIn(db)
    .selectFrom('release_transitions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('release_id', '=', releaseId)
    .orderBy('number')
    .execute();
  return rows.map(toTransition);
}
