import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sql } from 'kysely';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { kernelSchema, openSmallPlatform } from '../../../test/support/small-platform.ts';
import type { Ctx } from '../ctx.ts';
import type { Db } from '../db/database.ts';
import type { Migration } from '../db/migrate.ts';
import { caughtUp, type StoredEvent, type Subscriber } from './subscribers.ts';

const schema: readonly Migration[] = [
  {
    ...kernelSchema[0]!,
    tables: [...kernelSchema[0]!.tables, { name: 'seen', columns: { subject: 'id', times: 'int' }, primary: ['subject'] }],
  },
];

const emit = (ctx: Ctx, id: string, type = 'thing.made') => ctx.tx((tx) => tx.emit({ type, subject: { kind: 'thing', id } }));

const upTo = (n: number): string[] => Array.from({ length: n }, (_, i) => String(i));

/** A subscriber that notes what it saw, and fails when `fails` says so. */
function recorder(fails: (event: StoredEvent) => boolean = () => false): Subscriber & { readonly seen: string[] } {
  const seen: string[] = [];
  return {
    name: 'recorder',
    types: ['thing.made'],
    seen,
    handle: async (_ctx, event) => {
      if (fails(event)) throw new Error('not now');
      seen.push(event.subject.id);
    },
  };
}

eachDatabase('a subscriber sees every event of its types once, in order, in the workspace of the event', async (t, kind) => {
  const database = await openTestDatabase(t, kind, schema);
  const workspaces: string[] = [];
  const all = recorder();
  const { ctx, subscribers } = await openSmallPlatform(t, database, {
    subscribers: [all, { name: 'workspaces', handle: async (tx) => void workspaces.push(tx.workspace) }],
  });
  for (const id of upTo(5)) await emit(ctx(id === '3' ? 'other' : 'default'), id);
  await emit(ctx(), 'x', 'thing.lost');
  await subscribers.drain();
  await subscribers.drain();
  assert.deepEqual(all.seen, upTo(5));
  assert.deepEqual(workspaces, ['default', 'default', 'default', 'other', 'default', 'default']);
});

eachDatabase('after a restart a subscriber goes on where it stood, and sees what came meanwhile', async (t, kind) => {
  const database = await openTestDatabase(t, kind, schema);
  const first = recorder();
  const one = await openSmallPlatform(t, database, { subscribers: [first] });
  for (const id of upTo(3)) await emit(one.ctx(), id);
  await one.subscribers.drain();
  await one.end();
  const between = await openSmallPlatform(t, database, { replica: 'between' });
  for (const id of ['3', '4']) await emit(between.ctx(), id);
  await between.headSeq();
  await between.end();
  const second = recorder();
  const two = await openSmallPlatform(t, database, { subscribers: [second], replica: 'two' });
  await emit(two.ctx(), '5');
  await two.subscribers.drain();
  assert.deepEqual([first.seen, second.seen], [upTo(3), ['3', '4', '5']]);
});

eachDatabase('a handler that fails is tried again with the same event, later ones wait, other subscribers go on', async (t, kind) => {
  const database = await openTestDatabase(t, kind, schema);
  let broken = true;
  const failing = recorder((event) => broken && event.subject.id === '2');
  const other: string[] = [];
  const { ctx, subscribers } = await openSmallPlatform(t, database, {
    subscribers: [failing, { name: 'other', handle: async (_ctx, event) => void other.push(event.subject.id) }],
  });
  for (const id of upTo(5)) await emit(ctx(), id);
  await assert.rejects(subscribers.drain(), { code: 'barrier-incomplete', params: { behind: ['recorder'] } });
  assert.deepEqual([failing.seen, other], [['0', '1'], upTo(5)]);
  broken = false;
  await subscribers.drain();
  assert.deepEqual(failing.seen, upTo(5));
});

eachDatabase('a handler that fails once does not keep the drain from its end', async (t, kind) => {
  const database = await openTestDatabase(t, kind, schema);
  let failures = 1;
  const failing = recorder((event) => event.subject.id === '1' && failures-- > 0);
  const { ctx, subscribers } = await openSmallPlatform(t, database, { subscribers: [failing] });
  await ctx().tx(async (tx) => {
    for (const id of upTo(3)) await tx.emit({ type: 'thing.made', subject: { kind: 'thing', id } });
  });
  await subscribers.drain();
  assert.deepEqual(failing.seen, upTo(3));
});

test('a drain does not end well while committed events have no number', async (t) => {
  const database = await openTestDatabase(t, 'postgres', schema);
  const all = recorder();
  const { ctx, subscribers, headSeq } = await openSmallPlatform(t, database, { subscribers: [all] });
  await sql`alter table events add constraint unnumbered check (seq is null)`.execute(database.reader);
  await emit(ctx(), '1');
  await assert.rejects(subscribers.drain(), { code: 'barrier-incomplete', params: { behind: ['the numbering of events'] } });
  await assert.rejects(headSeq());
  await sql`alter table events drop constraint unnumbered`.execute(database.reader);
  await subscribers.drain();
  assert.deepEqual(all.seen, ['1']);
});

eachDatabase('what a handler wrote is undone when it fails, so its effect is there once', async (t, kind) => {
  const database = await openTestDatabase(t, kind, schema);
  let failures = 2;
  const counting: Subscriber = {
    name: 'counting',
    handle: async ({ db }, { subject }) => {
      await sql`insert into seen values (${subject.id}, 1) on conflict (subject) do update set times = seen.times + 1`.execute(db);
      if (subject.id === '1' && failures-- > 0) throw new Error('after the write');
    },
  };
  const { ctx, subscribers } = await openSmallPlatform(t, database, { subscribers: [counting] });
  for (const id of upTo(3)) await emit(ctx(), id);
  // Each event committed begins a round by itself, so which drain meets the failures is open.
  for (let i = 0; i < 2; i++) await subscribers.drain().catch(() => undefined);
  await subscribers.drain();
  const { rows } = await sql`select subject, times from seen order by subject`.execute(database.reader);
  assert.deepEqual(
    rows,
    upTo(3).map((subject) => ({ subject, times: 1 })),
  );
});

eachDatabase('events that may share a transaction do, and come one by one where one of them fails', async (t, kind) => {
  const database = await openTestDatabase(t, kind, schema);
  const transactions = new Map<Db, string[]>();
  let failures = 2;
  const counting: Subscriber = {
    name: 'counting',
    together: true,
    handle: async ({ db }, { subject }) => {
      transactions.set(db, [...(transactions.get(db) ?? []), subject.id]);
      await sql`insert into seen values (${subject.id}, 1) on conflict (subject) do update set times = seen.times + 1`.execute(db);
      if (subject.id === '1' && failures-- > 0) throw new Error('after the write');
    },
  };
  const { ctx, subscribers } = await openSmallPlatform(t, database, { subscribers: [counting] });
  await ctx().tx(async (tx) => {
    for (const id of upTo(3)) await tx.emit({ type: 'thing.made', subject: { kind: 'thing', id } });
  });
  await subscribers.drain();
  // All at once and then by themselves, up to the one that failed again; what came after it the next time.
  assert.deepEqual([...transactions.values()], [['0', '1'], ['0'], ['1'], ['1', '2']]);
  const { rows } = await sql`select subject, times from seen order by subject`.execute(database.reader);
  assert.deepEqual(
    rows,
    upTo(3).map((subject) => ({ subject, times: 1 })),
  );
});

test('replicas share a subscriber: each event has its effect once', async (t) => {
  const database = await openTestDatabase(t, 'postgres', schema);
  const counting = (): Subscriber => ({
    name: 'counting',
    handle: async ({ db }, { subject }) =>
      void (await sql`insert into seen values (${subject.id}, 1) on conflict (subject) do update set times = seen.times + 1`.execute(db)),
  });
  const replicas = await Promise.all(['a', 'b'].map((replica) => openSmallPlatform(t, database, { replica, subscribers: [counting()] })));
  await Promise.all(upTo(20).map((id) => emit(replicas[Number(id) % 2]!.ctx(), id)));
  for (let i = 0; i < 3; i++) await Promise.all(replicas.map((r) => r.subscribers.drain()));
  const { rows } = await sql<{ n: number; most: number }>`select count(*) as n, max(times) as most from seen`.execute(database.reader);
  assert.deepEqual(rows, [{ n: 20, most: 1 }]);
});

eachDatabase('an event that a handler emits reaches the subscribers before the drain ends', async (t, kind) => {
  const database = await openTestDatabase(t, kind, schema);
  const all: string[] = [];
  const { ctx, subscribers } = await openSmallPlatform(t, database, {
    subscribers: [
      {
        name: 'echo',
        types: ['thing.made'],
        handle: async (tx, event) => tx.emit({ type: 'thing.echoed', subject: event.subject }),
      },
      { name: 'all', handle: async (_ctx, event) => void all.push(event.type) },
    ],
  });
  await emit(ctx(), '1');
  await subscribers.drain();
  assert.deepEqual(all, ['thing.made', 'thing.echoed']);
});

eachDatabase('who waits for a subscriber reads what came of an event, and waits no longer than is patient', async (t, kind) => {
  const database = await openTestDatabase(t, kind, schema);
  const all = recorder();
  const { ctx } = await openSmallPlatform(t, database, { subscribers: [all] });
  for (const id of upTo(3)) await emit(ctx(), id);
  await caughtUp(ctx(), all.name);
  assert.deepEqual(all.seen, upTo(3));
  // A subscriber that never comes is not waited for.
  const began = performance.now();
  await caughtUp(ctx(), 'nobody', 50);
  assert.ok(performance.now() - began >= 50);
});
