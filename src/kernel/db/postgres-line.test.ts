// The line to PostgreSQL breaks: before a commit, during it, and after it when only its answer is lost.
import assert from 'node:assert/strict';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';
import { test, type TestContext } from 'node:test';
import { sql } from 'kysely';
import { accounts } from '../../../test/support/accounts-table.ts';
import { openTestDatabase } from '../../../test/support/databases.ts';
import { postgresUrl } from '../../../test/support/postgres.ts';
import { isProblem } from '../errors.ts';
import type { Database, Db } from './database.ts';
import { openPostgres } from './postgres.ts';
import { command } from './statement.ts';

/** What a line does with the next commit: loses its answer, and perhaps takes nobody any more. */
type Loss = 'none' | 'answer' | 'answer-and-line';

interface Line {
  readonly database: Database;
  readonly straight: Database;
  readonly lose: (loss: Loss) => void;
  /** How often the server said that it waits for the next message. */
  readonly answers: () => number;
}

async function overLine(t: TestContext): Promise<Line> {
  const straight = await openTestDatabase(t, 'postgres', accounts);
  const { rows } = await sql<{ name: string }>`select current_schema() as name`.execute(straight.reader);
  const target = new URL(await postgresUrl());
  const open = new Set<Socket>();
  let loss: Loss = 'none';
  let answers = 0;
  const server = createServer((client) => {
    const up = connect(Number(target.port), target.hostname);
    let losing = false;
    for (const socket of [client, up]) {
      open.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        open.delete(socket);
        client.destroy();
        up.destroy();
      });
    }
    client.on('data', (chunk: Buffer) => {
      losing ||= loss !== 'none' && chunk.toString('latin1').includes('commit\0');
      up.write(chunk);
    });
    up.on('data', (chunk: Buffer) => {
      answers += chunk.toString('latin1').split('Z\0\0\0\u0005').length - 1;
      if (!losing) return client.write(chunk);
      if (loss === 'answer-and-line') server.close();
      loss = 'none';
      return client.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = new URL(target);
  url.port = String((server.address() as AddressInfo).port);
  const database = await openPostgres(url.href, { schema: rows[0]!.name, poolSize: 4, fateMs: 300 });
  t.after(async () => {
    await database.close();
    for (const socket of open) socket.destroy();
    server.close();
  });
  return { database, straight, lose: (next) => void (loss = next), answers: () => answers };
}

const put = command('insert into accounts (id, amount, open) values (?, 0, 1)');
const add = (db: Db, id: string) => sql`insert into accounts (id, amount, open) values (${id}, 0, 1)`.execute(db);
const idsIn = async (database: Database): Promise<string[]> =>
  (await sql<{ id: string }>`select id from accounts order by id`.execute(database.reader)).rows.map((row) => row.id);

test('a commit whose answer is lost is asked after, counts as what it was, and is not made twice', async (t) => {
  const { database, lose } = await overLine(t);
  let [bodies, effects] = [0, 0];
  lose('answer');
  const value = await database.tx(async (db, onCommit) => {
    bodies += 1;
    onCommit(() => void (effects += 1));
    await add(db, 'a');
    return 'made';
  });
  assert.deepEqual([value, bodies, effects, await idsIn(database)], ['made', 1, 1, ['a']]);
});

test('a commit that failed with its line is made again from the start', async (t) => {
  const { database, straight } = await overLine(t);
  await straight.tx(async (db) => {
    await sql`create sequence tries`.execute(db);
    await sql`create function cut() returns trigger language plpgsql as $$ begin
      if nextval('tries') = 1 then perform pg_terminate_backend(pg_backend_pid()); end if; return null; end $$`.execute(db);
    await sql`create constraint trigger cut after insert on accounts deferrable initially deferred for each row execute function cut()`.execute(
      db,
    );
  });
  let bodies = 0;
  await database.tx(async (db) => {
    bodies += 1;
    await add(db, 'a');
  });
  assert.deepEqual([bodies, await idsIn(database)], [2, ['a']]);
});

test('a line that breaks before the commit costs nobody an error', async (t) => {
  const { database } = await overLine(t);
  let bodies = 0;
  await database.tx(async (db) => {
    bodies += 1;
    await add(db, `a${bodies}`);
    if (bodies === 1) await sql`select pg_terminate_backend(pg_backend_pid())`.execute(db);
  });
  assert.deepEqual([bodies, await idsIn(database)], [2, ['a2']]);
});

test('a commit of which nothing can be learned any more is said to be unknown, and is not made again', async (t) => {
  const { database, straight, lose } = await overLine(t);
  lose('answer-and-line');
  let bodies = 0;
  await assert.rejects(
    database.tx(async (db) => {
      bodies += 1;
      await add(db, 'a');
    }),
    (error) => isProblem(error, 'commit-unknown') && error.status === 503 && error.params.retryAfterS === 1,
  );
  assert.deepEqual([bodies, await idsIn(straight)], [1, ['a']]);
});

test('a statement that takes too long is given up; a transaction that stands still holds nobody up', async (t) => {
  const straight = await openTestDatabase(t, 'postgres', accounts);
  const { rows } = await sql<{ name: string }>`select current_schema() as name`.execute(straight.reader);
  const database = await openPostgres(await postgresUrl(), { schema: rows[0]!.name, poolSize: 2, statementTimeoutMs: 200 });
  t.after(() => database.close());
  await assert.rejects(sql`select pg_sleep(5)`.execute(database.reader), (error) => isProblem(error, 'database-slow'));
  // It does not come back before the server has ended its session; what it wrote is gone, and it begins anew.
  let bodies = 0;
  await database.tx(async (db) => {
    bodies += 1;
    await add(db, `a${bodies}`);
    if (bodies > 1) return;
    await sql`set local idle_in_transaction_session_timeout = 50`.execute(db);
    for (let gone = false; !gone;)
      gone =
        (
          await sql`select 1 from pg_stat_activity where state = 'idle in transaction' and query like 'set local idle%'`.execute(
            straight.reader,
          )
        ).rows.length === 0;
  });
  assert.deepEqual([bodies, await idsIn(straight)], [2, ['a2']]);
});

test('a transaction that asks once and then writes goes there and back twice', async (t) => {
  const { database, answers } = await overLine(t);
  const write = (id: string) =>
    database.tx(async (db) => {
      await sql`select 1 where ${id} = 'x'`.execute(db);
      await put(db, id);
      await put(db, `${id}-too`);
    });
  await write('a');
  const before = answers();
  await write('b');
  assert.equal(answers() - before, 2);
  assert.deepEqual(await idsIn(database), ['a', 'a-too', 'b', 'b-too']);
});

test('a lost answer to a commit that brought all the writes with it is asked after', async (t) => {
  const { database, lose } = await overLine(t);
  let bodies = 0;
  lose('answer');
  const value = await database.tx(async (db) => {
    bodies += 1;
    await put(db, 'a');
    await put(db, 'b');
    return 'made';
  });
  assert.deepEqual([value, bodies, await idsIn(database)], ['made', 1, ['a', 'b']]);
});

test('a server process that dies at a write on its way to the commit costs nobody an error', async (t) => {
  const { database, straight } = await overLine(t);
  await straight.tx(async (db) => {
    await sql`create sequence tries`.execute(db);
    await sql`create function cut() returns trigger language plpgsql as $$ begin
      if nextval('tries') = 2 then perform pg_terminate_backend(pg_backend_pid()); end if; return null; end $$`.execute(db);
    await sql`create trigger cut after insert on accounts for each row execute function cut()`.execute(db);
  });
  let bodies = 0;
  await database.tx(async (db) => {
    bodies += 1;
    for (const id of ['a', 'b', 'c']) await put(db, id);
  });
  assert.deepEqual([bodies, await idsIn(database)], [2, ['a', 'b', 'c']]);
});
