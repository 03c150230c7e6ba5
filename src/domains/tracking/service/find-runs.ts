// Runs of our own interface: any expression, only the fields asked for, counts without rows, pages by key.
import { sql, type RawBuilder } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { scannerOf } from '../../../kernel/db/database.ts';
import { visibleSql } from '../../../kernel/levels.ts';
import { fail } from '../errors.ts';
import { experimentIdOf, type TrackingRun } from '../model.ts';
import { expressionSql, splitExpression } from '../search/expression-sql.ts';
import { parseExpression } from '../search/expression.ts';
import { parseFields, type Fields } from '../search/fields.ts';
import { behind, cursorBehind, questionOf } from '../search/keyset.ts';
import { runLanguage, runSources } from '../search/languages.ts';
import { findRunRows, matchingRuns } from '../search/run-query.ts';
import { inExperiments, parseOrder } from '../search/sql.ts';
import { selectedEntries, selectedMetrics, type SelectedEntry, type SelectedMetric } from '../store/projection.ts';
import { byRun } from '../store/of-runs.ts';
import { inputsOf, linksOf, toRun, type RunInput } from '../store/runs.ts';
import type { LinkRow } from '../store/tables.ts';

export type Lifecycles = 'active' | 'deleted' | 'all';

export interface RunsAsked {
  /** All that may be read if undefined. */
  readonly experimentIds?: readonly string[] | undefined;
  readonly filter: string;
  readonly lifecycle: Lifecycles;
}

export interface PageAsked extends RunsAsked {
  readonly orderBy: readonly string[];
  readonly fields: readonly string[] | undefined;
  readonly cursor: string | undefined;
  readonly limit: number;
}

export interface ProjectedRun {
  readonly run: TrackingRun;
  readonly metrics: readonly SelectedMetric[];
  readonly params: readonly SelectedEntry[];
  readonly tags: readonly SelectedEntry[];
  readonly inputs: readonly RunInput[];
  readonly links: readonly LinkRow[];
}

function searchOf(ctx: Ctx, asked: RunsAsked) {
  const dialect = ctx.database.dialect.name;
  const { clauses, rest } = splitExpression(parseExpression(runLanguage, asked.filter));
  return {
    workspace: ctx.workspace,
    dialect,
    within: asked.experimentIds === undefined ? sql`1 = 1` : inExperiments(asked.experimentIds.map(experimentIdOf)),
    conditions: [
      visibleSql(ctx, 'experiment', 'r.experiment_id'),
      ...(asked.lifecycle === 'all' ? [] : [sql`r.lifecycle = ${asked.lifecycle}`]),
      ...rest.map((e) => expressionSql(runLanguage, runSources, e, dialect)),
    ] as RawBuilder<unknown>[],
    clauses,
  };
}

/** Raises `filter-invalid`, `tracking-invalid`, `order-repeated`, `field-unknown`, `page-token-invalid`. */
export async function findRuns(ctx: Ctx, asked: PageAsked): Promise<{ runs: ProjectedRun[]; fields: Fields; nextCursor: string | null }> {
  const fields = parseFields(asked.fields);
  const search = searchOf(ctx, asked);
  const order = parseOrder(runLanguage, asked.orderBy);
  for (const item of order) if (item.entity === 'dataset') fail('tracking-invalid', { message: 'Runs are not ordered by their datasets.' });
  const question = questionOf([asked.experimentIds, asked.filter, asked.lifecycle, asked.orderBy]);
  const from = asked.cursor === undefined ? [] : [behind(asked.cursor, order, question)];
  const asking = {
    ...search,
    ...(from.length > 0 ? { after: from } : {}),
    order,
    offset: 0,
    limit: asked.limit + 1,
  };
  const rows = await findRunRows(ctx.db, asking, scannerOf(ctx));
  const page = rows.slice(0, asked.limit);
  const last = page.at(-1);
  return {
    runs: await project(ctx, page.map(toRun), fields),
    fields,
    nextCursor: rows.length > page.length && last ? await cursorBehind(ctx.db, ctx.workspace, last.id, order, question) : null,
  };
}

/** These runs with no more than the fields asked for. */
export async function project(ctx: Ctx, runs: readonly TrackingRun[], fields: Fields): Promise<ProjectedRun[]> {
  const { db, workspace } = ctx;
  const ids = runs.map((r) => r.id);
  const [none, nothing] = [new Map<string, never[]>(), [] as const];
  const metrics = fields.metrics ? byRun(await selectedMetrics(db, workspace, ids, fields.metrics)) : none;
  const params = fields.params ? byRun(await selectedEntries(db, 'tracking_params', workspace, ids, fields.params)) : none;
  const tags = fields.tags ? byRun(await selectedEntries(db, 'tracking_tags', workspace, ids, fields.tags)) : none;
  const inputs = fields.inputs ? await inputsOf(db, workspace, ids) : none;
  const links = fields.models ? await linksOf(db, workspace, ids) : none;
  return runs.map((run) => ({
    run,
    metrics: metrics.get(run.id) ?? nothing,
    params: params.get(run.id) ?? nothing,
    tags: tags.get(run.id) ?? nothing,
    inputs: inputs.get(run.id) ?? nothing,
    links: links.get(run.id) ?? nothing,
  }));
}

export interface Counted {
  readonly count: number;
  /** The most frequent values first; null for runs that have none. */
  readonly groups: readonly { readonly value: string | null; readonly count: number }[];
}

const MOST_GROUPS = 1000;

/** How many runs match, and how many of each value. Raises `filter-invalid`, `tracking-invalid`, `field-unknown`. */
export async function countRuns(ctx: Ctx, asked: RunsAsked, by: string | undefined): Promise<Counted> {
  const search = searchOf(ctx, asked);
  const group = by === undefined ? undefined : groupOf(by);
  if (group === undefined && search.clauses.length === 0 && asked.filter.trim() === '')
    return { count: await countAll(ctx, asked), groups: [] };
  const matching = await matchingRuns(ctx.db, search);
  if (matching === undefined) return { count: 0, groups: [] };
  if (group === undefined) {
    const { rows } = await sql<{ n: number }>`select count(*) as n from (${matching}) m`.execute(ctx.db);
    return { count: Number(rows[0]!.n), groups: [] };
  }
  const value = group.column ? sql.raw(`m.${group.column}`) : sql`g.value`;
  const join = group.table
    ? sql`left join ${sql.table(group.table)} g on g.workspace_id = ${ctx.workspace} and g.run_id = m.id and g.key = ${group.key}`
    : sql``;
  const { rows } = await sql<{ value: string | null; n: number; total: number }>`select value, n, sum(n) over () as total from (
    select ${value} as value, count(*) as n from (${matching}) m ${join} group by ${value}) c
    order by n desc, case when value is null then 1 else 0 end, value limit ${MOST_GROUPS}`.execute(ctx.db);
  return { count: Number(rows[0]?.total ?? 0), groups: rows.map((r) => ({ value: r.value, count: Number(r.n) })) };
}

const COLUMNS: Readonly<Record<string, string>> = { status: 'status', experimentId: 'experiment_id' };

function groupOf(by: string): { column?: string; table?: string; key?: string } {
  if (Object.hasOwn(COLUMNS, by)) return { column: COLUMNS[by]! };
  const [, entity, key] =
    /^(params|tags)\.(.+)$/s.exec(by) ??
    fail('field-unknown', { field: by, known: 'status, experimentId, params.<key>, tags.<key> to group by' });
  return { table: entity === 'params' ? 'tracking_params' : 'tracking_tags', key: key! };
}

// One index holds all runs of an experiment and another the few that are deleted; neither row has to be looked at.
async function countAll(ctx: Ctx, asked: RunsAsked): Promise<number> {
  const within = asked.experimentIds === undefined ? sql`1 = 1` : inExperiments(asked.experimentIds.map(experimentIdOf));
  const of = sql`r.workspace_id = ${ctx.workspace} and ${within} and ${visibleSql(ctx, 'experiment', 'r.experiment_id')}`;
  const { rows } = await sql<{ all: number; deleted: number }>`select (select count(*) from tracking_runs r where ${of}) as "all",
    (select count(*) from tracking_runs r where ${of} and r.lifecycle = 'deleted') as "deleted"`.execute(ctx.db);
  const { all, deleted } = { all: Number(rows[0]!.all), deleted: Number(rows[0]!.deleted) };
  return asked.lifecycle === 'all' ? all : asked.lifecycle === 'deleted' ? deleted : all - deleted;
}
