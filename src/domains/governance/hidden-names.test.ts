// Places that no column's name tells of.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { testPython } from '../../../test/journey/flights-project.ts';
import { parquet } from '../../../test/support/parquet.ts';
import { serialiseSelects } from '../lineage/public.ts';
import { openBench } from './fixtures/bench.ts';
import { renamedIn } from './service/copies.ts';

const MAIL = 'zoë.müller@example.com';
const project = `
project: demo
code: [sql/*.sql]
timeline: { mode: replay, start: 2024-01-01T00:00:00Z }
subjects: { person: email, customer: id }
datasets:
  people: { source: people.parquet, key: [id] }
  renamed: { sql: sql/renamed.sql, from: [people], key: [n] }
  again: { sql: sql/again.sql, from: [renamed], key: [n] }
  days: { sql: sql/days.sql, from: [people], key: [n] }
`;
const code = {
  'sql/renamed.sql':
    'with p as (select id as customer, lower(email) as mail, note from people) select customer as n, mail as buyer, note from p',
  'sql/again.sql': 'select n, buyer as "who""m" from renamed',
  'sql/days.sql': 'select id // 3 as n, list(email order by id) as everybody, max(note) as word from people group by all',
};
const people = (from = 0): Promise<Buffer> =>
  parquet(`select i + ${from} as id, case when i = 7 then '${MAIL.toUpperCase()}' else 'p' || i || '@example.com' end as email,
    case when i = 8 then 'a friend of ${MAIL}, she says' when i = 9 then '{"of":"${MAIL.replaceAll('ë', '\\u00eb').replaceAll('ü', '\\u00fc')}"}' else 'n' || i end as note
    from range(12) r(i)`);

test('a subject is found under a name that SQL gave its column, in the other case, in free text and in lists; who named it keeps the rest', async (t) => {
  const bench = await openBench(t);
  await bench.apply(project, code);
  await bench.push('people', { 'people.parquet': await people() });
  await bench.drain();
  const folder = join(bench.folder, 'paths', 'default', '0', 'artifacts');
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    join(folder, 'rows.json'),
    `{"rows":[{"email":"${MAIL}","n":1},{"email":"b@x.org","n":12345678901234567890,"one":1.0,"e":1e400}]}`,
  );
  writeFileSync(join(folder, 'friends.parquet'), await parquet(`select 'with ${MAIL} and b@x.org' as of, 3 as n`));
  const read = (): { found: object } =>
    JSON.parse(
      execFileSync(testPython(), [join(import.meta.dirname, 'fixtures/reader.py'), bench.folder, MAIL, 'email', 'id'], {
        encoding: 'utf8',
      }),
    ) as { found: object };
  assert.notDeepEqual(read().found, {});

  const certificate = await bench.erase(`person=${MAIL.normalize('NFD')}`);
  assert.deepEqual(certificate.versions.map((v) => [v.dataset, v.rowsBefore, v.rowsAfter]).sort(), [
    ['again', 12, 11],
    ['days', 4, 4],
    ['people', 12, 11],
    ['renamed', 12, 11],
  ]);
  assert.deepEqual(certificate.rewritten.map((f) => [f.rowsRemoved, f.rowsCleared]).sort(), [
    [0, 2],
    [1, 0],
    [1, 2],
    [1, 2],
  ]);
  assert.deepEqual(read().found, {});
  assert.equal(
    readFileSync(join(folder, 'rows.json'), 'utf8'),
    '{"rows":[{"email":"b@x.org","n":12345678901234567890,"one":1.0,"e":1e400}]}',
  );
  const { rows } = await bench
    .ctx()
    .compute.run(
      { what: 'a test', tables: { t: { files: [join(folder, 'friends.parquet')] } }, statements: [], rows: 'select * from t' },
      bench.ctx().signal,
    );
  assert.deepEqual(
    rows.map((r) => ({ ...r })),
    [{ of: 'with [erased] and b@x.org', n: 3 }],
  );
  const again = await bench.push('people', { 'people.parquet': await people(), 'more.parquet': await people(100) });
  assert.deepEqual([again.created, again.leftOut, again.version.rows], [true, 2, 22]);
  await bench.drain();
  assert.deepEqual(read().found, {});

  // 8 may stand for anything: only where SQL says that it is the customer.
  const second = await bench.erase('customer=8');
  assert.deepEqual(
    new Set(second.versions.map((v) => `${v.dataset} ${v.rowsBefore - v.rowsAfter}`)),
    new Set(['people 1', 'renamed 1', 'again 1']),
  );
});

test('names that a SELECT gives to a column are followed through casts, sub-queries and further names, and no computation is', async (t) => {
  const bench = await openBench(t);
  const of = async (sql: string): Promise<string[]> => renamedIn((await serialiseSelects(bench.ctx(), [sql]))[0], ['mail']);
  assert.deepEqual(await of('select t.mail::varchar as a, lower(trim(mail)) as b, MAIL as c, mail from t'), ['a', 'b', 'c']);
  assert.deepEqual(await of('with x as (select mail as a from t) select a as b, (select max(a) as top from x) as m from x'), ['a', 'b']);
  assert.deepEqual(await of("select 'x' || mail as a, count(mail) as n, other as b, length(mail) as l from t"), []);
  assert.deepEqual(await of('select mail as a from t union all select b as c from u'), ['a']);
});
