import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../../../kernel/config/settings.ts';
import { migrate, readSchema, type SchemaState } from '../../../kernel/db/migrate.ts';
import { migrations } from '../../migrations/migrations.ts';
import { openDatabase } from './open-database.ts';

/**
 * Applies what waits, or only says what would be. `applied` were there before; `pending` were, or would be, applied
 * now. Raises `schema-newer`, `migration-blocked`.
 */
export async function migrateByHand(settings: Settings, dryRun: boolean): Promise<Pick<SchemaState, 'applied' | 'pending'>> {
  // Looking makes no file.
  if (dryRun && !settings.databaseUrl && !existsSync(join(settings.dir, 'gyre.db')))
    return { applied: [], pending: migrations.map((m) => m.name) };
  const database = await openDatabase(settings);
  try {
    const { applied, pending } = await readSchema(database.reader, database.dialect, migrations);
    // What another replica applied in between is not ours.
    return { applied, pending: dryRun ? pending : await migrate(database, migrations) };
  } finally {
    await database.close();
  }
}
