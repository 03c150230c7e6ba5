// Lists are `{ items, nextCursor }`. A cursor is opaque to clients: the sort key of the last item.
import type { TSchema } from 'typebox';
import Type from './json-schema.ts';
import { defineErrors } from '../errors.ts';

const { fail } = defineErrors({
  'cursor-invalid': {
    status: 400,
    title: 'The cursor cannot be used',
    detail: (_: object) => 'The cursor is not one that this list has given out; start again without a cursor.',
  },
});

export const pageQuery = {
  cursor: Type.Optional(Type.String({ maxLength: 1000, description: 'nextCursor of the previous page' })),
  limit: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: 100, description: 'Items per page' })),
};

export const pageOf = <T extends TSchema>(item: T) =>
  Type.Object({ items: Type.Array(item), nextCursor: Type.Union([Type.String(), Type.Null()]) });

export const encodeCursor = (key: readonly (string | number)[]): string => Buffer.from(JSON.stringify(key)).toString('base64url');

/** The sort key in a cursor with as many parts as `shape`, each of its type. Raises `cursor-invalid`. */
export function decodeCursor<const S extends readonly ('string' | 'number')[]>(
  cursor: string,
  shape: S,
): { -readonly [K in keyof S]: S[K] extends 'number' ? number : string } {
  let key: unknown;
  try {
    key = JSON.parse(Buffer.from(cursor, 'base64url').toString());
  } catch {
    return fail('cursor-invalid', {});
  }
  const fits = (type: string, part: unknown): boolean => typeof part === type && (type === 'string' || Number.isSafeInteger(part));
  if (!Array.isArray(key) || key.length !== shape.length || shape.some((type, i) => !fits(type, (key as unknown[])[i])))
    return fail('cursor-invalid', {});
  return key as never;
}

/** Cuts a page of `limit` out of `limit + 1` rows. */
export const toPage = <R, T>(
  rows: readonly R[],
  limit: number,
  keyOf: (row: R) => readonly (string | number)[],
  toItem: (row: R) => T,
): { items: T[]; nextCursor: string | null } => ({
  items: rows.slice(0, limit).map(toItem),
  nextCursor: rows.length > limit ? encodeCursor(keyOf(rows[limit - 1]!)) : null,
});
