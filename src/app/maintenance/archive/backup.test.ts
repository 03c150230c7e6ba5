import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { sql } from 'kysely';
import { emptyPlace, emptyPostgres, openPlace, testFolder } from '../../../../test/support/database-places.ts';
import { eachDatabase, type DatabaseKind } from '../../../../test/support/databases.ts';
import { fillEveryTable } from '../../../../test/support/every-table.ts';
import { findBlobs, storeBlobs } from '../../../kernel/blobs/blob-index.ts';
import type { BlobStore } from '../../../kernel/blobs/blob-store.ts';
import { openFolderStore } from '../../../kernel/blobs/folder-store.ts';
import { findStorageHold } from '../../../kernel/blobs/hold.ts';
import { wallClock } from '../../../kernel/clock.ts';
import { makeCtx, systemActor, type Ctx, type Platform } from '../../../kernel/ctx.ts';
import type { Database } from '../../../kernel/db/database.ts';
import { migrate } from '../../../kernel/db/migrate.ts';
import { isProblem } from '../../../kernel/errors.ts';
import { sequenceEvents, verifyChain } from '../../../kernel/events/sequencer.ts';
import { systemIds } from '../../../kernel/ids.ts';
import { migrations } from '../../migrations/migrations.ts';
import { locate } from '../database/snapshot.ts';
import { makeBackup, type BackupOptions } from './backup.ts';
import { checkArchive, restoreBackup, type RestoreOptions } from './restore.ts';

const openBlobs = (dir: string): Promise<BlobStore> => openFolderStore({ dir, durability: 'process' });

interface Place {
  readonly dir: string;
  readonly address: string;
  readonly database: Database;
  readonly blobs: BlobStore;
  readonly ctx: Ctx;
  readonly backup: (options: BackupOptions) => ReturnType<typeof makeBackup>;
}

/** A folder and a database with something of everything. */
async function filledPlace(t: TestContext, kind: DatabaseKind): Promise<Place> {
  const dir = testFolder(t);
  const address = kind === 'sqlite' ? `sqlite:///${join(dir, 'gyre.db')}` : await emptyPostgres(t);
  const database = await openPlace(t, kind === 'sqlite' ? `sqlite:///${join(dir, 'gyre.db').slice(1)}` : address);
  await migrate(database, migrations);
  const blobs = await openBlobs(dir);
  const platform = { database, blobs, clock: wallClock, ids: systemIds, wakeJobs: () => undefined, wakeSubscribers: () => undefined };
  const ctx = makeCtx(platform as unknown as Platform, { actor: systemActor, workspace: 'default' });
  await fillEveryTable(database, 5, ['blobs', 'events', 'storage_holds', 'attempts']);
  for (let n = 0; n < 5; n++)
    await ctx.tx((tx) => tx.emit({ type: 'x.made', subject: { kind: 'x', id: `${n}` }, payload: { words: 'ünïcödé' } }));
  await database.tx(async (db) => void (await sequenceEvents(db)));
  const big = Buffer.alloc(9 * 1024 * 1024, 'large ');
  await storeBlobs(ctx, [Buffer.from(''), Buffer.from('small one'), Buffer.from('small two'), Buffer.alloc(2_000_000, 'x'), big]);
  await storeBlobs(makeCtx(platform as unknown as Platform, { actor: systemActor, workspace: 'ws/ß' }), [Buffer.from('small one')]);
  await blobs.paths.write('default/0/run/artifacts/a ü/model.bin', Readable.from([Buffer.alloc(100_000, 7)]));
  await blobs.paths.write('default/0/run/artifacts/empty', Readable.from([]));
  mkdirSync(join(dir, 'governance'));
  writeFileSync(join(dir, 'governance', 'subject.key'), 'aa'.repeat(32));
  mkdirSync(join(dir, 'serving', 'log', 'r1'), { recursive: true });
  writeFileSync(join(dir, 'serving', 'log', 'r1', '000001.log'), 'a line\n');
  mkdirSync(join(dir, 'staged'), { recursive: true });
  writeFileSync(join(dir, 'staged', 'copy'), 'made again when it is needed');
  return {
    dir,
    address,
    database,
    blobs,
    ctx,
    backup: (options) => makeBackup({ dir, at: locate(address), database, clock: wallClock, blobs }, options),
  };
}

/** Bytes are of another class in each database. */
const asText = (row: Record<string, unknown>): string =>
  JSON.stringify(Object.entries(row).map(([name, v]) => [name, v instanceof Uint8Array ? Buffer.from(v).toString('hex') : v]));

/** Restores a file and opens what came out. */
async function restored(t: TestContext, file: string, kind: DatabaseKind, more: Partial<RestoreOptions> = {}) {
  const dir = join(testFolder(t), 'new');
  const databaseUrl = kind === 'postgres' ? await emptyPostgres(t) : undefined;
  const result = await restoreBackup({ file, dir, openBlobs, ...(databaseUrl ? { databaseUrl } : {}), ...more });
  const database = await openPlace(t, databaseUrl ?? `sqlite:///${join(dir, 'gyre.db').slice(1)}`);
  return { dir, result, database, blobs: await openBlobs(dir) };
}

const isCorrupt = (what: RegExp) => (error: unknown) => isProblem(error, 'archive-corrupt') && what.test(error.message);

for (const to of ['sqlite', 'postgres'] as const)
  eachDatabase(`a backup holds every record and every byte, and is restored to ${to}, whatever it was made from`, async (t, kind) => {
    const place = await filledPlace(t, kind);
    const file = join(testFolder(t), 'all.tar.zst');
    const made = await place.backup({ file });
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(readdirSync(join(file, '..')), ['all.tar.zst']);
    assert.deepEqual([made.head.blobs.count, made.head.paths.count, made.head.events?.seq], [6, 2, 5]);
    assert.equal(await findStorageHold(place.database.reader, Date.now()), undefined);
    assert.equal((await checkArchive(file)).createdAt, made.head.createdAt);

    const { dir, result, database, blobs } = await restored(t, file, to);
    assert.equal(
      result.rows,
      made.head.tables.reduce((sum, table) => sum + table.rows, 0),
    );
    assert.deepEqual(await migrate(database, migrations), []);
    const chain = await verifyChain(database.reader, made.head.events!);
    assert.deepEqual([chain.ok, chain.events], [true, 5]);
    for (const table of ['erasures', 'metric_blocks', 'jobs', 'model_versions', 'blob_tombstones']) {
      const [before, after] = await Promise.all(
        [place.database, database].map(async (d) =>
          (await sql<Record<string, unknown>>`select * from ${sql.table(table)}`.execute(d.reader)).rows.map(asText),
        ),
      );
      assert.ok(before!.length === 5);
      assert.deepEqual(after!.toSorted(), before!.toSorted(), table);
    }
    for (const workspace of ['default', 'ws/ß']) {
      const { rows } = await sql<{ digest: string }>`select digest from blobs where workspace_id = ${workspace}`.execute(database.reader);
      assert.equal(rows.length, workspace === 'default' ? 5 : 1);
      const entries = await findBlobs(
        database.reader,
        workspace,
        rows.map((r) => r.digest),
      );
      for (const entry of entries.values()) assert.ok(await blobs.verify(entry), entry.digest);
    }
    const opened = await blobs.paths.open('default/0/run/artifacts/a ü/model.bin');
    assert.ok(Buffer.concat(await opened.stream.toArray()).equals(Buffer.alloc(100_000, 7)));
    assert.equal((await blobs.paths.open('default/0/run/artifacts/empty')).sizeBytes, 0);
    assert.equal(readFileSync(join(dir, 'governance', 'subject.key'), 'utf8'), 'aa'.repeat(32));
    assert.equal(statSync(join(dir, 'governance', 'subject.key')).mode & 0o777, 0o600);
    assert.equal(readFileSync(join(dir, 'serving', 'log', 'r1', '000001.log'), 'utf8'), 'a line\n');
    assert.equal(existsSync(join(dir, 'staged', 'copy')), false);
  });

eachDatabase(
  'a backup of a database that is written to shows one moment: everything acknowledged before it, nothing by halves',
  async (t, kind) => {
    const place = await filledPlace(t, kind);
    let going = true;
    const acknowledged: { id: string; at: number }[] = [];
    // A pair of records in one transaction, and a blob that a record refers to: neither may be there without the other.
    const write = async (): Promise<void> => {
      for (let n = 0; going; n++) {
        const [stored] = await storeBlobs(place.ctx, [Buffer.from(`blob ${n}`)]);
        await place.database.tx(async (db) => {
          await sql`insert into event_cursors (subscriber, seq) values (${`a${n}`}, ${n})`.execute(db);
          await sql`insert into event_cursors (subscriber, seq) values (${`b${n} ${stored!.digest}`}, ${n})`.execute(db);
        });
        acknowledged.push({ id: `a${n}`, at: performance.now() });
      }
    };
    const writing = write();
    while (acknowledged.length < 20) await new Promise(setImmediate);
    const began = performance.now();
    const file = join(testFolder(t), 'live.tar.zst');
    await place.backup({ file });
    going = false;
    await writing;
    assert.ok(acknowledged.at(-1)!.at > began, 'nothing was written while the backup was made');
    const { database, blobs } = await restored(t, file, kind);
    const { rows } = await sql<{ subscriber: string }>`select subscriber from event_cursors`.execute(database.reader);
    const names = new Set(rows.map((r) => r.subscriber));
    for (const { id } of acknowledged.filter((a) => a.at < began)) assert.ok(names.has(id), id);
    const pairs = rows.map((r) => /^b(\d+) (.*)$/.exec(r.subscriber)).filter((m) => m !== null);
    assert.equal(pairs.length, [...names].filter((n) => /^a\d+$/.test(n)).length);
    const found = await findBlobs(
      database.reader,
      'default',
      pairs.map((m) => m[2]!),
    );
    for (const [, n, digest] of pairs) assert.equal((await blobs.read(found.get(digest!)!)).toString(), `blob ${n}`);
  },
);

eachDatabase('a database alone keeps where its blobs lie', async (t, kind) => {
  const place = await filledPlace(t, kind);
  const file = join(testFolder(t), 'db.tar.zst');
  const made = await place.backup({ file, databaseOnly: true });
  assert.deepEqual([made.head.blobs.count, made.head.paths.count], [0, 0]);
  const { dir, database } = await restored(t, file, kind);
  const [before, after] = await Promise.all(
    [place.database, database].map((d) => sql`select * from blobs order by workspace_id, digest`.execute(d.reader)),
  );
  assert.deepEqual(after!.rows, before!.rows);
  assert.deepEqual(
    readdirSync(dir).filter((n) => n !== 'gyre.db' && !n.startsWith('gyre.db-') && n !== 'cas'),
    [],
  );
});

eachDatabase('whichever byte of an archive is damaged, it is found and nothing is restored', async (t, kind) => {
  const place = await filledPlace(t, 'sqlite');
  const file = join(testFolder(t), 'all.tar.zst');
  await place.backup({ file });
  const bytes = readFileSync(file);
  const damaged = join(testFolder(t), 'damaged.tar.zst');
  const target = kind === 'postgres' ? await emptyPostgres(t) : undefined;
  const dir = join(testFolder(t), 'new');
  const random = (n: number): number => createHash('sha256').update(`${n}`).digest().readUInt32LE(0) % bytes.length;
  for (const at of [...Array.from({ length: kind === 'sqlite' ? 25 : 4 }, (_, n) => random(n)), bytes.length - 3, bytes.length - 40]) {
    const copy = Buffer.from(bytes);
    copy[at]! ^= 0x41;
    writeFileSync(damaged, copy);
    // What a decoder does not look at (a part of a frame that is skipped) may be anything.
    const skipped = readSkipHead(bytes);
    if (at >= skipped && at < skipped + 8) continue;
    await assert.rejects(
      restoreBackup({ file: damaged, dir, openBlobs, ...(target ? { databaseUrl: target } : {}) }),
      (e) => isProblem(e, 'archive-corrupt') || isProblem(e, 'archive-unusable'),
      `byte ${at} of ${bytes.length}`,
    );
    assert.deepEqual(readdirSync(join(dir, '..')), []);
  }
  for (const length of [0, 10, Math.floor(bytes.length / 2), bytes.length - 1]) {
    writeFileSync(damaged, bytes.subarray(0, length));
    await assert.rejects(checkArchive(damaged), (e) => isProblem(e, 'archive-unusable') && /cut off/.test(e.message));
  }
  if (target) assert.equal((await restoreBackup({ file, dir, openBlobs, databaseUrl: target })).auditFaults.length, 0);
});

const readSkipHead = (bytes: Buffer): number => Number(bytes.readBigUInt64LE(bytes.length - 28 + 12)) - 8;

eachDatabase('an encrypted backup opens with its passphrase and with no other', async (t, kind) => {
  const place = await filledPlace(t, kind);
  const file = join(testFolder(t), 'sealed.gyre');
  await place.backup({ file, passphrase: 'correct horse' });
  assert.equal(readFileSync(file).includes('small one'), false);
  await assert.rejects(checkArchive(file), (e) => isProblem(e, 'archive-passphrase') && /encrypted/.test(e.message));
  await assert.rejects(checkArchive(file, 'wrong horse'), (e) => isProblem(e, 'archive-passphrase') && /another one/.test(e.message));
  assert.equal((await checkArchive(file, 'correct horse')).blobs.count, 6);
  const { result } = await restored(t, file, kind, { passphrase: 'correct horse' });
  assert.equal(result.events, 5);
  const bytes = readFileSync(file);
  bytes[Math.floor(bytes.length / 2)]! ^= 1;
  const damaged = join(testFolder(t), 'damaged.gyre');
  writeFileSync(damaged, bytes);
  await assert.rejects(
    checkArchive(damaged, 'correct horse'),
    (e) => isProblem(e, 'archive-corrupt') || isProblem(e, 'archive-passphrase'),
  );
});

eachDatabase('nothing that is there is overwritten, by a backup or by a restore', async (t, kind) => {
  const place = await filledPlace(t, kind);
  const file = join(testFolder(t), 'all.tar.zst');
  await place.backup({ file });
  await assert.rejects(place.backup({ file }), (e) => isProblem(e, 'target-not-empty'));
  const full = testFolder(t);
  writeFileSync(join(full, 'mine'), 'mine');
  await assert.rejects(restoreBackup({ file, dir: full, openBlobs }), (e) => isProblem(e, 'target-not-empty'));
  assert.deepEqual(readdirSync(full), ['mine']);
  const used = await emptyPlace(t, 'postgres');
  const first = join(testFolder(t), 'first');
  await restoreBackup({ file, dir: first, openBlobs, databaseUrl: used });
  const second = join(testFolder(t), 'second');
  await assert.rejects(restoreBackup({ file, dir: second, openBlobs, databaseUrl: used }), (e) => isProblem(e, 'target-not-empty'));
  assert.equal(existsSync(second), false);
});

eachDatabase('a blob that is gone stops a backup by name, or is left out when that is asked for', async (t, kind) => {
  const place = await filledPlace(t, kind);
  const [gone] = await storeBlobs(place.ctx, [Buffer.from('soon gone')]);
  const entry = (await findBlobs(place.database.reader, 'default', [gone!.digest])).get(gone!.digest)!;
  await place.blobs.removePack(entry.pack);
  const folder = testFolder(t);
  const file = join(folder, 'all.tar.zst');
  await assert.rejects(place.backup({ file }), (e) => isProblem(e, 'blob-unreadable') && e.message.includes(gone!.digest));
  assert.deepEqual(readdirSync(folder), []);
  assert.equal(await findStorageHold(place.database.reader, Date.now()), undefined);
  const made = await place.backup({ file, skipUnreadable: true });
  assert.deepEqual(made.head.unreadable, [`default/${gone!.digest}`]);
  assert.equal((await restored(t, file, kind)).result.events, 5);
});

eachDatabase('a chain of events that was tampered with is not restored unseen', async (t, kind) => {
  const place = await filledPlace(t, kind);
  await place.database.tx(async (db) => void (await sql`update events set label = 'another' where seq = 3`.execute(db)));
  const file = join(testFolder(t), 'all.tar.zst');
  await place.backup({ file });
  await assert.rejects(restored(t, file, kind), isCorrupt(/event 3/));
  const { result } = await restored(t, file, kind, { acceptAuditFaults: true });
  assert.equal(result.auditFaults[0]!.seq, 3);
});
