import { sql } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { scannerOf } from '../../../kernel/db/database.ts';
import { visibleSql } from '../../../kernel/levels.ts';
import { experimentIdOf, type TrackingRun, type ViewType } from '../model.ts';
import { parseFilter } from '../search/language.ts';
import { runLanguage } from '../search/languages.ts';
import { findRunRows } from '../search/run-query.ts';
import { checkPage, inExperiments, parseOrder } from '../search/sql.ts';
import { dataOf, inputsOf, linksOf, toRun, type RunData, type RunInput } from '../store/runs.ts';
import type { LinkRow } from '../store/tables.ts';

export interface RunQuery {
  readonly experimentIds: readonly string[];
  readonly filter: string;
  readonly view: ViewType;
  readonly orderBy: readonly string[];
  readonly offset: number;
  readonly limit: number;
}

export interface FoundRun {
  readonly run: TrackingRun;
  readonly data: RunData;
  readonly inputs: readonly RunInput[];
  readonly links: readonly LinkRow[];
}

export const MAX_RUNS = 50_000;

/** Runs that match, with their data, and whether another page follows. Raises `tracking-invalid`. */
export async function searchRuns(ctx: Ctx, q: RunQuery): Promise<{ runs: FoundRun[]; more: boolean }> {
  checkPage(q.limit, MAX_RUNS);
  const dialect = ctx.database.dialect.name;
  const order = parseOrder(runLanguage, q.orderBy);
  const clauses = parseFilter(runLanguage, q.filter);
  const experimentIds = q.experimentIds.map(experimentIdOf);
  if (experimentIds.length === 0) return { runs: [], more: false };
  const conditions = [
    visibleSql(ctx, 'experiment', 'r.experiment_id'),
    ...(q.view === 'ALL' ? [] : [sql`r.lifecycle = ${q.view === 'DELETED_ONLY' ? 'deleted' : 'active'}`]),
  ];
  const search = {
    workspace: ctx.workspace,
    dialect,
    within: inExperiments(experimentIds),
    conditions,
    clauses,
    order,
    offset: q.offset,
    limit: q.limit + 1,
  };
  const rows = await findRunRows(ctx.db, search, scannerOf(ctx));
  const page = rows.slice(0, q.limit);
  const ids = page.map((r) => r.id);
  const [data, inputs, links] = [
    await dataOf(ctx.db, ctx.workspace, ids, ctx.db === ctx.database.reader),
    await inputsOf(ctx.db, ctx.workspace, ids),
    await linksOf(ctx.db, ctx.workspace, ids),
  ];
  return {
    runs: page.map((r) => ({ run: toRun(r), data: data.get(r.id)!, inputs: inputs.get(r.id) ?? [], links: links.get(r.id) ?? [] })),
    more: rows.length > q.limit,
  };
}
