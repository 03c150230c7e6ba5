import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPlatform } from '../../../test/support/platform.ts';
import { readColumns, type Reading, type Tables } from './column-lineage.ts';
import { serialiseSelects } from './service/serialise.ts';

const tables: Tables = { t: ['a', 'b', 'c', 'l', 's'], u: ['k', 'a', 'x'], unseen: null, 'My Table': ['Odd Col', 'a.b'] };
/** Each column as "direct | indirect". */
const told = ({ columns, coarse }: Reading): Record<string, string> | 'coarse' =>
  coarse
    ? 'coarse'
    : Object.fromEntries(
        columns.map(({ name, flow: f }) => {
          const indirect = [...f.indirect].filter((x) => !f.direct.has(x)).sort();
          return [name ?? '?', [...f.direct].sort().join(' ') + (indirect.length > 0 ? ` | ${indirect.join(' ')}` : '')];
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
  'columns of one name from two tables': [
    'select * exclude (l, s, x) from t join u on t.b = u.k',
    { a: 't.a | t.b u.k', b: 't.b | u.k', c: 't.c | t.b u.k', k: 'u.k | t.b', a_1: 'u.a | t.b u.k' },
  ],
  'a star that leaves out, and calls otherwise, columns of one table': [
    'select * exclude (t.a, l, s, c) rename (u.k as key) from t join u on t.b = u.k',
    { b: 't.b | u.k', key: 'u.k | t.b', a: 'u.a | t.b u.k', x: 'u.x | t.b u.k' },
  ],
  'a natural join': ['select b, a from t natural join u', { b: 't.b | t.a u.a', a: 't.a | u.a' }],
  'whose value a join by using gives': [
    'select l.a as m, a, r.a as n from t l right join u r using (a)',
    { m: 't.a | u.a', a: 'u.a | t.a', n: 'u.a | t.a' },
  ],
  'a join that gives the columns of its left side only': [
    'select * exclude (b, c, l, s) from t semi join u on t.b = u.k',
    { a: 't.a | t.b u.k' },
  ],
  'groups by place, and by all that is no aggregate': [
    'select m, sum(n) as n from (select b as m, c, count(*) as n from t group by all) group by 1',
    { m: 't.b | t.c', n: ' | t.b t.c' },
  ],
  'how many rows there are': [
    'select (select count(*) from t where a > 1) as m, (select count(*) from (select distinct b, c from t)) as n',
    { m: ' | t.a', n: ' | t.b t.c' },
  ],
  'what is left of rows that are elsewhere, too': [
    'select a, b from t except select k, x from u',
    { a: 't.a | t.b u.k u.x', b: 't.b | t.a u.k u.x' },
  ],
  'whether there are rows, whatever is taken of them': [
    'select b from t where exists (select * from u where k = c)',
    { b: 't.b | t.c u.k' },
  ],
  'a member of a JSON': [
    "select s->'x' as i, lower(s->'x'->>'y') as j, list_transform(l, v -> v->'z') as k, list_filter(l, s -> s > c) as m from t",
    { i: 't.s', j: 't.s', k: 't.l', m: 't.c t.l' },
  ],
  'a list made of a query': ['select array(select x from u where k = t.a) as r from t', { r: 'u.x | t.a u.k' }],
  'rows of a function, and of values': [
    'select i + e as n, p from t, range(3) r(i), unnest(l) as z(e), (values (1, a)) as v(o, p)',
    { n: 't.l', p: 't.a' },
  ],
  'a filter of an aggregate, and its order': ['select list(a order by b) filter (where c > 1) as m from t', { m: 't.a | t.b t.c' }],
  'an order by the names that it gives': ['select b as a, c from t order by a limit 1', { a: 't.b', c: 't.c | t.b' }],
  'a recursive table with names, whose columns change places': [
    'with recursive r(p, q) as (select a, b from t union all select q, p from r) select p from r',
    { p: 't.a t.b' },
  ],
  'what is no column': ['select current_date as d, a from t', { d: '', a: 't.a' }],
  'quoted names': ['select "Odd Col" as o, m."a.b" from "My Table" as m', { o: 'My Table.Odd Col', 'a.b': 'My Table.a.b' }],
  'an expression that is named by DuckDB': ['select max(a), b from t', { '?': 't.a', b: 't.b' }],
  'a name that may be of a table nobody has seen, or further out': ['select (select max(q) from unseen where w = b) as m from t', 'coarse'],
  'columns by pattern': ["select columns('a|b') from t", 'coarse'],
  'an expression over all columns': ['select max(columns(*)) as m from t', 'coarse'],
  'the members of a struct': ['select s.* from t', 'coarse'],
  'a function whose columns nobody knows': ["select * from read_csv('x.csv')", 'coarse'],
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
