// Each rule of the house fails on a tree that breaks it, and is quiet on one that does not.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { domainEdges, findCycle, foreignExports, importCycle, wrongArrows } from './arrows.ts';
import { foreignWrites, tableOwners, writtenTables } from './ownership.ts';
import { badNames, crowdedFolders, emptyTests, misshapenDomains, tooLongFiles } from './shape.ts';
import { importsOf, treeOf, withoutComments, type SourceTree } from './source-tree.ts';
import { environmentReaders, eventTimeInJobs, moduleMocks, starExports, unrunTests, wallTimeInPolicy } from './words.ts';

const importing = (from: string, target: string, rest: Readonly<Record<string, string>> = {}): SourceTree =>
  treeOf({ [from]: `import { x } from '${target}';\nexport const y = x;\n`, ...rest });

const kernel = { 'src/kernel/log.ts': '' };
const datasets = { 'src/domains/datasets/public.ts': '', 'src/domains/datasets/store.ts': '', 'src/domains/datasets/routes.ts': '' };
const access = { 'src/domains/access/public.ts': '' };

const wrongWays: readonly [string, SourceTree, RegExp][] = [
  [
    'the kernel imports a domain',
    importing('src/kernel/log.ts', '../domains/datasets/public.ts', datasets),
    /kernel does not know domains/,
  ],
  ['stats import the kernel', importing('src/stats/auc.ts', '../kernel/log.ts', kernel), /stats does not know kernel/],
  [
    'a domain imports the app',
    importing('src/domains/access/service.ts', '../../app/main.ts', { 'src/app/main.ts': '' }),
    /domains does not know app/,
  ],
  [
    'an engine imports a dialect',
    importing('src/engines/a/a.ts', '../../dialects/b/b.ts', { 'src/dialects/b/b.ts': '' }),
    /engines does not know dialects/,
  ],
  [
    'a dialect imports another',
    importing('src/dialects/a/a.ts', '../b/b.ts', { 'src/dialects/b/b.ts': '' }),
    /a dialect does not know another/,
  ],
  ['a domain goes past another’s door', importing('src/domains/access/service.ts', '../datasets/store.ts', datasets), /only public\.ts/],
  [
    'a dialect goes past a domain’s door',
    importing('src/dialects/a/a.ts', '../../domains/datasets/routes.ts', datasets),
    /only public\.ts/,
  ],
  [
    'the app goes past a domain’s doors',
    importing('src/app/main.ts', '../domains/datasets/store.ts', datasets),
    /only public\.ts, data-plane\.ts, routes\.ts/,
  ],
  ['a domain uses its own door', importing('src/domains/access/service.ts', './public.ts', access), /by its public door/],
  [
    'the program imports a test',
    importing('src/kernel/log.ts', './ids.test.ts', { 'src/kernel/ids.test.ts': '' }),
    /does not import its tests/,
  ],
  ['the program imports from outside', importing('src/kernel/log.ts', '../../scripts/x.ts', { 'scripts/x.ts': '' }), /from outside src/],
  ['a file is gone', importing('src/kernel/log.ts', './gone.ts'), /no such file/],
];
for (const [name, tree, expected] of wrongWays)
  test(`arrows: it is noticed when ${name}`, () => assert.match(wrongArrows(tree).join('\n'), expected));

test('arrows: what points down is fine', () => {
  assert.deepEqual(wrongArrows(importing('src/domains/access/service.ts', '../../kernel/log.ts', kernel)), []);
  assert.deepEqual(wrongArrows(importing('src/domains/access/service.ts', '../datasets/public.ts', datasets)), []);
  assert.deepEqual(wrongArrows(importing('src/app/compose.ts', '../domains/datasets/routes.ts', datasets)), []);
});

test('arrows: imports of every form are seen, those in comments are not', () => {
  const text = `import a from './a.ts';\nimport './b.ts';\nexport { c } from "./c.ts";\nawait import('./d.ts');\nimport type { E } from '../e.ts';
import {
  f,
} from './f.ts';
// import './no.ts';\n/* import './never.ts'; */\nimport fs from 'node:fs';`;
  assert.deepEqual(
    importsOf('src/x/y.ts', text),
    ['a.ts', 'b.ts', 'c.ts', 'd.ts'].map((f) => `src/x/${f}`).concat('src/e.ts', 'src/x/f.ts'),
  );
});

test('edges between domains are found, and a cycle among them', () => {
  const tree = importing('src/domains/access/service.ts', '../datasets/public.ts', {
    'src/domains/datasets/service.ts': "import { a } from '../access/public.ts';",
    'src/domains/datasets/service.test.ts': "import { a } from '../tracking/public.ts';",
  });
  assert.deepEqual(domainEdges(tree), { access: ['datasets'], datasets: ['access'] });
  assert.deepEqual(findCycle(domainEdges(tree)), ['access', 'datasets', 'access']);
  assert.equal(findCycle({ a: ['b', 'c'], b: ['c'] }), undefined);
});

test('a cycle of imports is found; types may refer to each other', () => {
  const back = (text: string): SourceTree => importing('src/kernel/a.ts', './b.ts', { 'src/kernel/b.ts': text });
  assert.deepEqual(importCycle(back("import { type Z, y } from './a.ts';")), ['src/kernel/a.ts', 'src/kernel/b.ts', 'src/kernel/a.ts']);
  assert.ok(importCycle(back("import { type Y } from './a.ts';")), 'an import with nothing left in it still loads the file');
  assert.ok(importCycle(back("import type { Z } from './c.ts';\nimport { y } from './a.ts';")));
  assert.equal(importCycle(back("import type {\n  Y,\n} from './a.ts';\nexport type { Y } from './a.ts';")), undefined);
});

test('a public.ts that passes on another’s names is found, and a star export', () => {
  assert.equal(foreignExports(treeOf({ 'src/domains/a/public.ts': "export { x } from '../b/public.ts';" })).length, 1);
  assert.equal(foreignExports(treeOf({ 'src/domains/a/public.ts': "export { x } from './service/x.ts';" })).length, 0);
  assert.equal(starExports(treeOf({ 'src/domains/a/public.ts': "export * from './x.ts';" })).length, 1);
});

test('long files and crowded folders are found', () => {
  const lines = (count: number): string => 'x\n'.repeat(count);
  const short = Object.fromEntries(Array.from({ length: 40 }, (_, i) => [`src/stats/a${i}/x.ts`, lines(10)]));
  assert.match(tooLongFiles(treeOf({ ...short, 'src/stats/b.ts': lines(501) })).join(), /b\.ts has 501 lines/);
  assert.deepEqual(tooLongFiles(treeOf({ ...short, 'src/stats/b.ts': lines(400) })), [], 'one of 41 may be long');
  assert.equal(tooLongFiles(treeOf({ ...short, 'src/b.ts': lines(300), 'src/c.ts': lines(300), 'src/d.ts': lines(300) })).length, 3);
  const crowd = Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`src/stats/a${i}.ts`, '']));
  assert.match(crowdedFolders(treeOf(crowd)).join(), /src\/stats holds 21 files/);
});

test('names that say nothing are found, and names in another case', () => {
  for (const path of [
    'src/utils/x.ts',
    'src/kernel/helpers.ts',
    'src/kernel/job-manager.ts',
    'src/kernel/misc.test.ts',
    'src/kernel/base-store.ts',
    'src/kernel/JobStore.ts',
    'src/kernel/job_store.ts',
  ])
    assert.equal(badNames(treeOf({ [path]: '' })).length, 1, path);
  assert.deepEqual(badNames(treeOf({ 'src/kernel/db/database.ts': '', 'src/kernel/common-table-expressions.md': '' })).length, 1);
  assert.deepEqual(badNames(treeOf({ 'src/kernel/db/crc32c.ts': '', 'src/app/migrations/0001/access.ts': '' })), []);
});

test('a domain of another shape is found', () => {
  const readme = { 'src/domains/a/README.md': 'x\n' };
  assert.match(misshapenDomains(treeOf({ 'src/domains/a/store.ts': '' }), {}).join(), /no README/);
  assert.match(misshapenDomains(treeOf({ 'src/domains/a/README.md': 'x\n'.repeat(21) }), {}).join(), /21 lines/);
  assert.match(misshapenDomains(treeOf({ ...readme, 'src/domains/a/handlers.ts': '' }), {}).join(), /neither of the shape/);
  assert.match(misshapenDomains(treeOf({ ...readme, 'src/domains/a/engine/x.ts': '' }), {}).join(), /neither of the shape/);
  assert.match(misshapenDomains(treeOf(readme), { a: ['lock.ts'] }).join(), /any more/);
  assert.deepEqual(
    misshapenDomains(treeOf({ ...readme, 'src/domains/a/lock.ts': '', 'src/domains/a/service/go.ts': '' }), { a: ['lock.ts'] }),
    [],
  );
});

const owned = {
  'src/app/migrations/0001/datasets.ts': "export const t: readonly Table[] = [{ name: 'datasets', columns: {} }];",
  'src/kernel/jobs/jobs.ts': "export const t: readonly Table[] = [{ name: 'jobs', columns: {} }];",
};
const writes: readonly [string, string, string, RegExp | null][] = [
  ['another domain’s store', 'src/domains/access/store.ts', "db.insertInto('datasets')", /a table of datasets/],
  ['another domain, by an alias', 'src/domains/access/store.ts', "db.updateTable('datasets as d')", /a table of datasets/],
  ['another domain, in SQL', 'src/domains/access/store.ts', 'sql`delete from datasets where id = 1`', /a table of datasets/],
  ['its own domain outside the store', 'src/domains/datasets/service/go.ts', "db.deleteFrom('datasets')", /outside its store/],
  ['a domain, to a table of the kernel', 'src/domains/datasets/store.ts', "db.updateTable('jobs')", /a table of the kernel/],
  ['the app', 'src/app/platform.ts', "db.updateTable('jobs')", /a table of the kernel/],
  ['somebody by a variable', 'src/domains/access/store.ts', 'db.insertInto(table)', /not written out/],
  ['the owner’s store', 'src/domains/datasets/store.ts', "db.insertInto('datasets')", null],
  ['a file of the owner’s store', 'src/domains/datasets/store/rows.ts', "db.insertInto('datasets')", null],
  ['the kernel', 'src/kernel/jobs/worker.ts', "db.updateTable('jobs')", null],
  ['a reader', 'src/domains/access/store.ts', "db.selectFrom('datasets') // update datasets some day", null],
];
for (const [who, path, text, expected] of writes)
  test(`one writer per table: ${expected ? 'it is noticed when' : 'it is fine when'} ${who} writes`, () => {
    const found = foreignWrites(treeOf({ ...owned, [path]: text }), []).join('\n');
    if (expected) assert.match(found, expected);
    else assert.equal(found, '');
  });

test('the owner of a table is the domain whose migration makes it', () => {
  assert.deepEqual(Object.fromEntries(tableOwners(treeOf(owned))), { datasets: 'datasets', jobs: 'kernel', schema_migrations: 'kernel' });
  assert.deepEqual(writtenTables('sql`insert into a (x) values (1)`; sql`update b set x = 1`; db.mergeInto("c")'), ['c', 'a', 'b']);
});

test('the wrong clock is found', () => {
  for (const text of ['ctx.clock.now()', 'const { clock } = ctx', 'Date.now()', 'new Date()'])
    for (const path of ['src/domains/features/service/go.ts', 'src/domains/monitoring/model.ts', 'src/domains/releases/model.ts'])
      assert.equal(wallTimeInPolicy(treeOf({ [path]: text })).length, 1, `${path}: ${text}`);
  assert.deepEqual(
    wallTimeInPolicy(treeOf({ 'src/domains/features/a.ts': 'ctx.timeline.now(); // no clock here\nnew Date(us / 1000)' })),
    [],
  );
  assert.deepEqual(wallTimeInPolicy(treeOf({ 'src/domains/releases/service/go.ts': 'ctx.clock.now()' })), [], 'what records is no policy');
  assert.equal(eventTimeInJobs(treeOf({ 'src/kernel/jobs/worker.ts': 'ctx.timeline.now()' })).length, 1);
});

test('a new reader of the environment is found, and a listed one that stopped', () => {
  const tree = treeOf({ 'src/kernel/a.ts': 'process.env.HOME' });
  assert.equal(environmentReaders(tree, {}).length, 1);
  assert.deepEqual(environmentReaders(tree, { 'src/kernel/a.ts': 'why' }), []);
  assert.equal(environmentReaders(tree, { 'src/kernel/a.ts': 'why', 'src/kernel/b.ts': 'why' }).length, 1);
});

test('tests that do not run are found, and modules that are replaced', () => {
  const one = (text: string): SourceTree => treeOf({ 'src/a.test.ts': text });
  for (const text of [
    "test.skip('x')",
    "test.only('x')",
    "it.todo('x')",
    't.skip()',
    "test('x', { skip: true })",
    "test('x', { timeout: 1, only: true })",
  ])
    assert.equal(unrunTests(one(text)).length, 1, text);
  assert.deepEqual(unrunTests(one("test('skip: never', () => [].only)")), []);
  for (const text of ["t.mock.module('./x.ts')", "mock.module('x')", "vi.mock('x')"]) assert.equal(moduleMocks(one(text)).length, 1, text);
  assert.deepEqual(moduleMocks(one("t.mock.method(fs, 'read')")), []);
  assert.equal(emptyTests(one('// nothing here yet')).length, 1);
});

test('comments are left out, addresses in strings are not', () => {
  assert.equal(withoutComments("a('http://x'); // note\n/** doc */\nb();"), "a('http://x'); \n\nb();");
});
