import type { RawBuilder } from 'kysely';
import type { Db } from '../../../kernel/db/database.ts';
import type { Model } from '../model.ts';
import { registryIn, type AliasRow, type ModelRow, type TagRow } from './tables.ts';

export const toModel = (row: ModelRow): Model => ({
  name: row.name,
  description: row.description,
  managedBy: row.managed_by,
  project: row.project,
  createdMs: row.created_ms,
  updatedMs: row.updated_ms,
});

export async function findModel(db: Db, workspace: string, name: string): Promise<Model | undefined> {
  const row = await registryIn(db)
    .selectFrom('models')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .executeTakeFirst();
  return row && toModel(row);
}

export async function listModels(db: Db, workspace: string, after: string, limit: number, seen: RawBuilder<boolean>): Promise<Model[]> {
  const rows = await registryIn(db)
    .selectFrom('models')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('name', '>', after)
    .where(seen)
    .orderBy('name')
    .limit(limit)
    .execute();
  return rows.map(toModel);
}

export const insertModel = (db: Db, workspace: string, model: Model) =>
  registryIn(db)
    .insertInto('models')
    .values({
      workspace_id: workspace,
      name: model.name,
      description: model.description,
      managed_by: model.managedBy,
      project: model.project,
      created_ms: model.createdMs,
      updated_ms: model.updatedMs,
      last_number: 0,
    })
    .execute();

/** Takes the next version number; deleted ones are not given again. */
export async function takeNumber(db: Db, workspace: string, name: string, nowMs: number): Promise<number> {
  const row = await registryIn(db)
    .updateTable('models')
    .set((eb) => ({ last_number: eb('last_number', '+', 1), updated_ms: nowMs }))
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .returning('last_number')
    .executeTakeFirstOrThrow();
  return row.last_number;
}

export async function aliasesOf(db: Db, workspace: string, models: readonly string[]): Promise<AliasRow[]> {
  const found: AliasRow[] = [];
  for (let i = 0; i < models.length; i += 1000)
    found.push(
      ...(await registryIn(db)
        .selectFrom('model_aliases')
        .selectAll()
        .where('workspace_id', '=', workspace)
        .where('model', 'in', models.slice(i, i + 1000))
        .orderBy('alias')
        .execute()),
    );
  return found;
}

export async function findAlias(db: Db, workspace: string, model: string, alias: string): Promise<number | undefined> {
  const row = await registryIn(db)
    .selectFrom('model_aliases')
    .select('number')
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('alias', '=', alias)
    .executeTakeFirst();
  return row?.number;
}

export const setAlias = (db: Db, row: AliasRow) =>
  registryIn(db)
    .insertInto('model_aliases')
    .values(row)
    .onConflict((c) => c.columns(['workspace_id', 'model', 'alias']).doUpdateSet({ number: row.number }))
    .execute();

export async function deleteAlias(db: Db, workspace: string, model: string, alias: string): Promise<boolean> {
  const result = await registryIn(db)
    .deleteFrom('model_aliases')
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('alias', '=', alias)
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}

/** Tags of models (`number` 0) and of their versions. */
export async function tagsOf(db: Db, workspace: string, models: readonly string[]): Promise<TagRow[]> {
  const found: TagRow[] = [];
  for (let i = 0; i < models.length; i += 1000)
    found.push(
      ...(await registryIn(db)
        .selectFrom('model_tags')
        .selectAll()
        .where('workspace_id', '=', workspace)
        .where('model', 'in', models.slice(i, i + 1000))
        .orderBy('key')
        .execute()),
    );
  return found;
}

export const setTag = (db: Db, row: TagRow) =>
  registryIn(db)
    .insertInto('model_tags')
    .values(row)
    .onConflict((c) => c.columns(['workspace_id', 'model', 'number', 'key']).doUpdateSet({ value: row.value }))
    .execute();

export const deleteTag = (db: Db, workspace: string, model: string, number: number, key: string) =>
  registryIn(db)
    .deleteFrom('model_tags')
    .where('workspace_id', '=', workspace)
    .where('model', '=', model)
    .where('number', '=', number)
    .where('key', '=', key)
    .execute();

export const updateDescription = (db: Db, workspace: string, name: string, description: string, nowMs: number) =>
  registryIn(db)
    .updateTable('models')
    .set({ description, updated_ms: nowMs })
    .where('workspace_id', '=', workspace)
    .where('name', '=', name)
    .execute();
