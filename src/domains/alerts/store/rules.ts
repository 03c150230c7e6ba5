import type { Db } from '../../../kernel/db/database.ts';
import type { Memory, Rule } from '../model.ts';
import { tablesIn } from './tables.ts';

export async function listRules(db: Db, workspace: string, project: string): Promise<Rule[]> {
  const rows = await tablesIn(db)
    .selectFrom('alert_rules')
    .select('rule')
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .orderBy('name')
    .execute();
  return rows.map((r) => JSON.parse(r.rule) as Rule);
}

/** False if the name is taken. */
export async function insertRule(db: Db, workspace: string, project: string, rule: Rule, actor: string, nowMs: number): Promise<boolean> {
  const { numInsertedOrUpdatedRows } = await tablesIn(db)
    .insertInto('alert_rules')
    .values({ workspace_id: workspace, project, name: rule.name, rule: JSON.stringify(rule), actor_id: actor, recorded_ms: nowMs })
    .onConflict((c) => c.columns(['workspace_id', 'project', 'name']).doNothing())
    .executeTakeFirst();
  return numInsertedOrUpdatedRows === 1n;
}

export const deleteRule = (db: Db, workspace: string, project: string, name: string) =>
  tablesIn(db)
    .deleteFrom('alert_rules')
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .where('name', '=', name)
    .execute();

export interface Instance {
  readonly project: string;
  readonly fingerprint: string;
  readonly monitor: string;
  readonly rule: string;
  readonly logic: string;
  readonly memory: Memory;
  /** The alert of now, or the last one. */
  readonly alert: string | null;
  /** 0 = not stored yet. */
  readonly version: number;
}

export async function listInstances(db: Db, workspace: string, project: string): Promise<Instance[]> {
  const rows = await tablesIn(db)
    .selectFrom('alert_instances')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('project', '=', project)
    .orderBy('fingerprint')
    .execute();
  return rows.map((r) => ({
    project: r.project,
    fingerprint: r.fingerprint,
    monitor: r.monitor,
    rule: r.rule,
    logic: r.logic,
    memory: JSON.parse(r.memory) as Memory,
    alert: r.alert_id,
    version: r.version,
  }));
}

/** Projects in which rules remember something: where time alone may change a state. */
export const listProjects = (db: Db): Promise<{ workspace: string; project: string }[]> =>
  tablesIn(db)
    .selectFrom('alert_instances')
    .select(['workspace_id as workspace', 'project'])
    .distinct()
    .orderBy('workspace_id')
    .orderBy('project')
    .execute();

/** False if another process changed it since it was read. */
export async function saveInstance(db: Db, workspace: string, i: Instance): Promise<boolean> {
  const values = { logic: i.logic, memory: JSON.stringify(i.memory), alert_id: i.alert };
  if (i.version === 0) {
    const { numInsertedOrUpdatedRows } = await tablesIn(db)
      .insertInto('alert_instances')
      .values({
        workspace_id: workspace,
        project: i.project,
        fingerprint: i.fingerprint,
        monitor: i.monitor,
        rule: i.rule,
        ...values,
        version: 1,
      })
      .onConflict((c) => c.columns(['workspace_id', 'project', 'fingerprint']).doNothing())
      .executeTakeFirst();
    return numInsertedOrUpdatedRows === 1n;
  }
  const { numUpdatedRows } = await tablesIn(db)
    .updateTable('alert_instances')
    .set({ ...values, version: i.version + 1 })
    .where('workspace_id', '=', workspace)
    .where('project', '=', i.project)
    .where('fingerprint', '=', i.fingerprint)
    .where('version', '=', i.version)
    .executeTakeFirst();
  return numUpdatedRows === 1n;
}

export const deleteInstance = (db: Db, workspace: string, i: Pick<Instance, 'project' | 'fingerprint'>) =>
  tablesIn(db)
    .deleteFrom('alert_instances')
    .where('workspace_id', '=', workspace)
    .where('project', '=', i.project)
    .where('fingerprint', '=', i.fingerprint)
    .execute();
