// The list of checks, in the order in which what is wrong with one explains the next.
import type { BlobStore } from '../../../kernel/blobs/blob-store.ts';
import { openBlobStore } from '../../../kernel/blobs/open-store.ts';
import type { Settings } from '../../../kernel/config/settings.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { silentLog } from '../../../kernel/log.ts';
import { locationOf } from '../database/open-database.ts';
import { openSnapshot, placeOf, type Snapshot } from '../database/snapshot.ts';
import { checkBlobs, checkStore } from './blob-checks.ts';
import { checkChain, checkIntegrity, checkQueue, checkReferences, checkReplicas, checkSequencer } from './database-checks.ts';
import { fault, ok, type DoctorOptions, type Finding } from './finding.ts';
import { checkDisk, checkFolder, checkLeftovers, checkPython, checkServer } from './machine-checks.ts';

/** Looks at everything, and changes nothing but a probe in the store that it removes again. Yields as it goes. */
export async function* examine(settings: Settings, options: DoctorOptions = {}): AsyncGenerator<Finding> {
  yield ok('settings', `${settings.dir}, ${settings.databaseUrl ? 'PostgreSQL' : 'SQLite'}, durability ${settings.durability}`);
  yield await checkFolder(settings.dir);
  yield await checkDisk(settings.dir);
  const nowMs = options.nowMs ?? Date.now();
  let snapshot: Snapshot | undefined;
  try {
    snapshot = await openSnapshot(locationOf(settings));
    yield ok('database', `${placeOf(locationOf(settings))} answers, schema ${snapshot.schema} is this program's`);
  } catch (error) {
    const mend = isProblem(error, 'database-missing')
      ? 'start "gyre up" once, or name the folder with --dir and the database with --database-url'
      : 'see that it runs and that GYRE_DATABASE_URL is right; a schema that is newer needs the newer program';
    yield fault('database', (error as Error).message, mend);
  }
  if (snapshot) {
    try {
      yield* guarded('database pages', () => checkIntegrity(snapshot!));
      yield* guarded('references', () => checkReferences(snapshot!));
      yield* guarded('sequencer', () => checkSequencer(snapshot!, nowMs));
      const replicas = await checkReplicas(snapshot);
      if (replicas) yield replicas;
      yield* guarded('jobs', () => checkQueue(snapshot!, nowMs));
      yield* guarded('audit chain', () => checkChain(snapshot!));
      const blobs = await openBlobStore(settings, silentLog).catch((error: unknown) => error as Error);
      if (blobs instanceof Error) yield fault('blob store', blobs.message, 'see GYRE_BLOBS_URL and its credentials');
      else yield* storeFindings(snapshot, blobs, options);
    } finally {
      await snapshot.close();
    }
  }
  yield await checkLeftovers(settings.dir, nowMs, settings.attemptRetentionDays);
  yield await checkPython();
  yield await checkServer(settings.dir);
}

async function* storeFindings(snapshot: Snapshot, blobs: BlobStore, options: DoctorOptions): AsyncGenerator<Finding> {
  try {
    yield await checkStore(blobs);
    yield* checkBlobs(snapshot, blobs, options);
  } finally {
    await blobs.close();
  }
}

// A check that cannot even be made is a finding, too.
async function* guarded(check: string, body: () => Promise<Finding>): AsyncGenerator<Finding> {
  yield await body().catch((error: unknown) =>
    fault(check, `could not be checked: ${(error as Error).message}`, 'mend what stands above first'),
  );
}
