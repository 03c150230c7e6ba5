import { sql } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import type { TrackingRun, ViewType } from '../model.ts';
import { clauseSql, orderSql, parseFilter } from '../search.ts';
import { dataOf, toRun, type RunData } from '../store/runs.ts';
import type { RunRow } from '../store/tables.ts';

export interface RunQuery {
  readonly experimentIds: readonly string[];
  readonly filter: string;
  readonly view: ViewType;
  readonly orderBy: readonly string[];
  readonly offset: number;
  readonly limit: number;
}

export const MAX_RUNS = 50_000;

/** Runs that match, with their data, and whether another page follows. Raises `tracking-invalid`. */
export async function searchRuns(ctx: Ctx, q: RunQuery): Promise<{ runs: { run: TrackingRun; data: RunData }[]; more: boolean }> {
  if (q.limit < 1 || q.limit > MAX_RUNS)
    fail('tracking-invalid', {
      message: `Invalid value ${q.limit} for parameter 'max_results' supplied: it must be a positive integer no greater than ${MAX_RUNS}.`,
    });
  if (q.experimentIds.length === 0) return { runs: [], more: false };
  const dialect = ctx.database.dialect.name;
  const conditions = [
    sql`r.workspace_id = ${ctx.workspace}`,
    sql`r.experiment_id in (${sql.join(q.experimentIds.map((id) => sql`${id}`))})`,
    ...(q.view === 'ALL' ? [] : [sql`r.lifecycle = ${q.view === 'DELETED_ONLY' ? 'deleted' : 'active'}`]),
    ...parseFilter(q.filter).map((c) => clauseSql(c, ctx.workspace, dialect)),
  ];
  const { rows } = await sql<RunRow>`select r.* from tracking_runs r where ${sql.join(conditions, sql` and `)}
    order by ${sql.join(orderSql(q.orderBy, ctx.workspace))} limit ${q.limit + 1} offset ${q.offset}`.execute(ctx.db);
  const page = rows.slice(0, q.limit);
  const data = await dataOf(
    ctx.db,
    ctx.workspace,
    page.map((r) => r.id),
  );
  return { runs: page.map((r) => ({ run: toRun(r), data: data.get(r.id)! })), more: rows.length > q.limit };
}
