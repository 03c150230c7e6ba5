// Events: an immutable record of something that happened, written with the change itself.
// Payloads hold ids, digests and HMACs of entity keys: nothing personal is chained.
import { hash } from 'node:crypto';
import type { Ctx } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import { command, statement } from '../db/statement.ts';
import type { Table } from '../db/tables.ts';
import { newId } from '../ids.ts';

/** A record that an event speaks of: `kind` is the noun in kebab-case, for example "dataset-version". */
export interface Ref {
  readonly kind: string;
  readonly id: string;
}

/** One arrow of the chain of evidence: `from` was made from, or with, `to`. */
export interface Edge {
  readonly from: Ref;
  readonly to: Ref;
  /** How: "source", "input", "code", "environment", "parameter", "produced-by", "evaluates", "model", ... */
  readonly relation: string;
}

export interface NewEvent {
  /** `<noun>.<past participle>`, for example "dataset-version.created". */
  readonly type: string;
  readonly subject: Ref;
  /** A short name people know the subject by. */
  readonly label?: string;
  readonly project?: string;
  readonly payload?: Readonly<Record<string, unknown>>;
  readonly edges?: readonly Edge[];
  /** When it happened in the world (event time, microseconds), if that is not now. */
  readonly occurredUs?: number;
}

export interface EventRow {
  id: string;
  workspace_id: string;
  type: string;
  subject_kind: string;
  subject_id: string;
  label: string | null;
  project: string | null;
  actor_kind: string;
  actor_id: string;
  payload: string;
  edges: string;
  recorded_ms: number;
  occurred_us: number | null;
  seq: number | null;
  hash: string | null;
}

export const eventTables: readonly Table[] = [
  {
    name: 'events',
    columns: {
      id: 'id',
      workspace_id: 'id',
      type: 'text',
      subject_kind: 'text',
      subject_id: 'text',
      label: 'text?',
      project: 'text?',
      actor_kind: 'text',
      actor_id: 'text',
      payload: 'json',
      edges: 'json',
      recorded_ms: 'int',
      occurred_us: 'int?',
      seq: 'int?',
      hash: 'text?',
    },
    primary: ['id'],
    unique: [['seq']],
    indexes: [['workspace_id', 'subject_kind', 'subject_id', 'seq'], ['workspace_id', 'seq'], { on: ['id'], where: 'seq is null' }],
  },
  {
    name: 'event_cursors',
    columns: { subscriber: 'text', seq: 'int' },
    primary: ['subscriber'],
  },
];

export type EventTables = {
  events: EventRow;
  event_cursors: { subscriber: string; seq: number };
};

export const eventsIn = (db: Db) => db.withTables<EventTables>();

export const CHAIN_START = '0'.repeat(64);
const sha256 = (text: string): string => hash('sha256', text);

/** The part of an event that the chain protects, in a fixed order. */
const recordDigest = (e: EventRow): string =>
  sha256(
    JSON.stringify([
      e.id,
      e.workspace_id,
      e.type,
      e.subject_kind,
      e.subject_id,
      e.label,
      e.project,
      e.actor_kind,
      e.actor_id,
      e.payload,
      e.edges,
      e.recorded_ms,
      e.occurred_us,
    ]),
  );

export const chainHash = (previous: string, seq: number, event: EventRow): string => sha256(`${previous}\n${seq}\n${recordDigest(event)}`);

const inserted = command(
  `insert into events (id, workspace_id, type, subject_kind, subject_id, label, project, actor_kind, actor_id, payload, edges,
    recorded_ms, occurred_us, seq, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
);
const waiting = statement('select 1 from events where seq is null limit 1');

export async function insertEvent(ctx: Ctx, event: NewEvent): Promise<void> {
  const row: EventRow = {
    id: newId('evt', ctx.ids),
    workspace_id: ctx.workspace,
    type: event.type,
    subject_kind: event.subject.kind,
    subject_id: event.subject.id,
    label: event.label ?? null,
    project: event.project ?? null,
    actor_kind: ctx.actor.kind,
    actor_id: ctx.actor.id,
    payload: JSON.stringify(event.payload ?? {}),
    edges: JSON.stringify(event.edges ?? []),
    recorded_ms: ctx.clock.now(),
    occurred_us: event.occurredUs ?? null,
    seq: null,
    hash: null,
  };
  // Where writers take turns, the end of the chain is known here, and nothing has to be written twice.
  if (ctx.database.dialect.name === 'sqlite' && (await waiting(ctx.db)).length === 0) {
    const newest = (await newestEventOf(ctx.db)) ?? { seq: 0, hash: CHAIN_START };
    row.seq = newest.seq + 1;
    row.hash = chainHash(newest.hash, row.seq, row);
  }
  await inserted(
    ctx.db,
    row.id,
    row.workspace_id,
    row.type,
    row.subject_kind,
    row.subject_id,
    row.label,
    row.project,
    row.actor_kind,
    row.actor_id,
    row.payload,
    row.edges,
    row.recorded_ms,
    row.occurred_us,
    row.seq,
    row.hash,
  );
}

const newestRow = statement<{ seq: number; hash: string }>('select seq, hash from events where seq is not null order by seq desc limit 1');

/** The end of the chain; null while there is none. */
export const newestEventOf = async (db: Db): Promise<{ seq: number; hash: string } | null> => (await newestRow(db))[0] ?? null;
