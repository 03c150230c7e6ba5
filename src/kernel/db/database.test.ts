import assert from 'node:assert/strict';
import { sql } from 'kysely';
import { accounts } from '../../../test/support/accounts-table.ts';
import { eachDatabase, openTestDatabase } from '../../../test/support/databases.ts';
import { isProblem } from '../errors.ts';
import type { Db } from './database.ts';

interface AccountRow {
  id: string;
  amount: number;
  rate: number | null;
  open: number | boolean;
  note: string | null;
  raw: Uint8Array | null;
}

const accountsIn = (db: Db) => db.withTables<{ accounts: AccountRow }>();
const insert = (db: Db, id: string, more: Partial<AccountRow> = {}) =>
  accountsIn(db)
    .insertInto('accounts')
    .values({ id, amount: 0, rate: null, open: 1, note: null, raw: null, ...more })
    .execute();
const ids = async (db: Db): Promise<string[]> =>
  (await accountsIn(db).selectFrom('accounts').select('id').orderBy('id').execute()).map((row) => row.id);

eachDatabase('a transaction is stored whole or not at all', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  await assert.rejects(
    database.tx(async (db) => {
      await insert(db, 'a');
      await insert(db, 'b');
      throw new Error('changed my mind');
    }),
    /changed my mind/,
  );
  assert.deepEqual(await ids(database.reader), []);
  assert.equal(await database.tx(async (db) => (await insert(db, 'c'), 'answer')), 'answer');
  assert.deepEqual(await ids(database.reader), ['c']);
});

eachDatabase('a failing transaction leaves those beside it alone', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const outcomes = await Promise.allSettled(
    Array.from({ length: 60 }, (_, i) =>
      database.tx(async (db) => {
        await insert(db, `id-${String(i).padStart(2, '0')}`);
        if (i % 3 === 0) throw new Error('no');
        // A statement that fails ends its own transaction only.
        if (i % 3 === 1) await insert(db, `id-${String(i).padStart(2, '0')}`);
      }),
    ),
  );
  assert.deepEqual(
    outcomes.map((o) => o.status === 'fulfilled'),
    outcomes.map((_, i) => i % 3 === 2),
  );
  assert.equal((await ids(database.reader)).length, 20);
});

eachDatabase('the reader sees committed state only, and sees it as soon as the transaction resolves', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const seen: string[][] = [];
  await database.tx(async (db) => {
    await insert(db, 'a');
    seen.push(await ids(db), await ids(database.reader));
  });
  assert.deepEqual(seen, [['a'], []]);
  assert.deepEqual(await ids(database.reader), ['a']);
});

eachDatabase('nothing can be written through the reader on SQLite, and a transaction handle is dead after its end', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  let leaked: Db | undefined;
  await database.tx(async (db) => {
    leaked = db;
    await insert(db, 'a');
  });
  await assert.rejects(insert(leaked!, 'b'), /this transaction has ended/);
  if (kind === 'sqlite') await assert.rejects(insert(database.reader, 'c'), /readonly/);
  assert.deepEqual(await ids(database.reader), ['a']);
});

eachDatabase('effects run after the commit, once, and never after a rollback', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const effects: string[] = [];
  await assert.rejects(
    database.tx(async (_db, onCommit) => {
      onCommit(() => effects.push('never'));
      throw new Error('no');
    }),
  );
  let committed: Promise<string[]> | undefined;
  await database.tx(async (db, onCommit) => {
    onCommit(() => {
      effects.push('after');
      committed = ids(database.reader);
    });
    await insert(db, 'a');
    assert.deepEqual(effects, []);
  });
  assert.deepEqual(effects, ['after']);
  assert.deepEqual(await committed, ['a']);
});

eachDatabase('an effect that throws neither undoes nor hides what was committed', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
  const both = await Promise.all([
    database.tx(async (db, onCommit) => {
      onCommit(() => {
        throw new Error('a broken follower');
      });
      await insert(db, 'a');
      return 1;
    }),
    database.tx(async (db) => (await insert(db, 'b'), 2)),
  ]);
  assert.deepEqual(both, [1, 2]);
  assert.match((await warned).message, /a broken follower/);
  assert.deepEqual(await ids(database.reader), ['a', 'b']);
});

eachDatabase('what cannot be stored as it is, is refused before it reaches the database', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const refused = (more: object, error: RegExp) =>
    assert.rejects(
      database.tx((db) => insert(db, 'a', more)),
      error,
    );
  await assert.rejects(
    database.tx(async (db) => void (await sql`insert into accounts (id, amount, open) values ('a', ${undefined}, 1)`.execute(db))),
    /cannot be bound/,
  );
  await refused({ amount: new Date(0) as never }, /cannot be bound/);
  await refused({ rate: Number.NaN }, /NaN cannot be bound/);
  await refused({ amount: (2n ** 53n) as never }, /beyond 2\^53/);
  await assert.rejects(
    database.tx((db) => insert(db, 'nul\0inside')),
    (error) => isProblem(error, 'text-not-storable') && error.status === 400,
  );
  await assert.rejects(
    accountsIn(database.reader)
      .selectFrom('accounts')
      .select('id')
      .where('amount', '=', new Date() as never)
      .execute(),
    /cannot be bound/,
  );
  assert.deepEqual(await ids(database.reader), []);
});

eachDatabase('values come back as they went in, from plain objects', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const row: AccountRow = {
    id: 'ä€𝄞 \'"%_',
    amount: Number.MAX_SAFE_INTEGER,
    rate: 0.1,
    open: true,
    note: 'good',
    raw: Uint8Array.of(0, 255),
  };
  await database.tx((db) => insert(db, row.id, row));
  const [found] = await accountsIn(database.reader).selectFrom('accounts').selectAll().execute();
  assert.deepEqual({ ...found, raw: [...found!.raw!] }, { ...row, open: 1, raw: [0, 255] });
  assert.equal(Object.getPrototypeOf(found), Object.prototype);
  const { rows } = await sql<{ n: unknown; total: unknown }>`select count(*) as n, sum(amount) as total from accounts`.execute(
    database.reader,
  );
  assert.deepEqual(rows, [{ n: 1, total: Number.MAX_SAFE_INTEGER }]);
});

eachDatabase('an integer beyond 2^53 is an error when it is read, never another number', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  await database.tx((db) => insert(db, 'a', { amount: Number.MAX_SAFE_INTEGER }));
  await database.tx(async (db) => void (await sql`update accounts set amount = amount + 2`.execute(db)));
  await assert.rejects(accountsIn(database.reader).selectFrom('accounts').select('amount').execute(), RangeError);
  // The connection is fine afterwards.
  assert.deepEqual(await ids(database.reader), ['a']);
});

eachDatabase('a value of the wrong type or outside its list of words is refused by the table itself', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  await assert.rejects(database.tx((db) => insert(db, 'a', { amount: 'many' as never })));
  await assert.rejects(database.tx((db) => insert(db, 'a', { note: 'so-so' })));
  await assert.rejects(database.tx((db) => insert(db, 'a', { amount: null as never })));
  assert.deepEqual(await ids(database.reader), []);
});

eachDatabase('an update says how many rows it changed', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  await database.tx(async (db) => {
    await insert(db, 'a');
    await insert(db, 'b');
    const both = await accountsIn(db).updateTable('accounts').set({ amount: 7 }).executeTakeFirst();
    const none = await accountsIn(db).updateTable('accounts').set({ amount: 8 }).where('id', '=', 'z').executeTakeFirst();
    assert.deepEqual([both.numUpdatedRows, none.numUpdatedRows], [2n, 0n]);
    const returned = await accountsIn(db).deleteFrom('accounts').where('id', '=', 'a').returning('amount').execute();
    assert.deepEqual(returned, [{ amount: 7 }]);
  });
});

eachDatabase('read, decide and write in many transactions at once loses no update', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  await database.tx((db) => insert(db, 'a'));
  await Promise.all(
    Array.from({ length: 40 }, () =>
      database.tx(async (db) => {
        const { amount } = await accountsIn(db).selectFrom('accounts').select('amount').where('id', '=', 'a').executeTakeFirstOrThrow();
        await accountsIn(db)
          .updateTable('accounts')
          .set({ amount: amount + 1 })
          .where('id', '=', 'a')
          .execute();
      }),
    ),
  );
  const row = await accountsIn(database.reader).selectFrom('accounts').select('amount').executeTakeFirst();
  assert.equal(row?.amount, 40);
});

eachDatabase('two that look and then insert the same key become one row, whichever comes first', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const take = () =>
    database.tx(async (db) => {
      const there = await accountsIn(db).selectFrom('accounts').select('id').where('id', '=', 'one').executeTakeFirst();
      if (there) return 'found';
      await insert(db, 'one');
      return 'made';
    });
  const outcomes = await Promise.all(Array.from({ length: 8 }, take));
  assert.deepEqual(outcomes.toSorted(), [...Array.from({ length: 7 }, () => 'found'), 'made']);
});

eachDatabase('text is ordered by its bytes on both databases', async (t, kind) => {
  const database = await openTestDatabase(t, kind, accounts);
  const words = ['b', 'a', 'B', 'A', 'ä', '_', '10', '9', 'a b', 'ab'];
  await database.tx(async (db) => {
    for (const word of words) await insert(db, word);
  });
  assert.deepEqual(
    await ids(database.reader),
    words.toSorted((x, y) => Buffer.compare(Buffer.from(x), Buffer.from(y))),
  );
});
