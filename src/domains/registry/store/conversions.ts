import type { Db } from '../../../kernel/db/database.ts';
import type { Conversion } from '../model.ts';
import { registryIn, type ConversionRow } from './tables.ts';

const parsed = <T>(text: string | null): T | null => (text === null ? null : (JSON.parse(text) as T));

const toConversion = (r: ConversionRow): Conversion => ({
  id: r.id,
  model: r.model,
  versionId: r.version_id,
  versionNumber: r.version_number,
  to: 'onnx',
  state: r.state,
  doing: r.doing,
  tolerance: r.tolerance,
  rowsOf: r.rows_of,
  environment: r.environment,
  sameness: parsed(r.sameness),
  loggedModelId: r.logged_model_id,
  madeVersion: r.made_version,
  error: parsed(r.error),
  createdMs: r.created_ms,
  finishedMs: r.finished_ms,
});

export const insertConversion = (db: Db, workspace: string, c: Conversion) =>
  registryIn(db)
    .insertInto('model_conversions')
    .values({
      workspace_id: workspace,
      id: c.id,
      model: c.model,
      version_id: c.versionId,
      version_number: c.versionNumber,
      state: c.state,
      doing: c.doing,
      tolerance: c.tolerance,
      rows_of: c.rowsOf,
      environment: c.environment,
      sameness: null,
      logged_model_id: null,
      made_version: null,
      error: null,
      created_ms: c.createdMs,
      finished_ms: null,
    })
    .execute();

export async function getConversion(db: Db, workspace: string, id: string): Promise<Conversion | undefined> {
  const row = await registryIn(db)
    .selectFrom('model_conversions')
    .selectAll()
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .executeTakeFirst();
  return row && toConversion(row);
}

export type ConversionChange = Partial<
  Pick<Conversion, 'state' | 'doing' | 'environment' | 'sameness' | 'loggedModelId' | 'madeVersion' | 'error' | 'finishedMs'>
>;

/** Changes a running conversion; false if it has ended. */
export async function updateConversion(db: Db, workspace: string, id: string, to: ConversionChange): Promise<boolean> {
  const result = await registryIn(db)
    .updateTable('model_conversions')
    .set({
      ...(to.state === undefined ? {} : { state: to.state }),
      ...(to.doing === undefined ? {} : { doing: to.doing }),
      ...(to.environment === undefined ? {} : { environment: to.environment }),
      ...(to.sameness === undefined ? {} : { sameness: JSON.stringify(to.sameness) }),
      ...(to.loggedModelId === undefined ? {} : { logged_model_id: to.loggedModelId }),
      ...(to.madeVersion === undefined ? {} : { made_version: to.madeVersion }),
      ...(to.error === undefined ? {} : { error: JSON.stringify(to.error) }),
      ...(to.finishedMs === undefined ? {} : { finished_ms: to.finishedMs }),
    })
    .where('workspace_id', '=', workspace)
    .where('id', '=', id)
    .where('state', '=', 'running')
    .executeTakeFirst();
  return result.numUpdatedRows === 1n;
}
