// User SQL against the walls: it reads the tables it was given, and nothing else happens.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isProblem, type Problem } from '../errors.ts';
import { openCompute, sqlText, type Compute, type ComputeJob, type ComputeResult } from './compute.ts';

const dir = mkdtempSync(join(tmpdir(), 'gyre-sandbox-'));
const input = join(dir, 'staged', 'input.parquet');
const secret = join(dir, 'secret.csv');
const secretParquet = join(dir, 'secret.parquet');
const link = join(dir, 'staged', 'link.parquet');
const target = join(dir, 'out.parquet');
let compute: Compute;

before(async () => {
  compute = openCompute({ dir: join(dir, 'compute'), memoryMb: 512, threads: 1, timeoutMs: 30_000 });
  mkdirSync(join(dir, 'staged'));
  writeFileSync(secret, 'word\nsesame\n');
  for (const path of [input, secretParquet])
    await compute.run({
      what: 'the input',
      writes: [path],
      statements: [{ sql: `copy (select i, i * 2 as j from range(10) t(i)) to ${sqlText(path)} (format parquet)` }],
    });
  symlinkSync(secretParquet, link);
});
after(async () => {
  await compute.close();
  rmSync(dir, { recursive: true, force: true });
});

/** Runs SQL as a user would: over one table, its result as a table. */
const ask = (userSql: string, more: Partial<ComputeJob> = {}, signal?: AbortSignal): Promise<ComputeResult> =>
  compute.run(
    {
      what: 'the SQL of dataset d',
      tables: { t: { files: [input] } },
      statements: [{ userSql, into: { table: 'answer' } }],
      rows: 'select * from answer',
      ...more,
    },
    signal,
  );

const problemOf = (work: Promise<unknown>): Promise<Problem> =>
  work.then(
    (value) => assert.fail(`it was answered: ${JSON.stringify(value)}`),
    (error: unknown) => {
      if (!isProblem(error)) throw error;
      return error;
    },
  );

test('SQL that DuckDB does not survive, or refuses while it runs, is the user’s to mend', async () => {
  const crashing = await problemOf(ask(`select * from enable_logging(storage := 'file', storage_config := {'path': '${secret}.log'})`));
  assert.deepEqual([crashing.code, crashing.status], ['compute-sql-refused', 400]);
  const running = await problemOf(ask('select * from checkpoint()'));
  assert.deepEqual([running.code, running.status], ['compute-sql-invalid', 400]);
  assert.deepEqual((await ask('select 1 as one')).rows, [{ one: 1 }]);
});

test('a SELECT over the declared tables is answered', async () => {
  assert.deepEqual((await ask('select sum(i) as total from t')).rows, [{ total: 45 }]);
  assert.deepEqual((await ask('with a as (from t) select max(j) as most from a -- done')).rows, [{ most: 18 }]);
  assert.deepEqual((await ask('select 1 as one;')).rows, [{ one: 1 }]);
  assert.deepEqual((await ask('select 1 as one; -- done; really\n/* ; */\n')).rows, [{ one: 1 }]);
  assert.deepEqual((await ask("select 'a; -- b' as text")).rows, [{ text: 'a; -- b' }]);
});

const walls: Readonly<Record<string, string>> = {
  'reads a file by its name': `select * from ${sqlText(secret)}`,
  'reads a file with read_csv': `select * from read_csv(${sqlText(secret)})`,
  'reads a file with read_text': `select * from read_text(${sqlText(secret)})`,
  'reads a file with read_blob': `select * from read_blob(${sqlText(secret)})`,
  'reads another Parquet file': `select * from read_parquet(${sqlText(secretParquet)})`,
  'reads another file beside a declared one': `select * from read_parquet([${sqlText(input)}, ${sqlText(secretParquet)}])`,
  'reads the metadata of another file': `select * from parquet_metadata(${sqlText(secretParquet)})`,
  'reads the system’s files': `select * from read_text('/etc/passwd')`,
  'reads its own environment': `select * from read_text('/proc/self/environ')`,
  'guesses at another file': `select * from sniff_csv(${sqlText(secret)})`,
  'reads through a pattern': `select * from read_parquet(${sqlText(join(dir, '*.parquet'))})`,
  'reads through a pattern in the folder of its input': `select * from read_parquet(${sqlText(join(dir, 'staged', '*.parquet'))})`,
  'reads through "..": the folder of its input': `select * from read_parquet(${sqlText(join(dir, 'staged') + '/../secret.parquet')})`,
  'reads through "..": its input’s own path': `select * from read_parquet(${sqlText(input + '/../../secret.parquet')})`,
  'reads through "..": the temporary folder': `select * from read_csv(current_setting('temp_directory') || '/../../secret.csv')`,
  'reads through a link': `select * from read_parquet(${sqlText(link)})`,
  'lists a folder': `select * from glob(${sqlText(dir + '/*')})`,
  'reads over the network': `select * from read_csv('https://127.0.0.1:1/x.csv')`,
  'reads from an object store': `select * from read_parquet('s3://bucket/key')`,
  'reads the environment': `select getenv('HOME')`,
  'hides a file in a query string': `select * from query('select * from read_text(' || chr(39) || ${sqlText(secret)} || chr(39) || ')')`,
  'attaches a database': `attach ${sqlText(join(dir, 'other.db'))} as other`,
  'detaches a database': 'detach memory',
  'loads an extension': `load httpfs`,
  'installs an extension': `install httpfs`,
  'sets a configuration': `set memory_limit = '100GB'`,
  'sets a configuration by pragma': `pragma memory_limit = '100GB'`,
  'resets a configuration': 'reset memory_limit',
  'opens access again': 'set enable_external_access = true',
  'writes a file': `copy (select 1) to ${sqlText(join(dir, 'written.csv'))}`,
  'writes over its output': `copy t to ${sqlText(target)}`,
  'exports the database': `export database ${sqlText(join(dir, 'exported'))}`,
  'imports a database': `import database ${sqlText(dir)}`,
  'creates a table': 'create table x as select 1',
  'drops the view of its input': 'drop view t',
  'creates a secret': `create secret s (type s3)`,
  'calls a procedure': `call pragma_version()`,
  'prepares a statement': 'prepare p as select 1',
  'explains instead of selecting': 'explain select 1',
  'is two statements': 'select 1; select 2',
  'hides a second statement': `select 1; copy (select 1) to ${sqlText(join(dir, 'written.csv'))}`,
  'closes a bracket that is ours': `select 1) to ${sqlText(join(dir, 'written.csv'))} (format csv); --`,
  'opens a comment over what follows': 'select 1 /*',
  'is empty': '',
  'is only a comment': '-- nothing',
  'is no SQL at all': 'please',
  'asks for a column that is not there': 'select k from t',
  'asks for a table that is not there': 'select * from u',
  'divides text': `select 'x'::integer from t`,
};

for (const [what, userSql] of Object.entries(walls))
  test(`SQL that ${what} is refused`, async () => {
    for (const into of [{ table: 'answer' }, { parquet: target }] as const) {
      const problem = await problemOf(
        compute.run({
          what: 'the SQL of dataset d',
          tables: { t: { files: [input] } },
          writes: [target],
          statements: [{ userSql, into }],
        }),
      );
      assert.equal(problem.status, 400, problem.message);
      assert.match(problem.code, /^compute-(sql-refused|sql-invalid|input-unreadable)$/);
      assert.match(problem.message, /the SQL of dataset d/);
      assert.doesNotMatch(problem.message, /sesame|root:/);
    }
    assert.deepEqual(
      readdirSync(dir).filter((name) => /written|exported|other/.test(name)),
      [],
    );
  });

test('what a condition of ours follows is not cut off by a comment of the user’s', async () => {
  const { rows } = await ask('', { statements: [{ userSql: 'select i from t -- all of it', into: { table: 'answer' }, where: 'i < 3' }] });
  assert.deepEqual(
    rows.map((row) => row.i),
    [0, 1, 2],
  );
});

test('a query that never ends is ended, the next one is answered meanwhile and afterwards', async () => {
  const endless = problemOf(ask('select count(*) from range(100000000000) a, range(1000) b', { timeoutMs: 700 }));
  assert.equal((await ask('select count(*) as n from t')).rows[0]!.n, 10);
  const problem = await endless;
  assert.deepEqual([problem.code, problem.status], ['compute-timeout', 400]);
  assert.match(problem.message, /700 ms/);
  assert.equal((await ask('select count(*) as n from t')).rows[0]!.n, 10);
});

test('a query that eats memory is ended, whatever it eats it with', async () => {
  const gluttons = [
    'select i, list(j) over () from range(200000) a(i), range(200) b(j)',
    `select list(repeat('x', 1000000) || i) as l from range(100000) r(i)`,
    `select repeat('x', 2000000000) || repeat('y', 2000000000) as x`,
  ];
  for (const userSql of gluttons) {
    const problem = await problemOf(ask(userSql, { memoryMb: 100, timeoutMs: 20_000, rows: 'select count(*) from answer' }));
    assert.equal(problem.status, 400, problem.message);
    assert.match(problem.code, /compute-memory-exceeded|compute-sql-invalid/, `${userSql}: ${problem.message}`);
    assert.equal((await ask('select count(*) as n from t')).rows[0]!.n, 10);
  }
});

test('a file that is no table is reported as such', async (t) => {
  const broken = join(dir, 'broken.parquet');
  t.after(() => rmSync(broken));
  for (const content of ['', 'PAR1', 'not a table at all, but long enough to be one', Buffer.alloc(10_000)]) {
    writeFileSync(broken, content);
    const problem = await problemOf(ask('select * from t', { tables: { t: { files: [broken] } } }));
    assert.deepEqual([problem.code, problem.status], ['compute-input-unreadable', 400], problem.message);
  }
  assert.equal(existsSync(broken), true);
});
