// The database of a server without the rest of it, so that a command is quick.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '../../../kernel/config/settings.ts';
import type { Database } from '../../../kernel/db/database.ts';
import type { Location } from './snapshot.ts';

export async function openDatabase(settings: Settings): Promise<Database> {
  if (settings.databaseUrl) {
    const { openPostgres } = await import('../../../kernel/db/postgres.ts');
    return openPostgres(settings.databaseUrl, { poolSize: 2 });
  }
  const { openSqlite } = await import('../../../kernel/db/sqlite.ts');
  mkdirSync(settings.dir, { recursive: true, mode: 0o700 });
  return openSqlite(join(settings.dir, 'gyre.db'), settings.durability);
}

export const locationOf = (settings: Settings): Location =>
  settings.databaseUrl ? { kind: 'postgres', url: settings.databaseUrl } : { kind: 'sqlite', file: join(settings.dir, 'gyre.db') };
