// Experiments of our own interface: any expression, the newest first, pages by key.
import { sql } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { visibleSql } from '../../../kernel/levels.ts';
import type { Experiment } from '../model.ts';
import { expressionSql } from '../search/expression-sql.ts';
import { parseExpression } from '../search/expression.ts';
import { experimentLanguage, experimentSources } from '../search/languages.ts';
import { withTags } from '../store/experiments.ts';
import type { ExperimentRow } from '../store/tables.ts';
import { ensureDefault } from './experiments.ts';
import { countRuns, type Lifecycles } from './find-runs.ts';

export interface ExperimentsAsked {
  readonly filter: string;
  readonly lifecycle: Lifecycles;
  /** The number of the last one of the page before. */
  readonly before: number | undefined;
  readonly limit: number;
}

/** One more than `limit` if there are more. Raises `filter-invalid`. */
export async function listExperiments(ctx: Ctx, asked: ExperimentsAsked): Promise<{ experiment: Experiment; number: number }[]> {
  const expression = parseExpression(experimentLanguage, asked.filter);
  const conditions = [
    sql`r.workspace_id = ${ctx.workspace}`,
    visibleSql(ctx, 'experiment', 'r.id'),
    ...(asked.lifecycle === 'all' ? [] : [sql`r.lifecycle = ${asked.lifecycle}`]),
    ...(expression ? [expressionSql(experimentLanguage, experimentSources, expression, ctx.database.dialect.name)] : []),
    ...(asked.before === undefined ? [] : [sql`r.number < ${asked.before}`]),
  ];
  await ensureDefault(ctx);
  const { rows } = await sql<ExperimentRow>`select r.* from experiments r where ${sql.join(conditions, sql` and `)}
    order by r.number desc limit ${asked.limit + 1}`.execute(ctx.db);
  const experiments = await withTags(ctx.db, ctx.workspace, rows);
  return experiments.map((experiment, i) => ({ experiment, number: rows[i]!.number }));
}

export async function runsIn(ctx: Ctx, experimentId: string) {
  const of = { experimentIds: [experimentId], filter: '' };
  const active = await countRuns(ctx, { ...of, lifecycle: 'active' }, 'status');
  const deleted = await countRuns(ctx, { ...of, lifecycle: 'deleted' }, undefined);
  return {
    active: active.count,
    deleted: deleted.count,
    byStatus: Object.fromEntries(active.groups.map((g) => [g.value ?? '', g.count])),
  };
}
