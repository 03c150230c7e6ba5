// Opens the parts that every use case stands on, in order, and closes them in the opposite order.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { BlobStore } from '../kernel/blobs/blob-store.ts';
import { openBlobStore } from '../kernel/blobs/open-store.ts';
import { wallClock, type Clock } from '../kernel/clock.ts';
import { openCompute } from '../kernel/compute/compute.ts';
import { secretsOf, type Settings } from '../kernel/config/settings.ts';
import type { Platform } from '../kernel/ctx.ts';
import type { Database } from '../kernel/db/database.ts';
import { migrate, requireSchema } from '../kernel/db/migrate.ts';
import { openPostgres } from '../kernel/db/postgres.ts';
import { openSqlite } from '../kernel/db/sqlite.ts';
import { eventsIn } from '../kernel/events/events.ts';
import { startSequencer } from '../kernel/events/sequencer.ts';
import { startSubscribers, type Subscriber, type SubscriberLoop } from '../kernel/events/subscribers.ts';
import { systemIds, type IdSource } from '../kernel/ids.ts';
import type { Job } from '../kernel/jobs/jobs.ts';
import { endAllLeases } from '../kernel/jobs/orphans.ts';
import { startWorker, type Worker } from '../kernel/jobs/worker.ts';
import { openLog, type Log } from '../kernel/log.ts';
import { aloneReplica, joinReplicas, type Replicas } from '../kernel/replicas/replicas.ts';
import { openTimeline } from '../kernel/timeline/timeline.ts';
import { replicaFacts, seedKeys } from './replica-facts.ts';
import { migrations } from './migrations/migrations.ts';

export interface PlatformOptions {
  readonly settings: Settings;
  /** What runs on it, given the store of bytes. */
  readonly compose: (blobs: BlobStore) => { readonly jobs: readonly Job<never>[]; readonly subscribers: readonly Subscriber[] };
  /** Given by tests; otherwise opened from the settings. */
  readonly database?: Database;
  /** Whether data planes read this folder; absent: they do. */
  readonly dataPlane?: boolean;
  readonly clock?: Clock;
  readonly ids?: IdSource;
  readonly log?: Log;
}

export interface RunningPlatform {
  readonly platform: Platform;
  readonly worker: Worker;
  readonly subscribers: SubscriberLoop;
  /** The control planes of this database, seen from here. */
  readonly replicas: Replicas;
  /** The number of the newest event. */
  headSeq(): Promise<number>;
  close(options?: { keepDatabase?: boolean }): Promise<void>;
}

const DRAIN_MS = 5000;

export async function openDatabase(settings: Settings): Promise<Database> {
  if (settings.databaseUrl)
    return openPostgres(settings.databaseUrl, { poolSize: settings.databasePool, statementTimeoutMs: settings.databaseTimeoutMs });
  mkdirSync(settings.dir, { recursive: true });
  return openSqlite(join(settings.dir, 'gyre.db'), settings.durability);
}

export async function openPlatform(options: PlatformOptions): Promise<RunningPlatform> {
  const { settings } = options;
  mkdirSync(settings.dir, { recursive: true, mode: 0o700 });
  const log = options.log ?? openLog(settings.logLevel, { secrets: secretsOf(settings) });
  const clock = options.clock ?? wallClock;
  const blobs = await openBlobStore(settings, log);
  const database = options.database ?? (await openDatabase(settings));
  await (settings.autoMigrate ? migrate : requireSchema)(database, migrations);
  // One process writes a SQLite file, so whoever held a job's lease is gone.
  if (database.dialect.name === 'sqlite') await endAllLeases(database);
  seedKeys(settings);
  const loops: { worker?: Worker; subscribers?: SubscriberLoop } = {};
  // What tests bring is theirs alone.
  const alone = database.dialect.name === 'sqlite' || options.database !== undefined;
  const facts = alone ? undefined : replicaFacts(settings, options.dataPlane ?? true);
  const replicas = facts
    ? await joinReplicas(database, facts, () => loops.subscribers?.wake()).catch((error: unknown) => {
        facts.leave();
        throw error;
      })
    : aloneReplica;
  const sequencer = startSequencer(database);
  const compute = openCompute({
    dir: join(settings.dir, 'compute'),
    memoryMb: settings.computeMemoryMb,
    threads: settings.computeThreads,
    timeoutMs: settings.computeTimeoutMs,
  });

  const parts = options.compose(blobs);
  const { signals } = database;
  const platform: Platform = Object.freeze({
    database,
    clock,
    timeline: openTimeline(clock),
    ids: options.ids ?? systemIds,
    log,
    blobs,
    compute,
    settings,
    servesHere: replicas.mayServe,
    wakeJobs: () => {
      loops.worker?.wake();
      signals?.send('jobs');
    },
    wakeSubscribers: () => {
      loops.subscribers?.wake();
      signals?.send('events');
    },
  });
  const subscribers = (loops.subscribers = startSubscribers(() => platform, parts.subscribers, sequencer, replicas.leads));
  const worker = (loops.worker = startWorker({
    platform: () => platform,
    catalogue: parts.jobs,
    concurrency: 4,
    mayServe: replicas.mayServe,
  }));
  signals?.hear((topic) => {
    if (topic !== 'events') worker.wake();
    if (topic !== 'jobs') subscribers.wake();
  });
  worker.wake();
  subscribers.wake();

  return {
    platform,
    worker,
    subscribers,
    replicas,
    headSeq: async () => {
      await sequencer.settle();
      const row = await eventsIn(database.reader)
        .selectFrom('events')
        .select((eb) => eb.fn.max('seq').as('seq'))
        .executeTakeFirst();
      return row?.seq ?? 0;
    },
    close: async ({ keepDatabase = false } = {}) => {
      await worker.stop(DRAIN_MS);
      await subscribers.stop();
      await sequencer.stop();
      await replicas.stop();
      facts?.leave();
      await compute.close();
      if (!keepDatabase) await database.close();
      await blobs.close();
    },
  };
}
