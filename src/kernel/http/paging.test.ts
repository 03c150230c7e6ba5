import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isProblem } from '../errors.ts';
import { decodeCursor, encodeCursor, toPage } from './paging.ts';

const rows = Array.from({ length: 10 }, (_, i) => ({ id: `r${i}`, n: i }));

/** A list as a route gives it: everything after the cursor, one row more than asked for. */
const list = (limit: number, cursor?: string) => {
  const [after, name] = cursor ? decodeCursor(cursor, ['number', 'string']) : [-1, ''];
  const found = rows.filter((row) => row.n > after).slice(0, limit + 1);
  assert.ok(cursor === undefined || name === `r${after}`);
  return toPage(
    found,
    limit,
    (row) => [row.n, row.id],
    (row) => row.id,
  );
};

test('following the cursors gives every item once, whatever the size of a page', () => {
  for (const limit of [1, 3, 5, 9, 10, 11]) {
    const seen: string[] = [];
    let pages = 0;
    let cursor: string | undefined;
    do {
      const page = list(limit, cursor);
      assert.ok(page.items.length <= limit);
      seen.push(...page.items);
      cursor = page.nextCursor ?? undefined;
      pages += 1;
    } while (cursor !== undefined);
    assert.deepEqual(
      seen,
      rows.map((row) => row.id),
    );
    assert.equal(pages, Math.ceil(rows.length / limit));
  }
});

test('an empty list is one empty page', () => {
  assert.deepEqual(
    toPage(
      [],
      5,
      () => [],
      (row) => row,
    ),
    { items: [], nextCursor: null },
  );
});

test('a cursor that no list gave out is refused', () => {
  const forged = [
    'x',
    '',
    '%%%',
    Buffer.from('{}').toString('base64url'),
    Buffer.from('null').toString('base64url'),
    encodeCursor([]),
    encodeCursor([1]),
    encodeCursor(['1', 'a']),
    encodeCursor([1, 2]),
    encodeCursor([1, 'a', 'b']),
    encodeCursor([1.5, 'a']),
    encodeCursor([2 ** 60, 'a']),
    Buffer.from('[1e999,"a"]').toString('base64url'),
    Buffer.from('[null,"a"]').toString('base64url'),
  ];
  for (const cursor of forged)
    assert.throws(
      () => decodeCursor(cursor, ['number', 'string']),
      (error) => isProblem(error, 'cursor-invalid') && error.status === 400,
      cursor,
    );
});
