// Least and greatest value of each metric of a run, over its whole history.
import { statement } from '../../../kernel/db/statement.ts';
import type { Db } from '../../../kernel/db/database.ts';
import { countPointsOf, findAllHeads, groupsOf } from './blocks.ts';

export interface Range {
  readonly key: string;
  readonly least: number | null;
  readonly greatest: number | null;
  readonly points: number;
}

const ranges = statement<Omit<Range, 'points'>>(
  'select key, min(least) as least, max(greatest) as greatest from metric_blocks where workspace_id = ? and run_id = ? group by key',
);

export async function rangesOf(db: Db, workspace: string, runId: string): Promise<Range[]> {
  const heads = Map.groupBy(await findAllHeads(db, workspace, [runId]), (h) => h.key);
  const found: Range[] = [];
  for (const r of await ranges(db, workspace, runId)) {
    const points = await countPointsOf(db, workspace, runId, r.key, groupsOf(heads.get(r.key) ?? []));
    found.push({ ...r, points });
  }
  return found;
}
