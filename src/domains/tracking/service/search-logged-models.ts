import { sql, type RawBuilder } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { visibleSql } from '../../../kernel/levels.ts';
import type { LoggedModel } from '../model.ts';
import { invalid, parseFilter, parseIdentifier } from '../search/language.ts';
import { loggedModelLanguage, loggedModelSources } from '../search/languages.ts';
import { checkOrder, checkPage, clauseSql, inExperiments, orderByRow, orderTerms } from '../search/sql.ts';
import { withEntries } from '../store/logged-models.ts';
import type { LoggedModelRow } from '../store/tables.ts';

export interface DatasetFilter {
  readonly name: string;
  /** Any digest when empty. */
  readonly digest: string;
}

export interface LoggedModelOrder {
  /** An attribute or `metrics.<key>`. */
  readonly field: string;
  readonly ascending: boolean;
  /** Orders by the metric on this dataset only. */
  readonly dataset: DatasetFilter | null;
}

export interface LoggedModelQuery {
  readonly experimentIds: readonly string[];
  readonly filter: string;
  readonly datasets: readonly DatasetFilter[];
  readonly orderBy: readonly LoggedModelOrder[];
  readonly offset: number;
  readonly limit: number;
}

const MAX_MODELS = 50_000;

const onDataset = (d: DatasetFilter): RawBuilder<boolean> =>
  d.digest === ''
    ? sql<boolean>`e.dataset_name = ${d.name}`
    : sql<boolean>`(e.dataset_name = ${d.name} and e.dataset_digest = ${d.digest})`;

/** Logged models that match and whether another page follows. Raises `tracking-invalid`. */
export async function searchLoggedModels(ctx: Ctx, q: LoggedModelQuery): Promise<{ models: LoggedModel[]; more: boolean }> {
  checkPage(q.limit, MAX_MODELS);
  checkOrder(q.orderBy);
  if (q.datasets.length > 100) invalid('The `datasets` clause names more than 100 datasets.');
  if (q.datasets.some((d) => d.name === '')) invalid('`dataset_name` in the `datasets` clause must be specified.');
  const dialect = ctx.database.dialect.name;
  const clauses = parseFilter(loggedModelLanguage, q.filter);
  // Datasets narrow the metrics that are looked at; without a metric clause any metric on one of them will do.
  const narrow = q.datasets.length === 0 ? sql`` : sql`and (${sql.join(q.datasets.map(onDataset), sql` or `)})`;
  const anyMetric = q.datasets.length > 0 && !clauses.some((c) => c.entity === 'metric');
  const conditions = [
    sql`r.workspace_id = ${ctx.workspace}`,
    sql`r.lifecycle = 'active'`,
    inExperiments(q.experimentIds),
    visibleSql(ctx, 'experiment', 'r.experiment_id'),
    ...clauses.map((c) => clauseSql(loggedModelLanguage, loggedModelSources, c, dialect, narrow)),
    ...(anyMetric ? [sql`exists (select 1 from ${sql.raw(loggedModelSources.metric!)} ${narrow})`] : []),
  ];
  const terms = q.orderBy.flatMap((item) => orderOf(item));
  if (!q.orderBy.some((o) => /^(attributes\.)?creation_time/.test(o.field))) terms.push(sql`r.created_ms desc`);
  const { rows } = await sql<LoggedModelRow>`select r.* from logged_models r where ${sql.join(conditions, sql` and `)}
    order by ${sql.join([...terms, sql`r.id asc`])} limit ${q.limit + 1} offset ${q.offset}`.execute(ctx.db);
  return { models: await withEntries(ctx.db, ctx.workspace, rows.slice(0, q.limit)), more: rows.length > q.limit };
}

function orderOf(item: LoggedModelOrder): RawBuilder<unknown>[] {
  const { entity, key } = parseIdentifier(loggedModelLanguage, item.field);
  if (entity === 'attribute') return orderTerms(loggedModelLanguage, loggedModelSources, { entity, key, descending: !item.ascending });
  if (entity !== 'metric') return invalid(`Invalid order_by field name: ${item.field}. Only attributes and metrics can be ordered by.`);
  // The latest point of the metric counts.
  const from = sql`(select * from ${sql.raw(loggedModelSources.metric!)} and e.key = ${key}
    ${item.dataset ? sql`and ${onDataset(item.dataset)}` : sql``} order by e.timestamp_ms desc, e.step desc limit 1) e`;
  return orderByRow(from, true, !item.ascending);
}
