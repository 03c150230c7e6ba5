import { sql } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { requireLevel, visibleSql } from '../../../kernel/levels.ts';
import { ownResource } from '../../access/public.ts';
import { fail } from '../errors.ts';
import { checkKey, checkLength, checkMadeWith, experimentIdOf, limits, type Experiment, type Pair, type ViewType } from '../model.ts';
import { parseFilter, type Clause } from '../search/language.ts';
import { experimentLanguage, experimentSources } from '../search/languages.ts';
import { checkOrder, checkPage, clauseSql, orderTerms, parseOrder, type OrderItem } from '../search/sql.ts';
import * as store from '../store/experiments.ts';
import { setLifecycleOfRuns } from '../store/runs.ts';
import type { ExperimentRow } from '../store/tables.ts';
import { checkedLocation, experimentLocation } from './places.ts';
import { checkUnscoped } from './scope.ts';

/** Experiment "0", "Default", exists in every workspace from the first look on. */
export async function ensureDefault(ctx: Ctx): Promise<void> {
  if (await store.getExperiment(ctx.db, ctx.workspace, '0')) return;
  await ctx.tx(async (tx) => {
    if (await store.getExperiment(tx.db, tx.workspace, '0')) return;
    const now = tx.clock.now();
    await store.insertExperiment(tx.db, tx.workspace, {
      id: '0',
      name: 'Default',
      artifactLocation: experimentLocation(tx, '0'),
      lifecycle: 'active',
      createdMs: now,
      updatedMs: now,
      tags: [],
    });
  });
}

export interface NewExperiment {
  readonly name: string;
  readonly artifactLocation?: string | undefined;
  readonly tags?: readonly Pair[];
}

/** Raises `experiment-exists` (deleted ones count), `tracking-invalid`. */
export async function createExperiment(ctx: Ctx, input: NewExperiment): Promise<string> {
  await ensureDefault(ctx);
  checkExperimentName(input.name);
  checkExperimentTags(input.tags ?? []);
  const location = input.artifactLocation ? checkedLocation(input.artifactLocation) : '';
  return ctx.tx(async (tx) => {
    if (await store.findExperiment(tx.db, tx.workspace, input.name)) return fail('experiment-exists', { name: input.name });
    const id = String(await store.nextExperimentNumber(tx.db, tx.workspace));
    const now = tx.clock.now();
    await store.insertExperiment(tx.db, tx.workspace, {
      id,
      name: input.name,
      artifactLocation: location || experimentLocation(tx, id),
      lifecycle: 'active',
      createdMs: now,
      updatedMs: now,
      tags: input.tags ?? [],
    });
    await ownResource(tx, 'experiment', id);
    await tx.emit({ type: 'experiment.created', subject: { kind: 'experiment', id }, label: input.name });
    return id;
  });
}

/** Raises `experiment-not-found`. */
export async function getExperiment(ctx: Ctx, given: string): Promise<Experiment> {
  const id = experimentIdOf(given);
  if (id === '0') await ensureDefault(ctx);
  const experiment = (await store.getExperiment(ctx.db, ctx.workspace, id)) ?? fail('experiment-not-found', { id });
  requireLevel(ctx, 'experiment', id, 'READ');
  return experiment;
}

/** Raises `experiment-name-not-found`. */
export async function experimentByName(ctx: Ctx, name: string): Promise<Experiment> {
  await ensureDefault(ctx);
  const experiment = (await store.findExperiment(ctx.db, ctx.workspace, name)) ?? fail('experiment-name-not-found', { name });
  requireLevel(ctx, 'experiment', experiment.id, 'READ');
  return experiment;
}

/** The experiment's id, made if it is not there. */
export async function experimentNamed(ctx: Ctx, name: string): Promise<string> {
  const found = await store.findExperiment(ctx.db, ctx.workspace, name);
  return found?.id ?? createExperiment(ctx, { name });
}

export interface ExperimentQuery {
  readonly filter: string;
  readonly view: ViewType;
  readonly orderBy: readonly string[];
  readonly offset: number;
  readonly limit: number;
}

const MAX_EXPERIMENTS = 50_000;

function filterOf(filter: string): Clause[] {
  const clauses = parseFilter(experimentLanguage, filter);
  for (const c of clauses)
    if (c.entity === 'attribute' && c.key === 'experiment_id') [c.value].flat().forEach((id) => experimentIdOf(String(id)));
  return clauses;
}

/** The order of a search: attributes only, and of one that is named twice the first counts. */
function orderOf(items: readonly string[]): OrderItem[] {
  checkOrder(items);
  const order = new Map<string, OrderItem>();
  for (const item of items.flatMap((i) => parseOrder(experimentLanguage, [i]))) {
    if (item.entity !== 'attribute') fail('tracking-invalid', { message: `Invalid order_by entity: ${item.entity}` });
    if (!order.has(item.key)) order.set(item.key, item);
  }
  return [...order.values()];
}

/** Raises `tracking-invalid`. */
export async function searchExperiments(ctx: Ctx, q: ExperimentQuery): Promise<{ experiments: Experiment[]; more: boolean }> {
  checkPage(q.limit, MAX_EXPERIMENTS);
  const order = orderOf(q.orderBy);
  const conditions = [
    sql`r.workspace_id = ${ctx.workspace}`,
    visibleSql(ctx, 'experiment', 'r.id'),
    ...(q.view === 'ALL' ? [] : [sql`r.lifecycle = ${q.view === 'DELETED_ONLY' ? 'deleted' : 'active'}`]),
    ...filterOf(q.filter).map((c) => clauseSql(experimentLanguage, experimentSources, c, ctx.database.dialect.name)),
  ];
  await ensureDefault(ctx);
  const terms =
    order.length > 0
      ? order.flatMap((item) =>
          item.key === 'experiment_id'
            ? [sql`r.number ${sql.raw(item.descending ? 'desc' : 'asc')}`]
            : orderTerms(experimentLanguage, experimentSources, item),
        )
      : [sql`r.created_ms desc`];
  const { rows } = await sql<ExperimentRow>`select r.* from experiments r where ${sql.join(conditions, sql` and `)}
    order by ${sql.join([...terms, sql`r.number asc`])} limit ${q.limit + 1} offset ${q.offset}`.execute(ctx.db);
  return { experiments: await store.withTags(ctx.db, ctx.workspace, rows.slice(0, q.limit)), more: rows.length > q.limit };
}

async function activeExperiment(tx: Ctx, given: string): Promise<Experiment> {
  const id = experimentIdOf(given);
  checkUnscoped(tx, `experiment ${id}`);
  const experiment = (await store.getExperiment(tx.db, tx.workspace, id)) ?? fail('experiment-not-found', { id });
  requireLevel(tx, 'experiment', id, 'EDIT');
  if (experiment.lifecycle !== 'active') fail('experiment-inactive', { id, state: experiment.lifecycle });
  return experiment;
}

export async function setExperimentTag(ctx: Ctx, id: string, tag: Pair): Promise<void> {
  checkExperimentTags([tag]);
  await ctx.tx(async (tx) => {
    const experiment = await activeExperiment(tx, id);
    await store.setExperimentTags(tx.db, tx.workspace, experiment.id, [tag]);
  });
}

/** Raises `tag-not-found`. */
export const deleteExperimentTag = (ctx: Ctx, id: string, key: string): Promise<void> =>
  ctx.tx(async (tx) => {
    const experiment = await activeExperiment(tx, id);
    if (!(await store.deleteExperimentTag(tx.db, tx.workspace, experiment.id, key)))
      fail('tag-not-found', { key, what: `experiment with id ${id}` });
  });

/** Deletes (softly) or restores an experiment with all its runs. */
export const setExperimentLifecycle = (ctx: Ctx, given: string, lifecycle: 'active' | 'deleted'): Promise<void> =>
  ctx.tx(async (tx) => {
    const id = experimentIdOf(given);
    checkUnscoped(tx, `experiment ${id}`);
    const experiment = await store.getExperiment(tx.db, tx.workspace, id);
    if (experiment) requireLevel(tx, 'experiment', id, 'MANAGE');
    if (!experiment || experiment.lifecycle === lifecycle) fail('experiment-not-found', { id });
    await store.updateExperiment(tx.db, tx.workspace, id, { lifecycle }, tx.clock.now());
    await setLifecycleOfRuns(tx.db, tx.workspace, id, lifecycle, tx.clock.now());
    await tx.emit({ type: lifecycle === 'deleted' ? 'experiment.deleted' : 'experiment.restored', subject: { kind: 'experiment', id } });
  });

/** Raises `experiment-not-renamed`, `experiment-name-taken`, `tracking-invalid`. */
export async function renameExperiment(ctx: Ctx, given: string, name: string): Promise<void> {
  checkExperimentName(name);
  const id = experimentIdOf(given);
  await ctx.tx(async (tx) => {
    checkUnscoped(tx, `experiment ${id}`);
    const experiment = (await store.getExperiment(tx.db, tx.workspace, id)) ?? fail('experiment-not-found', { id });
    requireLevel(tx, 'experiment', id, 'EDIT');
    if (experiment.lifecycle !== 'active') fail('experiment-not-renamed', { id });
    const other = await store.findExperiment(tx.db, tx.workspace, name);
    if (other && other.id !== id) fail('experiment-name-taken', { name });
    await store.updateExperiment(tx.db, tx.workspace, id, { name }, tx.clock.now());
    await tx.emit({ type: 'experiment.renamed', subject: { kind: 'experiment', id }, label: name });
  });
}

function checkExperimentName(name: string): void {
  checkLength('name', name, limits.experimentName);
}

function checkExperimentTags(tags: readonly Pair[]): void {
  checkMadeWith('an experiment', tags);
  for (const { key, value } of tags) {
    checkKey('Tag', key, 'key');
    checkLength('value', value, limits.experimentTagValue);
  }
}
