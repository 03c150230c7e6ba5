// Rows in one form for both databases: what a backup holds and a copy moves.
import { hash } from 'node:crypto';
import type { Table } from '../../../kernel/db/tables.ts';
import { migrations } from '../../migrations/migrations.ts';

/** A value as either database gives and takes it. */
export type Value = string | number | null | Uint8Array;
/** Values in the order of the table's columns. */
export type Row = readonly Value[];

/** The tables of a schema, in the order in which they were made. */
export const tablesOf = (schema: number): readonly Table[] => migrations.filter((m) => m.number <= schema).flatMap((m) => m.tables);

export const columnsOf = (table: Table): string[] => Object.keys(table.columns);

/** Where bytes lie is a matter of the store that they lie in, and is found out anew where they are put. */
export const PLACES: Readonly<Record<string, readonly string[]>> = { blobs: ['pack', 'pack_offset', 'length'] };

/** Rows that belong to one running server and to nobody after it. */
export const NOT_KEPT: readonly string[] = ['storage_holds', 'removed_packs'];

const typeOf = (table: Table, column: string): string => table.columns[column]!.replace('?', '');

/**
 * Turns rows of a table into lines and back. `without` are columns written as an empty value. A number that JSON
 * has no word for is written as text; minus zero, which SQLite does not keep, as zero.
 */
export function rowCodec(
  table: Table,
  without: readonly string[] = [],
): { encode: (row: Row) => string; decode: (line: string) => Value[] } {
  const types = columnsOf(table).map((c) => typeOf(table, c));
  const left = new Set(columnsOf(table).flatMap((c, i) => (without.includes(c) ? [i] : [])));
  const empty = (i: number): Value => (['int', 'bool', 'real'].includes(types[i]!) ? 0 : '');
  const out = (value: Value, i: number): unknown => {
    if (left.has(i)) return empty(i);
    if (value === null) return null;
    if (types[i] === 'bytes') return Buffer.from(value as Uint8Array).toString('base64');
    if (types[i] === 'real') return Number.isFinite(value) ? (value as number) + 0 : String(value);
    return value;
  };
  const back = (value: unknown, i: number): Value => {
    if (value === null) return null;
    if (types[i] === 'bytes') return Buffer.from(String(value), 'base64');
    return types[i] === 'real' ? Number(value) : (value as string | number);
  };
  return {
    encode: (row) => JSON.stringify(row.map(out)),
    decode: (line) => {
      const values = JSON.parse(line) as unknown;
      if (!Array.isArray(values) || values.length !== types.length)
        throw new SyntaxError(`a row of ${table.name} has not ${types.length} values`);
      return values.map(back);
    },
  };
}

export interface TableDigest {
  readonly rows: number;
  /** Sum of the hashes of all rows, whatever their order. */
  readonly digest: string;
}

/** Adds rows up to a count and a digest that does not depend on their order. */
export function tableDigest(): { add: (line: string) => void; result: () => TableDigest } {
  const sum = new Uint32Array(8);
  let rows = 0;
  return {
    add: (line) => {
      const bytes = hash('sha256', line, 'buffer');
      for (let i = 0; i < 8; i++) sum[i]! += bytes.readUInt32LE(i * 4);
      rows += 1;
    },
    result: () => ({ rows, digest: Buffer.from(sum.buffer.slice(0)).toString('hex') }),
  };
}
