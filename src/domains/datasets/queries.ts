import type { Db } from '../../kernel/db/database.ts';

/** Datasets of a project whose newest version broke its contract. */
export async function listQuarantined(db: Db, workspace: string, project: string): Promise<string[]> {
  const rows = await db
    .withTables<{
      datasets: { workspace_id: string; project: string; name: string; last_number: number };
      dataset_versions: { workspace_id: string; project: string; dataset: string; number: number; state: string };
    }>()
    .selectFrom('datasets as d')
    .innerJoin('dataset_versions as v', (j) =>
      j
        .onRef('v.workspace_id', '=', 'd.workspace_id')
        .onRef('v.project', '=', 'd.project')
        .onRef('v.dataset', '=', 'd.name')
        .onRef('v.number', '=', 'd.last_number'),
    )
    .select('d.name')
    .where('d.workspace_id', '=', workspace)
    .where('d.project', '=', project)
    .where('v.state', '=', 'quarantined')
    .orderBy('d.name')
    .execute();
  return rows.map((r) => r.name);
}
