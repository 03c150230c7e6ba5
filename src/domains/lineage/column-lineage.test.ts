import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPlatform } from '../../../test/support/platform.ts';
import { readColumns, type Reading, type Tables } from './column-lineage.ts';
import { serialiseSelects } from './service/serialise.ts';

const tables: Tables = { t: ['a', 'b', 'c', 'l', 's'], u: ['k', 'a', 'x'], unseen: null };
/** Each column as "direct | indirect". */
const told = ({ columns, coarse }: Reading): Record<string, string> | 'coarse' =>
  coarse
    ? 'coarse'
    : Object.fromEntries(
        [...columns].map(([name, f]) => {
          const indirect = [...f.indirect].filter((x) => !f.direct.has(x)).sort();
          return [name, [...f.direct].sort().join(' ') + (indirect.length > 0 ? ` | ${indirect.join(' ')}` : '')];
        }),
      );

const cases: Readonly<Record<string, readonly [sql: string, found: Record<string, string> | 'coarse']>> = {
  'a plain column and an expression': ['select a, b + c as d from t', { a: 't.a', d: 't.b t.c' }],
  'names in any case': ['select T.A as q from T', { q: 't.a' }],
  'a star and what it leaves out': ['select * exclude (l, s) replace (b + 1 as a) from t', { a: 't.b', b: 't.b', c: 't.c' }],
  'what only filters, groups or joins': [
    'select t.b, max(x) as m from t join u on k = c where t.a > 1 group by t.b having min(x) > 0',
    { b: 't.b | t.a t.c u.k u.x', m: 'u.x | t.a t.b t.c u.k' },
  ],
  'a window, named or not': [
    'select avg(a) over w as m, row_number() over (order by b) as r from t window w as (partition by b order by c)',
    { m: 't.a | t.b t.c', r: ' | t.b' },
  ],
  'tables with names of their own': [
    'with v as (select a as y, b from t), z(p) as (select y from v) select p, k from z cross join u',
    { p: 't.a', k: 'u.k' },
  ],
  'a name that hides a table': ['with u as (select b as a from t) select a from u', { a: 't.b' }],
  'a query within a query, that looks outside': ['select (select max(x) from u where k = t.c) as m from t', { m: 'u.x | t.c u.k' }],
  'a column of the same list': ['select a + 1 as d, d * 2 as e from t', { d: 't.a', e: 't.a' }],
  'both sides of a union': ['select a as z from t union all select x from u', { z: 't.a u.x' }],
  'a union by name': ['select a as z from t union by name select x, k as z from u', { z: 't.a u.k', x: 'u.x' }],
  'a lambda’s own names': ['select list_transform(l, lambda v: v + c) as m from t', { m: 't.c t.l' }],
  'a member of a struct': ['select s.inner as i, t.s.deep as d from t', { i: 't.s', d: 't.s' }],
  'a join by using': ['select x from t join u using (a)', { x: 'u.x | t.a u.a' }],
  'a recursive table': [
    'with recursive r as (select a from t union all select r.a + k from r join u on true) select a from r',
    { a: 't.a u.k' },
  ],
  'a table whose columns nobody has seen': ['select q, unseen.w as w from unseen', { q: 'unseen.q', w: 'unseen.w' }],
  'a parameter that is filled in later': ['select a >= $limit as late from t where b < $until', { late: 't.a | t.b' }],
  'a star over a table that nobody has seen': ['select * from unseen', 'coarse'],
  'a column that is nowhere': ['select nowhere from t', 'coarse'],
  'a table that is not declared': ['select 1 as one from elsewhere', 'coarse'],
  'a pivot': ['select * from (pivot t on a using sum(b))', 'coarse'],
  'what is no SELECT': ['select from where', 'coarse'],
};

test('each column of a SELECT leads to the columns it was made from', async (t) => {
  const p = await openPlatform(t);
  const trees = await serialiseSelects(
    p.ctx(),
    Object.values(cases).map(([sql]) => sql),
  );
  Object.entries(cases).forEach(([name, [, found]], i) => assert.deepEqual(told(readColumns(trees[i], tables)), found, name));
});
