import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openControl, type Answer } from '../../../test/support/control.ts';
import { eachDatabase } from '../../../test/support/databases.ts';
import { parquet } from '../../../test/support/parquet.ts';
import { isProblem } from '../../kernel/errors.ts';
import { judge, schemaViolations } from './contract-checks.ts';
import { contractFromColumns, parseContract, writeContract, type QualityRule } from './contract.ts';

const head = 'apiVersion: v3.1.0\nkind: DataContract\nid: d\nversion: 1.0.0\nstatus: active\n';
const project = `project: p
datasets:
  d: { source: d.parquet, key: [id], contract: d.yaml }`;
const faultsOf = (text: string): string[] => {
  try {
    parseContract(text, 'd.yaml');
  } catch (error) {
    assert.ok(isProblem(error, 'contract-invalid'), String(error));
    return error.faults.map((f) => `${f.pointer}: ${f.detail}`);
  }
  return [];
};

test('The contracts of the example, and what of ODCS is not used here, come back as they were read', () => {
  const folder = join(import.meta.dirname, '../../../examples/flights/contracts');
  const texts = readdirSync(folder).map((name) => readFileSync(join(folder, name), 'utf8'));
  texts.push(`${head}team: { name: data, members: [{ username: a }] }
slaProperties: [{ property: latency, value: 4, unit: d }]
roles: [{ role: reader }]
customProperties: [{ property: x, value: [1, { y: null }] }]
schema:
  - name: d
    physicalName: t_d
    properties:
      - { name: id, logicalType: integer, physicalType: BIGINT, primaryKey: true, primaryKeyPosition: 1, classification: public, examples: [1, 2] }
      - { name: s, logicalType: string, logicalTypeOptions: { maxLength: 3 }, quality: [{ type: text, description: Is a name }, { metric: invalidValues, arguments: { pattern: '^[a-z]+$' }, mustBeLessThan: 5, unit: percent }] }`);
  assert.ok(texts.length >= 6);
  for (const text of texts) {
    const read = parseContract(text, 'd.yaml');
    assert.deepEqual(parseContract(writeContract(read), 'd.yaml'), read);
  }
});

test('A contract drafted from columns is one that can be read, and that the columns keep', () => {
  const columns = [
    'BIGINT',
    'UTINYINT',
    'DOUBLE',
    'DECIMAL(9,2)',
    'VARCHAR',
    'BOOLEAN',
    'DATE',
    'TIMESTAMP',
    'TIMESTAMP WITH TIME ZONE',
    'BLOB',
  ].map((type, i) => ({ name: `c${i}`, type }));
  const contract = parseContract(contractFromColumns('d', columns), 'd.yaml');
  assert.deepEqual(
    contract.columns.map((c) => c.logicalType),
    ['integer', 'integer', 'number', 'number', 'string', 'boolean', 'date', 'timestamp', 'timestamp', 'string'],
  );
  assert.deepEqual(schemaViolations(contract, columns), []);
  assert.deepEqual(
    schemaViolations(contract, [{ name: 'c0', type: 'VARCHAR' }, ...columns.slice(1, -1)]).map((v) => [
      v.rule,
      v.column,
      v.expected,
      v.found,
    ]),
    [
      ['logicalType', 'c0', 'integer', 'VARCHAR'],
      ['column', 'c9', 'a column of this name', 'none'],
    ],
  );
});

test('Faults of a contract are named with line and key', () => {
  assert.deepEqual(faultsOf('kind: DataContract\nid: [\n').at(0)?.slice(0, 9), 'd.yaml:3:');
  assert.deepEqual(faultsOf('apiVersion: v2.0.0\nkind: X\nid: 3\nschema: [{ name: a }, { name: b }]'), [
    'd.yaml:3:5 id: "id" is needed, as text',
    'd.yaml:1:1 version: "version" is needed, as text',
    'd.yaml:1:1 status: "status" is needed, as text',
    'd.yaml:2:7 kind: must be DataContract',
    'd.yaml:1:13 apiVersion: version v2.0.0 is not known; 3.x is',
    'd.yaml:4:9 schema: one table is needed here',
  ]);
  assert.match(faultsOf('x')[0]!, /must be a mapping/);
  const rule = (text: string, where: 'table' | 'column' = 'column'): string =>
    faultsOf(
      `${head}schema:\n  - name: d\n${where === 'table' ? `    quality: [${text}]` : `    properties:\n      - { name: c, quality: [${text}] }`}`,
    ).join();
  assert.match(rule('{ metric: nullValues }'), /^d\.yaml:9:30 schema\.0\.properties\.0\.quality\.0: a rule needs one of mustBe/);
  assert.match(rule('{ metric: nullValues, mustBe: none }'), /quality\.0\.mustBe: a number is needed/);
  assert.match(rule('{ metric: nullValues, mustBeBetween: [1] }'), /two numbers are needed/);
  assert.match(rule('{ metric: nulls, mustBe: 0 }'), /"nulls" is not a rule of the library: rowCount/);
  assert.match(rule('{ metric: invalidValues, mustBe: 0 }'), /invalidValues needs "arguments"/);
  assert.match(rule('{ type: sql, mustBe: 0 }'), /a sql rule needs "query"/);
  assert.match(rule('{ metric: nullValues, mustBe: 0 }', 'table'), /belongs to a property/);
  assert.match(rule('{ metric: duplicateValues, mustBe: 0 }', 'table'), /needs "arguments: \{ properties/);
  assert.match(rule('a text'), /a rule is a mapping/);
  const levels = [...'bcdefghi'].map((l, i) => `${l}: &${l} [${Array<string>(10).fill(`*${'abcdefghi'[i]}`).join(', ')}]\n`);
  assert.match(faultsOf(`a: &a [x]\n${levels.join('')}`)[0]!, /alias/);
});

test('Every bound holds and breaks where it says', () => {
  const at = (op: string, value: number | [number, number], unit: 'rows' | 'percent' = 'rows'): number[] =>
    [0, 1, 2, 3, 4].filter(
      (n) => judge({ rule: 'nullValues', column: 'c', unit, bound: { op, value } as QualityRule['bound'] }, n, 4, []) === undefined,
    );
  assert.deepEqual(at('mustBe', 2), [2]);
  assert.deepEqual(at('mustNotBe', 2), [0, 1, 3, 4]);
  assert.deepEqual(at('mustBeGreaterThan', 2), [3, 4]);
  assert.deepEqual(at('mustBeGreaterOrEqualTo', 2), [2, 3, 4]);
  assert.deepEqual(at('mustBeLessThan', 2), [0, 1]);
  assert.deepEqual(at('mustBeLessOrEqualTo', 2), [0, 1, 2]);
  assert.deepEqual(at('mustBeBetween', [1, 3]), [1, 2, 3]);
  assert.deepEqual(at('mustNotBeBetween', [1, 3]), [0, 4]);
  assert.deepEqual(at('mustBeLessOrEqualTo', 50, 'percent'), [0, 1, 2]);
});

const rows = `select i as id, case when i in (3, 5) then null else i::double end as x, ['a', 'b', 'c', ''][i % 4 + 1] as s, i % 2 = 0 as ok, (i // 2)::integer as pair from range(12) t(i)`;

test('Each rule counts what it says, and a violation names rule, number and rows', async (t) => {
  const c = await openControl(t);
  const file = { 'd.parquet': await parquet(rows) };
  const broken = async (properties: string, quality = ''): Promise<Answer> => {
    const contract = `${head}schema:\n  - name: d\n    quality: [${quality}]\n    properties: [${properties}]\n`;
    assert.equal((await c.apply({ 'gyre.yaml': project, 'd.yaml': contract })).status, 200);
    return c.push('p', 'd', file);
  };
  for (const [properties, quality, pointer, detail] of [
    ['{ name: x, required: true }', '', '/x', 'nullValues: expected mustBe 0, found 2 (2 rows, for example [3], [5])'],
    ['{ name: s, unique: true }', '', '/s', 'duplicateValues: expected mustBe 0, found 8 (8 rows'],
    ['{ name: pair, primaryKey: true }', '', '/pair', 'duplicateValues: expected mustBe 0, found 6'],
    [
      '{ name: s, quality: [{ metric: invalidValues, arguments: { validValues: [a, b, c] }, mustBe: 0 }] }',
      '',
      '/s',
      'found 3 (3 rows, for example [11], [3], [7])',
    ],
    [
      '{ name: x, quality: [{ metric: invalidValues, arguments: { validValues: [0, 1, 2, 4, 6, 7, 8, 9, 10] }, mustBe: 0 }] }',
      '',
      '/x',
      'found 1 (1 rows, for example [11])',
    ],
    ['{ name: ok, quality: [{ metric: invalidValues, arguments: { validValues: [true] }, mustBe: 0 }] }', '', '/ok', 'found 6'],
    [
      "{ name: s, quality: [{ metric: invalidValues, arguments: { pattern: '^[a-z]$' }, mustBeLessThan: 25, unit: percent }] }",
      '',
      '/s',
      'mustBeLessThan 25 percent, found 25',
    ],
    [
      "{ name: s, quality: [{ metric: missingValues, arguments: { missingValues: [null, ''] }, mustBe: 0 }] }",
      '',
      '/s',
      'missingValues: expected mustBe 0, found 3',
    ],
    ['', '{ metric: rowCount, mustBeGreaterThan: 12 }', '/', 'rowCount: expected mustBeGreaterThan 12, found 12'],
    ['', '{ metric: duplicateValues, arguments: { properties: [pair, ok] }, mustBe: 1 }', '/pair, ok', 'expected mustBe 1, found 0'],
    ['', '{ type: sql, query: "select count(*) from ${object} where x > 9", mustBe: 0 }', '/', 'found 2'],
    ['{ name: x, quality: [{ type: sql, query: "select max(${property}) from {object}", mustBeLessThan: 11 }] }', '', '/x', 'found 11'],
    ['', '{ type: sql, query: "select max(x) from {object} where false", mustBe: 0 }', '/', 'found no number'],
    ['{ name: nowhere, logicalType: string }', '', '/nowhere', 'column: expected a column of this name, found none'],
    ['{ name: s, logicalType: integer }', '', '/s', 'logicalType: expected integer, found VARCHAR'],
  ] as const) {
    const refused = await broken(properties, quality);
    assert.deepEqual(
      [refused.status, refused.code],
      [422, 'contract-violated'],
      `${properties}${quality}: ${JSON.stringify(refused.body)}`,
    );
    const fault = refused.faults.find((f) => f.pointer === pointer);
    assert.ok(fault?.detail.includes(detail), `${detail}: ${JSON.stringify(refused.faults)}`);
  }
  const kept = await broken(
    '{ name: x, quality: [{ metric: nullValues, mustBe: 2 }] }, { name: id, required: true, unique: true, primaryKey: true, logicalType: integer }',
    '{ metric: rowCount, mustBeBetween: [1, 12] }',
  );
  assert.equal(kept.status, 201, JSON.stringify(kept.body));
  for (const query of ["select count(*) from read_csv('/etc/passwd')", 'drop table {object}', 'select 1; select 2'])
    assert.equal((await broken('', `{ type: sql, query: "${query}", mustBe: 0 }`)).code, 'compute-sql-refused', query);
});

eachDatabase('A version that breaks its contract is kept in quarantine once; the one before stays current', async (t, kind) => {
  const c = await openControl(t, kind);
  const contract = (limit: number): string =>
    `${head}schema: [{ name: d, properties: [{ name: x, quality: [{ metric: nullValues, mustBeLessOrEqualTo: ${limit} }] }] }]`;
  await c.apply({ 'gyre.yaml': project, 'd.yaml': contract(2) });
  const good = await c.push('p', 'd', { 'd.parquet': await parquet(rows) });
  const worse = { 'd.parquet': await parquet(`select * replace (null::double as x) from (${rows})`) };
  const refused = await c.push('p', 'd', worse);
  const id = refused.get<string>('parameters.version');
  assert.match(refused.get('detail'), new RegExp(`kept as ${id} in quarantine, and the version before stays current`));
  const quarantined = await c.call('GET', `/dataset-versions/${id}`);
  assert.deepEqual(
    [quarantined.get('state'), quarantined.get('number'), quarantined.get('violations.0.failingRows')],
    ['quarantined', 2, 12],
  );
  const current = async (): Promise<string> => (await c.call('GET', '/projects/p/datasets')).get('items.0.current.id');
  assert.equal(await current(), good.get('version.id'));
  const again = await c.push('p', 'd', worse);
  assert.deepEqual([again.status, again.get('parameters.version')], [422, id]);
  assert.equal((await c.call('GET', '/projects/p/datasets/d/versions')).get<unknown[]>('items').length, 2);
  // The contract is mended, and the same files are welcome.
  await c.apply({ 'gyre.yaml': project, 'd.yaml': contract(12) });
  const accepted = await c.push('p', 'd', worse);
  assert.deepEqual([accepted.status, accepted.get('version.number'), await current()], [201, 3, accepted.get('version.id')]);
});

eachDatabase('Unchanged files are checked anew when the contract, the key or a time of the dataset changed', async (t, kind) => {
  const c = await openControl(t, kind);
  const contract = (limit: number): string =>
    `${head}schema: [{ name: d, properties: [{ name: x, quality: [{ metric: nullValues, mustBeLessOrEqualTo: ${limit} }] }] }]`;
  const files = { 'd.parquet': await parquet(rows) };
  const pushed = async (limit: number, definition = project): Promise<unknown[]> => {
    await c.apply({ 'gyre.yaml': definition, 'd.yaml': contract(limit) });
    const reply = await c.push('p', 'd', files);
    return [reply.status, reply.code || reply.get('version.number')];
  };
  const count = async (): Promise<number> => (await c.call('GET', '/projects/p/datasets/d/versions')).get<unknown[]>('items').length;
  assert.deepEqual(await pushed(2), [201, 1]);
  assert.deepEqual(await pushed(2), [200, 1]);
  // Tightened: the version there is does not keep it, and is in quarantine once however often it comes.
  assert.deepEqual(await pushed(1), [422, 'contract-violated']);
  assert.deepEqual(await pushed(1), [422, 'contract-violated']);
  assert.equal(await count(), 2);
  // What is current was accepted under these rules.
  assert.deepEqual(await pushed(2), [200, 1]);
  assert.deepEqual(await pushed(3), [201, 3]);
  assert.deepEqual(await pushed(3, project.replace('[id]', '[pair]')), [422, 'contract-violated']);
  assert.deepEqual(await pushed(3, project.replace('[id]', '[id, pair]')), [201, 5]);
  const timed = (occurred: string, known: string): string =>
    project.replace('key: [id]', `key: [id], occurred_at: "${occurred}", known_at: "${known}"`);
  const time = "timestamp '2024-01-01'";
  assert.deepEqual(await pushed(3, timed('null', time)), [422, 'time-missing']);
  assert.deepEqual(await pushed(3, timed(time, time)), [201, 6]);
  assert.deepEqual(await pushed(3, timed(time, `${time} + interval 1 day`)), [201, 7]);
  assert.deepEqual(await pushed(3, timed(time, `${time} + interval 1 day`)), [200, 7]);
  assert.equal(await count(), 7);
});

eachDatabase('The key must tell rows apart, unless the contract says how many duplicates are allowed', async (t, kind) => {
  const c = await openControl(t, kind);
  const twice = { 'd.parquet': await parquet(`(${rows}) union all (${rows} limit 2)`) };
  await c.apply({ 'gyre.yaml': project.replace(', contract: d.yaml', '') });
  const refused = await c.push('p', 'd', twice);
  assert.deepEqual(
    [refused.code, refused.faults],
    ['contract-violated', [{ pointer: '/id', detail: 'duplicateValues: expected mustBe 0, found 2 (2 rows, for example [0], [1])' }]],
  );
  await c.apply({
    'gyre.yaml': project,
    'd.yaml': `${head}schema: [{ name: d, quality: [{ metric: duplicateValues, arguments: { properties: [id] }, mustBeLessThan: 3 }] }]`,
  });
  assert.equal((await c.push('p', 'd', twice)).status, 201);
});

eachDatabase('A contract is exported as ODCS: as it was written, or as a first draft of the columns', async (t, kind) => {
  const c = await openControl(t, kind);
  await c.apply({ 'gyre.yaml': project.replace(', contract: d.yaml', '') });
  assert.equal((await c.call('GET', '/projects/p/datasets/d/contract')).code, 'dataset-empty');
  await c.push('p', 'd', { 'd.parquet': await parquet(rows) });
  const draft = (await c.call('GET', '/projects/p/datasets/d/contract')).body as string;
  assert.deepEqual(
    parseContract(draft, 'd.yaml').columns.map((x) => `${x.name} ${x.logicalType}`),
    ['id integer', 'x number', 's string', 'ok boolean', 'pair integer'],
  );
  await c.apply({ 'gyre.yaml': project, 'd.yaml': draft });
  const exported = await c.call('GET', '/projects/p/datasets/d/contract');
  assert.deepEqual(parseContract(exported.body as string, 'd.yaml'), parseContract(draft, 'd.yaml'));
  await c.apply({ 'gyre.yaml': project, 'd.yaml': 'kind: Nonsense' });
  assert.deepEqual((await c.call('GET', '/projects/p/datasets/d/contract')).code, 'contract-invalid');
  const refused = await c.push('p', 'd', { 'd.parquet': await parquet(`${rows} limit 5`) });
  assert.deepEqual([refused.status, refused.code, refused.faults[0]!.pointer], [400, 'contract-invalid', 'd.yaml:1:1 apiVersion']);
});
