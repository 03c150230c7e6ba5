// Where policies stand, and what stops them.
import type { Db } from '../../../kernel/db/database.ts';

export interface PolicyState {
  readonly project: string;
  readonly policy: string;
  /** Tries in a row that did not help. */
  readonly useless: number;
  readonly halted: boolean;
  /** Event time up to which its schedule has been looked at. */
  readonly cronSeenUs: number;
  readonly version: number;
}

/** An empty policy is the whole project, an empty project the whole workspace. */
export interface Stop {
  readonly project: string;
  readonly policy: string;
  readonly reason: string;
  readonly actor: string;
}

type StateRow = {
  workspace_id: string;
  project: string;
  policy: string;
  useless: number;
  halted: number;
  cron_seen_us: number;
  version: number;
};
type StopRow = { workspace_id: string; project: string; policy: string; reason: string; actor_id: string };
const tablesIn = (db: Db) => db.withTables<{ retraining_states: StateRow; retraining_stops: StopRow }>();

interface OfPolicy {
  readonly project: string;
  readonly policy: string;
}

const toState = (r: StateRow): PolicyState => ({
  project: r.project,
  policy: r.policy,
  useless: r.useless,
  halted: r.halted === 1,
  cronSeenUs: r.cron_seen_us,
  version: r.version,
});
const toStop = (r: StopRow): Stop => ({ project: r.project, policy: r.policy, reason: r.reason, actor: r.actor_id });

export async function findState(db: Db, workspace: string, { project, policy }: OfPolicy): Promise<PolicyState | undefined> {
  const row = await tablesIn(db)
    .selectFrom('retraining_states')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('policy', '=', policy)
    .executeTakeFirst();
  return row && toState(row);
}

/** Begins to keep where a policy stands; one that is known stays as it is. */
export const insertState = (db: Db, workspace: string, { project, policy }: OfPolicy, cronSeenUs: number) =>
  tablesIn(db)
    .insertInto('retraining_states')
    .values({ workspace_id: workspace, project, policy, useless: 0, halted: 0, cron_seen_us: cronSeenUs, version: 1 })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'policy']).doNothing())
    .execute();

/** False if it is no longer as it was seen. */
export async function updateState(
  db: Db,
  workspace: string,
  seen: PolicyState,
  to: Partial<Pick<PolicyState, 'useless' | 'halted' | 'cronSeenUs'>>,
): Promise<boolean> {
  const result = await tablesIn(db)
    .updateTable('retraining_states')
    .set({
      useless: to.useless ?? seen.useless,
      halted: (to.halted ?? seen.halted) ? 1 : 0,
      cron_seen_us: to.cronSeenUs ?? seen.cronSeenUs,
      version: seen.version + 1,
    })
    .where('workspace_id', '=', workspace)
    .where('project', '=', seen.project)
    .where('policy', '=', seen.policy)
    .where('version', '=', seen.version)
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}

/** States of a policy, of a project (no policy) or of the workspace (no project). */
export async function listStates(db: Db, workspace: string, { project, policy }: OfPolicy): Promise<PolicyState[]> {
  let select = tablesIn(db).selectFrom('retraining_states').selectAll().where('workspace_id', '=', workspace);
  if (project !== '') select = select.where('project', '=', project);
  if (policy !== '') select = select.where('policy', '=', policy);
  return (await select.orderBy('project').orderBy('policy').execute()).map(toState);
}

/** Every project of every workspace that has a policy. */
export const listProjects = (db: Db): Promise<{ workspace: string; project: string }[]> =>
  tablesIn(db)
    .selectFrom('retraining_states')
    .select(['workspace_id as workspace', 'project'])
    .distinct()
    .orderBy('workspace_id')
    .orderBy('project')
    .execute();

/** Says whether a project has, or had, a policy. */
export const hasPolicies = async (db: Db, workspace: string, project: string): Promise<boolean> =>
  (await tablesIn(db)
    .selectFrom('retraining_states')
    .select('policy')
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .limit(1)
    .executeTakeFirst()) !== undefined;

/** The widest stop that holds for a policy. */
export async function findStop(db: Db, workspace: string, { project, policy }: OfPolicy): Promise<Stop | undefined> {
  const row = await tablesIn(db)
    .selectFrom('retraining_stops')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', 'in', ['', project])
    .where('policy', 'in', ['', policy])
    .orderBy('project')
    .orderBy('policy')
    .limit(1)
    .executeTakeFirst();
  return row && toStop(row);
}

export const putStop = (db: Db, workspace: string, s: Stop) =>
  tablesIn(db)
    .insertInto('retraining_stops')
    .values({ workspace_id: workspace, project: s.project, policy: s.policy, reason: s.reason, actor_id: s.actor })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'policy']).doUpdateSet({ reason: s.reason, actor_id: s.actor }))
    .execute();

/** False if there was none. */
export async function deleteStop(db: Db, workspace: string, { project, policy }: OfPolicy): Promise<boolean> {
  const result = await tablesIn(db)
    .deleteFrom('retraining_stops')
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('policy', '=', policy)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
