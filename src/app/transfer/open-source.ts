// What --from names: a server, a folder or a database of MLflow.
import { existsSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Settings } from '../../kernel/config/settings.ts';
import { fail } from './errors.ts';
import type { Source } from './source.ts';
import { openDatabase, type DatabaseOptions } from './mlflow/database.ts';
import type { Login } from './mlflow/server.ts';
import type { Tables } from './mlflow/sql-tables.ts';

export interface FromOptions {
  readonly artifacts?: string | undefined;
  readonly workspace?: string | undefined;
  readonly login: Login;
  readonly settings: () => Settings;
}

/** Raises `import-source-unknown`, `import-source-too-old`. */
export async function openSource(given: string, { artifacts, workspace, login, settings }: FromOptions): Promise<Source> {
  if (/^https?:\/\//i.test(given)) {
    if (!URL.canParse(given)) fail('import-source-unknown', { given: '(an address)', why: 'it is no address' });
    return (await import('./mlflow/http.ts')).openHttp({ url: given, login, workspace, origin: 'mlflow' });
  }
  const database = /^sqlite:\/{2,3}(.+)$/i.exec(given);
  const path = resolve(
    database ? databaseAt(database[1]!) : /^file:/i.test(given) ? fileURLToPath(given.replace(/^file:\/*/i, 'file:///')) : given,
  );
  const [, scheme] = /^([a-z][a-z0-9+.-]+):\/\//i.exec(given) ?? [];
  const common = { artifacts, workspace: workspace ?? 'default', settings };
  if (scheme !== undefined && /^postgres(ql)?(\+|$)/i.test(scheme)) return openOnPostgres(given, common);
  // What else there is may hold a password, so it is not repeated.
  if (scheme !== undefined && !['sqlite', 'file'].includes(scheme.toLowerCase()))
    fail('import-source-unknown', {
      given: `${scheme}://…`,
      why: `a database of this kind is read through MLflow's server; start one on it ("mlflow server --backend-store-uri ${scheme}://… --port 5000") and import --from http://127.0.0.1:5000`,
    });
  const isFile = existsSync(path) && statSync(path).isFile();
  if (database || isFile) return openOnSqlite(path, common);
  const { openFileStore } = await import('./mlflow/file-store.ts');
  // The folder in which MLflow was started will do as well.
  const inside = join(path, 'mlruns');
  return openFileStore(!existsSync(join(path, '0')) && existsSync(inside) ? inside : path, { artifacts, settings });
}

type DatabaseChoice = Pick<DatabaseOptions, 'artifacts' | 'workspace' | 'settings'>;

async function openOnSqlite(file: string, choice: DatabaseChoice): Promise<Source> {
  if (!existsSync(file)) fail('import-source-unknown', { given: file, why: 'there is no such file' });
  const { openSqliteTables } = await import('./mlflow/sqlite-tables.ts');
  let tables: Tables;
  try {
    tables = openSqliteTables(file);
    await tables.has('experiments');
  } catch (error) {
    return fail('import-source-unknown', { given: file, why: `it is no database of SQLite (${(error as Error).message})` });
  }
  return openDatabase(tables, { ...choice, place: file, base: dirname(file) });
}

async function openOnPostgres(url: string, choice: DatabaseChoice): Promise<Source> {
  const { openPostgresTables, placeOfDatabase, plainUrl } = await import('./mlflow/postgres-tables.ts');
  if (!URL.canParse(plainUrl(url))) fail('import-source-unknown', { given: 'postgresql://…', why: 'it is no address' });
  const place = placeOfDatabase(url);
  let tables: Tables;
  try {
    tables = await openPostgresTables(url);
  } catch (error) {
    return fail('import-source-unknown', { given: place, why: `PostgreSQL there does not let us in (${(error as Error).message})` });
  }
  try {
    return await openDatabase(tables, { ...choice, place, base: process.cwd() });
  } catch (error) {
    await tables.close();
    throw error;
  }
}

// As SQLAlchemy reads it, three slashes lead to a path from here and four to one from the root; people write three for both.
const databaseAt = (path: string): string => (!existsSync(path) && existsSync(`/${path}`) ? `/${path}` : path);
