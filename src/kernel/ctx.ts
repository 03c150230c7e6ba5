// What every use case is given: kernel types only, frozen, made per request, job or command.
import type { BlobStore } from './blobs/blob-store.ts';
import type { Clock } from './clock.ts';
import type { Compute } from './compute/compute.ts';
import type { Database, Db, TransactionKind } from './db/database.ts';
import { insertEvent, type NewEvent } from './events/events.ts';
import type { IdSource } from './ids.ts';
import type { Log } from './log.ts';
import type { Settings } from './config/settings.ts';
import type { Standing } from './levels.ts';
import type { Timeline } from './timeline/timeline.ts';
import { insertJob, type Enqueue } from './jobs/jobs.ts';

/** Who acts. `roles` are names known to domains/access; `scope` narrows a token to one run or use. */
export interface Actor {
  readonly kind: 'user' | 'service' | 'step' | 'local' | 'system';
  readonly id: string;
  /** Of a token: whose it is is a person, not a service account. */
  readonly ofPerson?: boolean;
  /** What is done must be allowed by each of them: a token's role, and its owner's where that allows less. */
  readonly roles: readonly string[];
  readonly scope?: {
    readonly runId?: string;
    readonly trackingRunIds?: readonly string[];
    /** Permissions a token is narrowed to. */
    readonly permissions?: readonly string[];
    /** Resources a token is narrowed to, as `kind:id`. */
    readonly resources?: readonly string[];
  };
  /** How far it may go with each resource (kernel/levels.ts). */
  readonly standing?: Standing;
}

export const systemActor: Actor = { kind: 'system', id: 'system', roles: ['admin'] };

/** Process-wide parts a `Ctx` is made from. */
export interface Platform {
  readonly database: Database;
  readonly clock: Clock;
  readonly timeline: Timeline;
  readonly ids: IdSource;
  readonly log: Log;
  readonly blobs: BlobStore;
  readonly compute: Compute;
  readonly settings: Settings;
  /** Whether what data planes read may be written here; false if another control plane of this database does that. */
  readonly servesHere?: () => boolean;
  /** Wakes the job worker after a commit that queued something. */
  readonly wakeJobs: () => void;
  /** Tells followers (server-sent events, subscribers) that events were committed. */
  readonly wakeSubscribers: () => void;
}

export interface Ctx extends Platform {
  /** Committed state, read only; inside `tx` the transaction. */
  readonly db: Db;
  readonly inTransaction: boolean;
  readonly actor: Actor;
  readonly workspace: string;
  readonly requestId: string;
  readonly signal: AbortSignal;
  /** Runs `body` as one transaction, serializable unless `kind` says otherwise; inside a transaction it joins that one. */
  tx<T>(body: (ctx: Ctx) => Promise<T>, kind?: TransactionKind): Promise<T>;
  /** Records what happened, in the same transaction as the change. Raises outside a transaction. */
  emit(event: NewEvent): Promise<void>;
  /** Queues a job in this transaction; it runs after the commit. */
  enqueue<P>(job: Enqueue<P>): Promise<string>;
}

export interface Caller {
  readonly actor: Actor;
  readonly workspace: string;
  readonly requestId?: string;
  readonly signal?: AbortSignal;
}

const never = new AbortController().signal;

/** The context of one request, job or command. */
export function makeCtx(platform: Platform, caller: Caller): Ctx {
  const base = {
    ...platform,
    actor: caller.actor,
    workspace: caller.workspace,
    requestId: caller.requestId ?? '',
    signal: caller.signal ?? never,
  };
  const inside = (db: Db, onCommit: (effect: () => void) => void): Ctx => {
    const ctx: Ctx = Object.freeze({
      ...base,
      db,
      inTransaction: true,
      // Whoever is woken reads committed state, so waking waits for the commit.
      wakeJobs: () => onCommit(platform.wakeJobs),
      wakeSubscribers: () => onCommit(platform.wakeSubscribers),
      tx: <T>(body: (ctx: Ctx) => Promise<T>) => body(ctx),
      emit: async (event: NewEvent) => {
        await insertEvent(ctx, event);
        ctx.wakeSubscribers();
      },
      enqueue: async <P>(job: Enqueue<P>) => {
        const id = await insertJob(ctx, job);
        ctx.wakeJobs();
        return id;
      },
    });
    return ctx;
  };
  const needsTransaction = (): never => {
    throw new Error('events and jobs are written inside ctx.tx, together with the change itself');
  };
  return Object.freeze({
    ...base,
    db: platform.database.reader,
    inTransaction: false,
    tx: <T>(body: (ctx: Ctx) => Promise<T>, kind?: TransactionKind) =>
      platform.database.tx((db, onCommit) => body(inside(db, onCommit)), kind),
    emit: needsTransaction,
    enqueue: needsTransaction,
  });
}
