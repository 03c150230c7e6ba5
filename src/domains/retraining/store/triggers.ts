import type { Db } from '../../../kernel/db/database.ts';
import { openStates, statesBefore, type Figures, type Guard, type Trigger, type TriggerState } from '../model.ts';

type TriggerRow = {
  workspace_id: string;
  id: string;
  project: string;
  policy: string;
  cause: Trigger['cause'];
  cause_key: string;
  subject_kind: string | null;
  subject_id: string | null;
  fingerprint: string;
  reason: string;
  state: TriggerState;
  guard: Guard | null;
  outcome: string | null;
  figures: string;
  params: string | null;
  forced: number;
  actor_kind: string;
  actor_id: string;
  occurred_us: number;
  accepted_us: number | null;
  expires_us: number | null;
  ended_us: number | null;
  run_id: string | null;
  version_id: string | null;
  decision_id: string | null;
  release_id: string | null;
  version: number;
};

const tablesIn = (db: Db) => db.withTables<{ triggers: TriggerRow }>();

const toTrigger = (r: TriggerRow): Trigger => ({
  id: r.id,
  project: r.project,
  policy: r.policy,
  cause: r.cause,
  causeKey: r.cause_key,
  subject: r.subject_kind === null ? null : { kind: r.subject_kind, id: r.subject_id! },
  fingerprint: r.fingerprint,
  reason: r.reason,
  state: r.state,
  guard: r.guard,
  outcome: r.outcome,
  figures: JSON.parse(r.figures) as Figures,
  params: r.params === null ? null : (JSON.parse(r.params) as Trigger['params']),
  forced: r.forced === 1,
  actor: { kind: r.actor_kind, id: r.actor_id },
  occurredUs: r.occurred_us,
  acceptedUs: r.accepted_us,
  expiresUs: r.expires_us,
  endedUs: r.ended_us,
  runId: r.run_id,
  versionId: r.version_id,
  decisionId: r.decision_id,
  releaseId: r.release_id,
  version: r.version,
});

/** False if the cause is on record for this policy already. */
export async function insertTrigger(db: Db, workspace: string, t: Trigger): Promise<boolean> {
  const result = await tablesIn(db)
    .insertInto('triggers')
    .values({
      workspace_id: workspace,
      id: t.id,
      project: t.project,
      policy: t.policy,
      cause: t.cause,
      cause_key: t.causeKey,
      subject_kind: t.subject?.kind ?? null,
      subject_id: t.subject?.id ?? null,
      fingerprint: t.fingerprint,
      reason: t.reason,
      state: t.state,
      guard: t.guard,
      outcome: t.outcome,
      figures: JSON.stringify(t.figures),
      params: t.params === null ? null : JSON.stringify(t.params),
      forced: t.forced ? 1 : 0,
      actor_kind: t.actor.kind,
      actor_id: t.actor.id,
      occurred_us: t.occurredUs,
      accepted_us: t.acceptedUs,
      expires_us: t.expiresUs,
      ended_us: t.endedUs,
      run_id: t.runId,
      version_id: t.versionId,
      decision_id: t.decisionId,
      release_id: t.releaseId,
      version: t.version,
    })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'policy', 'cause_key']).doNothing())
    .executeTakeFirst();
  return result.numInsertedOrUpdatedRows === 1n;
}

export type TriggerChange = Partial<
  Pick<
    Trigger,
    'guard' | 'outcome' | 'figures' | 'params' | 'acceptedUs' | 'expiresUs' | 'endedUs' | 'runId' | 'versionId' | 'decisionId' | 'releaseId'
  >
>;

/** Moves a trigger on; false if it is no longer as it was seen, or may not go there. */
export async function moveTrigger(db: Db, workspace: string, seen: Trigger, to: TriggerState, change: TriggerChange): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('triggers')
    .set({
      state: to,
      version: seen.version + 1,
      ...(change.guard === undefined ? {} : { guard: change.guard }),
      ...(change.outcome === undefined ? {} : { outcome: change.outcome }),
      ...(change.figures === undefined ? {} : { figures: JSON.stringify(change.figures) }),
      ...(change.params === undefined ? {} : { params: JSON.stringify(change.params) }),
      ...(change.acceptedUs === undefined ? {} : { accepted_us: change.acceptedUs }),
      ...(change.expiresUs === undefined ? {} : { expires_us: change.expiresUs }),
      ...(change.endedUs === undefined ? {} : { ended_us: change.endedUs }),
      ...(change.runId === undefined ? {} : { run_id: change.runId }),
      ...(change.versionId === undefined ? {} : { version_id: change.versionId }),
      ...(change.decisionId === undefined ? {} : { decision_id: change.decisionId }),
      ...(change.releaseId === undefined ? {} : { release_id: change.releaseId }),
    })
    .where('workspace_id', '=', workspace)
    .where('id', '=', seen.id)
    .where('version', '=', seen.version)
    .where('state', 'in', statesBefore(to))
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** Notes what a trigger has found out without moving it; false if it is no longer as it was seen. */
export async function noteDecision(
  db: Db,
  workspace: string,
  seen: Trigger,
  found: { readonly versionId: string; readonly decisionId: string },
): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('triggers')
    .set({ version_id: found.versionId, decision_id: found.decisionId, version: seen.version + 1 })
    .where('workspace_id', '=', workspace)
    .where('id', '=', seen.id)
    .where('version', '=', seen.version)
    .where('state', '=', 'deciding')
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

export async function getTrigger(db: Db, workspace: string, id: string): Promise<Trigger | undefined> {
  const row = await tablesIn(db)
    .selectFrom('triggers')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toTrigger(row);
}

export async function findByCause(
  db: Db,
  workspace: string,
  of: { readonly project: string; readonly policy: string; readonly causeKey: string },
): Promise<Trigger | undefined> {
  const row = await tablesIn(db)
    .selectFrom('triggers')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', of.project)
    .where('policy', '=', of.policy)
    .where('cause_key', '=', of.causeKey)
    .executeTakeFirst();
  return row && toTrigger(row);
}

/** Triggers of a project in these states, in the order in which they came. */
export async function listInStates(db: Db, workspace: string, project: string, states: readonly TriggerState[]): Promise<Trigger[]> {
  const rows = await tablesIn(db)
    .selectFrom('triggers')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('state', 'in', states)
    .orderBy('occurred_us')
    .orderBy('id')
    .execute();
  return rows.map(toTrigger);
}

/** Newest first. */
export async function listTriggers(
  db: Db,
  workspace: string,
  project: string,
  page: { readonly policy?: string | undefined; readonly before: string; readonly limit: number },
): Promise<Trigger[]> {
  let select = tablesIn(db)
    .selectFrom('triggers')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('id', '<', page.before);
  if (page.policy !== undefined) select = select.where('policy', '=', page.policy);
  const rows = await select.orderBy('id', 'desc').limit(page.limit).execute();
  return rows.map(toTrigger);
}

/** Accepted triggers that a stop ends, of a policy, a project (no policy) or the workspace (no project). */
export async function listOpen(
  db: Db,
  workspace: string,
  { project, policy }: { readonly project: string; readonly policy: string },
): Promise<Trigger[]> {
  let select = tablesIn(db)
    .selectFrom('triggers')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('state', 'in', ['waiting-approval', 'accepted', 'running', 'deciding']);
  if (project !== '') select = select.where('project', '=', project);
  if (policy !== '') select = select.where('policy', '=', policy);
  return (await select.orderBy('id').execute()).map(toTrigger);
}

const ofPolicy = (db: Db, workspace: string, { project, policy }: { readonly project: string; readonly policy: string }) =>
  tablesIn(db).selectFrom('triggers').where('workspace_id', '=', workspace).where('project', '=', project).where('policy', '=', policy);

export async function findOpen(
  db: Db,
  workspace: string,
  of: { readonly project: string; readonly policy: string },
): Promise<Trigger | undefined> {
  const row = await ofPolicy(db, workspace, of).selectAll().where('state', 'in', openStates).orderBy('id').executeTakeFirst();
  return row && toTrigger(row);
}

/** The trigger of a policy that was accepted last, of one fingerprint if given. */
export async function findLastAccepted(
  db: Db,
  workspace: string,
  of: { readonly project: string; readonly policy: string; readonly fingerprint?: string },
): Promise<Trigger | undefined> {
  let select = ofPolicy(db, workspace, of).selectAll().where('accepted_us', 'is not', null);
  if (of.fingerprint !== undefined) select = select.where('fingerprint', '=', of.fingerprint);
  const row = await select.orderBy('accepted_us', 'desc').orderBy('id', 'desc').limit(1).executeTakeFirst();
  return row && toTrigger(row);
}

export async function countAccepted(
  db: Db,
  workspace: string,
  of: { readonly project: string; readonly policy: string },
  afterUs: number,
): Promise<number> {
  const row = await ofPolicy(db, workspace, of)
    .select((eb) => eb.fn.countAll().as('n'))
    .where('accepted_us', '>', afterUs)
    .executeTakeFirst();
  return Number(row?.n ?? 0);
}

/** The newest trigger of a cause of this fingerprint, if one is on record for the policy. */
export async function findLastSame(
  db: Db,
  workspace: string,
  of: { readonly project: string; readonly policy: string; readonly fingerprint: string },
): Promise<Trigger | undefined> {
  const row = await ofPolicy(db, workspace, of)
    .selectAll()
    .where('fingerprint', '=', of.fingerprint)
    .orderBy('id', 'desc')
    .limit(1)
    .executeTakeFirst();
  return row && toTrigger(row);
}
