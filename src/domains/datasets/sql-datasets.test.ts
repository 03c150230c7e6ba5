import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { openControl, type Answer, type TestControl } from '../../../test/support/control.ts';
import { eachDatabase, type DatabaseKind } from '../../../test/support/databases.ts';
import { parquet } from '../../../test/support/parquet.ts';
import { eventsIn, type Edge } from '../../kernel/events/events.ts';

const project = `project: p
datasets:
  a: { source: a.parquet, key: [id] }
  doubled: { sql: doubled.sql, from: [a], key: [id] }
  total: { sql: total.sql, from: [doubled], key: [n], contract: total.yaml }
  other: { sql: other.sql, from: [a], key: [id] }
`;
const files = {
  'gyre.yaml': project,
  'doubled.sql': 'select id, x * 2 as x from a -- a comment at the end',
  'total.sql': 'select count(*) as n, sum(x)::bigint as total from doubled;',
  'total.yaml':
    'apiVersion: v3.1.0\nkind: DataContract\nid: t\nversion: 1.0.0\nstatus: active\nschema: [{ name: total, quality: [{ type: sql, query: "select max(total) from {object}", mustBeLessThan: 1000 }] }]',
  'other.sql': 'select id from a where x > 3',
};
const rows = (n: number): Promise<Buffer> => parquet(`select i as id, i::bigint as x from range(${n}) t(i)`);

async function open(t: TestContext, kind: DatabaseKind, changed: Record<string, string> = {}): Promise<TestControl> {
  const c = await openControl(t, kind);
  assert.equal((await c.apply({ ...files, ...changed })).status, 200);
  await c.push('p', 'a', { 'a.parquet': await rows(5) });
  return c;
}
const refresh = (c: TestControl): Promise<Answer> => c.call('POST', '/projects/p/datasets/refresh');
/** The number of the current version of each dataset, once everything that follows from events is done. */
async function numbers(c: TestControl): Promise<string> {
  await c.drain();
  const { items } = (await c.call('GET', '/projects/p/datasets')).body as { items: { name: string; current: { number: number } | null }[] };
  return items.map((d) => `${d.name} ${d.current?.number ?? 0}`).join(', ');
}
const versions = async (c: TestControl, dataset: string): Promise<string[]> =>
  (await c.call('GET', `/projects/p/datasets/${dataset}/versions`))
    .get<{ number: number; state: string }[]>('items')
    .map((v) => `${v.number} ${v.state}`);

eachDatabase('SQL datasets follow their inputs in order, and only when rows or SQL changed', async (t, kind) => {
  const c = await open(t, kind);
  assert.equal(await numbers(c), 'a 1, doubled 1, total 1, other 1');
  assert.deepEqual((await refresh(c)).get('items'), []);
  // The same rows in another file: nothing follows.
  await c.push('p', 'a', { 'a.parquet': await parquet('select i as id, i::bigint as x from range(5) t(i) order by i desc') });
  assert.equal(await numbers(c), 'a 2, doubled 1, total 1, other 1');
  await c.apply({ ...files, 'other.sql': 'select id from a where x > 2' });
  assert.equal(await numbers(c), 'a 2, doubled 1, total 1, other 2');
  await c.push('p', 'a', { 'a.parquet': await rows(6) });
  assert.equal(await numbers(c), 'a 3, doubled 2, total 2, other 3');
  const total = (await c.call('GET', '/projects/p/datasets')).get<{ name: string; current: { id: string } }[]>('items')[2]!.current.id;
  assert.deepEqual((await c.call('GET', `/dataset-versions/${total}/rows`)).get('items'), [{ n: 6, total: 30 }]);

  const version = await c.call('GET', `/dataset-versions/${total}`);
  const event = await eventsIn(c.ctx.db).selectFrom('events').select('edges').where('subject_id', '=', total).executeTakeFirstOrThrow();
  const edges = JSON.parse(event.edges) as Edge[];
  assert.deepEqual(
    edges.filter((e) => e.relation === 'input').map((e) => e.to.id),
    version.get('inputs'),
  );
  assert.ok(edges.some((e) => e.relation === 'code' && e.to.id.endsWith(' total.sql')));
  assert.equal((await c.push('p', 'total', { 'x.parquet': await rows(1) })).code, 'dataset-not-pushed');
});

eachDatabase('One dataset that breaks its contract does not hold up the others, and is built once', async (t, kind) => {
  const c = await open(t, kind);
  await c.drain();
  await c.push('p', 'a', { 'a.parquet': await rows(100) });
  const refused = await refresh(c);
  assert.deepEqual([refused.status, refused.code, refused.get('parameters.dataset')], [422, 'contract-violated', 'total']);
  assert.match(refused.faults[0]!.detail, /expected mustBeLessThan 1000, found 9900/);
  assert.deepEqual(await versions(c, 'other'), ['2 current', '1 superseded']);
  for (let i = 0; i < 2; i++) assert.equal((await refresh(c)).get('parameters.version'), refused.get('parameters.version'));
  await c.drain();
  assert.deepEqual(await versions(c, 'total'), ['2 quarantined', '1 current']);
  await c.push('p', 'a', { 'a.parquet': await rows(7) });
  assert.equal((await refresh(c)).status, 200);
  await c.drain();
  assert.deepEqual(await versions(c, 'total'), ['3 current', '2 quarantined', '1 superseded']);
});

test('Errors in SQL name file, line and column; what is no SELECT over the declared tables is refused', async (t) => {
  const c = await open(t, 'sqlite');
  await c.drain();
  for (const [sql, code, pointer, detail] of [
    ['select id,\n  x * 2 as x\nfrom from a', 'compute-sql-invalid', 'doubled.sql:3:', /Parser Error: syntax error/],
    ['\n\nselect id,\n  y as x\nfrom a', 'compute-sql-invalid', 'doubled.sql:4:3', /Binder Error: Referenced column "y" not found/],
    [`select id, ${'x + '.repeat(60)}nope as x from a`, 'compute-sql-invalid', 'doubled.sql:1:252', /"nope" not found/],
    ["select id,\n  cast('x' || id as integer) as x\nfrom a", 'compute-sql-invalid', 'doubled.sql:2:3', /Could not convert string 'x0'/],
    ['select * from b', 'compute-sql-invalid', 'doubled.sql:1:15', /Table with name b does not exist/],
    ['', 'compute-sql-refused', undefined, /there are 0 statements/],
    ['-- select id from a\n', 'compute-sql-refused', undefined, /there are 0 statements/],
    ['select 1; select 2', 'compute-sql-refused', undefined, /there are 2 statements/],
    ['drop table a', 'compute-sql-refused', undefined, /it is not a SELECT/],
    ["select * from read_parquet('/etc/passwd')", 'compute-sql-refused', undefined, /./],
    ["attach '/tmp/x.db' as x", 'compute-sql-refused', undefined, /./],
    ['select id from a where false', 'dataset-no-rows', undefined, /./],
    ['select 1 as z', 'key-missing', undefined, /"id"/],
  ] as const) {
    await c.apply({ ...files, 'doubled.sql': sql });
    const refused = await refresh(c);
    assert.equal(refused.code, code, `${sql}: ${JSON.stringify(refused.body)}`);
    assert.ok(refused.status >= 400 && refused.status < 500);
    if (pointer) assert.ok(refused.faults[0]?.pointer.startsWith(pointer), `${sql}: ${JSON.stringify(refused.body)}`);
    assert.match(refused.faults[0]?.detail ?? refused.get('detail'), detail, sql);
    assert.doesNotMatch(JSON.stringify(refused.body), /staged|gyre-test-/, 'a path of the server');
  }
  assert.deepEqual(await versions(c, 'doubled'), ['1 current']);
  assert.deepEqual(await versions(c, 'other'), ['1 current']);
});

eachDatabase('A dataset that left the file is detached: its versions stay, and it goes on when it comes back', async (t, kind) => {
  const c = await open(t, kind);
  await c.drain();
  const listed = async (): Promise<string[]> =>
    (await c.call('GET', '/projects/p/datasets')).get<{ name: string }[]>('items').map((d) => d.name);
  await c.apply({ ...files, 'gyre.yaml': project.replace(/ {2}other.*\n/, '') });
  await c.drain();
  assert.deepEqual(await listed(), ['a', 'doubled', 'total']);
  assert.deepEqual(await versions(c, 'other'), ['1 current']);
  assert.equal((await c.push('p', 'other', {})).code, 'dataset-not-found');
  await c.apply(files);
  assert.equal(await numbers(c), 'a 1, doubled 1, total 1, other 1');
  assert.deepEqual(await listed(), ['a', 'doubled', 'total', 'other']);
});
