// Events: an immutable record of something that happened, written with the change itself.
// Payloads hold ids, digests and HMACs of entity keys: nothing personal is chained.
import type { Ctx } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import { statement } from '../db/statement.ts';
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

const inserted = statement(
  `insert into events (id, workspace_id, type, subject_kind, subject_id, label, project, actor_kind, actor_id, payload, edges,
    recorded_ms, occurred_us, seq, hash) values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, null, null)`,
);

export const insertEvent = async (ctx: Ctx, event: NewEvent): Promise<void> =>
  void (await inserted(
    ctx.db,
    newId('evt', ctx.ids),
    ctx.workspace,
    event.type,
    event.subject.kind,
    event.subject.id,
    event.label ?? null,
    event.project ?? null,
    ctx.actor.kind,
    ctx.actor.id,
    JSON.stringify(event.payload ?? {}),
    JSON.stringify(event.edges ?? []),
    ctx.clock.now(),
    event.occurredUs ?? null,
  ));

const newest = statement<{ seq: number; hash: string }>('select seq, hash from events where seq is not null order by seq desc limit 1');

/** The end of the chain; null while there is none. */
export const newestEventOf = async (db: Db): Promise<{ seq: number; hash: string } | null> => (await newest(db))[0] ?? null;
