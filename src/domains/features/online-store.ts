// The embedded online store: one SQLite file per project with what was known about each entity, and since
// when. Writers keep the envelope: a fact that is older (`occurred_at`) than one already known for its key
// is left out, an equal one known later is a correction. So "the newest fact known at t" is one backward
// seek on `known_at`, the same rule as the offline ASOF join.
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { failpoint } from '../../kernel/failpoints.ts';
import { packValues, unpackValues, type ColumnType, type FeatureColumn, type FeatureValue } from './packed-values.ts';

export type { ColumnType, FeatureColumn, FeatureValue };

/** The value of an entity key, one per column of the view's entity. */
export type EntityKey = readonly (string | number | bigint | boolean)[];

export interface Fact {
  readonly values: readonly FeatureValue[];
  readonly occurredAtUs: number;
  readonly knownAtUs: number;
}
export interface FactRow extends Fact {
  readonly entity: EntityKey;
}
export interface OnlineView {
  readonly name: string;
  readonly entity: readonly string[];
  readonly columns: readonly FeatureColumn[];
  /** Facts that occurred longer ago than this are not served; null = no limit. */
  readonly ttlUs: number | null;
}

/** A fact with the columns that its values are of: a view may be filled by another definition than its reader has. */
export interface FoundFact extends Fact {
  readonly columns: readonly FeatureColumn[];
}

export interface OnlineReader {
  readonly views: () => readonly OnlineView[];
  /** The newest fact known at `asOfUs` that occurred at or after `asOfUs - ttl`, or undefined. */
  read(view: string, entity: EntityKey, asOfUs: number): FoundFact | undefined;
  close(): void;
}

export interface OnlineWriter {
  /** Makes one transaction of everything the body writes: readers see all of it or nothing. */
  atomically<T>(body: () => Promise<T>): Promise<T>;
  /** The mark of what the view holds, as `mark` set it; undefined if nothing is known of it. */
  held(view: string): string | undefined;
  mark(view: string, mark: string): void;
  /** Declares a view; with another definition than before, its facts are removed. */
  declare(view: OnlineView): void;
  /** Adds facts in one transaction, in any order; repeating a batch changes nothing. */
  append(view: string, rows: Iterable<FactRow>): { readonly kept: number; readonly leftOut: number };
  /** Removes facts that no read at or after `horizonUs` can return: beyond the TTL. */
  prune(view: string, horizonUs: number): number;
  /** Removes a view with its facts. */
  remove(view: string): void;
  close(): void;
}

const FORMAT = 1;

// JSON, with integers beyond 2^53 as their digits.
const keyOf = (entity: EntityKey): string =>
  entity.some((part) => typeof part === 'bigint')
    ? `[${entity.map((part) => (typeof part === 'bigint' ? String(part) : JSON.stringify(part))).join(',')}]`
    : JSON.stringify(entity);

interface StoredView extends OnlineView {
  readonly id: number;
}

const loadViews = (db: DatabaseSync): Map<string, StoredView> =>
  new Map(
    db
      .prepare('select id, definition from views')
      .all()
      .map((row) => ({ ...(JSON.parse(String(row.definition)) as OnlineView), id: Number(row.id) }))
      .map((view) => [view.name, view]),
  );

/** Opens (or creates) a store for writing. One writer at a time; readers go on meanwhile. */
export function openOnlineWriter(path: string): OnlineWriter {
  mkdirSync(dirname(path), { recursive: true });
  const db = new DatabaseSync(path, { timeout: 10_000 });
  // The store can be made again from the datasets, so losing its last moments to a power cut is no loss.
  db.exec(`pragma journal_mode = wal; pragma synchronous = normal; pragma secure_delete = on; pragma cache_size = -65536;
    create table if not exists views (id integer primary key autoincrement, name text not null unique, definition text not null) strict;
    create table if not exists facts (view_id integer not null, entity text not null, known_at integer not null, occurred_at integer not null,
      packed blob not null, primary key (view_id, entity, known_at, occurred_at)) without rowid, strict;
    create table if not exists marks (view text primary key, mark text not null) strict;
    pragma user_version = ${FORMAT}`);
  const latest = db.prepare(
    'select known_at, occurred_at from facts where view_id = ? and entity = ? order by known_at desc, occurred_at desc limit 1',
  );
  const newestBefore = db.prepare(
    'select occurred_at from facts where view_id = ? and entity = ? and known_at <= ? order by known_at desc, occurred_at desc limit 1',
  );
  const insert = db.prepare('insert or replace into facts (view_id, entity, known_at, occurred_at, packed) values (?, ?, ?, ?, ?)');
  const supersede = db.prepare('delete from facts where view_id = ? and entity = ? and known_at >= ? and occurred_at < ?');

  const view = (name: string): StoredView => {
    const found = loadViews(db).get(name);
    if (!found) throw new Error(`the online store has no view "${name}"; declare it first`);
    return found;
  };
  const inTransaction = <T>(body: () => T): T => {
    if (db.isTransaction) return body();
    db.exec('begin immediate');
    try {
      const result = body();
      db.exec('commit');
      return result;
    } catch (error) {
      db.exec('rollback');
      throw error;
    }
  };

  const remove = (name: string): void => {
    const found = loadViews(db).get(name);
    if (!found) return;
    db.prepare('delete from facts where view_id = ?').run(found.id);
    db.prepare('delete from views where id = ?').run(found.id);
    db.prepare('delete from marks where view = ?').run(name);
  };

  return {
    atomically: async (body) => {
      db.exec('begin immediate');
      try {
        const result = await body();
        failpoint('features.before-online-commit');
        db.exec('commit');
        failpoint('features.after-online-commit');
        return result;
      } catch (error) {
        if (db.isTransaction) db.exec('rollback');
        throw error;
      }
    },
    held: (name) => heldIn(db, name),
    mark: (name, mark) =>
      void db
        .prepare('insert into marks (view, mark) values (?, ?) on conflict (view) do update set mark = excluded.mark')
        .run(view(name).name, mark),
    declare: (declared) =>
      inTransaction(() => {
        const { name, entity, columns, ttlUs } = declared;
        const definition = JSON.stringify({ name, entity, columns, ttlUs });
        const known = db.prepare('select definition from views where name = ?').get(name);
        if (known?.definition === definition) return;
        // Under a new number, so that a reader that knows the old definition does not take the new facts for its own.
        remove(name);
        db.prepare('insert into views (name, definition) values (?, ?)').run(name, definition);
      }),
    append: (name, rows) => {
      const { id, columns } = view(name);
      return inTransaction(() => {
        // Newest fact per key, so that rows in order of `known_at` need no look-up.
        const newest = new Map<string, { knownAtUs: number; occurredAtUs: number }>();
        let kept = 0;
        let leftOut = 0;
        for (const row of rows) {
          const { knownAtUs, occurredAtUs } = row;
          const entity = keyOf(row.entity);
          const last = newest.get(entity) ?? newestOf(latest, id, entity);
          const inOrder = last === undefined || (knownAtUs >= last.knownAtUs && occurredAtUs >= last.occurredAtUs);
          if (!inOrder) {
            const known = newestBefore.get(id, entity, knownAtUs);
            if (known && Number(known.occurred_at) > occurredAtUs) {
              newest.set(entity, last);
              leftOut++;
              continue;
            }
          }
          // A fact that comes late makes older facts known after it superfluous; so does one of the same moment.
          if (last !== undefined && (!inOrder || knownAtUs === last.knownAtUs)) supersede.run(id, entity, knownAtUs, occurredAtUs);
          insert.run(id, entity, knownAtUs, occurredAtUs, packValues(columns, row.values));
          kept++;
          if (inOrder) newest.set(entity, { knownAtUs, occurredAtUs });
          else newest.delete(entity);
        }
        return { kept, leftOut };
      });
    },
    prune: (name, horizonUs) => {
      const { id, ttlUs } = view(name);
      if (ttlUs === null) return 0;
      return Number(db.prepare('delete from facts where view_id = ? and occurred_at < ?').run(id, horizonUs - ttlUs).changes);
    },
    remove: (name) => inTransaction(() => remove(name)),
    close: () => db.close(),
  };
}

function newestOf(latest: StatementSync, id: number, entity: string): { knownAtUs: number; occurredAtUs: number } | undefined {
  const row = latest.get(id, entity);
  return row && { knownAtUs: Number(row.known_at), occurredAtUs: Number(row.occurred_at) };
}

interface FactOfView {
  readonly view_id: number;
  readonly packed: Uint8Array;
  readonly occurred_at: number;
  readonly known_at: number;
}

const heldIn = (db: DatabaseSync, view: string): string | undefined =>
  db.prepare('select mark from marks where view = ?').get(view)?.mark as string | undefined;

/** The mark of what a view of the store at `path` holds; undefined if there is no such store or view. */
export function heldMark(path: string, view: string): string | undefined {
  if (!existsSync(path)) return undefined;
  const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  try {
    return heldIn(db, view);
  } catch {
    // A store of a time before there were marks.
    return undefined;
  } finally {
    db.close();
  }
}

export interface OnlineErasure {
  /** Whether a column of a view holds identifiers of this kind. */
  readonly isNamed: (column: string) => boolean;
  /** Whether a value there is this subject's. */
  readonly isValue: (value: FeatureValue) => boolean;
  /** Digest of a table that the store was filled from -> digest of the one that took its place. */
  readonly digests: ReadonlyMap<string, string>;
}

/**
 * Removes every fact about a subject from the store at `path`: by key, and by value. The marks of the views
 * follow the tables that they name. What is removed is overwritten on disk. Returns how many facts went, and
 * whether the log could be emptied (no reader was in the way).
 */
export function eraseFacts(path: string, { isNamed, isValue, digests }: OnlineErasure): { removed: number; clean: boolean } {
  if (!existsSync(path)) return { removed: 0, clean: true };
  openOnlineWriter(path).close();
  const db = new DatabaseSync(path, { timeout: 10_000 });
  try {
    db.exec('pragma secure_delete = on; begin immediate');
    let removed = 0;
    for (const view of loadViews(db).values()) {
      const remove = db.prepare('delete from facts where view_id = ? and entity = ? and known_at = ? and occurred_at = ?');
      const at = (names: readonly string[]): number[] => names.flatMap((name, i) => (isNamed(name) ? [i] : []));
      const [inKey, inValues] = [at(view.entity), at(view.columns.map((c) => c.name))];
      const facts = db.prepare('select entity, known_at, occurred_at, packed from facts where view_id = ?');
      const gone: (FactOfView & { entity: string })[] = [];
      // A view without such a column is not read, and none is held in memory as a whole.
      if (inKey.length + inValues.length > 0)
        for (const row of facts.iterate(view.id) as Iterable<FactOfView & { entity: string }>) {
          const key = inKey.length > 0 ? (JSON.parse(row.entity) as FeatureValue[]) : [];
          const values = inValues.length > 0 ? unpackValues(view.columns, row.packed) : [];
          if (inKey.some((i) => isValue(key[i] ?? null)) || inValues.some((i) => isValue(values[i] ?? null))) gone.push(row);
        }
      for (const row of gone) remove.run(view.id, row.entity, row.known_at, row.occurred_at);
      removed += gone.length;
      const mark = heldIn(db, view.name);
      const [, digest = '', rest = ''] = /^(\S+)( .*)$/s.exec(mark ?? '') ?? [];
      if (digests.has(digest)) db.prepare('update marks set mark = ? where view = ?').run(`${digests.get(digest)}${rest}`, view.name);
    }
    failpoint('features.before-facts-erased');
    db.exec('commit');
    failpoint('features.after-facts-erased');
    const { busy } = db.prepare('pragma wal_checkpoint(truncate)').get() as { busy: number };
    return { removed, clean: busy === 0 };
  } finally {
    if (db.isTransaction) db.exec('rollback');
    db.close();
  }
}

/** Opens a store read-only; it sees what the writer commits. Raises an Error if there is none at `path`. */
export function openOnlineReader(path: string): OnlineReader {
  const db = new DatabaseSync(path, { readOnly: true, timeout: 1000 });
  db.exec('pragma mmap_size = 268435456; pragma cache_size = -16384');
  const seek = db.prepare(
    'select view_id, packed, occurred_at, known_at from facts where view_id = (select id from views where name = ?) and entity = ? and known_at <= ? order by known_at desc, occurred_at desc limit 1',
  );
  let views = loadViews(db);
  return {
    views: () => [...(views = loadViews(db)).values()].map(({ name, entity, columns, ttlUs }) => ({ name, entity, columns, ttlUs })),
    read: (name, entity, asOfUs) => {
      const row = seek.get(name, keyOf(entity), asOfUs) as FactOfView | undefined;
      if (!row) return undefined;
      // A view declared, or filled anew, after this reader was opened has a number that is not known yet.
      const view = views.get(name)?.id === row.view_id ? views.get(name) : (views = loadViews(db)).get(name);
      if (view?.id !== row.view_id) return undefined;
      if (view.ttlUs !== null && row.occurred_at < asOfUs - view.ttlUs) return undefined;
      return {
        columns: view.columns,
        values: unpackValues(view.columns, row.packed),
        occurredAtUs: row.occurred_at,
        knownAtUs: row.known_at,
      };
    },
    close: () => db.close(),
  };
}
