// MLflow's searches of the registry, by the language of tracking.
import { sql, type RawBuilder } from 'kysely';
import type { Ctx } from '../../../kernel/ctx.ts';
import { visibleSql } from '../../../kernel/levels.ts';
import {
  checkPage,
  clauseSql,
  orderTerms,
  parseFilter,
  parseOrder,
  textOperators,
  type Language,
  type Sources,
} from '../../tracking/public.ts';
import { fail } from '../errors.ts';
import type { Model, ModelVersion } from '../model.ts';
import { aliasesOf, tagsOf, toModel } from '../store/models.ts';
import type { ModelRow, VersionRow } from '../store/tables.ts';
import { latestOf, toVersion } from '../store/versions.ts';

interface Pair {
  readonly key: string;
  readonly value: string;
}

export interface FoundVersion {
  readonly version: ModelVersion;
  readonly tags: readonly Pair[];
  readonly aliases: readonly string[];
}
export interface FoundModel {
  readonly model: Model;
  readonly tags: readonly Pair[];
  readonly aliases: readonly { readonly alias: string; readonly number: number }[];
  /** The newest of each stage. */
  readonly latest: readonly FoundVersion[];
}
export interface RegistryQuery {
  readonly filter: string;
  readonly orderBy: readonly string[];
  readonly offset: number;
  readonly limit: number;
}

const entities: Language['entities'] = { attribute: 'attribute', tag: 'tag', tags: 'tag' };
const modelLanguage: Language = { entities, attributes: { name: { column: 'r.name', lists: true } }, tagOperators: textOperators };
const modelOrder: Language = {
  entities,
  attributes: {
    name: { column: 'r.name' },
    timestamp: { column: 'r.updated_ms' },
    last_updated_timestamp: { column: 'r.updated_ms' },
  },
  tagOperators: [],
};
const modelSources: Sources = { tag: 'model_tags e where e.workspace_id = r.workspace_id and e.model = r.name and e.number = 0' };

const versionLanguage: Language = {
  entities,
  attributes: {
    name: { column: 'r.model', lists: true },
    run_id: { column: "coalesce(r.tracking_run_id, '')", lists: true },
    source_path: { column: 'r.source' },
    version_number: { column: 'r.number', number: true },
  },
  tagOperators: textOperators,
};
const versionOrder: Language = {
  entities,
  attributes: {
    name: { column: 'r.model' },
    version_number: { column: 'r.number' },
    creation_timestamp: { column: 'r.created_ms' },
    last_updated_timestamp: { column: 'r.updated_ms' },
  },
  tagOperators: [],
};
const versionSources: Sources = { tag: 'model_tags e where e.workspace_id = r.workspace_id and e.model = r.model and e.number = r.number' };

// MLflow keeps prompts among the models and hides them unless they are asked for.
const PROMPT_TAG = 'mlflow.prompt.is_prompt';
const isPrompt = (model: string): RawBuilder<boolean> =>
  sql<boolean>`exists (select 1 from model_tags e where e.workspace_id = r.workspace_id and e.model = ${sql.raw(model)} and e.number = 0
    and e.key = ${PROMPT_TAG} and lower(e.value) = 'true')`;

function conditions(ctx: Ctx, language: Language, sources: Sources, filter: string, model: string): RawBuilder<unknown>[] {
  const clauses = parseFilter(language, filter);
  const asked = clauses.filter((c) => c.entity === 'tag' && c.key === PROMPT_TAG);
  // The first clause says which of the two is searched. Of prompts every clause counts as it is written; of models
  // the clauses about this tag, which no model has, are passed over.
  const [first] = asked;
  const value = String(first?.value).toLowerCase();
  const ofPrompts = (first?.op === '=' && value === 'true') || (first?.op === '!=' && value === 'false');
  return [
    sql`r.workspace_id = ${ctx.workspace}`,
    visibleSql(ctx, 'model', model),
    ...(ofPrompts ? [] : [sql`not ${isPrompt(model)}`]),
    ...clauses.filter((c) => ofPrompts || !asked.includes(c)).map((c) => clauseSql(language, sources, c, ctx.database.dialect.name)),
  ];
}

const MAX_MODELS = 1000;
const MAX_VERSIONS = 200_000;

// Plain names of columns only: tags order nothing here.
function checkKeys(items: readonly string[], { attributes }: Language, valid: string): void {
  for (const item of items) {
    const key = item.trim().split(/\s+/)[0]!;
    if (!Object.hasOwn(attributes, key))
      fail('search-invalid', { message: `Invalid order by key '${key}' specified. Valid keys are '${valid}'` });
  }
}

/** Raises `tracking-invalid`, `search-invalid`. */
export async function searchModels(ctx: Ctx, q: RegistryQuery): Promise<{ models: FoundModel[]; more: boolean }> {
  checkPage(q.limit, MAX_MODELS);
  checkKeys(q.orderBy, modelOrder, "{'timestamp', 'name'}");
  const order = parseOrder(modelOrder, q.orderBy).flatMap((item) => orderTerms(modelOrder, modelSources, item));
  const where = conditions(ctx, modelLanguage, modelSources, q.filter, 'r.name');
  const { rows } = await sql<ModelRow>`select r.* from models r where ${sql.join(where, sql` and `)}
    order by ${sql.join([...order, sql`r.name asc`])} limit ${q.limit + 1} offset ${q.offset}`.execute(ctx.db);
  return { models: await withDetails(ctx, rows.slice(0, q.limit).map(toModel)), more: rows.length > q.limit };
}

/** Models with tags, aliases and newest version. */
export async function withDetails(ctx: Ctx, models: readonly Model[]): Promise<FoundModel[]> {
  const names = models.map((m) => m.name);
  const tags = await tagsOf(ctx.db, ctx.workspace, names);
  const aliases = await aliasesOf(ctx.db, ctx.workspace, names);
  const latest = Map.groupBy(await withTags(ctx, await latestOf(ctx.db, ctx.workspace, names)), (v) => v.version.model);
  return models.map((model) => ({
    model,
    tags: tags.filter((t) => t.model === model.name && t.number === 0).map(({ key, value }) => ({ key, value })),
    aliases: aliases.filter((a) => a.model === model.name).map(({ alias, number }) => ({ alias, number })),
    latest: latest.get(model.name) ?? [],
  }));
}

/** Raises `tracking-invalid`. */
export async function searchVersions(ctx: Ctx, q: RegistryQuery): Promise<{ versions: FoundVersion[]; more: boolean }> {
  checkPage(q.limit, MAX_VERSIONS);
  const order = parseOrder(versionOrder, q.orderBy);
  for (const c of parseFilter(versionLanguage, q.filter))
    if (c.key === 'version_number' && c.entity === 'attribute' && !Number.isInteger(c.value))
      fail('search-invalid', { message: `Invalid value for numeric attribute 'version_number': ${String(c.value)}` });
  const terms = order.flatMap((item) => orderTerms(versionOrder, versionSources, item));
  if (order.length === 0) terms.push(sql`r.updated_ms desc`);
  const where = [sql`r.stage <> 'Deleted_Internal'`, ...conditions(ctx, versionLanguage, versionSources, q.filter, 'r.model')];
  const { rows } = await sql<VersionRow>`select r.* from model_versions r where ${sql.join(where, sql` and `)}
    order by ${sql.join([...terms, sql`r.model asc`, sql`r.number desc`])} limit ${q.limit + 1} offset ${q.offset}`.execute(ctx.db);
  return { versions: await withTags(ctx, rows.slice(0, q.limit).map(toVersion)), more: rows.length > q.limit };
}

/** Versions with tags and aliases. */
export async function withTags(ctx: Ctx, versions: readonly ModelVersion[]): Promise<FoundVersion[]> {
  const names = [...new Set(versions.map((v) => v.model))];
  const key = (model: string, number: number): string => `${model}\0${number}`;
  const tags = Map.groupBy(await tagsOf(ctx.db, ctx.workspace, names), (t) => key(t.model, t.number));
  const aliases = Map.groupBy(await aliasesOf(ctx.db, ctx.workspace, names), (a) => key(a.model, a.number));
  return versions.map((version) => ({
    version,
    tags: (tags.get(key(version.model, version.number)) ?? []).map((t) => ({ key: t.key, value: t.value })),
    aliases: (aliases.get(key(version.model, version.number)) ?? []).map((a) => a.alias),
  }));
}
