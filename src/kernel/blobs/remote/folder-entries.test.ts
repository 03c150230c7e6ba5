// Any folder, in pages of any size, from stores of either order. The store is a list of keys here, because no
// server in reach has both.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { ObjectStore } from '../objects/object-store.ts';
import { folderEntries } from './folder-entries.ts';

const byBytes = (a: string, b: string): number => Buffer.compare(Buffer.from(a), Buffer.from(b));

/** Lists as S3 does (a folder is its name and "/"), or as some servers do (a folder is its name). */
function storeOf(keys: readonly string[], order: 'with slash' | 'bare'): ObjectStore {
  const list: ObjectStore['list'] = async function* (prefix, { after = '', folders = false, pageSize = 1000 } = {}) {
    const below = keys.filter((key) => key.startsWith(prefix));
    const rest = (key: string): string => key.slice(prefix.length);
    const all = folders ? [...new Set(below.map((key) => prefix + rest(key).replace(/\/.*$/, '/')))] : below;
    const place = (item: string): string => (order === 'bare' && folders ? item.replace(/\/$/, '') : item);
    // A server of bare names takes what lies in a folder for the folder.
    const from = order === 'bare' && folders && after !== '' ? prefix + rest(after).replace(/\/.*$/, '') : after;
    const sorted = all.filter((item) => byBytes(place(item), from) > 0).toSorted((a, b) => byBytes(place(a), place(b)));
    for (let i = 0; i === 0 || i < sorted.length; i += pageSize) {
      const page = sorted.slice(i, i + pageSize);
      const isFolder = (item: string): boolean => folders && item.endsWith('/');
      yield {
        objects: page.filter((item) => !isFolder(item)).map((key) => ({ key, sizeBytes: 1, modifiedMs: 0, version: '' })),
        folders: page.filter(isFolder),
      };
    }
  };
  return { list } as ObjectStore;
}

const name = fc.array(fc.constantFrom('a', '-', '.', '0', '~'), { minLength: 1, maxLength: 4 }).map((letters) => letters.join(''));
const files = fc.array(fc.tuple(name, fc.boolean()), { maxLength: 12 });

for (const order of ['with slash', 'bare'] as const)
  test(`every entry comes once and in order, wherever a page ends, from a store that lists folders ${order}`, async () => {
    await fc.assert(
      fc.asyncProperty(files, fc.integer({ min: 1, max: 5 }), async (made, limit) => {
        const kinds = new Map(made);
        const store = storeOf(
          [...kinds].map(([file, isFolder]) => (isFolder ? `m/${file}/x` : `m/${file}`)),
          order,
        );
        const expected = [...kinds].map(([file, isFolder]) => (isFolder ? `${file}/` : file)).toSorted(byBytes);
        const seen: string[] = [];
        for (let after: string | undefined; ;) {
          const page: { name: string; isFolder: boolean }[] = [];
          for await (const entry of folderEntries(store, 'm/', { limit, ...(after === undefined ? {} : { after }) }))
            if (page.push(entry) === limit) break;
          seen.push(...page.map((entry) => (entry.isFolder ? `${entry.name}/` : entry.name)));
          if (page.length < limit) break;
          after = page.at(-1)!.name;
        }
        assert.deepEqual(seen, expected);
      }),
      { numRuns: 400 },
    );
  });
