import { sql } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { fail } from '../errors.ts';
import { checkKey, limits, type Experiment, type Pair, type ViewType } from '../model.ts';
import { parseFilter } from '../search/language.ts';
import { experimentLanguage, experimentSources } from '../search/languages.ts';
import { checkPage, clauseSql, orderTerms, parseOrder } from '../search/sql.ts';
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
    await tx.emit({ type: 'experiment.created', subject: { kind: 'experiment', id }, label: input.name });
    return id;
  });
}

/** Raises `experiment-not-found`. */
export async function getExperiment(ctx: Ctx, id: string): Promise<Experiment> {
  if (!/^\d+$/.test(id)) fail('tracking-invalid', { message: `Invalid experiment ID: '${id}'. Experiment IDs are numbers.` });
  if (id === '0') await ensureDefault(ctx);
  return (await store.getExperiment(ctx.db, ctx.workspace, id)) ?? fail('experiment-not-found', { id });
}

/** Raises `experiment-name-not-found`. */
export async function experimentByName(ctx: Ctx, name: string): Promise<Experiment> {
  await ensureDefault(ctx);
  return (await store.findExperiment(ctx.db, ctx.workspace, name)) ?? fail('experiment-name-not-found', { name });
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

/** Raises `tracking-invalid`. */
export async function searchExperiments(ctx: Ctx, q: ExperimentQuery): Promise<{ experiments: Experiment[]; more: boolean }> {
  checkPage(q.limit, MAX_EXPERIMENTS);
  const order = parseOrder(experimentLanguage, q.orderBy);
  const conditions = [
    sql`r.workspace_id = ${ctx.workspace}`,
    ...(q.view === 'ALL' ? [] : [sql`r.lifecycle = ${q.view === 'DELETED_ONLY' ? 'deleted' : 'active'}`]),
    ...parseFilter(experimentLanguage, q.filter).map((c) => clauseSql(experimentLanguage, experimentSources, c, ctx.database.dialect.name)),
  ];
  await ensureDefault(ctx);
  const terms =
    order.length > 0 ? order.flatMap((item) => orderTerms(experimentLanguage, experimentSources, item)) : [sql`r.created_ms desc`];
  const { rows } = await sql<ExperimentRow>`select r.* from experiments r where ${sql.join(conditions, sql` and `)}
    order by ${sql.join([...terms, sql`r.number asc`])} limit ${q.limit + 1} offset ${q.offset}`.execute(ctx.db);
  return { experiments: await store.withTags(ctx.db, ctx.workspace, rows.slice(0, q.limit)), more: rows.length > q.limit };
}

async function activeExperiment(tx: Ctx, id: string): Promise<Experiment> {
  checkUnscoped(tx, `experiment ${id}`);
  const experiment = (await store.getExperiment(tx.db, tx.workspace, id)) ?? fail('experiment-not-found', { id });
  if (experiment.lifecycle !== 'active') fail('experiment-inactive', { id, state: experiment.lifecycle });
  return experiment;
}

export const setExperimentTag = (ctx: Ctx, id: string, tag: Pair): Promise<void> =>
  ctx.tx(async (tx) => {
    await activeExperiment(tx, id);
    checkExperimentTags([tag]);
    await store.setExperimentTags(tx.db, tx.workspace, id, [tag]);
  });

/** Raises `tag-not-found`. */
export const deleteExperimentTag = (ctx: Ctx, id: string, key: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await activeExperiment(tx, id);
    if (!(await store.deleteExperimentTag(tx.db, tx.workspace, id, key))) fail('tag-not-found', { key, what: `experiment with id ${id}` });
  });

/** Deletes (softly) or restores an experiment with all its runs. */
export const setExperimentLifecycle = (ctx: Ctx, id: string, lifecycle: 'active' | 'deleted'): Promise<void> =>
  ctx.tx(async (tx) => {
    checkUnscoped(tx, `experiment ${id}`);
    const experiment = await store.getExperiment(tx.db, tx.workspace, id);
    if (!experiment || experiment.lifecycle === lifecycle) fail('experiment-not-found', { id });
    await store.updateExperiment(tx.db, tx.workspace, id, { lifecycle }, tx.clock.now());
    await setLifecycleOfRuns(tx.db, tx.workspace, id, lifecycle, tx.clock.now());
    await tx.emit({ type: lifecycle === 'deleted' ? 'experiment.deleted' : 'experiment.restored', subject: { kind: 'experiment', id } });
  });

/** Raises `experiment-inactive`, `experiment-exists`, `tracking-invalid`. */
export const renameExperiment = (ctx: Ctx, id: string, name: string): Promise<void> =>
  ctx.tx(async (tx) => {
    await activeExperiment(tx, id);
    checkExperimentName(name);
    const other = await store.findExperiment(tx.db, tx.workspace, name);
    if (other && other.id !== id) fail('experiment-exists', { name });
    await store.updateExperiment(tx.db, tx.workspace, id, { name }, tx.clock.now());
    await tx.emit({ type: 'experiment.renamed', subject: { kind: 'experiment', id }, label: name });
  });

function checkExperimentName(name: string): void {
  if (name.length > limits.experimentName)
    fail('tracking-invalid', { message: `'name' exceeds the maximum length of ${limits.experimentName} characters` });
}

function checkExperimentTags(tags: readonly Pair[]): void {
  tags.forEach((t, i) => checkKey('Tag', t.key, `tags[${i}].key`));
  const long = tags.find((t) => t.value.length > limits.experimentTagValue);
  if (long) fail('tracking-invalid', { message: `'value' exceeds the maximum length of ${limits.experimentTagValue} characters` });
}
