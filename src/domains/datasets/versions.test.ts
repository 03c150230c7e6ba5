import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { openControl, type Answer, type TestControl } from '../../../test/support/control.ts';
import { eachDatabase, type DatabaseKind } from '../../../test/support/databases.ts';
import { parquet } from '../../../test/support/parquet.ts';

const project = (dataset: string): string => `project: p\ndatasets:\n  d: { source: 'd/*.parquet', ${dataset} }\n`;
const month = (n: number, rows = 20): string =>
  `select ${n} as month, i as id, i * 1.5 as amount, 'name ' || i as name, timestamp '2024-01-01' + interval (${n}) month + interval (i) minute as moment from range(${rows}) t(i)`;

async function open(
  t: TestContext,
  kind: DatabaseKind,
  dataset = 'key: [month, id], occurred_at: moment',
  files: Record<string, string> = {},
) {
  const c = await openControl(t, kind);
  const applied = await c.apply({ 'gyre.yaml': project(dataset), ...files });
  assert.equal(applied.status, 200, JSON.stringify(applied.body));
  return c;
}
const casBytes = (c: TestControl): number =>
  readdirSync(join(c.folder, 'cas'), { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile())
    .reduce((sum, e) => sum + statSync(join(e.parentPath, e.name)).size, 0);
const versions = async (c: TestControl): Promise<string[]> =>
  (await c.call('GET', '/projects/p/datasets/d/versions'))
    .get<{ number: number; state: string }[]>('items')
    .map((v) => `${v.number} ${v.state}`);
const current = async (c: TestControl): Promise<Answer> =>
  c.call('GET', `/dataset-versions/${(await c.call('GET', '/projects/p/datasets')).get<string>('items.0.current.id')}`);

eachDatabase('A new month adds only its own bytes, and the same files again make no version', async (t, kind) => {
  const c = await open(t, kind);
  const [january, february] = [await parquet(month(1, 5000)), await parquet(month(2, 5000))];
  const one = await c.push('p', 'd', { 'd/1.parquet': january });
  assert.deepEqual([one.status, one.get('created'), one.get('version.rows'), one.get('version.state')], [201, true, 5000, 'current']);
  const before = casBytes(c);
  assert.equal(before, january.length);
  const two = await c.push('p', 'd', { 'd/1.parquet': january, 'd/2.parquet': february });
  assert.equal(casBytes(c) - before, february.length);
  assert.equal(two.get('version.rows'), 10_000);
  const again = await c.push('p', 'd', { 'd/2.parquet': february, 'd/1.parquet': january });
  assert.deepEqual([again.status, again.get('created'), again.get('version.id')], [200, false, two.get('version.id')]);
  assert.deepEqual(await versions(c), ['2 current', '1 superseded']);
  const files = (await current(c)).get<{ path: string; sizeBytes: number }[]>('files');
  assert.deepEqual(
    files.map((f) => [f.path, f.sizeBytes]),
    [
      ['d/1.parquet', january.length],
      ['d/2.parquet', february.length],
    ],
  );
  // Two pushes of the same files at once make one version.
  const both = await Promise.all([1, 2].map(() => c.push('p', 'd', { 'd/2.parquet': february })));
  assert.deepEqual(both.map((r) => r.get('created')).sort(), [false, true]);
  assert.equal(both[0]!.get('version.id'), both[1]!.get('version.id'));
});

test('The logical digest is of the rows: not of files, order, row groups, compression or order of columns', async (t) => {
  const c = await open(t, 'sqlite');
  const digest = async (files: Record<string, Buffer>): Promise<string> => {
    const reply = await c.push('p', 'd', files, { acceptSchemaChange: true });
    assert.equal(reply.status, 201, JSON.stringify(reply.body));
    return reply.get('version.logicalDigest');
  };
  const whole = `(${month(1)}) union all (${month(2)})`;
  const base = await digest({ 'd/all.parquet': await parquet(whole) });
  const same: Record<string, Buffer>[] = [
    { 'd/1.parquet': await parquet(month(1)), 'd/2.parquet': await parquet(month(2)) },
    { 'd/all.parquet': await parquet(`select * from (${whole}) order by md5(id::varchar)`, 'compression snappy') },
    {
      'd/all.parquet': await parquet(
        `select moment, name, amount, id, month from (${whole})`,
        'compression uncompressed, row_group_size 2048',
      ),
    },
  ];
  for (const files of same) assert.equal(await digest(files), base);
  const others = [
    `select * replace (case when id = 3 then 'x' else name end as name) from (${whole})`,
    `select * replace (case when id = 3 then null else amount end as amount) from (${whole})`,
    `select * replace (case when id = 3 then 'nan'::double else amount end as amount) from (${whole})`,
    `(${whole}) union all (select * replace (99 as id) from (${whole}) where id = 1)`,
    `select * replace (amount::float as amount) from (${whole})`,
    `select * rename (name as title) from (${whole})`,
    // Two values that change places.
    `select * replace (case id when 1 then 'name 2' when 2 then 'name 1' else name end as name) from (${whole})`,
  ];
  const found = [base];
  for (const sql of others) found.push(await digest({ 'd/all.parquet': await parquet(sql) }));
  assert.equal(new Set(found).size, others.length + 1);
});

test('A profile has the figures that a computation by hand gives', async (t) => {
  const c = await open(t, 'sqlite', 'key: [i]');
  const values = [3, -1.5, 8, 8, 0.25, null, 100, 8, 2, null].map((x, i) => ({ i, x, s: ['b', 'a', 'b', null][i % 4]!, ok: i % 3 === 0 }));
  const literal = (v: unknown): string => (v === null ? 'null' : typeof v === 'string' ? `'${v}'` : String(v));
  const rows = values.map((v) => `(${[v.i, v.x, v.s, v.ok].map(literal).join(', ')})`).join(', ');
  await c.push('p', 'd', {
    'd/1.parquet': await parquet(
      `select i, x::double as x, s, ok, date '2024-01-01' + i::integer as day, case i when 0 then 'inf'::double when 1 then 'nan'::double else i end as wild from (values ${rows}) t(i, x, s, ok)`,
    ),
  });
  const profile = new Map(
    (await current(c)).get<{ name: string }[]>('profile').map((p) => [p.name, p as unknown as Record<string, unknown>]),
  );
  const numbers = values.flatMap((v) => (v.x === null ? [] : [v.x])).sort((a, b) => a - b);
  const mean = numbers.reduce((a, b) => a + b) / numbers.length;
  const std = Math.sqrt(numbers.reduce((sum, v) => sum + (v - mean) ** 2, 0) / (numbers.length - 1));
  const quantile = (q: number): number => {
    const at = (numbers.length - 1) * q;
    const low = Math.floor(at);
    return numbers[low]! + (at - low) * ((numbers[low + 1] ?? numbers[low]!) - numbers[low]!);
  };
  const x = profile.get('x')!;
  assert.deepEqual([x.rows, x.nulls, x.notFinite, x.approxDistinct, x.min, x.max], [10, 2, 0, 6, '-1.5', '100.0']);
  const near = (a: unknown, b: number): void => assert.ok(Math.abs((a as number) - b) < 1e-9, `${String(a)} is not ${b}`);
  near(x.mean, mean);
  near(x.std, std);
  [0, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 1].forEach((q, i) => near((x.quantiles as number[])[i], quantile(q)));
  assert.deepEqual((x.top as unknown[])[0], { value: '8.0', count: 3 });
  const s = profile.get('s')!;
  assert.deepEqual([s.type, s.nulls, s.mean, s.quantiles, s.min, s.max], ['VARCHAR', 2, null, null, 'a', 'b']);
  assert.deepEqual(s.top, [
    { value: 'b', count: 5 },
    { value: 'a', count: 3 },
  ]);
  assert.deepEqual([profile.get('day')!.min, profile.get('day')!.max], ['2024-01-01', '2024-01-10']);
  assert.deepEqual(profile.get('ok')!.top, [
    { value: 'false', count: 6 },
    { value: 'true', count: 4 },
  ]);
  const wild = profile.get('wild')!;
  assert.deepEqual([wild.nulls, wild.notFinite, wild.mean, (wild.quantiles as number[])[8]], [0, 2, 5.5, 9]);
});

test('What is no whole Parquet file is refused by its own name, and nothing is changed', async (t) => {
  const c = await open(t, 'sqlite');
  const good = await parquet(month(1, 3000));
  await c.push('p', 'd', { 'd/1.parquet': good });
  const damaged = Buffer.from(good);
  damaged.fill(0xff, 100, 2000);
  for (const [name, bytes] of Object.entries({
    'd/cut.parquet': good.subarray(0, good.length - 100),
    'd/half.parquet': good.subarray(0, good.length / 2),
    'd/text.parquet': Buffer.from('month,id\n1,2\n'),
    'd/json.parquet': Buffer.from('{"month": 1}\n'),
    'd/empty.parquet': Buffer.alloc(0),
    'd/damaged.parquet': damaged,
  })) {
    const refused = await c.push('p', 'd', { 'd/1.parquet': good, [name]: bytes });
    assert.deepEqual([refused.status, refused.code], [400, 'compute-input-unreadable'], `${name}: ${JSON.stringify(refused.body)}`);
    assert.match(refused.get('detail'), new RegExp(name.replace('.', '\\.')), name);
    assert.doesNotMatch(JSON.stringify(refused.body), /staged|gyre-test-/, 'a path of the server');
  }
  assert.deepEqual(await versions(c), ['1 current']);
  assert.equal((await c.push('p', 'd', { 'd/2.parquet': await parquet(month(2)) })).status, 201);
});

test('A changed schema is refused until it is accepted; a column that one new file lacks is noticed', async (t) => {
  const c = await open(t, 'sqlite');
  const january = await parquet(month(1));
  await c.push('p', 'd', { 'd/1.parquet': january });
  const changes: [string, RegExp][] = [
    [`select * exclude (name) from (${month(1)})`, /name \(VARCHAR -> gone\)/],
    [`select * replace (id::varchar as id) from (${month(1)})`, /id \(BIGINT -> VARCHAR\)/],
    [`select * rename (amount as value) from (${month(1)})`, /amount \(DECIMAL\(\d+,1\) -> gone\)/],
  ];
  for (const [sql, expected] of changes) {
    const refused = await c.push('p', 'd', { 'd/1.parquet': await parquet(sql) });
    assert.deepEqual([refused.status, refused.code], [409, 'schema-changed']);
    assert.match(refused.get('parameters.columns'), expected);
  }
  const lacking = { 'd/1.parquet': january, 'd/2.parquet': await parquet(`select * exclude (name) from (${month(2)})`) };
  const refused = await c.push('p', 'd', lacking);
  assert.deepEqual([refused.code, refused.get('parameters.columns')], ['schema-changed', 'name (not in d/2.parquet)']);
  assert.deepEqual(await versions(c), ['1 current']);
  assert.equal((await c.push('p', 'd', lacking, { acceptSchemaChange: true })).status, 201);
  // What was accepted once is not asked again; a column more is no break.
  const more = { ...lacking, 'd/3.parquet': await parquet(month(3)) };
  assert.equal((await c.push('p', 'd', more)).status, 201);
  const wider = await c.push('p', 'd', { 'd/1.parquet': await parquet(`select *, true as extra from (${month(1)})`) });
  assert.equal(wider.status, 201);
  assert.equal(wider.get<unknown[]>('version.columns').length, 6);
});

test('An empty month, rows without a time, a missing key and unknown files are refused with what to do', async (t) => {
  const c = await open(t, 'sqlite');
  const january = await parquet(month(1));
  const empty = await parquet(`${month(2)} where false`);
  const alone = await c.push('p', 'd', { 'd/2.parquet': empty });
  assert.deepEqual([alone.status, alone.code], [400, 'dataset-no-rows']);
  const beside = await c.push('p', 'd', { 'd/1.parquet': january, 'd/2.parquet': empty });
  assert.deepEqual([beside.code, beside.get('parameters.files')], ['dataset-no-rows', ['d/2.parquet']]);
  assert.equal((await c.push('p', 'd', {})).code, 'dataset-no-rows');
  const timeless = await c.push('p', 'd', {
    'd/1.parquet': await parquet(`select * replace (case when id < 3 then null else moment end as moment) from (${month(1)})`),
  });
  assert.deepEqual([timeless.status, timeless.code, timeless.get('parameters.rows')], [422, 'time-missing', 3]);
  const keyless = await c.push('p', 'd', { 'd/1.parquet': await parquet(`select * exclude (id) from (${month(1)})`) });
  assert.deepEqual([keyless.status, keyless.code, keyless.get('parameters.columns')], [422, 'key-missing', ['id']]);
  const digest = await c.upload(january);
  const twice = await c.call('POST', '/projects/p/datasets/d/versions', {
    files: [
      { path: 'a', digest },
      { path: 'a', digest },
      { path: 'b', digest: '0'.repeat(64) },
    ],
  });
  assert.deepEqual([twice.status, twice.code, twice.faults.map((f) => f.pointer)], [400, 'invalid-input', ['a', 'b']]);
  assert.equal((await c.push('p', 'e', { 'd/1.parquet': january })).code, 'dataset-not-found');
  assert.equal((await c.push('q', 'd', { 'd/1.parquet': january })).code, 'project-not-found');
  assert.deepEqual(await versions(c), []);
  assert.equal((await c.call('GET', '/dataset-versions/dsv_nothing')).code, 'dataset-version-not-found');
});

eachDatabase('Two versions differ by schema, statistics and rows; of a changed row the columns are named', async (t, kind) => {
  const c = await open(t, kind);
  const push = async (sql: string): Promise<string> =>
    (await c.push('p', 'd', { 'd/1.parquet': await parquet(sql) }, { acceptSchemaChange: true })).get('version.id');
  const a = await push(month(1));
  const b = await push(
    `select * exclude (moment) replace (case when id = 4 then 'other' else name end as name, amount::varchar as amount), moment, true as extra from (${month(1, 22)}) where id not in (7, 8)`,
  );
  const diff = await c.call('GET', `/dataset-versions/${a}/diff/${b}`);
  assert.deepEqual(diff.get('rows'), { added: 2, removed: 2, changed: 1, unchanged: 17 });
  assert.deepEqual(diff.get('examples'), [
    { key: '1 20', change: 'added', columns: [] },
    { key: '1 21', change: 'added', columns: [] },
    { key: '1 4', change: 'changed', columns: ['name'] },
    { key: '1 7', change: 'removed', columns: [] },
    { key: '1 8', change: 'removed', columns: [] },
  ]);
  const changes = diff.get<{ column: string; change: string }[]>('columns').map((x) => `${x.column} ${x.change}`);
  assert.deepEqual(changes.sort(), ['amount type', 'moment statistics', 'extra added', 'id statistics', 'name statistics'].sort());
  const same = await c.call('GET', `/dataset-versions/${a}/diff/${a}`);
  assert.deepEqual([same.get('rows.unchanged'), same.get('columns'), same.get('examples')], [20, [], []]);
  assert.deepEqual((await c.call('GET', `/dataset-versions/${a}/rows?limit=2`)).get<unknown[]>('items').length, 2);
  assert.equal((await c.call('GET', `/dataset-versions/${a}/diff/dsv_none`)).code, 'dataset-version-not-found');
});
