// Least and greatest value of each metric of a run, over its whole history.
import { statement } from '../../../kernel/db/statement.ts';
import type { Db } from '../../../kernel/db/database.ts';

export interface Range {
  readonly key: string;
  readonly least: number | null;
  readonly greatest: number | null;
  readonly points: number;
}

const ranges = statement<Range>(
  `select key, min(case when is_nan = 0 then value end) as least, max(case when is_nan = 0 then value end) as greatest, count(*) as points
    from tracking_metrics where workspace_id = ? and run_id = ? group by key`,
);

export const rangesOf = async (db: Db, workspace: string, runId: string): Promise<Range[]> =>
  (await ranges(db, workspace, runId)).map((r) => ({ ...r, points: Number(r.points) }));
