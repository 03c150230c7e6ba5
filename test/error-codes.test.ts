// A code that nothing throws is a promise of the reference that nobody keeps; one that no test names may be
// thrown by nobody any more.
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

const root = join(import.meta.dirname, '..');
const read = (pattern: string): { path: string; text: string }[] =>
  globSync(pattern, { cwd: root }).map((path) => ({ path, text: readFileSync(join(root, path), 'utf8') }));

const isTest = (path: string): boolean => /\.test\.ts$|^test\//.test(path);
const source = read('src/**/*.ts').filter(({ path }) => !isTest(path));
const tests = [...read('src/**/*.test.ts'), ...read('test/**/*.{ts,py}')].filter(({ path }) => path !== 'test/error-codes.test.ts');

const named = (code: string): RegExp => new RegExp(`(?<![\\w-])${code}(?![\\w-])`);
// By the "fail" that the table is bound to, under whatever name, or as a problem made by hand.
const thrown = (code: string): RegExp => new RegExp(`(?:\\b[a-zA-Z]+|new Problem)\\(\\s*['"\`]${code}['"\`]`);

/** Codes by the file that declares them. */
function declared(): Map<string, string> {
  const found = new Map<string, string>();
  for (const { path, text } of source)
    for (const [table] of text.matchAll(/defineErrors\(\{[\s\S]*?\n\}\)/g))
      for (const [, code] of table.matchAll(/^ {2}'?([a-z][a-z0-9-]*)'?: \{/gm)) {
        assert.ok(!found.has(code!), `${code} is declared twice`);
        found.set(code!, path);
      }
  return found;
}

test('Every declared problem code is thrown somewhere', () => {
  const codes = declared();
  assert.ok(codes.size > 80, `${codes.size} codes were found; the search is broken`);
  const silent = [...codes].filter(([code]) => !source.some(({ text }) => thrown(code).test(text)));
  assert.deepEqual(silent, []);
});

test('Every declared problem code is named in a test', () => {
  const untested = [...declared()].filter(([code]) => !tests.some(({ text }) => named(code).test(text)));
  assert.deepEqual(
    untested.map(([code, path]) => `${code} (${path})`),
    [],
  );
});
