import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openPlatform } from '../../../test/support/platform.ts';
import { canonical, canonicalSql, comparedSql, needlesOf, valuePattern } from './forms.ts';
import { mentionsOf } from './mentions.ts';
import { subjectSql } from './model.ts';

const UUID = 'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11';
const text = (value: string): string => `'${value.replaceAll("'", "''")}'`;

test('an identifier is the same in the other case where case says nothing, with its accents apart, and as a number with a point', () => {
  const pairs = [
    ['Ann@Example.com', 'ann@example.COM'],
    [UUID, UUID.toLowerCase()],
    ['Zoë'.normalize('NFC'), 'Zoë'.normalize('NFD')],
    ['42', 42],
    ['42.0', 42n],
  ] as const;
  for (const [a, b] of pairs) assert.equal(canonical(a), canonical(b));
  for (const [a, b] of [
    ['N14228', 'n14228'],
    ['042', '42'],
    ['42.5', '42'],
  ] as const)
    assert.notEqual(canonical(a), canonical(b));
});

test('text and JSON write a value in many ways; each is found, and no longer word is', () => {
  const found = (value: string, where: string): boolean => new RegExp(valuePattern(value), 'u').test(where);
  for (const where of ['Zoë', 'Zoë'.normalize('NFD'), '"zo": "Zo\\u00eb"', '"Zo\\u00EB"', '{\\"n\\":\\"Zo\\\\u00eb\\"}', 'Zoe\\u0308'])
    assert.ok(found('Zoë', where), where);
  assert.ok(found('a"b/c', '"a\\"b\\/c"') && found('a"b/c', 'a"b/c') && found('a<b', '"a\\u003cb"'));
  assert.ok(found('Ann@x.org', 'ANN@X.ORG') && !found('Ann@x.org', 'annax.org') && !found('N14228', 'n14228'));
  for (const value of ['Zoë', 'Ann@x.org', 'a"b', '张伟', '42'])
    for (const form of [value, JSON.stringify(value).slice(1, -1)])
      assert.ok(
        needlesOf(value).some((n) => form.toLowerCase().includes(n.toLowerCase())),
        `${form}: ${needlesOf(value).join()}`,
      );
});

test('the database says the same of a value as the program, and a table is cleared of it wherever it is named', async (t) => {
  const { ctx } = await openPlatform(t, { database: 'sqlite' });
  const ask = async (sql: string): Promise<Record<string, unknown>[]> =>
    (await ctx().compute.run({ what: 'a test', statements: [], rows: sql }, ctx().signal)).rows as never;
  const values = ['Ann@Example.com', UUID, 'Zoë'.normalize('NFD'), '42.0', '-7', 'N14228', 'a b@c', 'é@X.org'];
  for (const v of values) {
    const [row] = await ask(
      `select ${canonicalSql(text(v))} as a, ${comparedSql(text(v), [v])} as b, ${comparedSql(`${text(v)}`, ['N1', canonical(v)])} as c`,
    );
    assert.deepEqual([row!.a, row!.b, row!.c], [canonical(v), canonical(v), canonical(v)]);
  }
  const mail = 'zoë.müller@example.com';
  const escaped = JSON.stringify({ email: mail }).replace(/[^ -~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const rows = [
    { id: 1, email: mail.toUpperCase(), note: 'x' },
    { id: 2, email: 'b@x.org', note: `saw ${mail},${mail.toUpperCase()}; not x${mail}` },
    { id: 3, email: 'b@x.org', note: escaped },
    { id: 4, email: 'b@x.org', note: JSON.stringify({ payload: escaped }) },
    { id: 5, email: 'b@x.org', note: `{"about": "then\\n${mail}"}` },
    { id: 6, email: 'b@x.org', note: 'nobody' },
  ];
  const table = `(values ${rows.map((r) => `(${r.id}, ${text(r.email)}, ${text(r.note)}, [${text(r.note)}, 'y'], {'who': ${text(r.note)}, 'n': 0.1})`).join(', ')}) t(id, email, note, tags, meta)`;
  const columns = [
    { name: 'email', type: 'VARCHAR' },
    { name: 'note', type: 'VARCHAR' },
    { name: 'tags', type: 'VARCHAR[]' },
    { name: 'meta', type: 'STRUCT(who VARCHAR, n DECIMAL(2,1))' },
  ];
  const gone = await ask(`select id from ${table} where ${subjectSql(columns, ['email'], [mail])} order by id`);
  assert.deepEqual(
    gone.map((r) => r.id),
    [1, 3, 4],
  );
  const mentions = mentionsOf(columns, [mail])!;
  const cleared = await ask(
    `select id, ${mentions.condition} as named, ${mentions.cleared.note} as note, (${mentions.cleared.tags})[1] as tag, (${mentions.cleared.meta}).who as who, (${mentions.cleared.meta}).n::varchar as n from ${table} order by id`,
  );
  assert.deepEqual(
    cleared.map((r) => [r.id, r.named, r.note]),
    [
      [1, true, 'x'],
      [2, true, `saw [erased],[erased]; not x${mail}`],
      [3, true, '{"email":"[erased]"}'],
      [4, true, JSON.stringify({ payload: '{"email":"[erased]"}' })],
      [5, true, '{"about": "then\\n[erased]"}'],
      [6, false, 'nobody'],
    ],
  );
  for (const r of cleared) assert.deepEqual([r.tag, r.who, r.n], [r.note, r.note, '0.1'], String(r.id));
  assert.equal(mentionsOf(columns, ['42']), undefined);
});
