// Backup and restore of a server as its settings say where it is.
import { existsSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { openBlobStore } from '../../../kernel/blobs/open-store.ts';
import { wallClock } from '../../../kernel/clock.ts';
import { processSettings, type Settings } from '../../../kernel/config/settings.ts';
import { silentLog } from '../../../kernel/log.ts';
import { locationOf, openDatabase } from '../database/open-database.ts';
import { placeOf } from '../database/snapshot.ts';
import { fail } from '../errors.ts';
import { eraseAgain, readErasures, type ErasedAgain } from '../erasures.ts';
import { makeBackup, type BackupOptions, type BackupResult } from './backup.ts';
import { checkArchive, restoreBackup, type RestoreOptions, type RestoreResult } from './restore.ts';

/** Raises what `makeBackup` raises. A folder gets a file named after the moment. */
export async function backUp(settings: Settings, to: string, options: Omit<BackupOptions, 'file'>): Promise<BackupResult> {
  const at = locationOf(settings);
  if (at.kind === 'sqlite' && !existsSync(at.file)) fail('database-missing', { where: placeOf(at) });
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '');
  const file = statSync(to, { throwIfNoEntry: false })?.isDirectory()
    ? join(to, `gyre-${stamp}${options.passphrase === undefined ? '.tar.zst' : '.gyre'}`)
    : to;
  const database = await openDatabase(settings);
  try {
    const blobs = await openBlobStore(settings, silentLog);
    try {
      return await makeBackup({ dir: settings.dir, at, database, clock: wallClock, blobs }, { ...options, file });
    } finally {
      await blobs.close();
    }
  } finally {
    await database.close();
  }
}

export const check = checkArchive;

/** Restores, and erases again who was erased since. */
export async function restore(
  options: Omit<RestoreOptions, 'openBlobs'> & { readonly erasures?: string },
): Promise<RestoreResult & { readonly erasures: readonly ErasedAgain[] }> {
  const settings = processSettings();
  const { erasures: file, ...rest } = options;
  // Read before anything is made, so that a wrong file costs nothing.
  const list = file === undefined ? undefined : readErasures(await readFile(file, 'utf8'), file);
  const done = await restoreBackup({ ...rest, openBlobs: (dir) => openBlobStore({ ...settings, dir }, silentLog) });
  const own = { ...settings, dir: done.dir, databaseUrl: options.databaseUrl ?? '' };
  return { ...done, erasures: list ? await eraseAgain(own, list) : [] };
}
