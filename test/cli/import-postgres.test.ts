// gyre import from MLflow's database on PostgreSQL: the tables that MLflow made, brought over from its file.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLInputValue } from 'node:sqlite';
import { test, type TestContext } from 'node:test';
import pg from 'pg';
import type { Report } from '../../src/app/transfer/tally.ts';
import { postgresUrl } from '../support/postgres.ts';
import { startServer } from '../support/server.ts';
import { gyre } from './gyre.ts';

const fixtures = join(import.meta.dirname, '../../src/app/transfer/fixtures');
const TYPES: Readonly<Record<string, string>> = { INTEGER: 'integer', BIGINT: 'bigint', BOOLEAN: 'boolean', FLOAT: 'double precision' };

/** A database of its own with what the file has, the columns of the types that MLflow gives them there. */
async function onPostgres(t: TestContext, version: '2.22' | '3.17'): Promise<{ url: string; client: pg.Client }> {
  const name = `mlflow_${randomBytes(6).toString('hex')}`;
  const admin = new pg.Client(await postgresUrl());
  await admin.connect();
  await admin.query(`create database ${name}`);
  const url = new URL(await postgresUrl());
  url.pathname = `/${name}`;
  const client = new pg.Client(String(url));
  await client.connect();
  t.after(async () => {
    await client.end();
    await admin.query(`drop database ${name} with (force)`);
    await admin.end();
  });
  const file = new DatabaseSync(':memory:', { enableForeignKeyConstraints: false });
  file.exec(readFileSync(join(fixtures, `mlflow-${version}.sql`), 'utf8'));
  for (const { name: table } of file.prepare("select name from sqlite_master where type = 'table'").all() as { name: string }[]) {
    const columns = file.prepare('select name, type from pragma_table_info(?)').all(table) as { name: string; type: string }[];
    await client.query(`create table "${table}" (${columns.map((c) => `"${c.name}" ${TYPES[c.type] ?? 'text'}`).join(', ')})`);
    for (const row of file.prepare(`select * from "${table}"`).all() as Record<string, SQLInputValue>[])
      await client.query(
        `insert into "${table}" values (${columns.map((_, i) => `$${i + 1}`).join(', ')})`,
        columns.map((c) => row[c.name]),
      );
  }
  file.close();
  return { url: String(url), client };
}

const read = async (url: string, code: number, ...args: string[]): Promise<Report> => {
  const ran = await gyre('import', 'mlflow', ...args, '--url', url, '--json');
  assert.equal(ran.code, code, ran.err + ran.out);
  return JSON.parse(ran.out) as Report;
};

for (const version of ['2.22', '3.17'] as const)
  test(`a database of MLflow ${version} on PostgreSQL is taken over as its file is, and nothing is written to it`, async (t) => {
    const { url } = await startServer(t);
    const source = await onPostgres(t, version);
    const from = source.url.replace('postgresql:', 'postgresql+psycopg2:');
    const first = await read(url, 0, '--from', from, '--no-artifacts');
    assert.deepEqual([first.verified, first.differences], [true, []]);
    assert.deepEqual(
      first.experiments.map((e) => [e.name, e.source.runs, e.source.points]),
      [
        ['Default', 0, 0],
        ['one', 2, version === '3.17' ? 19 : 18],
        ['two', 0, 0],
        ['gone', 1, 9],
      ],
    );
    assert.deepEqual([first.models.source, first.models.versions], [1, 2]);
    assert.equal(first.from.includes('@'), false, 'who logs in is shown nowhere');
    // More points than a page, in one metric, with equal times; pages begin within it.
    const { rows } = await source.client.query<{ run_uuid: string }>("select run_uuid from runs where name = 'run 0'");
    await source.client.query(
      `insert into metrics (run_uuid, key, "timestamp", step, value, is_nan)
       select $1, 'long', i / 7, i, i * 0.5, i = 3 from generate_series(1, 45000) as s(i)`,
      [rows[0]!.run_uuid],
    );
    const second = await read(url, 0, '--from', from, '--no-artifacts');
    assert.deepEqual([second.verified, second.unchanged > 0], [true, true]);
    assert.equal(second.experiments[1]!.target.points, first.experiments[1]!.target.points + 45_000);
  });

test('what is not MLflow’s, cannot be reached, or is of another kind is refused without its password', async (t) => {
  const { url } = await startServer(t);
  const base = new URL(await postgresUrl());
  const fails = async (from: string, message: RegExp): Promise<void> => {
    const ran = await gyre('import', 'mlflow', '--from', from, '--url', url);
    assert.notEqual(ran.code, 0);
    assert.match(ran.err, message);
    assert.doesNotMatch(ran.err + ran.out, /secret/);
  };
  await fails(
    'postgresql://ann:secret@127.0.0.1:1/mlflow',
    /127\.0\.0\.1:1\/mlflow" cannot be imported: PostgreSQL there does not let us in/,
  );
  await fails(`${base.href.replace(/\/[^/]*$/, '')}/postgres`, /has no table/);
  await fails('mysql+pymysql://ann:secret@h/mlflow', /mlflow server --backend-store-uri mysql\+pymysql:\/\/… --port 5000/);
});
