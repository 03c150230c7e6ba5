// What --from names: a server, a folder or a database of MLflow.
import { existsSync, statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Settings } from '../../kernel/config/settings.ts';
import { fail } from './errors.ts';
import type { Source } from './source.ts';
import type { Login } from './mlflow/server.ts';

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
  // What else there is may hold a password, so it is not repeated.
  if (scheme !== undefined && !['sqlite', 'file'].includes(scheme.toLowerCase()))
    fail('import-source-unknown', {
      given: `${scheme}://…`,
      why: 'databases other than SQLite are read through their server; start "mlflow server" on it and name its address',
    });
  const isFile = existsSync(path) && statSync(path).isFile();
  if (database || isFile) {
    const { openSqlite } = await import('./mlflow/sqlite.ts');
    return openSqlite(path, { artifacts, workspace: workspace ?? 'default', settings });
  }
  const { openFileStore } = await import('./mlflow/file-store.ts');
  // The folder in which MLflow was started will do as well.
  const inside = join(path, 'mlruns');
  return openFileStore(!existsSync(join(path, '0')) && existsSync(inside) ? inside : path, { artifacts, settings });
}

// As SQLAlchemy reads it, three slashes lead to a path from here and four to one from the root; people write three for both.
const databaseAt = (path: string): string => (!existsSync(path) && existsSync(`/${path}`) ? `/${path}` : path);
